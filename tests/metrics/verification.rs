//! Verification against the plainest counting, on lists full of ties, and by hand where the answer is known.

use hallucinet::metrics::verification::{Roc, accuracy, best_threshold, blocks, cosine, folded};
use proptest::prelude::*;

/// Scores on a grid of 1/16 in (-1, 1], so that equal scores and equal accuracies are common.
fn pairs(most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<bool>)> {
    let pair = ((-15_i32..=16).prop_map(|k| f64::from(k) / 16.0), any::<bool>());
    let both = |list: Vec<(f64, bool)>| list.into_iter().unzip();
    prop::collection::vec(pair, 2..most)
        .prop_filter("both kinds", |list| list.iter().any(|p| p.1) && list.iter().any(|p| !p.1))
        .prop_map(both)
}

fn split(scores: &[f64], same: &[bool]) -> (Vec<f64>, Vec<f64>) {
    let of = |kind| scores.iter().zip(same).filter(|(_, s)| **s == kind).map(|(score, _)| *score).collect();
    (of(true), of(false))
}

fn share(scores: &[f64], threshold: f64) -> f64 {
    scores.iter().filter(|score| **score >= threshold).count() as f64 / scores.len() as f64
}

proptest! {
    #[test]
    fn auc_is_the_chance_of_the_right_order((scores, same) in pairs(40)) {
        let (positive, negative) = split(&scores, &same);
        let won: f64 = positive.iter().flat_map(|p| negative.iter().map(move |n| if p > n { 1.0 } else if p == n { 0.5 } else { 0.0 })).sum();
        let plain = won / (positive.len() * negative.len()) as f64;
        prop_assert!((Roc::new(&scores, &same).unwrap().auc() - plain).abs() < 1e-12);
    }

    #[test]
    fn roc_places_are_counts((scores, same) in pairs(40)) {
        let (positive, negative) = split(&scores, &same);
        let roc = Roc::new(&scores, &same).unwrap();
        prop_assert_eq!((roc.positives, roc.negatives), (positive.len(), negative.len()));
        for place in &roc.places {
            prop_assert_eq!(place.true_accepts as f64 / positive.len() as f64, share(&positive, place.threshold));
            prop_assert_eq!(place.false_accepts as f64 / negative.len() as f64, share(&negative, place.threshold));
        }
        prop_assert!(roc.places.windows(2).all(|two| two[0].threshold > two[1].threshold));
    }

    /// The curve, drawn with straight lines, is walked in small steps until the two errors have changed places.
    #[test]
    fn eer_is_where_the_errors_meet((scores, same) in pairs(40)) {
        let roc = Roc::new(&scores, &same).unwrap();
        let eer = roc.eer();
        let curve: Vec<(f64, f64)> = roc.places.iter().map(|p| {
            (p.false_accepts as f64 / roc.negatives as f64, 1.0 - p.true_accepts as f64 / roc.positives as f64)
        }).collect();
        let mut nearest = (f64::INFINITY, 0.0);
        for two in curve.windows(2) {
            for k in 0..=1000 {
                let t = f64::from(k) / 1000.0;
                let (far, frr) = (two[0].0 + t * (two[1].0 - two[0].0), two[0].1 + t * (two[1].1 - two[0].1));
                if (far - frr).abs() < nearest.0 {
                    nearest = ((far - frr).abs(), (far + frr) / 2.0);
                }
            }
        }
        prop_assert!((eer - nearest.1).abs() <= 1e-3, "{eer} {nearest:?}");
    }

    #[test]
    fn tar_is_the_best_of_all_thresholds((scores, same) in pairs(60), far in 0.0..1.0_f64) {
        let (positive, negative) = split(&scores, &same);
        let got = Roc::new(&scores, &same).unwrap().tar(far);
        if negative.len() as f64 * far < 1.0 {
            prop_assert_eq!(got, None);
        } else {
            let thresholds = scores.iter().copied().chain([f64::INFINITY]);
            let plain = thresholds.filter(|t| share(&negative, *t) <= far).map(|t| share(&positive, t)).fold(0.0, f64::max);
            prop_assert_eq!(got, Some(plain));
        }
    }

    /// Scores lie on 1/16, so accuracy is constant on every cell of 1/1024, and the mean over cell middles is exact.
    #[test]
    fn best_threshold_is_the_mean_of_all_best((scores, same) in pairs(40)) {
        let grid: Vec<(f64, f64)> = (0..2048).map(|k| -1.0 + (f64::from(k) + 0.5) / 1024.0).map(|t| (t, accuracy(&scores, &same, t).unwrap())).collect();
        let best = grid.iter().map(|cell| cell.1).fold(0.0, f64::max);
        let all: Vec<f64> = grid.iter().filter(|cell| cell.1 == best).map(|cell| cell.0).collect();
        let plain = all.iter().sum::<f64>() / all.len() as f64;
        let got = best_threshold(&scores, &same).unwrap();
        prop_assert!((got - plain).abs() < 1e-12, "{got} {plain}");
    }

    #[test]
    fn a_fold_never_sees_itself((scores, same) in pairs(60), count in 2_usize..6) {
        let fold: Vec<usize> = (0..scores.len()).map(|i| 7 + i % count).collect();
        prop_assume!(scores.len() >= count);
        let got = folded(&scores, &same, &fold).unwrap();
        prop_assert_eq!(got.folds.len(), count);
        let mut right = 0;
        for (k, own) in got.folds.iter().enumerate() {
            let take = |inside: bool| -> (Vec<f64>, Vec<bool>) {
                (0..fold.len()).filter(|i| (fold[*i] == 7 + k) == inside).map(|i| (scores[i], same[i])).unzip()
            };
            let ((other_scores, other_same), (own_scores, own_same)) = (take(false), take(true));
            prop_assert_eq!(own.fold, 7 + k);
            prop_assert_eq!(own.threshold, best_threshold(&other_scores, &other_same).unwrap());
            prop_assert_eq!(own.accuracy, accuracy(&own_scores, &own_same, own.threshold).unwrap());
            right += (own.accuracy * own_scores.len() as f64).round() as usize;
        }
        prop_assert_eq!(got.right, right);
        // Its own labels turned over: the threshold of fold 0 stays.
        let turned: Vec<bool> = same.iter().zip(&fold).map(|(s, f)| *s != (*f == 7)).collect();
        prop_assert_eq!(folded(&scores, &turned, &fold).unwrap().folds[0].threshold, got.folds[0].threshold);
    }

    #[test]
    fn blocks_are_equal_and_in_order(same in prop::collection::vec(any::<bool>(), 0..200)) {
        let kinds = [true, false].map(|kind| same.iter().filter(|s| **s == kind).count());
        let fewest = kinds[0].min(kinds[1]);
        match blocks(&same) {
            Err(error) => prop_assert!(fewest < 2 && error.exit_code() == 3),
            Ok(block) => for (kind, total) in [(true, kinds[0]), (false, kinds[1])] {
                let count = fewest.min(10);
                let own: Vec<usize> = block.iter().zip(&same).filter(|(_, s)| **s == kind).map(|(b, _)| *b).collect();
                prop_assert!(own.windows(2).all(|two| two[0] <= two[1]));
                for b in 0..count {
                    let size = own.iter().filter(|o| **o == b).count();
                    prop_assert!(size == total / count || size == total.div_ceil(count), "{size} of {total}");
                }
            }
        }
    }
}

