//! F(4x4, 3x3) forward over bf16 tensors, whose products are made of 16-bit integers: twice as many in a cycle as of f32, and exactly.
//!
//! Transforms are f32. A transformed tile is rounded to multiples of a step of its own, 1/32766 of what the largest number of its window
//! could become; the transformed filters of one result to a step for every plane and slice of 64 channels, so small that no sum of a slice
//! leaves 32 bits whatever the tile: `sum |U| <= 65480` steps. So a sum is exact until it is scaled back to f32.
//!
//! **Why integers.** bf16 has 8 digits, and F(4x4) amplifies a rounding of its operands 6 to 14 times (6e-3 to 2e-2 of a result). The
//! steps here are those of a 14-bit number or finer, so that what a layer loses is no more than what storing its result in bf16 does.
//!
//! **Accuracy.** With roundings uniform over a step, a result j of a tile has the variance `sum over k of A[k,j]^2 (|U|^2 v^2 + |V|^2 u^2) /
//! 12` along both axes, v and u the steps. [`NOISE`] is the root of its largest over the variance that f32 roundings of the plain loop
//! have, for normal numbers, whose largest in a window is about 4 deviations.

use super::filter::{Filters, Source, Transform, group_len, group_width};
use super::near::{NearFilter, NearOutput};
use super::rounded::{
    FILTER_PLANE, FILTERS, Lines, ReadLines, ReadWindow, RoundFilters, RoundTiles, SLICE, WriteLines,
};
use super::rounded::{line, word_plane, word_stride};
use super::tiles::{Extents, Finish, OutputTiles, PATCH, Piece, TILE, WINDOW, plane, stride};
use super::{BLOCK, GROUP, PLANES, SMALL, forward_extents, padded};
use crate::backend::cpu::Scratch;
use crate::backend::cpu::gemm::{Extent, PANEL};
use crate::backend::cpu::lanes;
use crate::backend::cpu::pairs::{self, Scales, Target, Words};
use crate::backend::cpu::simd::Level;
use crate::ops::bf16;
use crate::ops::conv::Geometry;
use crate::ops::conv::epilogue::Written;
use crate::ops::conv::wide::Widen;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// What a bf16 convolution forward reads besides x and w; absent slices are empty.
#[derive(Clone, Copy)]
pub(in crate::ops::conv) struct Operands<'a> {
    pub bias: &'a [f32],
    pub slope: &'a [f32],
    pub residual: &'a [bf16],
}

/// One convolution forward.
pub(in crate::ops::conv) struct Fixed<'a> {
    extents: Extents,
    w: &'a [bf16],
    operands: Operands<'a>,
    level: Level,
    scratch: &'a Scratch,
}

/// A run of strips of y, and of the value before PReLU where that is kept.
struct Strips<'a> {
    strips: Range<usize>,
    /// Where it begins in y.
    first: usize,
    y: &'a mut [bf16],
    before: &'a mut [bf16],
}

/// What a worker holds.
struct Memory<'a> {
    /// Six rows of x with zeros around them, `[6][across * 4 + 2][channels]`.
    window: &'a mut [f32],
    /// Transformed tiles, and the step of each.
    v: &'a mut [f32],
    steps: &'a mut [f32],
    /// Products.
    m: &'a mut [f32],
    /// A run of finished tiles, before and after PReLU, and what is added to it.
    y: &'a mut [f32],
    before: &'a mut [f32],
    residual: &'a mut [f32],
    patch: &'a mut [f32],
}

