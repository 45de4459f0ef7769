//! Gradient to the filter in the Winograd domain: `dU[k] = sum over tiles of (A dy A^T)[k]^T (B^T x B)[k]`, then `dw = G^T dU G`.
//!
//! The tiles are cut into chunks by the shapes alone. A task makes the partial sums of one chunk for one group of channels of x; they
//! are added in the order of the chunks.

use super::ahead::Ahead;
use super::tiles::{Extents, SMALL_TILE, gradient_tiles, input_tiles, plane};
use super::transform::{FilterTransposed, Input, transform};
use super::{GROUP, LARGE, PLANES, forward_extents, group_width, padded};
use crate::backend::cpu::Scratch;
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Planes, Right};
use crate::backend::cpu::lanes::{self, Job, Simd, Steps};
use crate::backend::cpu::simd::{Level, Vector};
use crate::backend::cpu::team;
use crate::ops::conv::Geometry;
use rayon::prelude::*;
use std::ops::Range;

/// How the work on one filter is cut.
pub(in crate::ops::conv) struct FilterGradient {
    extents: Extents,
    /// Groups of channels of x.
    groups: usize,
    /// Rows of tiles of one chunk.
    strips: usize,
    chunks: usize,
}

/// Chunks times groups that are enough for any processor.
const TASKS: usize = 16;
/// Tiles of a chunk, at the least: each has to be transformed back.
const TILES: usize = 64;
/// Tiles that are transformed together: with the 36 products of 64 x 64 that they are added to, they just fit into an L2 cache.
const BLOCK: usize = 16;

impl FilterGradient {
    pub fn new(g: &Geometry) -> Self {
        let extents = forward_extents(g, SMALL_TILE);
        let groups = padded(extents.c).div_ceil(GROUP);
        let chunks = TASKS.div_ceil(groups).min(extents.tiles() / TILES).clamp(1, extents.strips());
        let strips = extents.strips().div_ceil(chunks);
        FilterGradient { extents, groups, strips, chunks: extents.strips().div_ceil(strips) }
    }

    /// f32 of one task's partial sums: `[o][9][width]`, then the sums of dy.
    fn task(&self) -> usize {
        self.extents.o * (9 * GROUP + 1)
    }

    /// f32 of all partial sums.
    pub fn partials(&self) -> usize {
        self.chunks * self.groups * self.task()
    }

    /// The partial sums of every task; with `bias` those of dy as well.
    pub fn run(&self, x: &[f32], dy: &[f32], bias: bool, (level, scratch): (Level, &Scratch), partials: &mut [f32]) {
        let (e, across) = (&self.extents, self.extents.tiles_across());
        let tasks = partials[..self.partials()].par_chunks_exact_mut(self.task());
        team::each(tasks.enumerate(), |(task, partial)| {
            let (chunk, group) = (task / self.groups, task % self.groups);
            let (filter, sums) = partial.split_at_mut(9 * GROUP * e.o);
            let strips = chunk * self.strips..((chunk + 1) * self.strips).min(e.strips());
            let tiles = strips.start * across..strips.end * across;
            for outputs in 0..padded(e.o).div_ceil(GROUP) {
                let pair = Pair { extents: e, group, outputs, level };
                pair.run(x, dy, tiles.clone(), scratch, filter);
            }
            if bias && group == 0 {
                let length = |strips: Range<usize>| -> usize { strips.map(|strip| e.strip_len(strip)).sum() };
                let first = length(0..strips.start);
                sums.fill(0.0);
                for pixel in dy[first..first + length(strips)].chunks_exact(e.o) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, dy)| *sum += dy);
                }
            }
        });
    }

    /// Adds the partial sums in the order of the chunks.
    pub fn reduce(&self, partials: &[f32], dw: &mut [f32], db: &mut [f32]) {
        let e = &self.extents;
        let task = |chunk: usize, group: usize| &partials[(chunk * self.groups + group) * self.task()..][..self.task()];
        team::each(dw.par_chunks_exact_mut(9 * e.c).enumerate(), |(o, dw)| {
            for (tap, dw) in dw.chunks_exact_mut(e.c).enumerate() {
                for (group, dw) in dw.chunks_mut(GROUP).enumerate() {
                    let at = (o * 9 + tap) * group_width(e.c, group);
                    dw.copy_from_slice(&task(0, group)[at..at + dw.len()]);
                    for chunk in 1..self.chunks {
                        let partial = &task(chunk, group)[at..at + dw.len()];
                        dw.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
                    }
                }
            }
        });
        for (o, db) in db.iter_mut().enumerate() {
            *db = (0..self.chunks).map(|chunk| task(chunk, 0)[9 * GROUP * e.o + o]).sum();
        }
    }
}

