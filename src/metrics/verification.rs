//! Are two faces the same person? Scores of labelled pairs in; ROC, AUC, EER, TAR at a FAR and k-fold accuracy out.
//!
//! A pair is accepted as the same person where `score >= threshold`. Everything is exact in the scores (no grid) and takes
//! O(n log n). Knows scores and labels only: whose faces they are and how they were read is the caller's business.
//!
//! **The threshold of a fold** is the mean of all thresholds that reach the best accuracy on the other folds' pairs
//! (`SphereFace`'s evaluation.m takes that mean over a grid of 20 001 values in [-1, 1]; here is its limit): between two
//! neighbouring scores accuracy is constant, so the best thresholds of [-1, 1] are a union of intervals, and their mean is
//! the length-weighted mean of the intervals' middles.

use crate::error::{Error, Result};
use crate::metrics::interval::{check_finite, mean_and_error};

/// Cosine of the angle between two features, that is the inner product of the two normalised to length 1, in [-1, 1].
///
/// # Errors
/// [`Error::Shape`] for other lengths, [`Error::Numeric`] where a feature is all zero or not finite.
pub fn cosine(a: &[f32], b: &[f32]) -> Result<f64> {
    if a.len() != b.len() {
        return Err(Error::Shape(format!("features of {} and {} numbers have no cosine", a.len(), b.len())));
    }
    let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let length = (dot(a, a) * dot(b, b)).sqrt();
    if !(length.is_finite() && length > 0.0) {
        return Err(Error::Numeric("a feature that is all zero or not finite has no cosine".into()));
    }
    Ok((dot(a, b) / length).clamp(-1.0, 1.0))
}

/// One place on the ROC: pairs with `score >= threshold` are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operating {
    /// The lowest accepted score; infinite where nothing is accepted.
    pub threshold: f64,
    /// Pairs of different people that are accepted.
    pub false_accepts: usize,
    /// Pairs of one person that are accepted.
    pub true_accepts: usize,
}

/// The whole trade-off of a list of scored pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Roc {
    /// From "accept nothing" to "accept everything", one place per distinct score: equal scores are accepted together.
    pub places: Vec<Operating>,
    /// Pairs of one person; at least 1.
    pub positives: usize,
    /// Pairs of different people; at least 1.
    pub negatives: usize,
}

impl Roc {
    /// Sorts the scores once; `same[i]` says whether pair i is one person.
    ///
    /// # Errors
    /// [`Error::Shape`] for other lengths, [`Error::Numeric`] for a score that is not finite, [`Error::Input`] where one of the
    /// two kinds of pairs is absent.
    pub fn new(scores: &[f64], same: &[bool]) -> Result<Roc> {
        let sorted = sort_descending(scores, same)?;
        let mut last = Operating { threshold: f64::INFINITY, false_accepts: 0, true_accepts: 0 };
        let mut places = vec![last];
        for group in sorted.chunk_by(|a, b| a.0 == b.0) {
            let true_accepts = group.iter().filter(|pair| pair.1).count();
            last.threshold = group[0].0;
            last.true_accepts += true_accepts;
            last.false_accepts += group.len() - true_accepts;
            places.push(last);
        }
        if last.true_accepts == 0 || last.false_accepts == 0 {
            return Err(Error::Input(
                "scoring needs pairs of the same person and pairs of different people; one kind is absent".into(),
            ));
        }
        Ok(Roc { places, positives: last.true_accepts, negatives: last.false_accepts })
    }

    /// Area under the curve: the chance that a pair of one person scores above a pair of two, ties counted half. Exact.
    pub fn auc(&self) -> f64 {
        // Twice the area in units of one pair of pairs is an integer: no rounding until the division.
        let doubled: u128 = self
            .places
            .windows(2)
            .map(|two| {
                let step = two[1].false_accepts - two[0].false_accepts;
                step as u128 * (two[0].true_accepts as u128 + two[1].true_accepts as u128)
            })
            .sum();
        doubled as f64 / (2.0 * self.positives as f64 * self.negatives as f64)
    }

