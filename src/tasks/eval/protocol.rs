//! The pairs of a protocol among the pictures of the data: which pictures are needed, and what is compared with what. What is
//! compared is a picture (LFW's `pairs.txt`) or a clip, whose frames are pooled (YouTube Faces' `splits.txt`). Knows rows of a
//! listing and features by row, nothing of the networks that made them.

use super::Request;
use crate::data::folder::Listing;
use crate::data::lists::Pairs;
use crate::data::splits::Splits;
use crate::error::{Error, Result};
use crate::formats::lfw_bin::Pair;
use crate::metrics::identification::normalised;
use crate::metrics::verification::cosine;
use std::collections::HashMap;
use std::path::Path;

/// Pairs that are made where there is no list, those of 2,828 pictures.
const MOST_PAIRS: usize = 4_000_000;

/// Folds of a verification pack.
const PACK_FOLDS: usize = 10;

/// What has one feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Path of the picture, or of the clip's folder.
    pub name: String,
    /// Rows of the listing, ascending: one, or the clip's frames.
    rows: Vec<usize>,
}

/// Two subjects of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    pub a: usize,
    pub b: usize,
    pub same: bool,
    /// Number of the fold, counted from 1.
    pub fold: usize,
}

/// The pairs in question.
pub struct Protocol {
    pub subjects: Vec<Subject>,
    /// Those that have both subjects.
    pub pairs: Vec<Compared>,
    /// All of them.
    pub total: usize,
    /// The one fold that is scored.
    pub fold: Option<usize>,
    /// Whether subjects are clips.
    pub clips: bool,
    /// What is not there, sorted.
    missing: Vec<String>,
}

impl Protocol {
    /// Reads a list of pairs and finds their pictures. Pictures that are not there are an `Input` error unless they are allowed to
    /// be missing.
    pub fn open(path: &Path, request: &Request, listing: &Listing) -> Result<Self> {
        let protocol = match Splits::recognises(path)? {
            true => of_clips(Splits::read(path)?, path, request.fold, listing)?,
            false => of_pictures(Pairs::read(path)?, path, request.fold, listing)?,
        };
        let (used, total) = (protocol.pairs.len(), protocol.total);
        if let Some(first) = protocol.missing.first() {
            let advice = match request.allow_missing {
                false => "give them, or score the rest with --allow-missing",
                true if used == 0 => "no pair is left to score",
                true => "",
            };
            if !advice.is_empty() {
                let (both, what) = if protocol.clips { ("clips", "clips") } else { ("pictures", "pictures") };
                return Err(Error::Input(format!(
                    "{}: {used} of {total} pairs have both {both} in {}; {} {what} are missing, the first is {first}: {advice}",
                    path.display(),
                    request.data.display(),
                    protocol.missing.len()
                )));
            }
        }
        Ok(protocol)
    }

    /// The pairs that come with a verification pack, in ten consecutive folds as InsightFace takes them: where the number of pairs is
    /// no multiple of ten, the first folds have one more.
    ///
    /// # Errors
    /// `Input` where there are fewer pairs than folds.
    pub fn within(pairs: &[Pair], place: &Path, listing: &Listing) -> Result<Self> {
        if pairs.len() < PACK_FOLDS {
            let (place, count) = (place.display(), pairs.len());
            return Err(Error::Input(format!("{place} has {count} pairs, too few for {PACK_FOLDS} folds")));
        }
        let (least, longer) = (pairs.len() / PACK_FOLDS, pairs.len() % PACK_FOLDS);
        let numbers = (1..=PACK_FOLDS).flat_map(|fold| std::iter::repeat_n(fold, least + usize::from(fold <= longer)));
        let rows = pairs.iter().map(|pair| (pair.a, pair.b, pair.same));
        let compared = rows.zip(numbers).map(|((a, b, same), fold)| (a, b, same, fold)).collect();
        Ok(of_rows(compared, pairs.len(), None, listing))
    }

    /// Every two pictures of a folder of identity folders, as one fold.
    ///
    /// # Errors
    /// `Input` where there are too many.
    pub fn of_everybody(data: &Path, listing: &Listing) -> Result<Self> {
        let count = listing.len();
        let total = count.saturating_mul(count.saturating_sub(1)) / 2;
        if total > MOST_PAIRS {
            return Err(Error::Input(format!(
                "{}: its {count} pictures make {total} pairs: give a list with --pairs, or a folder with fewer",
                data.display()
            )));
        }
        let subject = |(row, name): (usize, &String)| Subject { name: name.clone(), rows: vec![row] };
        let same = |a: usize, b: usize| listing.labels[a] == listing.labels[b];
        let pairs = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        Ok(Protocol {
            subjects: listing.names.iter().enumerate().map(subject).collect(),
            pairs: pairs.map(|(a, b)| Compared { a, b, same: same(a, b), fold: 1 }).collect(),
            total,
            fold: None,
            clips: false,
            missing: Vec::new(),
        })
    }

    /// The pictures that are needed: rows of the listing, ascending.
    pub fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.subjects.iter().flat_map(|subject| &subject.rows).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// The pairs as a list: the paths of what is compared, a line each, and a line with a 1 for every pair of one person and a 0 for
    /// every other.
    pub fn text(&self) -> String {
        let names: String = self.subjects.iter().flat_map(|subject| [subject.name.as_str(), "\n"]).collect();
        names + &self.pairs.iter().map(|pair| if pair.same { '1' } else { '0' }).collect::<String>() + "\n"
    }

    /// Whether each pair is one person.
    pub fn same(&self) -> Vec<bool> {
        self.pairs.iter().map(|pair| pair.same).collect()
    }

