//! Pictures that are there twice: the same pixels, or pixels that look the same. Knows hashes and rows of a listing.

use super::Look;
use crate::data::folder::Listing;
use crate::data::likeness::{Likeness, NEAR};
use crate::error::Result;
use crate::tasks::Context;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Rows that are compared with all behind them between two looks at the user's wish to stop.
const CHUNK: usize = 1024;

/// Two pictures that look the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    pub a: String,
    pub b: String,
    /// Bits of 256 that differ, see [`crate::data::likeness`].
    pub bits: u32,
    /// Whether they are said to be two people.
    pub two_names: bool,
}

/// Rows with the same pixels, together, each group ascending and the groups in order of their first.
pub fn identical(looks: &[Option<Look>]) -> Vec<Vec<usize>> {
    let mut by_pixels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, look) in looks.iter().enumerate() {
        if let Some(look) = look {
            by_pixels.entry(&look.pixels).or_default().push(row);
        }
    }
    let mut groups: Vec<Vec<usize>> = by_pixels.into_values().filter(|rows| rows.len() > 1).collect();
    groups.sort_unstable();
    groups
}

/// A sentence where one picture is said to be two people.
pub fn under_two_names(rows: &[usize], listing: &Listing) -> Option<String> {
    let first = rows.first()?;
    let other = rows.iter().find(|row| listing.labels[**row] != listing.labels[*first])?;
    let (a, b) = (&listing.names[*first], &listing.names[*other]);
    Some(format!("{a} and {b} are the same picture under two names: one of them is wrong"))
}

/// Pairs that look the same and are not, in order; of pictures with the same pixels the first stands for all.
pub fn near(context: &Context, looks: &[Option<Look>], listing: &Listing) -> Result<Vec<Near>> {
    let mut seen = std::collections::HashSet::new();
    let distinct: Vec<(usize, Likeness)> = looks
        .iter()
        .enumerate()
        .filter_map(|(row, look)| {
            look.as_ref().filter(|look| seen.insert(look.pixels.as_str())).map(|look| (row, look.likeness))
        })
        .collect();
    let total = distinct.len();
    let mut found = Vec::new();
    for first in (0..total).step_by(CHUNK) {
        context.check_stopped()?;
        let places = first..(first + CHUNK).min(total);
        let of = |place: usize| -> Vec<Near> {
            let (a, likeness) = distinct[place];
            let behind = distinct[place + 1..].iter().map(|(b, other)| (*b, likeness.distance(other)));
            let near = |(b, bits): (usize, u32)| Near {
                a: listing.names[a].clone(),
                b: listing.names[b].clone(),
                bits,
                two_names: listing.labels[a] != listing.labels[b],
            };
            behind.filter(|(_, bits)| *bits <= NEAR).map(near).collect()
        };
        let chunk: Vec<Vec<Near>> = places.clone().into_par_iter().map(of).collect();
        found.extend(chunk.into_iter().flatten());
        context.listener.progress("compare", places.end as u64, total as u64, 1, "");
    }
    Ok(found)
}
