//! `data check`: reads everything and says what is wrong with a pack or a folder, and what is suspicious.
//!
//! Wrong (exit code 3) are pictures that cannot be read, one picture under two names, and people of the training data who are also in
//! the pairs of a test. Suspicious are tiny pictures, copies, pictures that look like copies, and, where a model is given, pictures
//! that lie far from their person's and nearer to another's.

mod duplicates;
mod report;
mod suspects;

pub use duplicates::Near;
pub use suspects::Suspect;

use super::inspect::{self, Contents};
use crate::data::faces::Source;
use crate::data::likeness::Likeness;
use crate::data::lists::Pairs;
use crate::data::pack::Pack;
use crate::data::splits::Splits;
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::files;
use crate::shape::LR;
use crate::tasks::eval;
use crate::tasks::{Context, pictures};
use rayon::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pictures between two looks at the user's wish to stop.
const CHUNK: usize = 256;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A pack or a folder, and the model that judges labels, with its way of cutting; the pairs are those of the test.
    pub scoring: eval::Request,
    /// Whether a model judges labels.
    pub judge: bool,
    /// A new or empty folder for a report.
    pub out: Option<PathBuf>,
}

/// A picture that is smaller than the low resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiny {
    pub picture: String,
    pub width: usize,
    pub height: usize,
}

/// What was read, what is wrong with it and what may be.
#[derive(Clone, Debug)]
pub struct Checked {
    pub contents: Contents,
    /// A sentence each.
    pub wrong: Vec<String>,
    pub tiny: Vec<Tiny>,
    /// Pictures with the same pixels, together.
    pub duplicates: Vec<Vec<String>>,
    /// Pictures that look alike and have other pixels.
    pub near: Vec<Near>,
    /// People who are also in the pairs; nothing where no pairs were given.
    pub overlap: Option<Vec<String>>,
    /// Pictures that may be somebody else's, the worst first; nothing without a model.
    pub suspects: Option<Vec<Suspect>>,
    /// The folder of the report.
    pub out: Option<PathBuf>,
}

/// What is kept of a picture.
struct Look {
    size: (usize, usize),
    pixels: String,
    likeness: Likeness,
}

/// Reads a pack or every picture of a folder.
///
/// # Errors
/// `Input` where there are no pictures, the pack is damaged or a list or model is wrong; pictures that are wrong are not errors here but
/// findings. `Output` where the folder for the report is not empty.
pub fn check(context: &Context, request: &Request) -> Result<Checked> {
    let Request { scoring, judge, out } = request;
    out.as_deref().map(files::check_new).transpose()?;
    let network = judge.then(|| Network::load(&scoring.model)).transpose()?;
    network.as_ref().map(|network| pictures::needs_recognizer(network, &scoring.model)).transpose()?;
    let device = judge.then(|| context.open_device()).transpose()?;
    let tested = scoring.pairs.as_deref().map(people_of).transpose()?;
    let source = inspect::open(context, &scoring.data)?;
    let contents = Contents::of(&source);
    let mut wrong = damage(&source)?;
    let looks = match wrong.is_empty() {
        true => look(context, &source, &mut wrong)?,
        // Of a damaged pack nobody knows which pictures are whole.
        false => Vec::new(),
    };
    match source.is_archive() {
        true => wrong.extend(source.warnings().iter().cloned()),
        false => source.warnings().iter().for_each(|warning| context.listener.warn(warning)),
    }
    let listing = source.listing();
    let overlap = tested.map(|tested| {
        let there = listing.identities.iter().filter(|name| tested.contains(*name));
        there.cloned().collect::<Vec<String>>()
    });
    if let (Some(overlap), Some(list)) = (&overlap, &scoring.pairs)
        && let Some(first) = overlap.first()
    {
        wrong.push(format!(
            "{} people are both in {} and in {}, the first is {first}: leave them out of one",
            overlap.len(),
            scoring.data.display(),
            list.display()
        ));
    }
    let duplicates = duplicates::identical(&looks);
    wrong.extend(duplicates.iter().filter_map(|rows| duplicates::under_two_names(rows, listing)));
    let near = duplicates::near(context, &looks, listing)?;
    let suspects = match (&network, &device) {
        (Some(network), Some(device)) if contents.identities > 1 && !looks.is_empty() => {
            let rows: Vec<usize> = (0..looks.len()).filter(|row| looks[*row].is_some()).collect();
            let features = eval::embed(context, device, network, scoring, &rows)?;
            Some(suspects::find(&listing.subset(&rows), &features)?)
        }
        (Some(_), _) => {
            context.listener.warn("labels are not judged: that takes a folder for every person, and two people");
            None
        }
        _ => None,
    };
    let name = |row: &usize| listing.names[*row].clone();
    let checked = Checked {
        tiny: tiny(&looks, &listing.names),
        duplicates: duplicates.iter().map(|rows| rows.iter().map(name).collect()).collect(),
        contents,
        wrong,
        near,
        overlap,
        suspects,
        out: out.clone(),
    };
    out.as_deref().map(|out| report::write(out, &scoring.data, &source, &checked)).transpose()?;
    Ok(checked)
}