#[test]
fn one_fold_of_lfw_is_ten_blocks_of_thirty_and_thirty() {
    let same: Vec<bool> = (0..600).map(|i| i < 300).collect();
    let block = blocks(&same).unwrap();
    for b in 0..10 {
        let of = |range: std::ops::Range<usize>| block[range].iter().filter(|x| **x == b).count();
        assert_eq!((of(0..300), of(300..600)), (30, 30));
        assert!(block[30 * b..30 * b + 30].iter().all(|x| *x == b));
    }
}

#[test]
fn known_curves() {
    let roc = |scores: &[f64], same: &[bool]| Roc::new(scores, same).unwrap();
    let apart = roc(&[0.9, 0.8, 0.2, 0.1], &[true, true, false, false]);
    assert_eq!((apart.auc(), apart.eer(), apart.tar(0.5)), (1.0, 0.0, Some(1.0)));
    let reversed = roc(&[0.9, 0.8, 0.2, 0.1], &[false, false, true, true]);
    assert_eq!((reversed.auc(), reversed.eer()), (0.0, 1.0));
    let collapsed = roc(&[1.0; 4], &[true, false, true, false]);
    assert_eq!((collapsed.auc(), collapsed.eer(), collapsed.tar(0.5)), (0.5, 0.5, Some(0.0)));
    // + - + -: after "+ -" half of the negatives are accepted and half of the positives rejected.
    let mixed = roc(&[0.4, 0.3, 0.2, 0.1], &[true, false, true, false]);
    assert_eq!((mixed.auc(), mixed.eer(), mixed.tar(0.5), mixed.tar(0.49)), (0.75, 0.5, Some(1.0), None));
}

