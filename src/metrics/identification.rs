//! Who is it? The people of a gallery that are nearest to a probe, and what a list of probes says about a recogniser: rank-k, and
//! detection and identification at a false alarm rate. Knows features and numbers of people; names are the caller's.
//!
//! The score of a person is the highest cosine of that person's features. [`nearest`] is exact: a pass in f32 leaves out only what
//! its rounding error cannot bring among the best, and the rest is scored in f64 by [`cosine`]. Equal scores are ordered by the
//! person's number.

use crate::error::{Error, Result};
use crate::metrics::verification::{Roc, cosine};
use rayon::prelude::*;

/// Probes that are compared with a feature while it is in the cache.
const TILE: usize = 16;
/// Features of the gallery that a thread takes at a time.
const BLOCK: usize = 256;
/// Partial sums of an inner product in f32.
const LANES: usize = 16;

/// Features of unit length, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Features<'a> {
    pub width: usize,
    /// `[n, width]`
    pub rows: &'a [f32],
}

/// A person who may be the one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    pub person: u32,
    /// The row of the gallery that is nearest.
    pub row: usize,
    pub cosine: f64,
}

impl Features<'_> {
    fn row(&self, i: usize) -> &[f32] {
        self.rows.get(i * self.width..(i + 1) * self.width).unwrap_or_default()
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.rows.len() / self.width.max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A feature scaled to unit length.
///
/// # Errors
/// [`Error::Numeric`] where it is all zero or not finite.
pub fn normalised(feature: &[f32]) -> Result<Vec<f32>> {
    let length = feature.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if !(length.is_finite() && length > 0.0) {
        return Err(Error::Numeric("a feature that is all zero or not finite has no direction".into()));
    }
    Ok(feature.iter().map(|x| (f64::from(*x) / length) as f32).collect())
}

/// The `count` best people of a gallery for every probe, the best first. `person[i]` is the number of the person of row i; the
/// numbers run from 0 without gaps.
///
/// # Errors
/// [`Error::Shape`] where the lengths disagree, [`Error::Numeric`] for a feature without a cosine.
pub fn nearest(gallery: Features, person: &[u32], probes: Features, count: usize) -> Result<Vec<Vec<Match>>> {
    let people = person.iter().max().map_or(0, |last| *last as usize + 1);
    let whole = |features: &Features| features.len().checked_mul(features.width) == Some(features.rows.len());
    if gallery.width != probes.width || person.len() != gallery.len() || !whole(&gallery) || !whole(&probes) {
        return Err(Error::Shape(format!(
            "probes of {} numbers in a gallery of {} features of {}, {} of them labelled",
            probes.width,
            gallery.len(),
            gallery.width,
            person.len()
        )));
    }
    let mut found = Vec::with_capacity(probes.len());
    for first in (0..probes.len()).step_by(TILE) {
        let tile: Vec<&[f32]> = (first..(first + TILE).min(probes.len())).map(|i| probes.row(i)).collect();
        let scores = products(gallery, &tile);
        let search = |(i, probe): (usize, &&[f32])| {
            let scores = scores.iter().map(|row| row[i]);
            best(gallery, person, people, probe, scores, count)
        };
        let tile: Vec<Result<Vec<Match>>> = tile.par_iter().enumerate().map(search).collect();
        for matches in tile {
            found.push(matches?);
        }
    }
    Ok(found)
}

/// The inner products in f32 of every row with up to [`TILE`] probes.
fn products(gallery: Features, probes: &[&[f32]]) -> Vec<[f32; TILE]> {
    let mut out = vec![[0.0; TILE]; gallery.len()];
    let width = gallery.width.max(1);
    out.par_chunks_mut(BLOCK).zip(gallery.rows.par_chunks(BLOCK * width)).for_each(|(out, rows)| {
        for (out, row) in out.iter_mut().zip(rows.chunks_exact(width)) {
            out.iter_mut().zip(probes).for_each(|(out, probe)| *out = product(row, probe));
        }
    });
    out
}

fn product(a: &[f32], b: &[f32]) -> f32 {
    let ((blocks_a, rest_a), (blocks_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>() + sums.iter().sum::<f32>()
}

/// The best people for one probe, from its inner products in f32.
fn best(
    gallery: Features,
    person: &[u32],
    people: usize,
    probe: &[f32],
    scores: impl Iterator<Item = f32> + Clone,
    count: usize,
) -> Result<Vec<Match>> {
    let count = count.min(people);
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut highest = vec![f32::NEG_INFINITY; people];
    for (score, person) in scores.clone().zip(person) {
        // `max` passes over a NaN, which `cosine` below refuses with a sentence.
        let highest = &mut highest[*person as usize];
        *highest = highest.max(score);
    }
    let (_, last, _) = highest.select_nth_unstable_by(count - 1, |a, b| b.total_cmp(a));
    // A sum of `width` products of unit features in f32 is off by at most width x 2^-24 (Higham, Accuracy and Stability, 3.1); both
    // the last of the best and whoever might replace it may be off by that much, and the factor 2 forgives lengths that are not quite 1.
    let doubt = 2.0 * gallery.width as f32 * f32::EPSILON;
    let floor = *last - doubt;
    let mut matches: Vec<Match> = Vec::new();
    for (row, (score, person)) in scores.zip(person).enumerate() {
        if score >= floor || score.is_nan() {
            // -0 becomes 0, so that the two are equal when they are sorted.
            matches.push(Match { person: *person, row, cosine: cosine(gallery.row(row), probe)? + 0.0 });
        }
    }
    matches
        .sort_unstable_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.person.cmp(&b.person)).then(a.row.cmp(&b.row)));
    let mut seen = vec![false; people];
    matches.retain(|found| !std::mem::replace(&mut seen[found.person as usize], true));
    matches.truncate(count);
    Ok(matches)
}

/// What came out for the probes of an experiment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identification {
    /// Probes of people in the gallery: the highest score of anybody, and the place of the right person, from 1, where it is among
    /// those that were looked at.
    pub mated: Vec<(f64, Option<usize>)>,
    /// Probes of people who are not in the gallery: the highest score of anybody.
    pub impostors: Vec<f64>,
}

/// Detection and identification at a false alarm rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
    /// The lowest accepted score.
    pub threshold: f64,
    /// Probes of people in the gallery that are accepted as the right person.
    pub right: usize,
}

impl Identification {
    /// Mated probes whose right person is among the first `k`: the closed set's rank-k, as a count.
    pub fn within(&self, k: usize) -> usize {
        self.mated.iter().filter(|(_, place)| place.is_some_and(|place| place <= k)).count()
    }

    /// The most accepting threshold at which at most `far` of the impostors are taken for somebody, and how many mated probes then are
    /// accepted with the right person first (DIR; Grother and Phillips, FRVT). `None` where impostors x far < 1.
    ///
    /// # Errors
    /// Those of [`Roc::new`].
    pub fn detection(&self, far: f64) -> Result<Option<Detection>> {
        if self.impostors.is_empty() || self.mated.is_empty() {
            return Ok(None);
        }
        let scores: Vec<f64> =
            self.mated.iter().map(|(score, _)| *score).chain(self.impostors.iter().copied()).collect();
        let known: Vec<bool> = (0..scores.len()).map(|i| i < self.mated.len()).collect();
        let Some(place) = Roc::new(&scores, &known)?.at_far(far) else { return Ok(None) };
        let right = |probe: &&(f64, Option<usize>)| probe.1 == Some(1) && probe.0 >= place.threshold;
        Ok(Some(Detection { threshold: place.threshold, right: self.mated.iter().filter(right).count() }))
    }
}
