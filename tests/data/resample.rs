//! The three bicubics against Pillow and OpenCV (bytes made by `resample_golden.py`) and against a naive f64 formula.

use hallucinet::random::Random;
use hallucinet::resample::{Flavour, Resampler, resize_u8, shrink_u8, taps};

type Size = (usize, usize);

/// `source` of `resample_golden.py`.
fn source((height, width): Size) -> Vec<u8> {
    let mut rgb = Vec::new();
    for y in 0..height as u64 {
        for x in 0..width as u64 {
            for c in 0..3u64 {
                let noise = (((y * 7919 + x * 104_729 + c * 1_299_709) * 2_654_435_761) % (1 << 32)) >> 24;
                let ramp = (y * 3 + x * 2 + c * 40) % 256;
                rgb.push(if x * 2 < width as u64 { (ramp * 3 + noise) / 4 } else { noise } as u8);
            }
        }
    }
    rgb
}

/// `CASES` of `resample_golden.py`.
const CASES: [(Size, Size); 7] = [
    ((112, 96), (28, 24)),
    ((28, 24), (112, 96)),
    ((17, 23), (40, 9)),
    ((37, 29), (10, 8)),
    ((37, 29), (37, 11)),
    ((37, 29), (15, 29)),
    ((9, 8), (21, 27)),
];

/// `allowed`: how many values may be one level away, for a case.
fn against_golden(flavour: Flavour, allowed: impl Fn(Size, Size) -> usize) {
    for (from, to) in CASES {
        let name = format!("{flavour}_{}x{}_to_{}x{}.u8", from.0, from.1, to.0, to.1);
        let path = format!("{}/tests/data/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        let expected = std::fs::read(path).unwrap();
        let mut got = vec![0; to.0 * to.1 * 3];
        resize_u8(flavour, &source(from), from, &mut got, to).unwrap();
        let different = got.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(got.len(), expected.len(), "{name}");
        assert!(got.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1), "{name}");
        assert!(different <= allowed(from, to), "{name}: {different} of {} values differ", got.len());
    }
}

#[test]
fn pillow_is_bit_equal_to_pillow() {
    against_golden(Flavour::Pillow, |_, _| 0);
}

/// IPP is closed: at other ratios than the ones of faces a tie may fall to the other side, seldom.
#[test]
fn opencv_is_bit_equal_to_opencv_at_four_and_a_quarter() {
    against_golden(Flavour::Opencv, |from, to| usize::from(from.0 * 4 != to.0 && from.0 != to.0 * 4));
}

/// The formula as the contract tells it: every input pixel of the mirrored plane weighed by the stretched kernel.
pub fn naive_matlab(src: &[u8], (height, width): Size, (out_height, out_width): Size, scale: (f64, f64)) -> Vec<f64> {
    fn kernel(x: f64) -> f64 {
        let x = x.abs();
        match x {
            _ if x <= 1.0 => 1.5 * x.powi(3) - 2.5 * x.powi(2) + 1.0,
            _ if x <= 2.0 => -0.5 * x.powi(3) + 2.5 * x.powi(2) - 4.0 * x + 2.0,
            _ => 0.0,
        }
    }
    fn weights(inputs: usize, output: usize, scale: f64) -> Vec<(usize, f64)> {
        let stretch = scale.min(1.0);
        let center = (output as f64 + 0.5) / scale - 0.5;
        let mut sums = vec![0.0; inputs];
        for position in -200i64..inputs as i64 + 200 {
            let mut inside = position;
            while inside < 0 || inside >= inputs as i64 {
                inside = if inside < 0 { -1 - inside } else { 2 * inputs as i64 - 1 - inside };
            }
            sums[inside as usize] += kernel(stretch * (center - position as f64));
        }
        let total: f64 = sums.iter().sum();
        sums.iter().map(|sum| sum / total).enumerate().filter(|(_, weight)| *weight != 0.0).collect()
    }
    let mut result = Vec::new();
    for y in 0..out_height {
        let down = weights(height, y, scale.0);
        for x in 0..out_width {
            let across = weights(width, x, scale.1);
            for c in 0..3 {
                let mut sum = 0.0;
                for (row, weight_y) in &down {
                    for (column, weight_x) in &across {
                        sum += weight_y * weight_x * f64::from(src[(row * width + column) * 3 + c]);
                    }
                }
                result.push(sum);
            }
        }
    }
    result
}

