//! Pairs of a protocol and their scores: which pictures are needed, then folds, thresholds and the ROC. Knows features by row,
//! nothing of the networks that made them.

use super::Request;
use super::pictures::Pictures;
use crate::data::folder::Listing;
use crate::data::lists::Pairs;
use crate::error::{Error, Result};
use crate::formats::lfw_bin::Pair;
use crate::metrics::interval::{Interval, wilson};
use crate::metrics::verification::{Fold, Folds, Roc, blocks, cosine, folded};
use crate::model::Source;
use serde_json::{Value as Json, json};
use std::path::Path;

/// Folds of a verification pack.
const FOLDS: usize = 10;

/// The pairs in question, found among the pictures of the data.
pub struct Protocol {
    /// Rows of the listing, whether it is one person, and the fold's number, counted from 1.
    pairs: Vec<(usize, usize, bool, usize)>,
    total: usize,
    fold: Option<usize>,
}

/// Scores of pairs and what follows from them.
#[derive(Clone, Debug)]
pub struct Verification {
    pub input: Source,
    /// Whether features are `[f(x), f(flip x)]`.
    pub mirror: bool,
    /// Pairs that have both pictures, of `pairs_total` in question.
    pub pairs_used: usize,
    pub pairs_total: usize,
    /// Folds scored.
    pub folds: usize,
    /// The one fold that was scored, cross-fitted within itself, counted from 1.
    pub fold: Option<usize>,
    /// Accuracy (a fraction) and threshold of each fold, or of each block of the one fold.
    pub parts: Vec<Fold>,
    /// Mean over `parts`, a fraction.
    pub accuracy: f64,
    /// Standard error over `parts`.
    pub stderr: f64,
    /// Wilson's 95 % interval of the share of pairs answered rightly.
    pub interval: Interval,
    pub roc: Roc,
    pub scored: Vec<Scored>,
}

/// One pair.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Paths of the two pictures.
    pub a: String,
    pub b: String,
    pub same: bool,
    /// Number of the fold, counted from 1.
    pub fold: usize,
    /// Cosine of the features.
    pub score: f64,
    /// The threshold that answers this pair: from all pairs outside its fold (or block).
    pub threshold: f64,
}

impl Scored {
    /// Whether the answer is right.
    pub fn right(&self) -> bool {
        (self.score >= self.threshold) == self.same
    }
}

impl Protocol {
    /// Reads a list of pairs and finds their pictures. Pictures that are not there are an `Input` error unless they are allowed to
    /// be missing.
    pub fn open(path: &Path, request: &Request, listing: &Listing) -> Result<Self> {
        let place = path.display();
        let mut pairs = Pairs::read(path)?;
        if let Some(fold) = request.fold {
            let count = pairs.folds.len();
            let chosen = fold.checked_sub(1).and_then(|index| pairs.folds.get(index)).cloned();
            pairs.folds =
                vec![chosen.ok_or_else(|| {
                    Error::Usage(format!("{place} has folds 1 to {count}, so --fold {fold} is none"))
                })?];
        }
        let total = pairs.total();
        let resolved = pairs.resolve(listing);
        let used = resolved.used();
        if let Some(first) = resolved.missing.first() {
            let advice = match request.allow_missing {
                false => "give them, or score the rest with --allow-missing",
                true if used == 0 => "no pair is left to score",
                true => "",
            };
            if !advice.is_empty() {
                return Err(Error::Input(format!(
                    "{place}: {used} of {total} pairs have both pictures in {}; {} pictures are missing, the first is \
                     {first}: {advice}",
                    request.data.display(),
                    resolved.missing.len()
                )));
            }
        }
        let number = |index: usize| request.fold.unwrap_or(index + 1);
        let mut list = Vec::with_capacity(used);
        for (index, (fold, places)) in pairs.folds.iter().zip(&resolved.folds).enumerate() {
            let both = fold.iter().zip(places).filter_map(|(pair, places)| places.map(|(a, b)| (a, b, pair.same)));
            list.extend(both.map(|(a, b, same)| (a, b, same, number(index))));
        }
        Ok(Protocol { pairs: list, total, fold: request.fold })
    }

