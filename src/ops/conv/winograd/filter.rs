//! Filters to the Winograd domain: `U = G g G^T` for every pair of channels.
//!
//! U is laid out as the right matrices of the products: `[group][planes][depth][width]`, where a group is up to [`GROUP`] channels of the
//! result and the depth are the channels that are read, both padded with zeros to a multiple of the panel.

use super::transform::{Axis, transform};
use super::{GROUP, padded};
use crate::backend::cpu::gemm::Lines;
use crate::backend::cpu::lanes::{self, Grid, GridMut, Job, Simd, Steps, transpose};
use crate::backend::cpu::simd::{Level, PANEL, Vector, prefetch};
use crate::backend::cpu::team;
use crate::shape::Shape;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// A filter in memory as OHWI, and in which direction it is used.
#[derive(Clone, Copy)]
pub(super) struct Filters<'a> {
    pub w: &'a [f32],
    /// Outputs and channels of the convolution forward.
    pub outputs: usize,
    pub channels: usize,
    /// Outputs and channels exchanged and taps in reverse: the correlation that gives the gradient to the input.
    pub transposed: bool,
}

/// Numbers of a block of filters: 9 taps x 16 x 16.
const BLOCK: usize = 9 * PANEL * PANEL;

impl Filters<'_> {
    /// Channels that are read and channels of the result.
    fn extents(&self) -> (usize, usize) {
        if self.transposed { (self.outputs, self.channels) } else { (self.channels, self.outputs) }
    }

    /// All blocks, `[depth / 16][columns / 16]` of them, into the first numbers of `packed`.
    pub fn pack(&self, level: Level, packed: &mut [f32]) {
        let packed = &mut packed[..9 * padded(self.outputs) * padded(self.channels)];
        let across = padded(self.extents().1) / PANEL;
        team::each(packed.par_chunks_exact_mut(across * BLOCK).enumerate(), |(depth, packed)| {
            lanes::run(level, Pack { filters: self, depth: depth * PANEL, packed });
        });
    }

    /// Asks for the nine taps of a channel of the result, 16 depths of each. They lie far apart, in lines that no processor foresees.
    #[inline(always)]
    fn look_ahead(&self, depth: usize, column: usize) {
        for tap in 0..9 {
            prefetch(self.w.as_ptr().wrapping_add((column * 9 + tap) * self.channels + depth));
        }
    }
}

/// Packs the blocks of 16 depths.
struct Pack<'a> {
    filters: &'a Filters<'a>,
    depth: usize,
    packed: &'a mut [f32],
}

impl Job for Pack<'_> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        for (column, block) in self.packed.chunks_exact_mut(BLOCK).enumerate() {
            pack_block(simd, self.filters, (self.depth, column * PANEL), block);
        }
    }
}

/// The taps of 16 x 16 pairs from a depth and a column on as `[tap][depth][column]`, zero where there is no such channel.
#[inline(always)]
fn pack_block<V: Vector>(simd: Simd<V>, f: &Filters, (depth, column): (usize, usize), block: &mut [f32]) {
    let (depths, columns) = f.extents();
    let (depths, columns) = (PANEL.min(depths - depth), PANEL.min(columns - column));
    if (depths, columns) != (PANEL, PANEL) {
        block.fill(0.0);
    }
    for (tap, block) in block.chunks_exact_mut(PANEL * PANEL).enumerate() {
        if f.transposed {
            for (o, row) in block.chunks_exact_mut(PANEL).take(depths).enumerate() {
                let from = ((depth + o) * 9 + 8 - tap) * f.channels + column;
                row[..columns].copy_from_slice(&f.w[from..from + columns]);
            }
            continue;
        }
        if (depths, columns) == (PANEL, PANEL) {
            exchange(simd, (f.w, (column * 9 + tap) * f.channels + depth, 9 * f.channels), block);
            continue;
        }
        for o in 0..columns {
            let from = ((column + o) * 9 + tap) * f.channels + depth;
            for (row, value) in block.chunks_exact_mut(PANEL).zip(&f.w[from..from + depths]) {
                row[o] = *value;
            }
        }
    }
}

/// Sixteen rows of sixteen numbers with rows and columns exchanged.
#[inline(always)]
fn exchange<V: Vector>(simd: Simd<V>, (from, at, row): (&[f32], usize, usize), to: &mut [f32]) {
    let from = Grid::new(from, Steps { at, row, column: 0 }, PANEL, 1);
    let mut to = GridMut::new(to, Steps { at: 0, row: PANEL, column: 0 }, PANEL, 1);
    let mut rows = [simd.splat(0.0); PANEL];
    for (i, lanes) in rows.iter_mut().enumerate() {
        *lanes = from.load(simd, i, 0);
    }
    for (i, lanes) in transpose(rows).into_iter().enumerate() {
        to.store(i, 0, lanes);
    }
}