/// What is wrong with a pack as a file.
fn damage(source: &Source) -> Result<Vec<String>> {
    match source.as_pack().map_or(Ok(()), Pack::check) {
        Err(Error::Input(what)) => Ok(vec![what]),
        other => other.map(|()| Vec::new()),
    }
}

/// Looks at every picture; one that cannot be read is wrong and leaves a gap.
fn look(context: &Context, source: &Source, wrong: &mut Vec<String>) -> Result<Vec<Option<Look>>> {
    let total = source.listing().len();
    let mut looks = Vec::with_capacity(total);
    context.listener.progress("check", 0, total as u64, 1, "");
    for first in (0..total).step_by(CHUNK) {
        context.check_stopped()?;
        let rows = first..(first + CHUNK).min(total);
        let chunk: Vec<Result<Look>> = rows.clone().into_par_iter().map(|row| look_at(source, row)).collect();
        for found in chunk {
            match found {
                Ok(found) => looks.push(Some(found)),
                Err(error) => {
                    wrong.push(error.to_string());
                    looks.push(None);
                }
            }
        }
        context.listener.progress("check", rows.end as u64, total as u64, 1, "");
    }
    Ok(looks)
}

fn look_at(source: &Source, row: usize) -> Result<Look> {
    let picture = source.picture(row)?;
    Ok(Look {
        size: (picture.height, picture.width),
        pixels: format!("{}x{}:{}", picture.width, picture.height, files::sha256(&picture.rgb)),
        likeness: Likeness::new(&picture),
    })
}

fn tiny(looks: &[Option<Look>], names: &[String]) -> Vec<Tiny> {
    let small = |(look, name): (&Option<Look>, &String)| {
        let (height, width) = look.as_ref()?.size;
        (height < LR.0 || width < LR.1).then(|| Tiny { picture: name.clone(), width, height })
    };
    looks.iter().zip(names).filter_map(small).collect()
}

/// Everybody in a list of pairs of pictures or clips.
fn people_of(list: &Path) -> Result<BTreeSet<String>> {
    if Splits::recognises(list)? {
        let person = |clip: &String| clip.split('/').next().unwrap_or_default().to_owned();
        return Ok(Splits::read(list)?.pairs.iter().flat_map(|pair| [person(&pair.a), person(&pair.b)]).collect());
    }
    let pairs = Pairs::read(list)?;
    Ok(pairs.folds.iter().flatten().flat_map(|pair| [pair.a.0.clone(), pair.b.0.clone()]).collect())
}

impl Checked {
    /// The findings; besides them `data check` says what there is.
    pub fn to_json(&self) -> Json {
        let tiny = self.tiny.iter();
        let near = self.near.iter();
        let suspect = |suspect: &Suspect| {
            json!({
                "picture": suspect.picture, "identity": suspect.identity, "cosine": suspect.cosine,
                "nearer_to": suspect.nearer_to, "nearer_cosine": suspect.nearer_cosine,
            })
        };
        json!({
            "wrong": self.wrong,
            "tiny": tiny.map(|t| json!({ "picture": t.picture, "width": t.width, "height": t.height })).collect::<Vec<_>>(),
            "duplicates": self.duplicates,
            "near_duplicates": near.map(|n| json!({ "a": n.a, "b": n.b, "bits": n.bits, "two_names": n.two_names })).collect::<Vec<_>>(),
            "overlap": self.overlap,
            "suspects": self.suspects.as_ref().map(|list| list.iter().map(suspect).collect::<Vec<_>>()),
            "out": self.out.as_ref().map(|out| out.display().to_string()),
        })
    }
}
