//! Intervals by their definitions.

use hallucinet::metrics::interval::{bootstrap_mean, mean_and_error, quantile_ranks, wilson};
use hallucinet::random::Random;
use proptest::prelude::*;

#[test]
fn standard_error_is_that_of_lfw() {
    let got = mean_and_error(&[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(got.mean, 2.5);
    assert!((got.stderr - (5.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-15);
    assert_eq!(mean_and_error(&[1.0]).unwrap_err().exit_code(), 3);
    assert_eq!(mean_and_error(&[1.0, f64::NAN]).unwrap_err().exit_code(), 6);
}

#[test]
fn the_bootstrap_is_keyed_and_as_wide_as_the_normal_interval() {
    let mut random = Random::named(5, "values");
    let values: Vec<f64> = (0..400).map(|_| 30.0 + 2.0 * random.normal()).collect();
    let run = |seed| bootstrap_mean(&values, 2000, &mut Random::named(seed, "bootstrap")).unwrap();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let (interval, mean) = (run(1), mean_and_error(&values).unwrap());
    // The mean of 400 values is normal to well under a percent; 2000 resamples place each end to about 5 % of the width.
    let ratio = (interval.high - interval.low) / (2.0 * 1.96 * mean.stderr);
    assert!((0.9..1.1).contains(&ratio), "{ratio}");
    assert!(interval.low < mean.mean && mean.mean < interval.high);
    assert_eq!(bootstrap_mean(&[], 10, &mut random).unwrap_err().exit_code(), 3);
    assert_eq!(bootstrap_mean(&[f64::INFINITY], 10, &mut random).unwrap_err().exit_code(), 6);
}

#[test]
fn wilson_stays_inside_and_refuses_nonsense() {
    assert_eq!(wilson(0, 10).unwrap().low, 0.0);
    assert_eq!(wilson(10, 10).unwrap().high, 1.0);
    // 1 - Wilson's upper end at 0 of n is n / (n + z^2).
    assert!((wilson(0, 10).unwrap().high - 0.277_533).abs() < 1e-6);
    assert_eq!(wilson(0, 0).unwrap_err().exit_code(), 3);
    assert_eq!(wilson(3, 2).unwrap_err().exit_code(), 3);
}

proptest! {
    /// Wilson's ends are the shares p that lie z standard deviations of p itself away from what was seen.
    #[test]
    fn wilson_solves_its_equation(total in 1_usize..5000, part in 0.0..1.0_f64) {
        let right = (part * total as f64) as usize;
        let (seen, interval) = (right as f64 / total as f64, wilson(right, total).unwrap());
        for end in [interval.low, interval.high] {
            let reach = 1.959_963_984_540_054 * (end * (1.0 - end) / total as f64).sqrt();
            prop_assert!(((seen - end).abs() - reach).abs() < 1e-7, "{seen} {end} {reach}");
        }
        prop_assert!(interval.low <= seen && seen <= interval.high);
    }
}

/// The chance that exactly k of n draws exceed a value that a share of all draws exceed.
fn exactly(k: usize, n: usize, share: f64) -> f64 {
    let ways = (0..k).fold(1.0, |ways, i| ways * (n - i) as f64 / (i + 1) as f64);
    ways * share.powi(k as i32) * (1.0 - share).powi((n - k) as i32)
}

#[test]
fn ranks_bound_a_quantile_as_tightly_as_they_may() {
    for (n, share) in [(1, 0.5), (10, 0.5), (60, 0.1), (300, 0.01), (300, 0.02), (400, 0.9), (900, 0.03)] {
        let (upper, lower) = quantile_ranks(n, share);
        // The value lies above the draw of rank k where fewer than k draws exceed it, and at or below it otherwise.
        let above = |k: usize| (0..k).map(|i| exactly(i, n, share)).sum::<f64>();
        let below = |k: usize| (k..=n).map(|i| exactly(i, n, share)).sum::<f64>();
        assert!(upper.is_none_or(|k| above(k) <= 0.025), "{n} {share}");
        assert!(above(upper.unwrap_or(0) + 1) > 0.025, "{n} {share}: a lower rank would do");
        assert!(lower.is_none_or(|k| below(k) <= 0.025), "{n} {share}");
        assert!(lower.is_none_or(|k| below(k - 1) > 0.025), "{n} {share}: a higher rank would do");
        if lower.is_none() {
            assert!(below(n) > 0.025, "{n} {share}");
        }
    }
    // Produced by: from scipy.stats import binom; print(max(k for k in range(1, 1200) if binom.cdf(k - 1, 10**6, 1e-3) <= .025),
    //                                                   min(k for k in range(1, 1200) if binom.sf(k - 1, 10**6, 1e-3) <= .025))
    assert_eq!(quantile_ranks(1_000_000, 1e-3), (Some(939), Some(1063)));
    assert_eq!(quantile_ranks(0, 0.1), (None, None));
    assert_eq!(quantile_ranks(10, f64::NAN), (None, None));
}

/// Nineteen intervals of twenty hold the value that they are made for.
#[test]
fn ranks_cover_as_often_as_they_say() {
    let mut random = Random::named(3, "draws");
    let (draws, share, trials) = (500, 0.02, 2000);
    let ranks = quantile_ranks(draws, share);
    let (Some(upper), Some(lower)) = ranks else { panic!("{ranks:?}") };
    let held = (0..trials).filter(|_| {
        let mut values: Vec<f64> = (0..draws).map(|_| random.unit()).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        (values[lower - 1]..=values[upper - 1]).contains(&(1.0 - share))
    });
    // At least 95 %, and three standard errors of 2000 trials are 1.5 %.
    let held = held.count() as f64 / f64::from(trials);
    assert!((0.935..=1.0).contains(&held), "{held}");
}
