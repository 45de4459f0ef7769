//! Tiles and filters in the Winograd domain as 16-bit integers. The head of [`super::fixed`] says what the steps are and why.
//!
//! Two neighbouring channels share a word: a tile is `[36][channels / 2]` words and the step of its largest number; the filters of a
//! group of results and a slice of channels are `[36][channels / 2][width]` words, then `[36][width]` steps.

use super::near::{GROWTH, NearInput};
use super::tiles::{Extents, Pictures};
use super::transform::{Axis, columns};
use super::{GROUP, PLANES, WINDOW, padded};
use crate::backend::cpu::gemm::PANEL;
use crate::backend::cpu::lanes::{Job, Simd, Steps};
use crate::backend::cpu::simd::Vector;
use crate::ops::bf16;
use std::ops::Range;

/// Channels whose products are summed in integers.
pub(super) const SLICE: usize = 64;
/// Words of a plane of filters, and numbers of all planes with their steps.
pub(super) const FILTER_PLANE: usize = SLICE / 2 * GROUP + PANEL;
pub(super) const FILTERS: usize = PLANES * (FILTER_PLANE + GROUP);

/// Steps of the largest transformed number of a tile, and of all filters of a slice for one result.
const TOP: f32 = 32_766.0;
const SUM: f32 = 65_480.0;
/// Added to a number of steps, it leaves the nearest whole number in the lower half of the bit pattern.
const ROUND: f32 = 12_582_912.0;
/// Sizes below these count as zero, above them as no number, so that no step is either.
const SIZES: Range<f32> = 1e-30..1e30;

/// Words from one plane of a tile to the next, a cache line more than they take.
pub(super) const fn word_plane(channels: usize) -> usize {
    channels / 2 + PANEL
}

/// Words from one tile to the next.
pub(super) const fn word_stride(channels: usize) -> usize {
    PLANES * word_plane(channels)
}

/// What numbers are multiplied by to count steps, and the step, where the largest of them may be `steps` long.
fn scale(largest: f32, steps: f32) -> (f32, f32) {
    if SIZES.contains(&largest) {
        (steps / largest, largest / steps)
    } else if largest < SIZES.start {
        (0.0, 0.0)
    } else {
        (0.0, f32::NAN)
    }
}

/// The growth of a number from the input to a plane.
fn growth(k: usize) -> f32 {
    GROWTH[k / WINDOW] * GROWTH[k % WINDOW]
}

/// Transforms the windows of tiles and rounds them to steps of their own.
pub(super) struct RoundTiles<'a> {
    pub extents: &'a Extents,
    pub x: &'a [bf16],
    pub tiles: Range<usize>,
    /// 36 pixels of all channels, for a window that reaches over a border.
    pub patch: &'a mut [bf16],
    /// Words.
    pub v: &'a mut [f32],
    /// A step for every tile.
    pub steps: &'a mut [f32],
}

impl Job for RoundTiles<'_> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let e = self.extents;
        let channels = padded(e.c);
        let pictures = Pictures { numbers: self.x, h: e.h, w: e.w, c: e.c, pad: e.pad, first: 0, width: channels };
        let round = simd.splat(ROUND);
        let mut half = [[round; WINDOW]; WINDOW];
        let plane = 2 * word_plane(channels);
        let places = self.v.chunks_exact_mut(word_stride(channels)).zip(self.steps.iter_mut());
        for (tile, (v, step)) in self.tiles.zip(places) {
            let (window, from) = pictures.window::<WINDOW>(e.place(tile), self.patch);
            let (times, own) = scale(largest(simd, window, from, channels), TOP);
            *step = own;
            let mut factors = [0.0; PLANES];
            for (k, factor) in factors.iter_mut().enumerate() {
                *factor = times / growth(k);
            }
            let halves: &mut [i16] = bytemuck::cast_slice_mut(v);
            for channel in (0..channels).step_by(PANEL) {
                columns::<NearInput, bf16, V, WINDOW, WINDOW>(simd, (window, from.after(channel)), &mut half);
                for (i, row) in half.iter().enumerate() {
                    for (j, lanes) in NearInput::apply(simd, *row).into_iter().enumerate() {
                        let k = i * WINDOW + j;
                        let rounded = round.add_product(lanes, simd.splat(factors[k]));
                        rounded.store_halves(halves, k * plane + channel);
                    }
                }
            }
        }
    }
}

/// The largest size in a window, whose pixels lie side by side in each row; no number where one of them is none.
#[inline(always)]
fn largest<V: Vector>(simd: Simd<V>, window: &[bf16], steps: Steps, channels: usize) -> f32 {
    let mut largest = simd.splat(0.0);
    for i in 0..WINDOW {
        let row = &window[steps.index(i, 0)..][..WINDOW * channels];
        for at in (0..row.len()).step_by(PANEL) {
            largest = largest.larger_size(simd.load(row, at));
        }
    }
    let mut sizes = [0.0f32; PANEL];
    largest.store(&mut sizes, 0);
    f32::from_bits(sizes.iter().fold(0, |largest, size| largest.max(size.to_bits())))
}

/// Rounds the transformed filters `[36][depth][width]` of a group and a slice, and appends their steps.
pub(super) struct RoundFilters<'a> {
    pub u: &'a [f32],
    pub depth: usize,
    pub width: usize,
    /// Words, then steps.
    pub to: &'a mut [f32],
}

impl Job for RoundFilters<'_> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let (zero, round) = (simd.splat(0.0), simd.splat(ROUND));
        let (words, steps) = self.to.split_at_mut(PLANES * FILTER_PLANE);
        let plane = self.depth * self.width + PANEL;
        for (k, column) in (0..PLANES).flat_map(|k| (0..self.width).step_by(PANEL).map(move |column| (k, column))) {
            let u = &self.u[k * plane + column..];
            let (mut sum, mut largest) = (zero, zero);
            for depth in 0..self.depth {
                let value = simd.load(u, depth * self.width);
                sum = sum + zero.larger_size(value);
                largest = largest.larger_size(value);
            }
            let (mut sums, mut largests, mut times) = ([0.0; PANEL], [0.0; PANEL], [0.0; PANEL]);
            sum.store(&mut sums, 0);
            largest.store(&mut largests, 0);
            for lane in 0..PANEL {
                // What is a limit on the sum and one on each number is one on the larger of the two.
                let bound = (sums[lane] / SUM).max(largests[lane] / TOP);
                let bound = if sums[lane].is_nan() { f32::NAN } else { bound };
                let (factor, step) = scale(bound, 1.0);
                times[lane] = factor;
                steps[k * GROUP + column + lane] = step * growth(k);
            }
            let times = simd.load(&times, 0);
            for pair in 0..self.depth / 2 {
                let low = round.add_product(simd.load(u, 2 * pair * self.width), times);
                let high = round.add_product(simd.load(u, (2 * pair + 1) * self.width), times);
                low.halves(high).store(words, k * FILTER_PLANE + pair * self.width + column);
            }
        }
    }
}