    /// Equal error rate: where the curve, drawn with straight lines between its places, has as large a share of false
    /// accepts as of false rejects.
    pub fn eer(&self) -> f64 {
        // excess = FAR - FRR grows from -1 (accept nothing) to 1 (accept everything) and is linear along each line.
        let far = |place: &Operating| place.false_accepts as f64 / self.negatives as f64;
        let excess = |place: &Operating| far(place) - 1.0 + place.true_accepts as f64 / self.positives as f64;
        for two in self.places.windows(2) {
            let (before, after) = (excess(&two[0]), excess(&two[1]));
            if after >= 0.0 {
                let along = -before / (after - before);
                return far(&two[0]) + along * (far(&two[1]) - far(&two[0]));
            }
        }
        1.0 // Not reached: the last place accepts everything, its excess is 1.
    }

    /// The most accepting place whose share of false accepts is at most `far`, not interpolated. `None` where the list is
    /// too short to say anything (negatives x far < 1).
    pub fn at_far(&self, far: f64) -> Option<Operating> {
        // 1e-9 forgives a product such as 0.07 x 100, which is a hair away from the 7 that is meant.
        let allowed = self.negatives as f64 * far + 1e-9;
        if allowed.is_nan() || allowed < 1.0 {
            return None;
        }
        self.places.iter().rev().find(|place| place.false_accepts as f64 <= allowed).copied()
    }

    /// Share of one person's pairs accepted at a FAR, by [`Roc::at_far`]: the contract's `tar`.
    pub fn tar(&self, far: f64) -> Option<f64> {
        self.at_far(far).map(|place| place.true_accepts as f64 / self.positives as f64)
    }
}

/// The mean of all thresholds in [-1, 1] (wider where scores are) that reach the best accuracy.
///
/// # Errors
/// As [`Roc::new`], except that one kind of pairs may be absent; [`Error::Input`] for no pairs at all.
pub fn best_threshold(scores: &[f64], same: &[bool]) -> Result<f64> {
    let sorted = sort_descending(scores, same)?;
    let (Some(highest), Some(lowest)) = (sorted.first(), sorted.last()) else {
        return Err(Error::Input("a threshold needs at least one scored pair".into()));
    };
    let (top, bottom) = (highest.0.max(1.0), lowest.0.min(-1.0));
    // Walking the threshold down from `top`: each stretch is (next lower score, upper], its accuracy is constant.
    let mut right = sorted.iter().filter(|pair| !pair.1).count();
    let mut best = BestStretches::default();
    let mut upper = top;
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        let score = group[0].0;
        if upper > score {
            best.offer(right, score, upper);
        }
        for pair in group {
            right = if pair.1 { right + 1 } else { right - 1 };
        }
        upper = score;
    }
    best.offer(right, bottom, upper); // [bottom, lowest score] holds at least one threshold, even where it has no length.
    Ok(best.mean())
}

/// The stretches of thresholds with the most right answers so far.
#[derive(Default)]
struct BestStretches {
    right: usize,
    length: f64,
    moment: f64,
    middles: f64,
    count: usize,
}

impl BestStretches {
    fn offer(&mut self, right: usize, low: f64, high: f64) {
        if right > self.right || self.count == 0 {
            *self = BestStretches { right, ..BestStretches::default() };
        }
        if right == self.right {
            let middle = low + (high - low) / 2.0;
            self.length += high - low;
            self.moment += (high - low) * middle;
            self.middles += middle;
            self.count += 1;
        }
    }

    fn mean(&self) -> f64 {
        if self.length > 0.0 { self.moment / self.length } else { self.middles / self.count as f64 }
    }
}

/// Share of pairs answered rightly at a threshold.
///
/// # Errors
/// [`Error::Shape`] for other lengths, [`Error::Numeric`] for a score that is not finite, [`Error::Input`] for no pairs.
pub fn accuracy(scores: &[f64], same: &[bool], threshold: f64) -> Result<f64> {
    check_pairs(scores, same)?;
    if scores.is_empty() {
        return Err(Error::Input("an accuracy needs at least one scored pair".into()));
    }
    let right = scores.iter().zip(same).filter(|(score, same)| (**score >= threshold) == **same).count();
    Ok(right as f64 / scores.len() as f64)
}

/// Accuracy of every fold with the threshold of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    /// Mean of the folds' accuracies.
    pub accuracy: f64,
    /// Its standard error, sd / sqrt(folds).
    pub stderr: f64,
    /// Pairs answered rightly, of all: what an interval over pairs is made of.
    pub right: usize,
    /// Per fold, in ascending order of fold number: accuracy and the threshold used.
    pub folds: Vec<Fold>,
    /// The score that answered each pair.
    pub scores: Vec<f64>,
}