/// A group of channels of x and one of y.
struct Pair<'a> {
    extents: &'a Extents,
    group: usize,
    outputs: usize,
    level: Level,
}

impl Pair<'_> {
    /// Writes the filter's gradient over some tiles into `filter`, which holds `[o][9][width]`.
    fn run(&self, x: &[f32], dy: &[f32], tiles: Range<usize>, scratch: &Scratch, filter: &mut [f32]) {
        let e = self.extents;
        let (columns, rows) = (group_width(e.c, self.group), group_width(e.o, self.outputs));
        let sizes = [BLOCK * e.stride(columns), BLOCK * e.stride(rows), PLANES * GROUP];
        let du_len = PLANES * (rows * columns + PANEL);
        scratch.of_worker(sizes.iter().sum::<usize>() + du_len, |memory| {
            let (v, rest) = memory.split_at_mut(sizes[0]);
            let (w, rest) = rest.split_at_mut(sizes[1]);
            let (patch, du) = rest.split_at_mut(sizes[2]);
            for from in tiles.clone().step_by(BLOCK) {
                let block = from..(from + BLOCK).min(tiles.end);
                let windows =
                    input_tiles::<Input, f32, 6>(e, x, (self.group * GROUP, columns), block.clone(), patch, v);
                lanes::run(self.level, windows);
                lanes::run(self.level, gradient_tiles(e, dy, (self.outputs * GROUP, rows), block.clone(), patch, w));
                let planes =
                    Planes { count: PLANES, left: plane(rows), right: plane(columns), out: rows * columns + PANEL };
                // A row without an output would be computed for nothing.
                let extent =
                    Extent { rows: rows.min(e.o - self.outputs * GROUP), depth: block.len(), panels: columns / PANEL };
                let left = Left { data: w, row_stride: 1, depth_stride: e.stride(rows) };
                let right = Right { data: v, panel_stride: PANEL, depth_stride: e.stride(columns) };
                let mut ahead = Ahead::new(PLANES);
                if 4 * (x.len() + dy.len()) > LARGE {
                    let next = block.end..(block.end + BLOCK).min(tiles.end);
                    e.window_rows(next.clone(), |row| ahead.add(&x[row]));
                    e.tile_rows(next, |row| ahead.add(&dy[row]));
                }
                let (du, later) = ((&mut *du, columns), from > tiles.start);
                gemm::multiply_planes(self.level, planes, extent, left, right, du, later, || ahead.piece());
            }
            let first = self.outputs * GROUP;
            let count = rows.min(e.o - first);
            let filter = &mut filter[first * 9 * columns..(first + count) * 9 * columns];
            lanes::run(self.level, Back { du, columns, plane: rows * columns + PANEL, filter });
        });
    }
}

/// From `dU[k][o][width]` to `dw[o][9][width]`.
struct Back<'a> {
    du: &'a [f32],
    columns: usize,
    plane: usize,
    filter: &'a mut [f32],
}

impl Job for Back<'_> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let columns = self.columns;
        let mut half = [[simd.splat(0.0); 6]; 3];
        for (o, filter) in self.filter.chunks_exact_mut(9 * columns).enumerate() {
            let source = Steps { at: o * columns, row: 6 * self.plane, column: self.plane };
            let target = Steps { at: 0, row: 3 * columns, column: columns };
            for channel in (0..columns).step_by(PANEL) {
                let (from, to) = (source.after(channel), target.after(channel));
                transform::<FilterTransposed, f32, V, 6, 3>(simd, (self.du, from), (filter, to), &mut half);
            }
        }
    }
}
