//! The pairs that were answered most wrongly, with their pictures: whoever looks at them learns more than a number tells.

use super::Sample;
use super::features::Plan;
use super::pictures::Pictures;
use super::verification::{Scored, Verification};
use crate::error::Result;

/// Pairs of a kind that are kept.
const MOST: usize = 8;

/// A pair that was answered wrongly, and a picture of each side.
#[derive(Clone, Debug)]
pub struct Mistake {
    pub pair: Scored,
    pub pictures: [Sample; 2],
}

/// Of the pairs of different people that were accepted and of those of one person that were rejected the ones furthest from their
/// threshold, the furthest first.
pub fn worst(plan: &Plan, pictures: &Pictures, verification: &Verification) -> Result<Vec<Mistake>> {
    let pairs: Vec<&Scored> = [false, true].into_iter().flat_map(|same| furthest(&verification.scored, same)).collect();
    let both = |pair: &Scored| Some([pictures.of_subject(&pair.a)?, pictures.of_subject(&pair.b)?]);
    let found: Vec<(&Scored, [usize; 2])> =
        pairs.into_iter().filter_map(|pair| both(pair).map(|rows| (pair, rows))).collect();
    let rows: Vec<usize> = found.iter().flat_map(|(_, rows)| *rows).collect();
    let mut samples = plan.samples_of(pictures, &rows)?.into_iter();
    let mut mistakes = Vec::with_capacity(found.len());
    for (pair, _) in found {
        if let (Some(first), Some(second)) = (samples.next(), samples.next()) {
            mistakes.push(Mistake { pair: pair.clone(), pictures: [first, second] });
        }
    }
    Ok(mistakes)
}

fn furthest(scored: &[Scored], same: bool) -> Vec<&Scored> {
    let mut wrong: Vec<&Scored> = scored.iter().filter(|pair| pair.same == same && !pair.right()).collect();
    let distance = |pair: &Scored| (pair.score - pair.threshold).abs();
    wrong.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    wrong.truncate(MOST);
    wrong
}