    /// The pairs that come with a verification pack, in ten consecutive folds as InsightFace takes them: where the number of pairs is
    /// no multiple of ten, the first folds have one more.
    ///
    /// # Errors
    /// `Input` where there are fewer pairs than folds.
    pub fn within(pairs: &[Pair], place: &Path) -> Result<Self> {
        let place = place.display();
        if pairs.len() < FOLDS {
            return Err(Error::Input(format!("{place} has {} pairs, too few for {FOLDS} folds", pairs.len())));
        }
        let (least, longer) = (pairs.len() / FOLDS, pairs.len() % FOLDS);
        let numbers = (1..=FOLDS).flat_map(|fold| std::iter::repeat_n(fold, least + usize::from(fold <= longer)));
        let numbered = pairs.iter().zip(numbers).map(|(pair, fold)| (pair.a, pair.b, pair.same, fold));
        Ok(Protocol { pairs: numbered.collect(), total: pairs.len(), fold: None })
    }

    /// The pictures that are needed: rows of the listing, ascending.
    pub fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.pairs.iter().flat_map(|(a, b, ..)| [*a, *b]).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// Scores every pair; `features` has a row for each of `rows()`, in the same order, and so has `pictures`.
    pub fn score(
        &self,
        pictures: &Pictures,
        features: &[Vec<f32>],
        input: Source,
        mirror: bool,
    ) -> Result<Verification> {
        let rows = self.rows();
        let place = |row: usize| rows.binary_search(&row).ok().filter(|place| *place < features.len());
        let mut scored = Vec::with_capacity(self.pairs.len());
        for (a, b, same, fold) in &self.pairs {
            let (Some(a), Some(b)) = (place(*a), place(*b)) else {
                return Err(Error::Shape(format!("{} features for {} pictures", features.len(), rows.len())));
            };
            let score = cosine(&features[a], &features[b])
                .map_err(|error| Error::Numeric(format!("{} and {}: {error}", pictures.name(a), pictures.name(b))))?;
            let (a, b) = (pictures.name(a).to_owned(), pictures.name(b).to_owned());
            scored.push(Scored { a, b, same: *same, fold: *fold, score, threshold: 0.0 });
        }
        let scores: Vec<f64> = scored.iter().map(|pair| pair.score).collect();
        let same: Vec<bool> = scored.iter().map(|pair| pair.same).collect();
        let roc = Roc::new(&scores, &same)?;
        let part = match self.fold {
            Some(_) => blocks(&same)?,
            None => scored.iter().map(|pair| pair.fold).collect(),
        };
        let Folds { accuracy, stderr, right, folds: parts } = folded(&scores, &same, &part)?;
        for (pair, part) in scored.iter_mut().zip(&part) {
            pair.threshold = parts.iter().find(|fold| fold.fold == *part).map_or(0.0, |fold| fold.threshold);
        }
        Ok(Verification {
            input,
            mirror,
            pairs_used: scored.len(),
            pairs_total: self.total,
            folds: if self.fold.is_some() { 1 } else { parts.len() },
            fold: self.fold,
            parts,
            accuracy,
            stderr,
            interval: wilson(right, scored.len())?,
            roc,
            scored,
        })
    }
}

impl Verification {
    /// `hr` or `lr`.
    pub fn input_word(&self) -> &'static str {
        if self.input == Source::Hr { "hr" } else { "lr" }
    }

    /// `600 of 600 pairs, fold 8 in 10 blocks`, `6000 of 6000 pairs, 10 folds`.
    pub fn recipe(&self) -> String {
        let parts = match self.fold {
            Some(fold) => format!("fold {fold} in {} blocks", self.parts.len()),
            None => format!("{} folds", self.folds),
        };
        format!("{} of {} pairs, {parts}", self.pairs_used, self.pairs_total)
    }

    /// Shares of the ROC: false accepts, true accepts.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        let places = self.roc.places.iter();
        places
            .map(|p| (share(p.false_accepts, self.roc.negatives), share(p.true_accepts, self.roc.positives)))
            .collect()
    }

    /// The contract's `verification`, and besides it which fold and blocks, and the interval over pairs.
    pub fn to_json(&self) -> Json {
        json!({
            "input": self.input_word(),
            "pairs_used": self.pairs_used,
            "pairs_total": self.pairs_total,
            "folds": self.folds,
            "fold": self.fold,
            "blocks": self.fold.map(|_| self.parts.len()),
            "accuracy": self.accuracy,
            "stderr": self.stderr,
            "interval95": [self.interval.low, self.interval.high],
            "auc": self.roc.auc(),
            "eer": self.roc.eer(),
            "tar": { "1e-2": self.roc.tar(1e-2), "1e-3": self.roc.tar(1e-3) },
        })
    }
}