    /// The feature of each subject, from one for each of `rows()`. A picture's is as it is, a clip's the mean of its frames' features,
    /// each scaled to unit length before and the mean after.
    pub fn pool(&self, features: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let rows = self.rows();
        if rows.len() != features.len() {
            return Err(Error::Shape(format!("{} features for {} pictures", features.len(), rows.len())));
        }
        let feature = |row: &usize| rows.binary_search(row).ok().and_then(|place| features.get(place));
        let pooled = |subject: &Subject| -> Result<Vec<f32>> {
            let frames: Vec<&Vec<f32>> = subject.rows.iter().filter_map(feature).collect();
            match frames.as_slice() {
                [picture] if !self.clips => Ok((*picture).clone()),
                frames => mean_direction(frames)
                    .map_err(|error| Error::Numeric(format!("the frames of {}: {error}", subject.name))),
            }
        };
        self.subjects.iter().map(pooled).collect()
    }

    /// The cosine of every pair, from a feature for each subject.
    pub fn cosines(&self, features: &[Vec<f32>]) -> Result<Vec<f64>> {
        let score = |pair: &Compared| {
            let (Some(a), Some(b)) = (features.get(pair.a), features.get(pair.b)) else {
                return Err(Error::Shape(format!("{} features for {} subjects", features.len(), self.subjects.len())));
            };
            cosine(a, b).map_err(|error| {
                let (a, b) = (&self.subjects[pair.a].name, &self.subjects[pair.b].name);
                Error::Numeric(format!("{a} and {b}: {error}"))
            })
        };
        self.pairs.iter().map(score).collect()
    }
}

/// The mean of features of unit length, of unit length itself.
fn mean_direction(features: &[&Vec<f32>]) -> Result<Vec<f32>> {
    let mut sum = vec![0f32; features.first().map_or(0, |first| first.len())];
    for feature in features {
        sum.iter_mut().zip(normalised(feature)?).for_each(|(sum, x)| *sum += x);
    }
    normalised(&sum)
}

fn of_pictures(mut pairs: Pairs, path: &Path, fold: Option<usize>, listing: &Listing) -> Result<Protocol> {
    if let Some(fold) = fold {
        let count = pairs.folds.len();
        let chosen = fold.checked_sub(1).and_then(|index| pairs.folds.get(index)).cloned();
        pairs.folds = vec![chosen.ok_or_else(|| {
            Error::Usage(format!("{} has folds 1 to {count}, so --fold {fold} is none", path.display()))
        })?];
    }
    let total = pairs.total();
    let resolved = pairs.resolve(listing);
    let mut compared = Vec::with_capacity(total);
    for (index, (pairs, places)) in pairs.folds.iter().zip(&resolved.folds).enumerate() {
        let fold = fold.unwrap_or(index + 1);
        let both = pairs.iter().zip(places).filter_map(|(pair, places)| places.map(|(a, b)| (a, b, pair.same, fold)));
        compared.extend(both);
    }
    Ok(Protocol { missing: resolved.missing, ..of_rows(compared, total, fold, listing) })
}

/// Pairs of pictures: rows of the listing, whether it is one person, and the fold.
fn of_rows(pairs: Vec<(usize, usize, bool, usize)>, total: usize, fold: Option<usize>, listing: &Listing) -> Protocol {
    let mut rows: Vec<usize> = pairs.iter().flat_map(|(a, b, ..)| [*a, *b]).collect();
    rows.sort_unstable();
    rows.dedup();
    let place = |row: usize| rows.partition_point(|other| *other < row);
    let pairs = pairs.into_iter().map(|(a, b, same, fold)| Compared { a: place(a), b: place(b), same, fold }).collect();
    let subject = |row: &usize| Subject { name: listing.names[*row].clone(), rows: vec![*row] };
    let subjects = rows.iter().map(subject).collect();
    Protocol { subjects, pairs, total, fold, clips: false, missing: Vec::new() }
}

fn of_clips(splits: Splits, path: &Path, fold: Option<usize>, listing: &Listing) -> Result<Protocol> {
    if let Some(fold) = fold.filter(|fold| !splits.folds().contains(fold)) {
        let there: Vec<String> = splits.folds().iter().map(usize::to_string).collect();
        return Err(Error::Usage(format!(
            "{} has the folds {}, so --fold {fold} is none",
            path.display(),
            there.join(", ")
        )));
    }
    let mut frames: HashMap<&str, Vec<usize>> = HashMap::new();
    for (row, name) in listing.names.iter().enumerate() {
        if let Some((folder, _)) = name.rsplit_once('/') {
            frames.entry(folder).or_default().push(row);
        }
    }
    let mut subjects: Vec<Subject> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut missing = Vec::new();
    let mut place = |clip: &String| {
        let rows = frames.get(clip.as_str());
        if rows.is_none() {
            missing.push(clip.clone());
        }
        rows.map(|rows| {
            *places.entry(clip.clone()).or_insert_with(|| {
                subjects.push(Subject { name: clip.clone(), rows: rows.clone() });
                subjects.len() - 1
            })
        })
    };
    let mut total = 0;
    let mut compared = Vec::new();
    for pair in splits.pairs.iter().filter(|pair| fold.is_none_or(|fold| fold == pair.fold)) {
        total += 1;
        let (a, b) = (place(&pair.a), place(&pair.b));
        compared.extend(a.zip(b).map(|(a, b)| Compared { a, b, same: pair.same, fold: pair.fold }));
    }
    missing.sort_unstable();
    missing.dedup();
    Ok(Protocol { subjects, pairs: compared, total, fold, clips: true, missing })
}
