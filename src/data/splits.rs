//! The pairs of video clips that YouTube Faces verifies (`splits.txt`). Knows names of clips; which frames a clip has
//! is said by a listing, and how frames are pooled by nobody here.

use std::path::Path;

use super::lists::{Line, Lines};
use crate::error::{Error, Result, excerpt};

/// Two clips and whether they show the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipPair {
    /// Folder of the clip's frames, relative to the data folder: `Name/2`.
    pub a: String,
    pub b: String,
    pub same: bool,
    /// Number of the fold, counted from 1.
    pub fold: usize,
}

/// The pairs of clips of a verification protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// In the order of the file; of two folds or more.
    pub pairs: Vec<ClipPair>,
}

impl Splits {
    /// Reads `splits.txt` of YouTube Faces: a line a pair, `fold, number, Name/clip, Name/clip, same`, where `same` is
    /// 1 or 0. Commas or tabs; a line of titles may come first. Some of the pairs, or some of the folds, are a list as
    /// well.
    ///
    /// # Errors
    /// `Input`, naming the file and the line.
    pub fn read(path: &Path) -> Result<Splits> {
        let mut lines = Lines::read(path)?;
        let mut pairs: Vec<ClipPair> = Vec::with_capacity(lines.left());
        let mut first = true;
        while lines.left() > 0 {
            let line = lines.take("another pair of clips")?;
            if !(std::mem::take(&mut first) && is_title(&line)) {
                pairs.push(clip_pair(&line).map_err(|reason| lines.wrong(line.number, &reason))?);
            }
        }
        match pairs.first() {
            None => Err(Error::Input(format!("{} has no pairs of clips", path.display()))),
            Some(first) if pairs.iter().all(|pair| pair.fold == first.fold) => Err(Error::Input(format!(
                "{} has fold {} alone: a threshold comes from the other folds, so 2 or more are needed",
                path.display(),
                first.fold
            ))),
            Some(_) => Ok(Splits { pairs }),
        }
    }

    /// Whether a list is one of clips: a line of such a list has five fields, one of `pairs.txt` four at most.
    ///
    /// # Errors
    /// As [`Splits::read`], for a list that cannot be read or has no line.
    pub fn recognises(path: &Path) -> Result<bool> {
        Ok(fields(&Lines::read(path)?.take("a list of pairs")?).len() == 5)
    }

    /// The numbers of the folds that are there, ascending.
    pub fn folds(&self) -> Vec<usize> {
        let mut folds: Vec<usize> = self.pairs.iter().map(|pair| pair.fold).collect();
        folds.sort_unstable();
        folds.dedup();
        folds
    }
}

fn fields(line: &Line) -> Vec<&str> {
    line.text.split([',', '\t']).map(str::trim).collect()
}

/// `split, pair, first, second, same`: words where a pair has numbers.
fn is_title(line: &Line) -> bool {
    let fields = fields(line);
    fields.len() > 1 && fields.iter().all(|field| field.parse::<f64>().is_err() && !field.contains('/'))
}

fn clip_pair(line: &Line) -> std::result::Result<ClipPair, String> {
    let fields = fields(line);
    let [fold, number, a, b, same] = fields.as_slice() else {
        return Err(format!("{} fields, where \"fold, number, Name/clip, Name/clip, same\" is needed", fields.len()));
    };
    let whole = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    let fold = whole(fold).ok_or_else(|| format!("{} is not the number of a fold", excerpt(fold)))?;
    whole(number).ok_or_else(|| format!("{} is not the number of a pair", excerpt(number)))?;
    let same = match *same {
        "1" => true,
        "0" => false,
        other => return Err(format!("{} does not say whether it is one person: 1 or 0 is needed", excerpt(other))),
    };
    Ok(ClipPair { a: clip(a)?, b: clip(b)?, same, fold })
}

fn clip(text: &str) -> std::result::Result<String, String> {
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [name, clip] if ![*name, *clip].iter().any(|part| matches!(*part, "" | "." | "..")) => Ok(text.to_owned()),
        _ => Err(format!("{} is not a clip: Name/clip is needed", excerpt(text))),
    }
}
