//! PSNR and SSIM: numbers of tests/golden/metrics.py, closed forms, and what must not depend on what.

use hallucinet::metrics::psnr::{psnr_rgb, psnr_y, psnr_y_crop4};
use hallucinet::metrics::ssim::ssim;
use hallucinet::metrics::{mean, restoration};
use proptest::prelude::*;

/// The picture of tests/golden/metrics.py.
fn picture(height: u64, width: u64, seed: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for c in 0..3 {
                bytes.push(((x * x + 3 * y + 29 * c + seed * (7 * x * y + 11 * y + 5) / 16) % 256) as u8);
            }
        }
    }
    bytes
}

fn near(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} is not {b} within {tolerance}");
}

#[test]
fn restoration_agrees_with_numpy() {
    // Both sides compute in f64; sums of at most 32 256 terms in another order differ by less than 1e-10 of a dB.
    let rows: serde_json::Value = serde_json::from_str(include_str!("../golden/metrics.json")).unwrap();
    for row in rows.as_array().unwrap() {
        let number = |key: &str| row[key].as_f64().unwrap();
        let whole = |value: &serde_json::Value| value.as_u64().unwrap();
        let (height, width) = (whole(&row["height"]), whole(&row["width"]));
        let [a, b] = [0, 1].map(|i| picture(height, width, whole(&row["seeds"][i])));
        let got = restoration(&a, &b, (height as usize, width as usize)).unwrap();
        near(got.psnr_rgb, number("psnr_rgb"), 1e-10);
        near(got.psnr_y, number("psnr_y"), 1e-10);
        near(got.psnr_y_crop4, number("psnr_y_crop4"), 1e-10);
        near(got.ssim, number("ssim"), 1e-10);
    }
}

#[test]
fn a_constant_difference_has_a_closed_form() {
    let (a, b) = (vec![100_u8; 3 * 12 * 20], vec![107_u8; 3 * 12 * 20]);
    let size = (12, 20);
    near(psnr_rgb(&a, &b, size).unwrap(), 20.0 * (255.0_f64 / 7.0).log10(), 1e-12);
    // A grey step of d is a luma step of d x 219 / 255.
    let luma = 20.0 * (255.0 / (7.0 * 219.0 / 255.0_f64)).log10();
    near(psnr_y(&a, &b, size).unwrap(), luma, 1e-12);
    near(psnr_y_crop4(&a, &b, size).unwrap(), luma, 1e-12);
    // Without variance only the luminance term of SSIM is left.
    let c1 = 2.55_f64 * 2.55;
    near(ssim(&a, &b, size).unwrap(), (2.0 * 100.0 * 107.0 + c1) / (100.0 * 100.0 + 107.0 * 107.0 + c1), 1e-10);
}

#[test]
fn identical_pictures_are_infinitely_good_and_json_says_null() {
    let a = picture(16, 16, 3);
    let got = restoration(&a, &a, (16, 16)).unwrap();
    assert_eq!([got.psnr_rgb, got.psnr_y, got.psnr_y_crop4], [f64::INFINITY; 3]);
    near(got.ssim, 1.0, 1e-12);
    assert_eq!(mean(&[got.psnr_rgb, 30.0]), Some(f64::INFINITY));
    assert_eq!(serde_json::json!({ "psnr_rgb": got.psnr_rgb }).to_string(), r#"{"psnr_rgb":null}"#);
    assert_eq!(mean(&[]), None);
}

#[test]
fn the_crop_sees_nothing_of_the_border() {
    let (a, mut b) = (picture(16, 13, 3), picture(16, 13, 3));
    for y in 0..16 {
        for x in 0..13 {
            if !(4..12).contains(&y) || !(4..9).contains(&x) {
                b[3 * (y * 13 + x)] ^= 0x55;
            }
        }
    }
    assert_eq!(psnr_y_crop4(&a, &b, (16, 13)).unwrap(), f64::INFINITY);
    assert!(psnr_y(&a, &b, (16, 13)).unwrap() < 40.0);
    b[3 * (4 * 13 + 4)] ^= 1;
    assert!(psnr_y_crop4(&a, &b, (16, 13)).unwrap().is_finite());
}

#[test]
fn pictures_that_do_not_fit_are_refused() {
    let a = picture(12, 12, 1);
    assert_eq!(psnr_rgb(&a, &a[1..], (12, 12)).unwrap_err().exit_code(), 2);
    assert_eq!(psnr_rgb(&a, &a, (12, 11)).unwrap_err().exit_code(), 2);
    assert_eq!(psnr_rgb(&[], &[], (0, 12)).unwrap_err().exit_code(), 2);
    assert_eq!(psnr_rgb(&a, &a, (usize::MAX, usize::MAX)).unwrap_err().exit_code(), 2);
    assert_eq!(ssim(&a[..3 * 120], &a[..3 * 120], (10, 12)).unwrap_err().exit_code(), 3);
    assert_eq!(psnr_y_crop4(&a[..3 * 96], &a[..3 * 96], (8, 12)).unwrap_err().exit_code(), 3);
}

proptest! {
    #[test]
    fn psnr_is_the_plain_formula(a in prop::collection::vec(any::<u8>(), 3 * 9 * 10), b in prop::collection::vec(any::<u8>(), 3 * 9 * 10)) {
        let squares: f64 = a.iter().zip(&b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum();
        prop_assume!(squares > 0.0);
        let plain = 10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10();
        prop_assert!((psnr_rgb(&a, &b, (9, 10)).unwrap() - plain).abs() < 1e-11);
    }

    #[test]
    fn ssim_is_symmetric_and_at_most_one(a in prop::collection::vec(any::<u8>(), 3 * 12 * 13), b in prop::collection::vec(any::<u8>(), 3 * 12 * 13)) {
        let (forth, back) = (ssim(&a, &b, (12, 13)).unwrap(), ssim(&b, &a, (12, 13)).unwrap());
        prop_assert!((forth - back).abs() < 1e-12 && (-1.0..1.0).contains(&forth));
    }
}