/// Equal to the rounded formula, except where the formula itself is within its own rounding error of a tie.
pub fn agrees(got: &[u8], exact: &[f64], what: &str) {
    assert_eq!(got.len(), exact.len(), "{what}");
    for (value, exact) in got.iter().zip(exact) {
        let rounded = (exact + 0.5).floor().clamp(0.0, 255.0) as u8;
        let tie = ((exact + 0.5) - (exact + 0.5).round()).abs() < 1e-9;
        assert!(*value == rounded || (tie && value.abs_diff(rounded) <= 1), "{what}: {value} for {exact}");
    }
}

#[test]
fn matlab_is_the_formula() {
    for (from, to) in CASES {
        let src = source(from);
        let mut got = vec![0; to.0 * to.1 * 3];
        resize_u8(Flavour::Matlab, &src, from, &mut got, to).unwrap();
        let scale = (to.0 as f64 / from.0 as f64, to.1 as f64 / from.1 as f64);
        agrees(&got, &naive_matlab(&src, from, to, scale), &format!("{from:?} to {to:?}"));
    }
}

#[test]
fn shrinking_keeps_the_scale_where_the_size_is_not_a_multiple() {
    for from in [(37, 29), (38, 30), (39, 31), (112, 96), (5, 3), (1, 1)] {
        for scale in [1, 2, 3, 4] {
            let src = source(from);
            let (got, to) = shrink_u8(Flavour::Matlab, &src, from, scale).unwrap();
            assert_eq!(to, (from.0.div_ceil(scale), from.1.div_ceil(scale)));
            let exact = naive_matlab(&src, from, to, (1.0 / scale as f64, 1.0 / scale as f64));
            agrees(&got, &exact, &format!("{from:?} / {scale}"));
        }
    }
}

/// With a quarter, the ties are exact in f64 too: no value may differ at all.
#[test]
fn a_quarter_is_exact_ties_included() {
    let mut random = Random::named(1, "quarter");
    for round in 0..4 {
        // Two levels only make many exact halves.
        let src: Vec<u8> = (0..112 * 96 * 3)
            .map(|_| if round % 2 == 0 { random.below(256) as u8 } else { 128 * random.below(2) as u8 })
            .collect();
        let mut got = vec![0; 28 * 24 * 3];
        resize_u8(Flavour::Matlab, &src, (112, 96), &mut got, (28, 24)).unwrap();
        let exact = naive_matlab(&src, (112, 96), (28, 24), (0.25, 0.25));
        let rounded: Vec<u8> = exact.iter().map(|v| (v + 0.5).floor().clamp(0.0, 255.0) as u8).collect();
        assert_eq!(got, rounded);
    }
    let down = taps(Flavour::Matlab, 112, 28);
    assert_eq!(down.width, 16);
    assert!(down.weight.iter().all(|w| (w * 4096.0).fract() == 0.0));
}

#[test]
fn taps_stay_inside_and_sum_to_one() {
    for flavour in [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv] {
        for (inputs, outputs) in [(1, 1), (1, 9), (2, 7), (3, 1), (9, 2), (96, 24), (24, 96), (115, 96), (1000, 3)] {
            let taps = taps(flavour, inputs, outputs);
            assert_eq!((taps.outputs(), taps.index.len()), (outputs, taps.weight.len()));
            assert!(taps.index.iter().all(|index| (*index as usize) < inputs), "{flavour} {inputs} {outputs}");
            let bound = if flavour == Flavour::Opencv { 1e-6 } else { 1e-12 };
            for row in taps.weight.chunks(taps.width) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() <= bound, "{flavour} {inputs} {outputs}");
            }
        }
    }
}

