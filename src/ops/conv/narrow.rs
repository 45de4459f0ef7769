//! bf16 convolution forward on the host. Where the processor multiplies pairs of 16-bit numbers, filters and pictures are read as they
//! lie, in half the bytes of f32, and twice as many products are made in a cycle; the cost model says for which shapes. Everywhere else,
//! and for every gradient, tensors are widened and computed with in f32, so that a result is rounded where it is stored and nowhere
//! else.

use super::Geometry;
use super::cost::{self, Algorithm};
use super::epilogue::{Tail, Written, cut};
use super::few_outputs;
use super::forward::{self, OUTPUTS, tap_blocks};
use super::shifted;
use super::wide::{Convert, widen};
use super::windows;
use super::winograd::Fixed;
use crate::backend::cpu::dots::{self, Rows};
use crate::backend::cpu::gemm::{self, Extent, PANEL};
use crate::backend::cpu::lanes;
use crate::backend::cpu::pairs::{self, Target, Words};
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::team;
use crate::backend::cpu::{HostArgs, Scratch};
use crate::ops::bf16;
use rayon::prelude::*;

pub(super) fn forward_host(mut args: HostArgs) {
    let g: Geometry = args.params();
    let (level, scratch) = (args.level, args.scratch);
    if !level.multiplies_bf16() {
        return forward::forward_host::<bf16>(args);
    }
    let algorithm = cost::bf16_algorithm(&g);
    if matches!(algorithm, Algorithm::Gathered | Algorithm::Winograd(_)) {
        return forward::forward_host::<bf16>(args);
    }
    let tail = (args.input(2), args.input(3), args.input(4));
    let whole = Written { y: args.output(0), before: args.output(1), ..Written::default() };
    if algorithm == Algorithm::Fixed {
        return Fixed::new(&g, args.input(1), tail, (level, scratch)).run(args.input(0), whole);
    }
    if algorithm == Algorithm::Windows {
        let (x, w) = (widen(args.input::<bf16>(0)), widen(args.input::<bf16>(1)));
        return windows::run(&g, (&x, &w), tail, level, whole);
    }
    if algorithm == Algorithm::FewOutputs {
        return few_outputs(&g, (args.input(0), args.input(1)), tail, (level, scratch), whole);
    }
    let finish = |products: Products| products.finish(level, g.o as usize, tail, whole);
    let words = (args.input(0), args.input(1));
    if algorithm == Algorithm::Shifted {
        shifted::multiply(&g, words, (level, scratch), finish);
    } else {
        few_pixels(&g, words, (level, scratch), finish);
    }
}

/// As inner products of the filter and the pixels, both where they lie, in words of two bf16: every tap with the pixels that it reaches.
fn few_pixels(
    g: &Geometry,
    (x, w): (&[u32], &[u32]),
    (level, scratch): (Level, &Scratch),
    finish: impl FnOnce(Products),
) {
    let (channels, pixels, words) = (g.o as usize, (g.n * g.oh * g.ow) as usize, g.c as usize / 2);
    let depth = (g.kh * g.kw) as usize * words;
    let blocks = tap_blocks(g, words);
    scratch.of_launch(pixels * channels, |products| {
        team::each(products.par_chunks_mut(OUTPUTS * pixels).enumerate(), |(task, out)| {
            let rows = Rows { data: &w[task * OUTPUTS * depth..], stride: depth, count: out.len() / pixels };
            dots::multiply_pairs(level, rows, x, &blocks, pixels, out);
        });
        let place = |pixel: usize| pixel;
        finish(Products { sums: products, stride: pixels, place: &place });
    });
}

/// As one matrix product of the pixels, which are read where they lie, and the filters of all taps. The few results are made in f32 and
/// rounded at the end.
fn few_outputs(
    g: &Geometry,
    (x, w): (&[u32], &[u32]),
    (bias, slope, residual): (&[f32], &[f32], &[bf16]),
    (level, scratch): (Level, &Scratch),
    whole: Written<bf16>,
) {
    let (words, columns) = (g.c as usize / 2, few_outputs::columns(g));
    let (row, stride) = (g.w as usize * words, gemm::panels(columns) * PANEL);
    let extent = Extent { rows: g.w as usize, depth: words, panels: gemm::panels(columns) };
    let mut packed = vec![0.0; gemm::packed_len(words, columns)];
    gemm::pack_columns(bytemuck::cast_slice(&few_outputs::by_taps(g, w, words)), columns, words, &mut packed);
    let right = Words { data: bytemuck::cast_slice(&packed), outer: words * PANEL, depth: PANEL };
    let [mut y, mut before, mut wide] =
        [whole.y.len(), whole.before.len(), residual.len()].map(|length| vec![0.0; length]);
    lanes::run(level, Convert { from: residual, to: &mut wide });
    let tail = Tail { bias, slope, residual: &wide, z: &[] };
    let to = Written { y: &mut y, before: &mut before, ..Written::default() };
    few_outputs::run(g, tail, to, (level, scratch), |line, out| {
        let left = Words { data: &x[line * row..], outer: words, depth: 1 };
        pairs::multiply_bf16(level, extent, [left, right], Target { out, stride, accumulate: false });
    });
    lanes::run(level, Convert { from: &y, to: whole.y });
    lanes::run(level, Convert { from: &before, to: whole.before });
}

/// Products whose rows, `stride` apart, are channels; in them every pixel has its place.
pub(super) struct Products<'a> {
    pub sums: &'a [f32],
    pub stride: usize,
    pub place: &'a (dyn Fn(usize) -> usize + Sync),
}

/// Pixels that one task finishes.
const PIECE: usize = 16;

impl Products<'_> {
    /// Bias, slopes and residual, and rounds.
    fn finish(
        &self,
        level: Level,
        channels: usize,
        (bias, slope, residual): (&[f32], &[f32], &[bf16]),
        whole: Written<bf16>,
    ) {
        let size = PIECE * channels;
        let count = whole.y.len().div_ceil(size);
        let pieces: Vec<_> = cut(whole.y, size, count).into_iter().zip(cut(whole.before, size, count)).collect();
        team::each(pieces.into_par_iter().enumerate(), |(piece, (y, before))| {
            let first = piece * size;
            let mut wide = [y.len(), y.len(), before.len(), if residual.is_empty() { 0 } else { y.len() }]
                .map(|length| vec![0.0; length]);
            let [sums, wide_y, wide_before, wide_residual] = &mut wide;
            if !residual.is_empty() {
                lanes::run(level, Convert { from: &residual[first..], to: wide_residual });
            }
            self.turn(piece * PIECE, channels, sums);
            let tail = Tail { bias, slope, residual: wide_residual, z: &[] };
            let mut to = Written { y: wide_y, before: wide_before, ..Default::default() };
            for (pixel, sums) in sums.chunks_exact(channels).enumerate() {
                tail.finish(sums, pixel * channels, to.pixel(pixel, channels));
            }
            lanes::run(level, Convert { from: wide_y, to: y });
            lanes::run(level, Convert { from: wide_before, to: before });
        });
    }

    /// The channels of some pixels from `first` on, side by side.
    fn turn(&self, first: usize, channels: usize, to: &mut [f32]) {
        let places: Vec<usize> = (first..first + to.len() / channels).map(self.place).collect();
        for (channel, row) in self.sums.chunks_exact(self.stride).take(channels).enumerate() {
            for (pixel, place) in places.iter().enumerate() {
                to[pixel * channels + channel] = row[*place];
            }
        }
    }
}