/// Packs a filter `[outputs][4][4][channels]` as the filters of four phases, all four side by side as columns, over the outputs as depths.
/// The channels fill whole panels.
pub(super) fn pack_phases(w: &[f32], (outputs, channels): (usize, usize), packed: &mut [f32]) {
    let across = 4 * channels / PANEL;
    let packed = &mut packed[..9 * padded(outputs) * 4 * channels];
    team::each(packed.par_chunks_exact_mut(across * BLOCK).enumerate(), |(depth, packed)| {
        packed.fill(0.0);
        for (column, block) in packed.chunks_exact_mut(BLOCK).enumerate() {
            let (phase, first) = (column * PANEL / channels, column * PANEL % channels);
            for (tap, block) in block.chunks_exact_mut(PANEL * PANEL).enumerate() {
                let (p, q) = (phase_tap(phase / 2, tap / 3), phase_tap(phase % 2, tap % 3));
                let (Some(p), Some(q)) = (p, q) else { continue };
                let outputs = depth * PANEL..outputs.min((depth + 1) * PANEL);
                for (row, o) in block.chunks_exact_mut(PANEL).zip(outputs) {
                    row.copy_from_slice(&w[((o * 4 + p) * 4 + q) * channels + first..][..PANEL]);
                }
            }
        }
    });
}

/// Which of four taps along an axis a phase has at t - 1, t and t + 1.
fn phase_tap(phase: usize, at: usize) -> Option<usize> {
    [[Some(3), Some(1), None], [None, Some(2), Some(0)]][phase][at]
}

/// f32 that [`Filters::pack`] or [`pack_phases`] writes, for a filter that this algorithm may be used for.
pub(in crate::ops::conv) const fn packed_len(filter: Shape) -> usize {
    match (filter.h, filter.w) {
        (3, 3) => 9 * padded(filter.n) * padded(filter.c),
        (4, 4) => 9 * padded(filter.n) * 4 * padded(filter.c),
        _ => 0,
    }
}

/// Columns of group number `group` in U, for so many channels of the result.
pub(super) fn group_width(columns: usize, group: usize) -> usize {
    GROUP.min(padded(columns) - group * GROUP)
}

/// f32 of a group in U: a cache line between its planes, so that they do not fall into the same few sets of the cache.
pub(super) const fn group_len(planes: usize, depths: usize, width: usize) -> usize {
    planes * (depths * width + PANEL)
}

/// Where filters are transformed from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// What [`Filters::pack`] wrote.
    Packed(&'a [f32]),
    /// The filters themselves, packed block by block on the way.
    Plain(Filters<'a>),
}

impl Source<'_> {
    /// What to ask for while the products of one slice of filters are made, in so many pieces: the slice of so many columns and depths that
    /// comes next. Of packed ones nothing: they lie one behind the other.
    pub fn next_slice(
        &self,
        (column, depth): (usize, usize),
        (columns, depths): (usize, usize),
        pieces: usize,
    ) -> impl Iterator<Item = Lines> {
        let filters = match self {
            Source::Plain(filters) => Some(*filters),
            Source::Packed(_) => None,
        };
        filters.into_iter().flat_map(move |f| {
            let (column, depth) = if depth < f.channels { (column, depth) } else { (column + columns, 0) };
            let taps = 9 * columns.min(f.outputs.saturating_sub(column));
            let lines = depths / PANEL;
            let share = taps.div_ceil((pieces / lines).max(1)).max(1);
            (0..lines).flat_map(move |line| {
                let first = column * 9 * f.channels + depth + line * PANEL;
                let piece =
                    move |tap: usize| Lines::every(f.w, first + tap * f.channels, f.channels, share.min(taps - tap));
                (0..taps).step_by(share).map(piece)
            })
        })
    }
}

/// Transforms filters of one group for a range of depths (multiples of the panel) into `[O * O][depths][width]`, by the matrix `A`.
pub(super) struct Transform<'a, A, const O: usize> {
    pub axis: PhantomData<A>,
    pub source: Source<'a>,
    /// Channels of the result.
    pub columns: usize,
    pub group: usize,
    pub depths: Range<usize>,
    pub u: &'a mut [f32],
}

impl<A: Axis<3, O>, const O: usize> Job for Transform<'_, A, O> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let width = group_width(self.columns, self.group);
        let plane = self.depths.len() * width + PANEL;
        let across = padded(self.columns) / PANEL;
        assert_eq!(self.u.len(), O * O * plane, "a group of transformed filters");
        let mut own = [0.0; BLOCK];
        let mut half = [[simd.splat(0.0); 3]; O];
        for depth in self.depths.clone().step_by(PANEL) {
            for column in (0..width).step_by(PANEL) {
                let first = self.group * GROUP + column;
                let block = match &self.source {
                    Source::Packed(packed) => &packed[(depth / PANEL * across + first / PANEL) * BLOCK..][..BLOCK],
                    Source::Plain(filters) => {
                        pack_block(simd, filters, (depth, first), &mut own);
                        &own
                    }
                };
                // The block after this one, of which every turn asks for a part.
                let last = column + PANEL >= width;
                let next = if last { (depth + PANEL, first - column) } else { (depth, first + PANEL) };
                for row in 0..PANEL {
                    if let Source::Plain(filters) = &self.source {
                        filters.look_ahead(next.0, next.1 + row);
                    }
                    let taps = Steps { at: row * PANEL, row: 3 * PANEL * PANEL, column: PANEL * PANEL };
                    let at = (depth - self.depths.start + row) * width + column;
                    let target = Steps { at, row: O * plane, column: plane };
                    transform::<A, f32, V, 3, O>(simd, (block, taps), (self.u, target), &mut half);
                }
            }
        }
    }
}