/// One fold of [`Folds`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    /// Its number as in `fold`.
    pub fold: usize,
    pub accuracy: f64,
    pub threshold: f64,
}

/// K-fold accuracy: pair i belongs to `fold[i]` (any numbers, two different ones or more), and the threshold of a fold comes
/// from all pairs outside it.
///
/// # Errors
/// As [`best_threshold`], and [`Error::Input`] for fewer than two folds.
pub fn folded(scores: &[f64], same: &[bool], fold: &[usize]) -> Result<Folds> {
    check_pairs(scores, same)?;
    folded_by(same, fold, |_| Ok(scores.to_vec()))
}

/// As [`folded`] where the way to score is itself learnt from the other folds: `scores(k)` gives the scores of all pairs by what was
/// learnt outside fold k. Both the threshold of a fold and its answers come from its own scores.
///
/// # Errors
/// As [`folded`], and those of `scores`.
pub fn folded_by(same: &[bool], fold: &[usize], mut scores: impl FnMut(usize) -> Result<Vec<f64>>) -> Result<Folds> {
    if fold.len() != same.len() {
        return Err(Error::Shape(format!("{} fold numbers for {} pairs", fold.len(), same.len())));
    }
    let numbers = fold_numbers(fold);
    if numbers.len() < 2 {
        return Err(Error::Input("a threshold from the other folds needs two folds or more".into()));
    }
    let mut folds = Vec::with_capacity(numbers.len());
    let mut right = 0;
    let mut answering = vec![0.0; same.len()];
    for number in numbers {
        let all = scores(number)?;
        check_pairs(&all, same)?;
        let part = |inside: bool| -> (Vec<f64>, Vec<bool>) {
            let chosen = (0..fold.len()).filter(|i| (fold[*i] == number) == inside);
            chosen.map(|i| (all[i], same[i])).unzip()
        };
        let ((other_scores, other_same), (own_scores, own_same)) = (part(false), part(true));
        let threshold = best_threshold(&other_scores, &other_same)?;
        let accuracy = accuracy(&own_scores, &own_same, threshold)?;
        right += own_scores.iter().zip(&own_same).filter(|(score, same)| (**score >= threshold) == **same).count();
        folds.push(Fold { fold: number, accuracy, threshold });
        let own = (0..fold.len()).filter(|i| fold[*i] == number);
        own.zip(own_scores).for_each(|(i, score)| answering[i] = score);
    }
    let mean = mean_and_error(&folds.iter().map(|fold| fold.accuracy).collect::<Vec<_>>())?;
    Ok(Folds { accuracy: mean.mean, stderr: mean.stderr, right, folds, scores: answering })
}

/// The different fold numbers, ascending.
pub fn fold_numbers(fold: &[usize]) -> Vec<usize> {
    let mut numbers = fold.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Block numbers 0.. for cross-fitting inside one fold: in list order, the pairs of one person are cut into ten equal blocks
/// and so are the pairs of two (300 + 300 give 30 + 30 a block). Where one kind has fewer than ten pairs there are as many
/// blocks as it has pairs.
///
/// # Errors
/// [`Error::Input`] where one kind has fewer than two pairs.
pub fn blocks(same: &[bool]) -> Result<Vec<usize>> {
    let positives = same.iter().filter(|same| **same).count();
    let negatives = same.len() - positives;
    let count = positives.min(negatives).min(10);
    if count < 2 {
        return Err(Error::Input(format!(
            "cross-fitting needs two pairs of one person and two of different people, not {positives} and {negatives}"
        )));
    }
    let mut seen = [0, 0];
    let block = same.iter().map(|same| {
        let (total, seen) = if *same { (positives, &mut seen[0]) } else { (negatives, &mut seen[1]) };
        let block = *seen * count / total;
        *seen += 1;
        block
    });
    Ok(block.collect())
}

fn check_pairs(scores: &[f64], same: &[bool]) -> Result<()> {
    if scores.len() != same.len() {
        return Err(Error::Shape(format!("{} scores with {} labels", scores.len(), same.len())));
    }
    check_finite(scores)
}

/// Scores with labels, the highest first. -0 is stored as 0, so that equal scores are neighbours.
fn sort_descending(scores: &[f64], same: &[bool]) -> Result<Vec<(f64, bool)>> {
    check_pairs(scores, same)?;
    let mut sorted: Vec<(f64, bool)> = scores.iter().zip(same).map(|(score, same)| (score + 0.0, *same)).collect();
    sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    Ok(sorted)
}
