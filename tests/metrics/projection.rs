//! Eigenvectors by their definition, principal components by what they must do and by NumPy's numbers.

use hallucinet::metrics::eigen::symmetric;
use hallucinet::metrics::projection::Moments;
use hallucinet::metrics::verification::{cosine, folded, folded_by};
use hallucinet::random::Random;
use proptest::prelude::*;

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A symmetric matrix with entries of size 1; some rows and columns are copies or nothing, so that eigenvalues coincide.
fn matrix(seed: u64, side: usize, degenerate: bool) -> Vec<f64> {
    let mut random = Random::keyed(seed, &[side as u64]);
    let mut matrix = vec![0.0; side * side];
    for i in 0..side {
        for j in 0..=i {
            let value =
                if degenerate && (i % 3 == 0 || j % 3 == 0) { f64::from(u8::from(i == j)) } else { random.normal() };
            (matrix[i * side + j], matrix[j * side + i]) = (value, value);
        }
    }
    matrix
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn an_eigenvector_is_only_stretched(seed: u64, side in 1_usize..24, degenerate: bool) {
        let matrix = matrix(seed, side, degenerate);
        let eigen = symmetric(&matrix, side, side).unwrap();
        let bound = 1e-13 * side as f64;
        for (i, vector) in eigen.vectors.iter().enumerate() {
            for (row, x) in matrix.chunks_exact(side).zip(vector) {
                prop_assert!((product(row, vector) - eigen.values[i] * x).abs() < bound);
            }
            for (j, other) in eigen.vectors.iter().enumerate() {
                prop_assert!((product(vector, other) - f64::from(u8::from(i == j))).abs() < bound);
            }
        }
        prop_assert!(eigen.values.windows(2).all(|two| two[0] >= two[1]));
        let trace: f64 = (0..side).map(|i| matrix[i * side + i]).sum();
        prop_assert!((eigen.values.iter().sum::<f64>() - trace).abs() < bound);
    }
}

#[test]
fn matrices_that_are_none_are_refused() {
    assert_eq!(symmetric(&[], 0, 0).unwrap_err().exit_code(), 2);
    assert_eq!(symmetric(&[1.0; 5], 2, 1).unwrap_err().exit_code(), 2);
    assert_eq!(symmetric(&[1.0; 4], 2, 3).unwrap_err().exit_code(), 2);
    assert_eq!(symmetric(&[1.0, f64::NAN, f64::NAN, 1.0], 2, 1).unwrap_err().exit_code(), 6);
    assert_eq!(symmetric(&[0.0; 9], 3, 3).unwrap().values, [0.0; 3]);
}

/// Feature i, number j: sin(1 + 0.7 i + 1.3 j + 0.11 i j), as the script below has it.
fn features(count: usize, width: usize) -> Vec<Vec<f32>> {
    let number = |i: usize, j: usize| (1.0 + 0.7 * i as f64 + 1.3 * j as f64 + 0.11 * (i * j) as f64).sin() as f32;
    (0..count).map(|i| (0..width).map(|j| number(i, j)).collect()).collect()
}

fn moments(features: &[Vec<f32>], components: usize) -> Moments {
    let rows: Vec<&[f32]> = features.iter().map(Vec::as_slice).collect();
    Moments::new(&rows, features[0].len(), components > 0).unwrap()
}

/// Produced by:
/// ```python
/// import numpy as np
/// i, j = np.mgrid[0:12, 0:6]
/// x = np.sin(1 + .7*i + 1.3*j + .11*i*j).astype(np.float32).astype(np.float64)
/// fit, a, b = x[:9], x[10], x[11]
/// m = fit.mean(0)
/// v = np.linalg.svd(fit - m, full_matrices=False)[2]    # as sklearn.decomposition.PCA has components_
/// cos = lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b))
/// print(cos(a - m, b - m), *(cos(v[:n] @ (a - m), v[:n] @ (b - m)) for n in (1, 2, 3, 6)))
/// ```
#[test]
fn cosines_after_a_fit_are_numpys() {
    let all = features(12, 6);
    let expected = [0.7102550829624781, 1.0, 0.7855703314325739, 0.9417805535945112, 0.7102550829624782];
    for (components, expected) in [0, 1, 2, 3, 6].into_iter().zip(expected) {
        let projection = moments(&all[..9], components).fit(components).unwrap();
        let got = cosine(&projection.apply(&all[10]), &projection.apply(&all[11])).unwrap();
        assert!((got - expected).abs() < 1e-6, "{components} components: {got} {expected}");
    }
}

#[test]
fn sums_of_parts_are_the_sums_of_the_whole() {
    let all = features(20, 5);
    let parts = [moments(&all[..3], 2), moments(&all[3..11], 2), moments(&all[11..], 2)];
    let (whole, total) = (moments(&all, 2), Moments::total(&parts).unwrap());
    assert_eq!(total.count, 20);
    let (a, b) = (whole.fit(2).unwrap(), total.fit(2).unwrap());
    for feature in &all {
        let difference =
            a.apply(feature).iter().zip(b.apply(feature)).map(|(a, b)| (a.abs() - b.abs()).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-6, "{difference}");
    }
}

#[test]
fn components_that_the_features_do_not_have_are_refused() {
    let few = features(4, 6);
    for components in [4, 7] {
        let error = moments(&few, components).fit(components).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(&format!("{components} principal")), "{error}");
    }
    assert!(moments(&few, 3).fit(3).is_ok());
    assert!(Moments::new(&[&[1.0, 2.0], &[1.0]], 2, false).is_err());
    assert!(Moments::total([]).is_err());
}

/// Where every fold is scored by the same numbers, nothing changes; where it is not, a fold is answered by its own.
#[test]
fn a_fold_is_answered_by_its_own_scores() {
    let same = [true, false, true, false, true, false];
    let fold = [1, 1, 2, 2, 3, 3];
    let scores = [0.9, 0.1, 0.8, 0.3, 0.7, 0.2];
    assert_eq!(folded_by(&same, &fold, |_| Ok(scores.to_vec())).unwrap(), folded(&scores, &same, &fold).unwrap());
    // Fold 2 sees everything shifted, which moves its threshold along: the answers stay, the scores are its own.
    let shifted = |by: f64| scores.iter().map(|score| score - by).collect::<Vec<f64>>();
    let moved = folded_by(&same, &fold, |number| Ok(shifted(if number == 2 { 0.5 } else { 0.0 }))).unwrap();
    assert_eq!(moved.accuracy, 1.0);
    assert_eq!(moved.scores, [0.9, 0.1, 0.8 - 0.5, 0.3 - 0.5, 0.7, 0.2]);
    assert!(moved.folds[1].threshold < 0.5);
}