impl<'a> Fixed<'a> {
    pub fn new(g: &Geometry, w: &'a [bf16], operands: Operands<'a>, (level, scratch): (Level, &'a Scratch)) -> Self {
        Fixed { extents: forward_extents(g), w, operands, level, scratch }
    }

    /// Computes y from x, and the value before PReLU where `before` is not empty.
    pub fn run(&self, x: &[bf16], y: &mut [bf16], before: &mut [bf16]) {
        let e = &self.extents;
        let units = self.groups() * self.slices();
        self.scratch.of_launch(units * FILTERS + self.w.len(), |memory| {
            let (u, w) = memory.split_at_mut(units * FILTERS);
            w.par_chunks_mut(1 << 14).zip(self.w.par_chunks(1 << 14)).for_each(|(to, from)| {
                lanes::run(self.level, Widen { from, to });
            });
            let w = &*w;
            u.par_chunks_mut(FILTERS).enumerate().for_each(|(unit, u)| self.transform(w, unit, u));
            let u = &*u;
            let block = if 4 * u.len() <= SMALL { BLOCK } else { 4 * BLOCK };
            // Two pieces at the least, for a second thread.
            let strips = block.div_ceil(e.tiles_across()).min(e.strips().div_ceil(2)).max(1);
            let pieces = cut(e, strips, y, before);
            pieces.into_par_iter().for_each(|mut piece| self.strips(x, u, block, &mut piece));
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
        self.scratch.of_worker(group_len(depths.len(), width), |u| {
            let filters = Filters { w, outputs: e.o, channels: e.c, transposed: false };
            let (source, axis) = (Source::Plain(filters), PhantomData::<NearFilter>);
            let depth = depths.len();
            lanes::run(self.level, Transform { axis, source, columns: e.o, group, depths, u });
            lanes::run(self.level, RoundFilters { u, depth, width, to });
        });
    }

    /// All tiles of some strips, a block at a time.
    fn strips(&self, x: &[bf16], u: &[f32], block: usize, piece: &mut Strips) {
        let e = &self.extents;
        let (channels, across) = (padded(e.c), e.tiles_across());
        let block = block.min(piece.strips.len() * across);
        let window = WINDOW * line(e);
        let run = TILE * TILE * block.min(across) * GROUP;
        let sizes = [
            window,
            block * word_stride(channels),
            block.next_multiple_of(PANEL),
            block * stride(GROUP),
            run,
            run,
            run,
            PATCH,
        ];
        self.scratch.of_worker(sizes.iter().sum(), |memory| {
            let mut rest = memory;
            let [window, v, steps, m, y, before, residual, patch] = sizes.map(|size| {
                let (part, left) = std::mem::take(&mut rest).split_at_mut(size);
                rest = left;
                part
            });
            let mut memory = Memory { window, v, steps, m, y, before, residual, patch };
            let mut held = None;
            let tiles = piece.strips.start * across..piece.strips.end * across;
            for from in tiles.clone().step_by(block) {
                let tiles = from..(from + block).min(tiles.end);
                self.read(x, tiles.clone(), &mut held, &mut memory);
                for group in 0..self.groups() {
                    self.multiply(u, tiles.len(), group, &mut memory);
                    self.write(tiles.clone(), group, piece, &mut memory);
                }
            }
        });
    }

    /// Transforms tiles. `held` is the strip that the window holds.
    fn read(&self, x: &[bf16], tiles: Range<usize>, held: &mut Option<(usize, usize)>, memory: &mut Memory) {
        let e = &self.extents;
        let channels = padded(e.c);
        let mut done = 0;
        e.runs(tiles, |place, count| {
            if *held != Some((place.n, place.row)) {
                lanes::run(self.level, ReadWindow { extents: e, x, place, to: &mut *memory.window });
                *held = Some((place.n, place.row));
            }
            let v = &mut memory.v[done * word_stride(channels)..][..count * word_stride(channels)];
            let steps = &mut memory.steps[done..done + count];
            let first = place.column * channels;
            lanes::run(self.level, RoundTiles { window: &*memory.window, line: line(e), channels, first, v, steps });
            done += count;
        });
    }

    /// The 36 products of a group, slice after slice.
    fn multiply(&self, u: &[f32], tiles: usize, group: usize, memory: &mut Memory) {
        let e = &self.extents;
        let (channels, width) = (padded(e.c), group_width(e.o, group));
        let v: &[u32] = bytemuck::cast_slice(memory.v);
        for (slice, u) in u[group * self.slices() * FILTERS..].chunks(FILTERS).take(self.slices()).enumerate() {
            let depth = SLICE.min(e.c - slice * SLICE).div_ceil(2);
            let (words, columns) = u.split_at(PLANES * FILTER_PLANE);
            let words: &[u32] = bytemuck::cast_slice(words);
            for k in 0..PLANES {
                let first = k * word_plane(channels) + slice * SLICE / 2;
                let left = Words { data: &v[first..], outer: word_stride(channels), depth: 1 };
                let right = Words { data: &words[k * FILTER_PLANE..], outer: PANEL, depth: width };
                let extent = Extent { rows: tiles, depth, panels: width / PANEL };
                let scales = Scales { rows: memory.steps, columns: &columns[k * GROUP..] };
                let out = &mut memory.m[k * plane(width)..];
                let target = Target { out, stride: stride(width), accumulate: slice > 0 };
                pairs::multiply_integers(self.level, extent, [left, right], scales, target);
            }
        }
    }

    /// Finishes tiles of a group and rounds them to where they belong.
    fn write(&self, tiles: Range<usize>, group: usize, piece: &mut Strips, memory: &mut Memory) {
        let e = &self.extents;
        let (first, width) = (group * GROUP, group_width(e.o, group));
        let real = width.min(e.o - first);
        let vector = |given: &[f32], absent: f32| {
            let mut vector = given.get(first..first + real).unwrap_or_default().to_vec();
            vector.resize(width, absent);
            vector
        };
        let (bias, slope) = (vector(self.operands.bias, 0.0), vector(self.operands.slope, 1.0));
        let mut done = 0;
        e.runs(tiles, |place, count| {
            let run = Extents {
                n: 1,
                oh: TILE.min(e.oh - place.row),
                ow: (count * TILE).min(e.ow - place.column),
                o: real,
                ..*e
            };
            let length = run.oh * run.ow * real;
            let at = ((place.n * e.oh + place.row) * e.ow + place.column) * e.o + first;
            let lines = Lines { rows: run.oh, pixels: run.ow, channels: real, row: e.ow * e.o, pixel: e.o };
            if !self.operands.residual.is_empty() {
                let (from, to) = (&self.operands.residual[at..], &mut memory.residual[..length]);
                lanes::run(self.level, ReadLines { lines, from, to });
            }
            let residual = if self.operands.residual.is_empty() { &[] } else { &memory.residual[..length] };
            let kept = if piece.before.is_empty() { 0 } else { length };
            let (y, before) = (&mut memory.y[..length], &mut memory.before[..kept]);
            let to = Written { y, before, ..Written::default() };
            let mut whole = Piece { tiles: 0..count, first: 0, to };
            let finish = Finish { bias: bias.clone(), slope: slope.clone(), residual, z: &[] };
            let m = &memory.m[done * stride(width)..];
            let axis = PhantomData::<NearOutput>;
            let patch = &mut *memory.patch;
            let (extents, tiles) = (&run, 0..count);
            lanes::run(
                self.level,
                OutputTiles { axis, extents, finish: &finish, m, tiles, group: 0, width, patch, piece: &mut whole },
            );
            let at = at - piece.first;
            lanes::run(self.level, WriteLines { lines, from: &memory.y[..length], to: &mut piece.y[at..] });
            if kept > 0 {
                lanes::run(self.level, WriteLines { lines, from: &memory.before[..kept], to: &mut piece.before[at..] });
            }
            done += count;
        });
    }
}

/// Cuts what is written into pieces of so many strips.
fn cut<'a>(e: &Extents, strips: usize, mut y: &'a mut [bf16], mut before: &'a mut [bf16]) -> Vec<Strips<'a>> {
    let mut first = 0;
    let mut pieces = Vec::new();
    for start in (0..e.strips()).step_by(strips) {
        let end = (start + strips).min(e.strips());
        let length = (start..end).map(|strip| e.strip_len(strip)).sum();
        let (y_part, y_rest) = y.split_at_mut(length);
        let (before_part, before_rest) = before.split_at_mut(length.min(before.len()));
        pieces.push(Strips { strips: start..end, first, y: y_part, before: before_part });
        (y, before) = (y_rest, before_rest);
        first += length;
    }
    pieces
}
