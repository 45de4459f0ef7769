//! Products of pairs of 16-bit numbers: on every instruction set what a plain sum over 64 bits says.

use hallucinet::backend::cpu::gemm::Extent;
use hallucinet::backend::cpu::pairs::{Scales, Target, Words, multiply_bf16, multiply_integers};
use hallucinet::backend::cpu::simd::{Level, PANEL};
use hallucinet::ops::bf16;
use hallucinet::random::Random;

/// Rows, words, panels: tiles of 12, 6, 4, 2 and 1 rows, groups of 4, 3, 2 and 1 panels.
const EXTENTS: [(usize, usize, usize); 5] = [(1, 1, 1), (13, 3, 2), (23, 32, 4), (7, 5, 7), (24, 40, 5)];

fn words(name: &str, count: usize, half: impl Fn(&mut Random) -> u16) -> Vec<u32> {
    let mut random = Random::named(3, name);
    (0..count).map(|_| u32::from(half(&mut random)) | u32::from(half(&mut random)) << 16).collect()
}

fn halves(word: u32) -> [u16; 2] {
    [word as u16, (word >> 16) as u16]
}

/// The product of each row and column, half by half.
fn products<N: std::iter::Sum>(
    (rows, depth, panels): (usize, usize, usize),
    (left, right): (&[u32], &[u32]),
    product: impl Fn(u16, u16) -> N,
) -> Vec<N> {
    let each = (0..rows * panels * PANEL).map(|at| {
        let (row, column) = (at / (panels * PANEL), at % (panels * PANEL));
        let pair = |k: usize| {
            let right = right[column / PANEL * depth * PANEL + k * PANEL + column % PANEL];
            let (left, right) = (halves(left[row * depth + k]), halves(right));
            [product(left[0], right[0]), product(left[1], right[1])]
        };
        (0..depth).flat_map(pair).sum()
    });
    each.collect()
}

#[test]
fn sums_of_integers_are_exact_until_they_are_scaled() {
    for (rows, depth, panels) in EXTENTS {
        let half = |random: &mut Random| (random.below(8001) as i16 - 4000) as u16;
        let (left, right) = (words("left", rows * depth, half), words("right", depth * panels * PANEL, half));
        let exact = products((rows, depth, panels), (&left, &right), |a, b| i64::from(a as i16) * i64::from(b as i16));
        let row_scales: Vec<f32> = (0..rows).map(|row| 2f32.powi(row as i32 % 5 - 2)).collect();
        let column_scales: Vec<f32> = (0..panels * PANEL).map(|column| 0.5 + column as f32).collect();
        for (level, accumulate) in Level::supported().into_iter().flat_map(|level| [(level, false), (level, true)]) {
            let mut out = vec![7.0f32; rows * panels * PANEL];
            let sides = [
                Words { data: &left, outer: depth, depth: 1 },
                Words { data: &right, outer: depth * PANEL, depth: PANEL },
            ];
            let scales = Scales { rows: &row_scales, columns: &column_scales };
            let target = Target { out: &mut out, stride: panels * PANEL, accumulate };
            multiply_integers(level, Extent { rows, depth, panels }, sides, scales, target);
            for (at, (out, exact)) in out.iter().zip(&exact).enumerate() {
                let scale = column_scales[at % (panels * PANEL)] * row_scales[at / (panels * PANEL)];
                let scaled = *exact as f32 * scale;
                assert_eq!(
                    *out,
                    if accumulate { scaled + 7.0 } else { scaled },
                    "{level}, {rows}x{depth}x{panels}: {at}"
                );
            }
        }
    }
}

/// Terms of bf16 are exact in f32; what is left are the roundings of the sum, of which there are two a word.
#[test]
fn sums_of_bf16_are_those_of_f32() {
    for (rows, depth, panels) in EXTENTS {
        let half = |random: &mut Random| bf16::from_f64(random.normal()).to_bits();
        let (left, right) = (words("left", rows * depth, half), words("right", depth * panels * PANEL, half));
        let sides = (&left[..], &right[..]);
        let term = |a: u16, b: u16| bf16::from_bits(a).to_f64() * bf16::from_bits(b).to_f64();
        let exact = products((rows, depth, panels), sides, term);
        let sizes = products((rows, depth, panels), sides, |a, b| term(a, b).abs());
        for level in Level::supported() {
            let mut out = vec![0.0f32; rows * panels * PANEL];
            let sides = [
                Words { data: &left, outer: depth, depth: 1 },
                Words { data: &right, outer: depth * PANEL, depth: PANEL },
            ];
            let target = Target { out: &mut out, stride: panels * PANEL, accumulate: false };
            multiply_bf16(level, Extent { rows, depth, panels }, sides, target);
            for (at, ((out, exact), size)) in out.iter().zip(&exact).zip(&sizes).enumerate() {
                let allowed = 2.0 * depth as f64 * f64::from(f32::EPSILON) / 2.0 * size;
                let error = (f64::from(*out) - exact).abs();
                assert!(error <= allowed, "{level}, {rows}x{depth}x{panels}: {at}: {error:e} > {allowed:e}");
            }
        }
    }
}
