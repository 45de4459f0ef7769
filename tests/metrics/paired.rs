//! Paired differences: Student's interval and the bootstrap over seeds, folds and pairs.

use hallucinet::metrics::interval::middle;
use hallucinet::metrics::paired::{Answers, resampled, student, student_quantile};
use hallucinet::random::Random;

/// Right with probability `share`, each pair as likely under every seed: `difficulty` decides it for all of them.
fn answers(random: &mut Random, shape: (usize, usize, usize), share: f64) -> Vec<Vec<Vec<bool>>> {
    let (seeds, folds, pairs) = shape;
    let mut one = || (0..folds).map(|_| (0..pairs).map(|_| random.unit() < share).collect()).collect();
    (0..seeds).map(|_| one()).collect()
}

/// `scipy.stats.t.ppf(0.975, n)`.
#[test]
fn quantiles_are_those_of_the_tables() {
    for (freedom, expected) in [(1, 12.7062), (2, 4.3027), (30, 2.0423), (31, 2.0395), (40, 2.0211), (120, 1.9799)] {
        let quantile = student_quantile(freedom);
        assert!((quantile - expected).abs() < 1.1e-4, "{freedom}: {quantile}");
    }
    assert!((1..500).all(|freedom| student_quantile(freedom) > student_quantile(freedom + 1)));
}

/// The mean of 1, 2, 3, 4 is 2.5, its standard error sqrt(5/12), and t(3) = 3.1824.
#[test]
fn students_interval() {
    let found = student(&[4.0, 1.0, 3.0, 2.0]).unwrap().unwrap();
    let half = 3.1824 * (5.0f64 / 12.0).sqrt();
    assert!((found.low - (2.5 - half)).abs() < 1e-12 && (found.high - (2.5 + half)).abs() < 1e-12);
    assert!(student(&[1.0]).unwrap().is_none());
    assert!(student(&[1.0, f64::NAN]).is_err());
}

/// Rows are drawn together: a row and its opposite add up to 1 in every draw, a row differs from itself in none.
#[test]
fn draws_are_the_same_for_all_rows() {
    let mut random = Random::named(1, "paired");
    let cells = answers(&mut random, (3, 2, 40), 0.7);
    let opposite =
        cells.iter().map(|folds| folds.iter().map(|pairs| pairs.iter().map(|right| !right).collect()).collect());
    let (row, other) = (Answers::new(cells.clone()).unwrap(), Answers::new(opposite.collect()).unwrap());
    let means = resampled(&[&row, &other, &row], 200, &mut random).unwrap();
    assert!(means.iter().all(|rows| (rows[0] + rows[1] - 1.0).abs() < 1e-12 && rows[0] == rows[2]));
    assert!(means.windows(2).any(|two| two[0] != two[1]));
    assert!((row.mean() - row.cells().iter().sum::<f64>() / 6.0).abs() < 1e-12);
}

/// One seed and one fold: the interval is that of a share, about 1.96 sqrt(p (1 - p) / n) to each side.
#[test]
fn of_one_cell_it_is_the_interval_of_a_share() {
    let mut random = Random::named(2, "paired");
    let row = Answers::new(answers(&mut random, (1, 1, 600), 0.85)).unwrap();
    let mut means: Vec<f64> = resampled(&[&row], 4000, &mut random).unwrap().into_iter().flatten().collect();
    let (found, p) = (middle(&mut means).unwrap(), row.mean());
    let half = 1.96 * (p * (1.0 - p) / 600.0).sqrt();
    assert!((found.low - (p - half)).abs() < 0.15 * half && (found.high - (p + half)).abs() < 0.15 * half, "{found:?}");
}

/// More luck in training widens it: seeds that differ as wholes are seen, though every pair is answered alike under a seed.
#[test]
fn it_knows_that_seeds_differ() {
    let flat = |right: bool| vec![vec![right; 50]];
    let row = Answers::new(vec![flat(true), flat(false), flat(true)]).unwrap();
    let mut means: Vec<f64> =
        resampled(&[&row], 2000, &mut Random::named(3, "paired")).unwrap().into_iter().flatten().collect();
    let found = middle(&mut means).unwrap();
    assert!(found.low < 0.4 && found.high > 0.9, "{found:?}");
}

#[test]
fn what_was_not_answered_alike_is_refused() {
    assert!(Answers::new(vec![]).is_err());
    assert!(Answers::new(vec![vec![]]).is_err());
    assert!(Answers::new(vec![vec![vec![]]]).is_err());
    assert!(Answers::new(vec![vec![vec![true]], vec![vec![true, false]]]).is_err());
    let [one, two] = [1, 2].map(|pairs| Answers::new(vec![vec![vec![true; pairs]]]).unwrap());
    assert!(resampled(&[&one, &two], 10, &mut Random::named(1, "")).is_err());
    assert!(resampled(&[], 10, &mut Random::named(1, "")).is_err());
    assert!(resampled(&[&one], 0, &mut Random::named(1, "")).is_err());
}