#[test]
fn flat_pictures_stay_flat_and_the_same_size_stays_the_same() {
    for flavour in [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv] {
        for level in [0, 1, 127, 255] {
            let (small, _) = shrink_u8(flavour, &vec![level; 30 * 23 * 3], (30, 23), 4).unwrap();
            assert!(small.iter().all(|v| *v == level), "{flavour} {level}");
        }
        let src = source((12, 7));
        let mut same = vec![0; src.len()];
        resize_u8(flavour, &src, (12, 7), &mut same, (12, 7)).unwrap();
        assert_eq!(src, same, "{flavour}");
    }
}

#[test]
fn wrong_lengths_and_empty_pictures_are_refused() {
    let mut dst = vec![0; 12];
    assert!(resize_u8(Flavour::Matlab, &[0; 11], (2, 2), &mut dst, (2, 2)).is_err());
    assert!(resize_u8(Flavour::Matlab, &[0; 12], (2, 2), &mut dst, (2, 3)).is_err());
    assert!(resize_u8(Flavour::Matlab, &[], (0, 2), &mut dst, (2, 2)).is_err());
    for scale in [0, usize::MAX] {
        assert!(shrink_u8(Flavour::Matlab, &[0; 12], (2, 2), scale).is_err());
    }
    assert_eq!(shrink_u8(Flavour::Matlab, &[9; 12], (2, 2), 1 << 20).unwrap(), (vec![9; 3], (1, 1)));
    assert!(Resampler::new(Flavour::Opencv, (usize::MAX, 2), (1, 1)).is_err());
}

#[test]
fn names_go_round() {
    for name in ["matlab", "pillow", "opencv"] {
        let flavour: Flavour = name.parse().unwrap();
        assert_eq!(flavour.to_string(), name);
        assert_eq!(serde_json::to_string(&flavour).unwrap(), format!("\"{name}\""));
    }
    assert!("Matlab".parse::<Flavour>().is_err());
    assert_eq!(Flavour::default(), Flavour::Matlab);
}

/// Bicubic x4 on Set5 is published everywhere (mean 28.42 dB on Y with MATLAB's imresize): down and up again must give it.
#[test]
fn set5_gives_the_published_bicubic_figures() {
    let Some(data) = crate::shared("set5_gives_the_published_bicubic_figures") else { return };
    for (name, published) in [("baby", 31.77), ("bird", 30.17), ("butterfly", 22.10), ("head", 31.59), ("woman", 26.46)]
    {
        let folder = std::fs::read_dir(data.join("sr_test/Set5")).unwrap();
        let mut paths = folder.map(|entry| entry.unwrap().path());
        let path = paths.find(|path| path.file_name().unwrap().to_string_lossy().contains(name)).unwrap();
        let picture = hallucinet::data::image::read(&path).unwrap();
        let size = (picture.height, picture.width);
        let (small, small_size) = shrink_u8(Flavour::Matlab, &picture.rgb, size, 4).unwrap();
        let mut up = vec![0; picture.rgb.len()];
        resize_u8(Flavour::Matlab, &small, small_size, &mut up, size).unwrap();
        let y = |rgb: &[u8], at: usize| {
            let [r, g, b] = [0, 1, 2].map(|c| f64::from(rgb[at * 3 + c]));
            (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round()
        };
        let (mut squares, mut pixels) = (0.0, 0.0);
        for row in 4..size.0 - 4 {
            for column in 4..size.1 - 4 {
                let at = row * size.1 + column;
                squares += (y(&picture.rgb, at) - y(&up, at)).powi(2);
                pixels += 1.0;
            }
        }
        let psnr = 10.0 * (255.0 * 255.0 * pixels / squares).log10();
        assert!((psnr - published).abs() < 0.03, "{name}: {psnr:.2} dB, published {published}");
    }
}
