//! Is one way to do a thing better than another? Ways are trained from several seeds and for several held-out folds, and answer the
//! same pairs; differences are taken between answers to the same pairs by models of the same seed and fold.
//!
//! Two 95 % intervals of a mean difference, for two kinds of luck:
//!
//! * [`student`], over the cells (seed x fold): `mean(d) -+ t(n - 1) sd(d) / sqrt(n)`, d the difference of the accuracies of a cell, n
//!   the number of cells. It knows how much training varies; with one fold it knows nothing of the choice of pairs.
//! * [`resampled`], the bootstrap over seeds, folds and the pairs of a fold, each drawn with replacement (the pigeonhole bootstrap of
//!   Owen, 2007, which errs on the wide side). It knows pairs; of a few seeds it cannot know more than they show.
//!
//! A difference is decided where both leave zero out. Knows answers, nothing of what gave them.

use crate::error::{Error, Result};
use crate::metrics::interval::{Interval, mean_and_error};
use crate::random::Random;

/// Answers of one row: `cells[seed][fold][pair]`, true where right.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    cells: Vec<Vec<Vec<bool>>>,
}

impl Answers {
    /// Every seed must have the same folds, and every fold as many pairs under each seed.
    ///
    /// # Errors
    /// [`Error::Shape`] where one does not, or there is nothing.
    pub fn new(cells: Vec<Vec<Vec<bool>>>) -> Result<Answers> {
        let shape = shape(&cells);
        let even = cells.iter().all(|folds| folds.len() == shape.len() && lengths(folds) == shape);
        if !even || shape.is_empty() || shape.contains(&0) {
            return Err(Error::Shape(
                "answers of an experiment must have the same folds and pairs under every seed".into(),
            ));
        }
        Ok(Answers { cells })
    }

    /// Share of right answers of each cell, seed by seed.
    pub fn cells(&self) -> Vec<f64> {
        let share = |answers: &Vec<bool>| answers.iter().filter(|right| **right).count() as f64 / answers.len() as f64;
        self.cells.iter().flatten().map(share).collect()
    }

    /// Mean of the cells.
    pub fn mean(&self) -> f64 {
        let cells = self.cells();
        cells.iter().sum::<f64>() / cells.len() as f64
    }
}

fn lengths(folds: &[Vec<bool>]) -> Vec<usize> {
    folds.iter().map(Vec::len).collect()
}

fn shape(cells: &[Vec<Vec<bool>>]) -> Vec<usize> {
    cells.first().map_or(Vec::new(), |folds| lengths(folds))
}

/// Student's 95 % interval of a mean; `None` of fewer than two numbers, which say nothing of how they vary.
///
/// # Errors
/// [`Error::Numeric`] for a number that is not finite.
pub fn student(values: &[f64]) -> Result<Option<Interval>> {
    if values.len() < 2 {
        return Ok(None);
    }
    let found = mean_and_error(values)?;
    let half = student_quantile(values.len() - 1) * found.stderr;
    Ok(Some(Interval { low: found.mean - half, high: found.mean + half }))
}

/// The 97.5 % points of Student's t for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788, 2.1604, 2.1448,
    2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484,
    2.0452, 2.0423,
];

/// The 97.5 % point of Student's t: from the table, beyond it by the Cornish-Fisher expansion, which is then right to 1e-4.
pub fn student_quantile(freedom: usize) -> f64 {
    let known = freedom.checked_sub(1).and_then(|index| STUDENT.get(index)).copied();
    let (z, n) = (1.959_963_984_540_054_f64, freedom as f64);
    known.unwrap_or_else(|| {
        z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
    })
}

/// Means of every row in `resamples` draws of seeds, folds and pairs, the same draws for all rows: `[resample][row]`.
///
/// # Errors
/// [`Error::Shape`] where the rows did not answer the same pairs, [`Error::Input`] for no rows or no resamples.
pub fn resampled(rows: &[&Answers], resamples: usize, random: &mut Random) -> Result<Vec<Vec<f64>>> {
    let Some(first) = rows.first().filter(|_| resamples > 0) else {
        return Err(Error::Input("a bootstrap needs at least one row and one resample".into()));
    };
    let (seeds, pairs) = (first.cells.len(), shape(&first.cells));
    if rows.iter().any(|row| row.cells.len() != seeds || shape(&row.cells) != pairs) {
        return Err(Error::Shape("rows of an experiment must have answered the same pairs".into()));
    }
    let mut draw = |count: usize| random.below(count as u64) as usize;
    let mut means = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        let seeds_drawn: Vec<usize> = (0..seeds).map(|_| draw(seeds)).collect();
        let mut sums = vec![0.0; rows.len()];
        for _ in 0..pairs.len() {
            let fold = draw(pairs.len());
            let drawn: Vec<usize> = (0..pairs[fold]).map(|_| draw(pairs[fold])).collect();
            for (sum, row) in sums.iter_mut().zip(rows) {
                let right: usize = seeds_drawn
                    .iter()
                    .map(|seed| drawn.iter().filter(|pair| row.cells[*seed][fold][**pair]).count())
                    .sum();
                *sum += right as f64 / (pairs[fold] * seeds) as f64;
            }
        }
        sums.iter_mut().for_each(|sum| *sum /= pairs.len() as f64);
        means.push(sums);
    }
    Ok(means)
}
