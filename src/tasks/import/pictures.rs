//! Other programs' files of many pictures as folders: the encoded pictures as they are, and LFW's `pairs.txt` for a
//! verification pack.

use crate::data::archive::Archive;
use crate::error::{Error, Result};
use crate::files::NewFolder;
use crate::formats::lfw_bin::Pair;
use crate::tasks::Context;
use rayon::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Pictures between two looks at the user's wish to stop.
const CHUNK: usize = 256;
/// The list beside the identity folders.
const PAIRS_FILE: &str = "pairs.txt";

/// The pictures that were written.
#[derive(Clone, Debug)]
pub struct Unpacked {
    pub out: PathBuf,
    pub pictures: usize,
    /// 0 where nobody is named.
    pub identities: usize,
    /// Folds and pairs of the list beside the pictures, where there is one.
    pub pairs: Option<(usize, usize)>,
}

/// Writes every picture, once it can be decoded, under the name the archive gives it.
pub fn unpack(context: &Context, archive: &Archive, out: &Path) -> Result<Unpacked> {
    archive.warnings().iter().for_each(|warning| context.listener.warn(warning));
    let listing = archive.listing();
    let folder = NewFolder::create(out)?;
    let total = listing.len();
    context.listener.progress("import", 0, total as u64, 1, "");
    for first in (0..total).step_by(CHUNK) {
        context.check_stopped()?;
        let rows = first..(first + CHUNK).min(total);
        let one = |row: usize| {
            archive.picture(row)?;
            folder.write(&folder.path().join(&listing.names[row]), &archive.encoded(row)?)
        };
        let written: Vec<Result<()>> = rows.clone().into_par_iter().map(one).collect();
        written.into_iter().collect::<Result<()>>()?;
        context.listener.progress("import", rows.end as u64, total as u64, 1, "");
    }
    let mut pairs = None;
    if let Some(given) = archive.pairs() {
        match folds(given) {
            Some(folds) => {
                let text = list(given, folds, &listing.names)?;
                folder.write(&folder.path().join(PAIRS_FILE), text.as_bytes())?;
                pairs = Some((folds, given.len()));
            }
            None => context.listener.warn(&format!(
                "no {PAIRS_FILE} is written: these pairs are not halves of one person and of two in folds of one size; \
                 eval takes the file itself"
            )),
        }
    }
    folder.publish()?;
    let identities = if archive.pairs().is_some() { 0 } else { listing.identities.len() };
    Ok(Unpacked { out: out.to_owned(), pictures: total, identities, pairs })
}

/// How many consecutive parts of one size, ten at most, have as many pairs of one person as of two.
fn folds(pairs: &[Pair]) -> Option<usize> {
    let even = |part: &[Pair]| 2 * part.iter().filter(|pair| pair.same).count() == part.len();
    (2..=10).rev().find(|folds| pairs.len().is_multiple_of(2 * folds) && pairs.chunks(pairs.len() / folds).all(even))
}

/// The text of LFW's `pairs.txt`.
fn list(pairs: &[Pair], folds: usize, names: &[String]) -> Result<String> {
    let size = pairs.len() / folds;
    let mut text = format!("{folds}\t{}\n", size / 2);
    let person = |row: usize| {
        let name = names.get(row).and_then(|name| name.split_once('/')).map(|(person, _)| person);
        name.ok_or_else(|| Error::Shape(format!("picture {row} has no name")))
    };
    for fold in pairs.chunks(size) {
        for pair in fold.iter().filter(|pair| pair.same) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}\t1\t2", person(pair.a)?);
        }
        for pair in fold.iter().filter(|pair| !pair.same) {
            let _ = writeln!(text, "{}\t1\t{}\t1", person(pair.a)?, person(pair.b)?);
        }
    }
    Ok(text)
}