#[test]
fn tar_is_null_only_where_negatives_are_too_few() {
    let list = |negatives: usize| {
        let scores: Vec<f64> = (0..negatives + 1).map(|i| -(i as f64)).collect();
        let same: Vec<bool> = (0..negatives + 1).map(|i| i == 0).collect();
        Roc::new(&scores, &same).unwrap()
    };
    assert_eq!(
        (list(999).tar(1e-3), list(1000).tar(1e-3), list(3000).at_far(1e-3).unwrap().false_accepts),
        (None, Some(1.0), 3)
    );
    assert_eq!(
        (list(99).tar(1e-2), list(100).tar(1e-2), list(100).at_far(0.07).unwrap().false_accepts),
        (None, Some(1.0), 7)
    );
    assert_eq!((list(100).tar(0.0), list(100).tar(f64::NAN)), (None, None));
}

#[test]
fn known_thresholds() {
    // One gap: its middle. Two equally good stretches, (0, 0.2] and (0.6, 0.8]: their middles' mean.
    assert!((best_threshold(&[0.5, 0.1], &[true, false]).unwrap() - 0.3).abs() < 1e-15);
    let two = best_threshold(&[0.8, 0.6, 0.2, 0.0], &[true, false, true, false]).unwrap();
    assert!((two - (0.2 * 0.7 + 0.2 * 0.1) / 0.4).abs() < 1e-15);
    // All of one kind: everything above the highest (to 1), everything up to the lowest (from -1).
    assert!((best_threshold(&[0.5], &[false]).unwrap() - 0.75).abs() < 1e-15);
    assert!((best_threshold(&[0.5], &[true]).unwrap() + 0.25).abs() < 1e-15);
    // A recogniser that collapsed: all cosines 1. Thresholds outside the scores' own range do not exist.
    assert_eq!(best_threshold(&[1.0, 1.0], &[true, false]).unwrap(), 0.0);
    assert_eq!(best_threshold(&[-1.0, -1.0], &[true, true]).unwrap(), -1.0);
}

#[test]
fn cosine_is_of_normalised_features() {
    assert_eq!(cosine(&[3.0, 4.0], &[30.0, 40.0]).unwrap(), 1.0);
    assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]).unwrap(), 0.0);
    assert!((cosine(&[1.0, 0.0], &[-1.0, -1.0]).unwrap() + 0.5_f64.sqrt()).abs() < 1e-15);
    // Squares of these leave f32's range, but not f64's.
    assert!((cosine(&[1e30, 1e30], &[1e-30, 0.0]).unwrap() - 0.5_f64.sqrt()).abs() < 1e-15);
    for bad in [&[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
        assert_eq!(cosine(bad, &[1.0, 1.0]).unwrap_err().exit_code(), 6);
    }
    assert_eq!(cosine(&[1.0], &[1.0, 1.0]).unwrap_err().exit_code(), 2);
}

#[test]
fn bad_lists_are_errors() {
    let code = |result: hallucinet::Result<f64>| result.unwrap_err().exit_code();
    let auc = |scores: &[f64], same: &[bool]| Roc::new(scores, same).map(|roc| roc.auc());
    assert_eq!(code(auc(&[0.1, f64::NAN], &[true, false])), 6);
    assert_eq!(code(auc(&[0.1, 0.2], &[true, true])), 3);
    assert_eq!(code(auc(&[], &[])), 3);
    assert_eq!(code(auc(&[0.1], &[true, false])), 2);
    assert_eq!(code(best_threshold(&[f64::INFINITY], &[true])), 6);
    assert_eq!(code(best_threshold(&[], &[])), 3);
    assert_eq!(code(accuracy(&[], &[], 0.0)), 3);
    let accuracy_of = |scores: &[f64], fold: &[usize]| folded(scores, &[true, false], fold).map(|folds| folds.accuracy);
    assert_eq!(code(accuracy_of(&[0.1, 0.2], &[1, 1])), 3);
    assert_eq!(code(accuracy_of(&[0.1, 0.2], &[1])), 2);
    assert_eq!(code(accuracy_of(&[0.1, f64::NAN], &[1, 2])), 6);
}
