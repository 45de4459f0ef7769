//! `data info` says what is in a pack, a folder or another program's file by looking at names alone; `data check` reads everything and
//! says what is wrong.

use crate::data::archive::Archive;
use crate::data::folder::{self, Listing};
use crate::data::image::{self, Picture};
use crate::data::pack::Pack;
pub use crate::data::pack::PackInfo;
use crate::error::{Error, Result};
use crate::tasks::Context;
use rayon::prelude::*;
use std::path::Path;

/// Pictures between two looks at the clock.
const CHUNK: usize = 256;

/// What there is.
#[derive(Clone, Debug)]
pub struct Contents {
    pub pictures: usize,
    /// 0 in a folder of plain pictures.
    pub identities: usize,
    /// Fewest and most pictures of an identity.
    pub of_identity: Option<(usize, usize)>,
    /// Where it is a pack.
    pub pack: Option<PackInfo>,
    /// Where it is a verification pack: pairs of one person, and pairs of two.
    pub pairs: Option<(usize, usize)>,
}

/// What was read, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Checked {
    pub contents: Contents,
    /// A sentence each, in order of the names.
    pub wrong: Vec<String>,
}

/// A pack, another program's file, or the names in a folder.
enum Opened {
    Pack(Box<Pack>),
    Archive(Box<Archive>),
    Folder(Listing),
}

/// Says what is in a pack, a folder or another program's file; where a file of records is shorter than it says, that is a warning.
///
/// # Errors
/// `Input` where there are no pictures or the pack is damaged.
pub fn info(context: &Context, path: &Path) -> Result<Contents> {
    let opened = open(context, path)?;
    if let Opened::Archive(archive) = &opened {
        archive.warnings().iter().for_each(|warning| context.listener.warn(warning));
    }
    Ok(opened.contents())
}

/// Reads a pack or every picture of a folder.
///
/// # Errors
/// As [`info`]; pictures that are wrong are not errors here but findings.
pub fn check(context: &Context, path: &Path) -> Result<Checked> {
    let opened = open(context, path)?;
    let contents = opened.contents();
    let wrong = match &opened {
        Opened::Pack(pack) => match pack.check() {
            Err(Error::Input(what)) => vec![what],
            other => other.map(|()| Vec::new())?,
        },
        Opened::Archive(archive) => {
            let wrong = check_pictures(context, archive.listing(), |row| archive.picture(row))?;
            archive.warnings().iter().cloned().chain(wrong).collect()
        }
        Opened::Folder(listing) => {
            check_pictures(context, listing, |row| image::read(&path.join(&listing.names[row])))?
        }
    };
    Ok(Checked { contents, wrong })
}

fn check_pictures(
    context: &Context,
    listing: &Listing,
    read: impl Fn(usize) -> Result<Picture> + Sync,
) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    let total = listing.len();
    context.listener.progress("check", 0, total as u64, 1, "");
    for first in (0..total).step_by(CHUNK) {
        context.check_stopped()?;
        let rows = first..(first + CHUNK).min(total);
        let found: Vec<Option<String>> =
            rows.clone().into_par_iter().map(|row| read(row).err().map(|error| error.to_string())).collect();
        wrong.extend(found.into_iter().flatten());
        context.listener.progress("check", rows.end as u64, total as u64, 1, "");
    }
    Ok(wrong)
}

fn open(context: &Context, path: &Path) -> Result<Opened> {
    if path.is_file() {
        return Ok(match Archive::open(path)? {
            Some(archive) => Opened::Archive(Box::new(archive)),
            None => Opened::Pack(Box::new(Pack::open(path)?)),
        });
    }
    match folder::identities(path) {
        Ok((listing, outside)) => {
            if outside > 0 {
                context.listener.warn(&format!("{outside} pictures in {} are in no identity folder", path.display()));
            }
            Ok(Opened::Folder(listing))
        }
        // Pictures whose owners nobody knows are still pictures.
        Err(Error::Input(reason)) => match folder::plain(path) {
            Ok(listing) => {
                context.listener.say(&format!("note     {reason}"));
                Ok(Opened::Folder(listing))
            }
            Err(_) => Err(Error::Input(reason)),
        },
        Err(error) => Err(error),
    }
}

impl Opened {
    fn contents(&self) -> Contents {
        let (listing, pack) = match self {
            Opened::Pack(pack) => (pack.listing(), Some(pack.info())),
            Opened::Archive(archive) => (archive.listing(), None),
            Opened::Folder(listing) => (listing, None),
        };
        let pairs = match self {
            Opened::Archive(archive) => archive.pairs(),
            _ => None,
        };
        let mut counts = vec![0usize; listing.identities.len()];
        listing.labels.iter().for_each(|label| counts[*label as usize] += 1);
        let plain = listing.identities.iter().all(String::is_empty);
        let range = counts.iter().min().copied().zip(counts.iter().max().copied());
        Contents {
            pictures: listing.len(),
            identities: if plain { 0 } else { listing.identities.len() },
            of_identity: range.filter(|_| !plain),
            pack,
            pairs: pairs.map(|pairs| {
                let same = pairs.iter().filter(|pair| pair.same).count();
                (same, pairs.len() - same)
            }),
        }
    }
}
