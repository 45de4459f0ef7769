//! How far a measured number may be trusted: a mean with its standard error, and 95 % intervals.
//!
//! Wilson's interval for a share of right answers (it stays inside [0, 1] and does not collapse at 100 %, where the normal
//! approximation does) and the percentile bootstrap for the mean of anything else. Knows nothing of what was measured.

use crate::error::{Error, Result};
use crate::random::Random;

/// The standard normal's 97.5 % point: two-sided 95 %.
const Z95: f64 = 1.959_963_984_540_054;

/// A 95 % interval, ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

impl Interval {
    /// Whether a value lies outside.
    pub fn leaves_out(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }
}

/// A mean and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1) over the square root of n: the S_E of LFW's README. Not the deviation itself.
    pub stderr: f64,
}

/// Mean and standard error of two or more numbers, usually the accuracies of folds.
///
/// # Errors
/// [`Error::Input`] for fewer than two numbers, [`Error::Numeric`] for one that is not finite.
pub fn mean_and_error(values: &[f64]) -> Result<Mean> {
    if values.len() < 2 {
        return Err(Error::Input(format!("a standard error needs two numbers or more, not {}", values.len())));
    }
    check_finite(values)?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Ok(Mean { mean, stderr: (squares / (count - 1.0) / count).sqrt() })
}

/// Wilson's 95 % interval (1927) of a share: `right` of `total` answers.
///
/// # Errors
/// [`Error::Input`] where `total` is 0 or smaller than `right`.
pub fn wilson(right: usize, total: usize) -> Result<Interval> {
    if total == 0 || right > total {
        return Err(Error::Input(format!("{right} right answers of {total} have no confidence interval")));
    }
    let (n, share) = (total as f64, right as f64 / total as f64);
    let z2 = Z95 * Z95;
    let centre = share + z2 / (2.0 * n);
    let half = Z95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // At 0 and at all right the end is exactly 0 or 1; said outright, because rounding would miss it by a hair.
    let low = if right == 0 { 0.0 } else { (centre - half) / scale };
    let high = if right == total { 1.0 } else { (centre + half) / scale };
    Ok(Interval { low, high })
}

/// Which of `count` independent draws, counted from the highest, from 1, bound the value that a share of all draws exceed: a 95 %
/// interval that assumes nothing about their distribution (David and Nagaraja, Order Statistics, 7.1). How many draws exceed that
/// value is binomial; each end is passed with a chance of at most 2.5 %. Nothing where no draw is extreme enough.
pub fn quantile_ranks(count: usize, share: f64) -> (Option<usize>, Option<usize>) {
    if count == 0 || !(share > 0.0 && share < 1.0) {
        return (None, None);
    }
    let odds = share.ln() - (-share).ln_1p();
    let mut logarithm = count as f64 * (-share).ln_1p();
    let (mut at_most, mut upper) = (0.0, 0);
    for exceeding in 0..count {
        // The chance that at most `exceeding` of the draws exceed the value.
        at_most += f64::exp(logarithm);
        if at_most <= 0.025 {
            upper = exceeding + 1;
        } else if at_most >= 0.975 {
            return ((upper > 0).then_some(upper), Some(exceeding + 1));
        }
        logarithm += odds + ((count - exceeding) as f64 / (exceeding + 1) as f64).ln();
    }
    ((upper > 0).then_some(upper), None)
}

/// Percentile bootstrap of a mean: the middle 95 % of the means of `resamples` draws with replacement.
///
/// # Errors
/// [`Error::Input`] for no numbers or no resamples, [`Error::Numeric`] for a number that is not finite.
pub fn bootstrap_mean(values: &[f64], resamples: usize, random: &mut Random) -> Result<Interval> {
    if values.is_empty() || resamples == 0 {
        return Err(Error::Input("a bootstrap needs at least one number and one resample".into()));
    }
    check_finite(values)?;
    let count = values.len() as u64;
    let mut means: Vec<f64> = (0..resamples)
        .map(|_| (0..count).map(|_| values[random.below(count) as usize]).sum::<f64>() / count as f64)
        .collect();
    middle(&mut means)
}

/// The middle 95 % of some numbers, which are sorted on the way.
///
/// # Errors
/// As [`bootstrap_mean`].
pub fn middle(values: &mut [f64]) -> Result<Interval> {
    if values.is_empty() {
        return Err(Error::Input("no numbers have no middle".into()));
    }
    check_finite(values)?;
    values.sort_unstable_by(f64::total_cmp);
    Ok(Interval { low: quantile(values, 0.025), high: quantile(values, 0.975) })
}

/// Linear interpolation between order statistics (NumPy's default) of a sorted list that is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let (below, above) = (position.floor() as usize, position.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (position - position.floor())
}

/// Refuses NaN and infinity.
pub(crate) fn check_finite(values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::Numeric(format!("number {} of {} is {}, not finite", at + 1, values.len(), values[at]))),
        None => Ok(()),
    }
}
