//! F(4x4, 3x3) forward over bf16 tensors, whose products are made of 16-bit integers: twice as many in a cycle as of f32, and exactly.
//!
//! Transforms are f32. A transformed tile is rounded to multiples of a step of its own, 1/32766 of what the largest number of its window
//! could become; the transformed filters of one result to a step for every plane and slice of 64 channels, so small that no sum of a slice
//! leaves 32 bits whatever the tile: `sum |U| <= 65480` steps. So a sum is exact until it is scaled back to f32.
//!
//! **Why integers.** bf16 has 8 digits, and F(4x4) amplifies roundings of its operands: of normal numbers in 64 channels a result is off
//! by 2e-2 of its size at the points of [`super::transform`] and by 1e-2 at those of [`super::near`], in numpy. Integers are off by 1e-3 or
//! less, half of what a result loses by being stored in bf16 (1.7e-3).
//!
//! **Accuracy.** A rounding is uniform over a step, so a result (i, j) of a tile has the variance `c / 12 sum over k, l of A[k,i]^2 A[l,j]^2
//! (var U[k,l] v[k,l]^2 + var V[k,l] u[k,l]^2)`, v and u the steps. For normal numbers, whose largest in a window is 4 deviations, the
//! first part is 8.4e-4 of a result's size in the worst place of a tile (its last), the second 2.9e-5 for every channel of a slice:
//! [`fixed_noise`]. The plain loop walks over `n = 9 c` terms, `n / sqrt 2` roundings of one term, a result being `sqrt n` of them.

use super::filter::{Filters, Source, Transform, group_len, group_width};
use super::near::{NearFilter, NearOutput};
use super::output::{Finish, OutputTiles, PATCH, Piece, for_strips};
use super::rounded::{FILTER_PLANE, FILTERS, RoundFilters, RoundTiles, SLICE, word_plane, word_stride};
use super::tiles::{Extents, SMALL_TILE, plane};
use super::{BLOCK, GROUP, PLANES, SMALL, forward_extents, padded};
use crate::backend::cpu::Scratch;
use crate::backend::cpu::gemm::{Extent, PANEL};
use crate::backend::cpu::lanes;
use crate::backend::cpu::pairs::{self, Scales, Target, Words};
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::team;
use crate::ops::bf16;
use crate::ops::conv::Geometry;
use crate::ops::conv::epilogue::Written;
use crate::ops::conv::wide::Convert;
use rayon::prelude::*;
use std::marker::PhantomData;

/// One convolution forward.
pub(in crate::ops::conv) struct Fixed<'a> {
    extents: Extents,
    w: &'a [bf16],
    finish: Finish<'a, bf16>,
    level: Level,
    scratch: &'a Scratch,
}

/// How many times the expected rounding error of the plain loop in f32 a result of so many channels may be off by, as derived in the head of
/// this file.
pub(in crate::ops::conv) fn fixed_noise(channels: usize) -> f64 {
    let (tiles, filters) = (8.4e-4, 2.9e-5 * channels.min(SLICE) as f64);
    let unit = f64::from(f32::EPSILON) / 2.0;
    (tiles * tiles + filters * filters).sqrt() / unit * 2f64.sqrt() / (9.0 * channels as f64).sqrt()
}

/// Filters that one task widens.
const WIDENED: usize = 1 << 14;

