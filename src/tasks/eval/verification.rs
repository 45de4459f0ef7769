//! The scores of a protocol's pairs and what follows from them: folds, thresholds and the ROC. Knows features, nothing of the
//! networks that made them.

use super::protocol::{Compared, Protocol};
use crate::error::{Error, Result};
use crate::metrics::interval::{Interval, wilson};
use crate::metrics::projection::Moments;
use crate::metrics::verification::{Fold, Folds, Roc, blocks, fold_numbers, folded, folded_by};
use crate::model::Source;
use rayon::prelude::*;
use serde_json::{Value as Json, json};

/// What is done to features before they are compared. What a fold is judged by is fitted on the pairs of the other folds alone (of
/// the other blocks, where one fold is scored); each feature counts once for every pair it is in, as in `SphereFace`'s evaluation.m.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transform {
    /// Nothing.
    #[default]
    Plain,
    /// The mean is taken off.
    MeanSubtraction,
    /// The mean is taken off and so many principal components are kept.
    Components(usize),
}

/// Scores of pairs and what follows from them.
#[derive(Clone, Debug)]
pub struct Verification {
    pub input: Source,
    /// Whether features are `[f(x), f(flip x)]`.
    pub mirror: bool,
    pub transform: Transform,
    /// Clips whose frames were pooled; nothing where pictures are compared.
    pub clips: Option<usize>,
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
    /// Paths of the two pictures or clips.
    pub a: String,
    pub b: String,
    pub same: bool,
    /// Number of the fold, counted from 1.
    pub fold: usize,
    /// Cosine of the features; where they are transformed, by what was fitted outside the pair's fold (or block).
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

/// Scores every pair; `features` has a row for each subject.
pub fn score(
    protocol: &Protocol,
    features: &[Vec<f32>],
    transform: Transform,
    input: Source,
    mirror: bool,
) -> Result<Verification> {
    let same = protocol.same();
    let part = parts(protocol)?;
    let folds = match transform {
        Transform::Plain => folded(&protocol.cosines(features)?, &same, &part)?,
        Transform::MeanSubtraction => transformed(protocol, features, &part, 0)?,
        Transform::Components(count) => transformed(protocol, features, &part, count)?,
    };
    let Folds { accuracy, stderr, right, folds: parts, scores } = folds;
    let roc = Roc::new(&scores, &same)?;
    let name = |subject: usize| protocol.subjects[subject].name.clone();
    let answered = |((pair, score), part): ((&Compared, &f64), &usize)| Scored {
        a: name(pair.a),
        b: name(pair.b),
        same: pair.same,
        fold: pair.fold,
        score: *score,
        threshold: parts.iter().find(|fold| fold.fold == *part).map_or(0.0, |fold| fold.threshold),
    };
    let scored: Vec<Scored> = protocol.pairs.iter().zip(&scores).zip(&part).map(answered).collect();
    Ok(Verification {
        input,
        mirror,
        transform,
        clips: protocol.clips.then_some(protocol.subjects.len()),
        pairs_used: scored.len(),
        pairs_total: protocol.total,
        folds: if protocol.fold.is_some() { 1 } else { parts.len() },
        fold: protocol.fold,
        accuracy,
        stderr,
        interval: wilson(right, scored.len())?,
        parts,
        roc,
        scored,
    })
}

/// The fold of every pair, or its block where one fold is scored.
fn parts(protocol: &Protocol) -> Result<Vec<usize>> {
    match protocol.fold {
        Some(_) => blocks(&protocol.same()),
        None => Ok(protocol.pairs.iter().map(|pair| pair.fold).collect()),
    }
}

/// Refuses more principal components than features of `width` numbers have, or the pairs outside a fold.
pub fn check(protocol: &Protocol, transform: Transform, width: usize) -> Result<()> {
    let Transform::Components(count) = transform else { return Ok(()) };
    if count > width {
        return Err(Error::Usage(format!(
            "--pca {count}: the features of this model have {width} numbers to choose from"
        )));
    }
    let part = parts(protocol)?;
    for number in fold_numbers(&part) {
        let others = 2 * part.iter().filter(|other| **other != number).count();
        if count >= others {
            return Err(Error::Usage(format!(
                "--pca {count}: the pairs outside {} {number} have {others} features only",
                if protocol.fold.is_some() { "block" } else { "fold" }
            )));
        }
    }
    Ok(())
}

/// The folds of features without the mean of the other parts' features, along their first principal components where there are any.
fn transformed(protocol: &Protocol, features: &[Vec<f32>], part: &[usize], components: usize) -> Result<Folds> {
    let numbers = fold_numbers(part);
    let width = features.first().map_or(0, Vec::len);
    let moments_of = |number: &usize| {
        let own = protocol.pairs.iter().zip(part).filter(|(_, part)| *part == number);
        let both: Vec<&[f32]> =
            own.flat_map(|(pair, _)| [features[pair.a].as_slice(), features[pair.b].as_slice()]).collect();
        Moments::new(&both, width, components > 0)
    };
    let moments: Vec<Moments> = numbers.iter().map(moments_of).collect::<Result<_>>()?;
    folded_by(&protocol.same(), part, |number| {
        let others = numbers.iter().zip(&moments).filter(|(other, _)| **other != number);
        let projection = Moments::total(others.map(|(_, moments)| moments))?.fit(components)?;
        let projected: Vec<Vec<f32>> = features.par_iter().map(|feature| projection.apply(feature)).collect();
        protocol.cosines(&projected)
    })
}

impl Verification {
    /// `hr` or `lr`.
    pub fn input_word(&self) -> &'static str {
        self.input.word()
    }

