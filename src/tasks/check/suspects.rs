//! Pictures that may be somebody else's: far from the mean of their person's other pictures and nearer to another person's mean. Knows
//! features and labels.

use crate::data::folder::Listing;
use crate::error::{Error, Result};
use crate::metrics::identification::{Features, nearest, normalised};
use crate::metrics::verification::cosine;

/// How far from the usual is far: standard deviations of the cosines to the own mean.
const FAR: f64 = 2.0;

/// A picture whose label is doubtful.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    pub picture: String,
    /// Whose it is said to be, and the cosine to the mean of that person's other pictures.
    pub identity: String,
    pub cosine: f64,
    /// Whose mean is nearest, and its cosine.
    pub nearer_to: String,
    pub nearer_cosine: f64,
}

/// The suspects among the pictures of a listing, the worst first; people with one picture cannot be judged. A picture is one where
/// another person's mean is nearer than that of its own person's other pictures, and that one is farther than usual by [`FAR`]
/// deviations.
pub fn find(listing: &Listing, features: &[Vec<f32>]) -> Result<Vec<Suspect>> {
    let width = features.first().map_or(0, Vec::len);
    let mut sums = vec![vec![0f32; width]; listing.identities.len()];
    let mut counts = vec![0usize; listing.identities.len()];
    let mut directions = Vec::with_capacity(features.len() * width);
    for ((feature, label), name) in features.iter().zip(&listing.labels).zip(&listing.names) {
        let direction = normalised(feature).map_err(|error| Error::Numeric(format!("{name}: {error}")))?;
        sums[*label as usize].iter_mut().zip(&direction).for_each(|(sum, x)| *sum += x);
        counts[*label as usize] += 1;
        directions.extend(direction);
    }
    let mut means = Vec::with_capacity(sums.len() * width);
    for sum in &sums {
        means.extend(normalised(sum)?);
    }
    let people: Vec<u32> = (0..sums.len() as u32).collect();
    let probes = Features { width, rows: &directions };
    let found = nearest(Features { width, rows: &means }, &people, probes, 2)?;
    let mut judged = Vec::new();
    for (row, (direction, matches)) in directions.chunks_exact(width).zip(found).enumerate() {
        let label = listing.labels[row];
        let other = matches.into_iter().find(|found| found.person != label);
        if let Some(other) = other.filter(|_| counts[label as usize] > 1) {
            let rest: Vec<f32> = sums[label as usize].iter().zip(direction).map(|(sum, x)| sum - x).collect();
            // Features that cancel out have no mean to be near to.
            let own = cosine(&rest, direction).unwrap_or(0.0);
            judged.push((row, own, other));
        }
    }
    let own: Vec<f64> = judged.iter().map(|(_, own, _)| *own).collect();
    let count = own.len().max(1) as f64;
    let mean = own.iter().sum::<f64>() / count;
    let deviation = (own.iter().map(|own| (own - mean).powi(2)).sum::<f64>() / count).sqrt();
    judged.retain(|(_, own, other)| *own < other.cosine && *own < mean - FAR * deviation);
    judged.sort_by(|a, b| (b.2.cosine - b.1).total_cmp(&(a.2.cosine - a.1)));
    let suspect = |(row, own, other): (usize, f64, crate::metrics::identification::Match)| Suspect {
        picture: listing.names[row].clone(),
        identity: listing.identities[listing.labels[row] as usize].clone(),
        cosine: own,
        nearer_to: listing.identities[other.person as usize].clone(),
        nearer_cosine: other.cosine,
    };
    Ok(judged.into_iter().map(suspect).collect())
}