impl<'a> Fixed<'a> {
    /// With bias, slopes and residual as far as they are not empty.
    pub fn new(
        g: &Geometry,
        w: &'a [bf16],
        (bias, slope, residual): (&[f32], &[f32], &'a [bf16]),
        (level, scratch): (Level, &'a Scratch),
    ) -> Self {
        let extents = forward_extents(g, SMALL_TILE);
        let finish = Finish::new(bias, slope, residual, &[], extents.o);
        Fixed { extents, w, finish, level, scratch }
    }

    /// Computes y from x, and the value before PReLU where that is written.
    pub fn run(&self, x: &[bf16], to: Written<bf16>) {
        let e = &self.extents;
        let filters = self.groups() * self.slices() * FILTERS;
        self.scratch.of_launch(filters + self.w.len(), |memory| {
            let (u, w) = memory.split_at_mut(filters);
            team::each(w.par_chunks_mut(WIDENED).zip(self.w.par_chunks(WIDENED)), |(to, from)| {
                lanes::run(self.level, Convert { from, to });
            });
            let (w, channels) = (&*w, padded(e.c));
            team::each(u.par_chunks_mut(FILTERS).enumerate(), |(unit, u)| self.transform(w, unit, u));
            let u = &*u;
            let block = if 4 * u.len() <= SMALL { BLOCK } else { 4 * BLOCK };
            // Two pieces at the least, for a second thread.
            let strips = block.div_ceil(e.tiles_across()).min(e.strips().div_ceil(2));
            let sizes = [block * word_stride(channels), block * e.stride(GROUP), block.next_multiple_of(PANEL)];
            let patch_len = PATCH.max(PLANES * channels / 2);
            for_strips(e, to, strips, |piece| {
                self.scratch.of_worker(sizes.iter().sum::<usize>() + patch_len, |memory| {
                    let (v, rest) = memory.split_at_mut(sizes[0]);
                    let (m, rest) = rest.split_at_mut(sizes[1]);
                    let (steps, patch) = rest.split_at_mut(sizes[2]);
                    for from in piece.tiles.clone().step_by(block) {
                        let tiles = from..(from + block).min(piece.tiles.end);
                        let edge = bytemuck::cast_slice_mut(patch);
                        let windows = RoundTiles { extents: e, x, tiles: tiles.clone(), patch: edge, v, steps };
                        lanes::run(self.level, windows);
                        for group in 0..self.groups() {
                            self.multiply(u, group, (v, steps, tiles.len()), m);
                            self.write(m, tiles.clone(), group, patch, piece);
                        }
                    }
                });
            });
        });
    }

    fn groups(&self) -> usize {
        padded(self.extents.o).div_ceil(GROUP)
    }

    fn slices(&self) -> usize {
        padded(self.extents.c).div_ceil(SLICE)
    }

    /// Filters of one group of results and one slice of channels: words, then the steps.
    fn transform(&self, w: &[f32], unit: usize, to: &mut [f32]) {
        let e = &self.extents;
        let (group, slice) = (unit / self.slices(), unit % self.slices());
        let (width, from) = (group_width(e.o, group), slice * SLICE);
        let depths = from..(from + SLICE).min(padded(e.c));
        self.scratch.of_worker(group_len(PLANES, depths.len(), width), |u| {
            let filters = Filters { w, outputs: e.o, channels: e.c, transposed: false };
            let (source, axis, depth) = (Source::Plain(filters), PhantomData::<NearFilter>, depths.len());
            lanes::run(self.level, Transform::<_, 6> { axis, source, columns: e.o, group, depths, u });
            lanes::run(self.level, RoundFilters { u, depth, width, to });
        });
    }

    /// The 36 products of a group, slice after slice.
    fn multiply(&self, u: &[f32], group: usize, (v, steps, tiles): (&[f32], &[f32], usize), m: &mut [f32]) {
        let e = &self.extents;
        let (channels, width) = (padded(e.c), group_width(e.o, group));
        let v: &[u32] = bytemuck::cast_slice(v);
        for (slice, u) in u[group * self.slices() * FILTERS..].chunks(FILTERS).take(self.slices()).enumerate() {
            let depth = SLICE.min(e.c - slice * SLICE).div_ceil(2);
            let (words, columns) = u.split_at(PLANES * FILTER_PLANE);
            let words: &[u32] = bytemuck::cast_slice(words);
            for k in 0..PLANES {
                let first = k * word_plane(channels) + slice * SLICE / 2;
                let left = Words { data: &v[first..], outer: word_stride(channels), depth: 1 };
                let right = Words { data: &words[k * FILTER_PLANE..], outer: PANEL, depth: width };
                let extent = Extent { rows: tiles, depth, panels: width / PANEL };
                let scales = Scales { rows: steps, columns: &columns[k * GROUP..] };
                let out = &mut m[k * plane(width)..];
                let target = Target { out, stride: e.stride(width), accumulate: slice > 0 };
                pairs::multiply_integers(self.level, extent, [left, right], scales, target);
            }
        }
    }

    fn write(
        &self,
        m: &[f32],
        tiles: std::ops::Range<usize>,
        group: usize,
        patch: &mut [f32],
        piece: &mut Piece<bf16>,
    ) {
        let (extents, finish, width) = (&self.extents, &self.finish, group_width(self.extents.o, group));
        let axis = PhantomData::<NearOutput>;
        lanes::run(
            self.level,
            OutputTiles::<_, _, 6, 4> { axis, extents, finish, m, tiles, group, width, patch, piece },
        );
    }
}