    /// `600 of 600 pairs, fold 8 in 10 blocks`, `6000 of 6000 pairs, 10 folds`.
    pub fn recipe(&self) -> String {
        let parts = match self.fold {
            Some(fold) => format!("fold {fold} in {} blocks", self.parts.len()),
            None => format!("{} folds", self.folds),
        };
        let clips = self.clips.map_or(String::new(), |clips| format!(" of {clips} clips"));
        format!("{} of {} pairs{clips}, {parts}", self.pairs_used, self.pairs_total)
    }

    /// `[f(x), f(flip x)]`, and what was done to it.
    pub fn features(&self) -> String {
        let features = if self.mirror { "[f(x), f(flip x)]" } else { "f(x)" };
        match self.transform {
            Transform::Plain => features.to_owned(),
            Transform::MeanSubtraction => format!("{features} less the mean of the other folds"),
            Transform::Components(count) => format!("{features}, {count} principal components of the other folds"),
        }
    }

    /// Shares of the ROC: false accepts, true accepts.
    pub fn curve(&self) -> Vec<(f64, f64)> {
        let share = |part: usize, whole: usize| part as f64 / whole as f64;
        let places = self.roc.places.iter();
        places
            .map(|p| (share(p.false_accepts, self.roc.negatives), share(p.true_accepts, self.roc.positives)))
            .collect()
    }

    /// The contract's `verification`, and besides it which fold and blocks, what was done to features, how many clips were pooled, and
    /// the interval over pairs.
    pub fn to_json(&self) -> Json {
        let components = match self.transform {
            Transform::Components(count) => Some(count),
            _ => None,
        };
        json!({
            "input": self.input_word(),
            "pairs_used": self.pairs_used,
            "pairs_total": self.pairs_total,
            "folds": self.folds,
            "fold": self.fold,
            "blocks": self.fold.map(|_| self.parts.len()),
            "mirror": self.mirror,
            "mean_subtraction": self.transform != Transform::Plain,
            "pca": components,
            "clips": self.clips,
            "accuracy": self.accuracy,
            "stderr": self.stderr,
            "interval95": [self.interval.low, self.interval.high],
            "auc": self.roc.auc(),
            "eer": self.roc.eer(),
            "tar": { "1e-2": self.roc.tar(1e-2), "1e-3": self.roc.tar(1e-3) },
        })
    }
}
