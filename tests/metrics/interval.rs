//! Intervals by their definitions.

use hallucinet::metrics::interval::{bootstrap_mean, mean_and_error, wilson};
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
