//! Winograd's minimal filtering F(4x4, 3x3) and F(6x6, 3x3) for 3x3 convolutions of stride 1, forward and to the input, and the gradient to
//! the filter.
//!
//! A tile of 4x4 results needs 36 multiplications per pair of channels instead of 144, one of 6x6 results 64 instead of 324:
//! `Y = A^T [ (G g G^T) . (B^T d B) ] A`, the product `.` elementwise and summed over channels, which is 36 or 64 matrix products over
//! tiles. Large tiles pay where pictures are large and their filters stay in a cache; the cost model knows.
//!
//! **Accuracy.** Let roundings walk at random over independent terms of variance 1. Along one axis a result of the plain loop collects
//! the variance of its 3 taps; result j of a tile collects `sum over k of A[k,j]^2 |B[k]|^2 |G[k]|^2`, where `|B[k]|^2` is 42, 34, 34,
//! 10, 10, 42 (squares of row k of `B^T`, what a sum over a window collects) and `|G[k]|^2` is 1/16, 1/12, 1/12, 21/576, 21/576, 1:
//! 9.0, 8.6, 17.3 and 94.3 for j = 0 to 3. Both axes together have the product of two such sums as variance, so a result is off by up
//! to 94.3 / 3 = 31.4 times what the plain loop is expected to be off by ([`noise`]), and by 32.3 / 3 = 10.8 times in the root mean
//! square over a tile; with many channels, whose sum the plain loop makes 9 times as long, by a third of that. For tiles of 6x6,
//! where `|B[k]|^2` is 57.1, 40.1, 40.1, 13.1, 13.1, 52.5, 52.5, 57.1 and `|G[k]|^2` 1, 4/27, 4/27, 21/8100, 21/8100, 1344/2025 twice and
//! 1, the sums are 138.8, 29.6, 17.3, 17.3, 29.6 and 138.8: 46.3 times at most, 20.6 times in the root mean square. The gradient to the
//! filter, in tiles of 4x4, collects `sum over k of G[k,j]^2 |B[k]|^2 |A[k]|^2` = 13.1, 19.4, 96.8 against 4: at most 24.2 times.

mod ahead;
mod filter;
mod fixed;
mod gradient;
mod large;
mod near;
mod output;
mod rounded;
mod tiles;
mod transform;

use super::Geometry;
use super::epilogue::{Tail, Written};
use crate::backend::cpu::Scratch;
use crate::backend::cpu::gemm::{self, Extent, Left, Lines, PANEL, Planes, Right};
use crate::backend::cpu::lanes::{self, Stored};
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::team;
use ahead::Ahead;
pub(super) use filter::packed_len;
use filter::{Filters, Source, Transform, group_len, group_width};
pub(super) use fixed::{Fixed, fixed_noise};
pub(super) use gradient::FilterGradient;
use large::{LargeFilter, LargeInput, LargeOutput};
use output::{Finish, OutputTiles, PATCH, Piece, for_strips};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;
use tiles::{Extents, input_tiles, plane};
pub(super) use tiles::{LARGE_TILE, SMALL_TILE};
use transform::{Filter, Input, Output};

/// How many times the expected rounding error of the plain loop a result may be off by, as derived in the head of this file.
pub(super) fn noise(tile: usize) -> f64 {
    if tile == LARGE_TILE { 46.3 } else { 31.4 }
}

/// The same of a phase, whose filters have two taps along either axis: nothing is collected by the plane of the third.
pub(super) const PHASE_NOISE: f64 = 45.1;
/// Pixels along each axis that a small tile reads, and its products per pair of channels.
const WINDOW: usize = 6;
const PLANES: usize = WINDOW * WINDOW;
/// Channels of the result that are worked on together: four panels.
const GROUP: usize = 4 * PANEL;
/// Depth of the filters that are transformed at a time where they are not kept: 36 x 32 x 64 numbers stay in the L2 cache beside the
/// transforms of x and the products of a few tiles.
const DEPTH: usize = 32;
/// Up to so many tiles the filters' transforms are not kept but made where they are used, unless they are small.
const FEW: usize = 96;
/// Bytes of transformed filters that stay in an L2 cache beside a few tiles.
const SMALL: usize = 700_000;
/// Tiles that are transformed together: small ones, and large ones, whose filters no second-level cache holds beside them.
const BLOCK: usize = 12;
const LARGE_BLOCK: usize = 16;
/// Bytes of x and y from which on they are prefetched: no second-level cache holds them from one layer to the next.
const LARGE: usize = 2 << 20;

const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(PANEL)
}

fn forward_extents(g: &Geometry, tile: usize) -> Extents {
    let [n, h, w, c, oh, ow, o, pad] = [g.n, g.h, g.w, g.c, g.oh, g.ow, g.o, g.pad].map(|extent| extent as usize);
    Extents { n, h, w, c, oh, ow, o, pad, tile, up: 1, high: oh, wide: ow, kept: o }
}

fn data_extents(g: &Geometry, tile: usize) -> Extents {
    let e = forward_extents(g, tile);
    let (high, wide, kept) = (e.h, e.w, e.c);
    Extents { h: e.oh, w: e.ow, c: e.o, oh: e.h, ow: e.w, o: e.c, pad: 2 - e.pad, high, wide, kept, ..e }
}

/// Of the gradient to the input of a filter of 4x4 at stride 2, padded by one, whose pixels fall into four phases. Each sees two taps along
/// either axis: an even pixel 2 t the taps 3 and 1 at t - 1 and t, an odd one the taps 2 and 0 at t and t + 1. So it is a correlation with
/// four times as many filters of 3x3, a third of whose taps along either axis is zero.
fn phase_extents(g: &Geometry) -> Extents {
    let e = forward_extents(g, SMALL_TILE);
    let (oh, ow, o) = (e.h.div_ceil(2), e.w.div_ceil(2), 4 * e.c);
    Extents { h: e.oh, w: e.ow, c: e.o, oh, ow, o, up: 2, high: e.h, wide: e.w, kept: e.c, ..e }
}

/// Packs a filter for [`Correlation::data`].
pub(super) fn pack_data(g: &Geometry, w: &[f32], level: Level, packed: &mut [f32]) {
    Filters { w, outputs: g.o as usize, channels: g.c as usize, transposed: true }.pack(level, packed);
}

/// Packs a filter for [`Correlation::phases`].
pub(super) fn pack_phases(g: &Geometry, w: &[f32], packed: &mut [f32]) {
    filter::pack_phases(w, (g.o as usize, g.c as usize), packed);
}

/// One use of the algorithm.
pub(super) struct Correlation<'a, T = f32> {
    extents: Extents,
    filters: Source<'a>,
    finish: Finish<'a, T>,
    level: Level,
    scratch: &'a Scratch,
}

impl<'a, T: Stored> Correlation<'a, T> {
    /// y from x, with the filter as it is.
    pub fn forward(g: &Geometry, tile: usize, w: &'a [f32], tail: Tail<'a, T>, args: (Level, &'a Scratch)) -> Self {
        let filters = Filters { w, outputs: g.o as usize, channels: g.c as usize, transposed: false };
        Self::new(forward_extents(g, tile), Source::Plain(filters), tail, args)
    }

    /// dx from dy, with the filter as [`pack_data`] packed it.
    pub fn data(g: &Geometry, tile: usize, packed: &'a [f32], tail: Tail<'a, T>, args: (Level, &'a Scratch)) -> Self {
        Self::new(data_extents(g, tile), Source::Packed(packed), tail, args)
    }

    /// dx from dy for a filter of 4x4 at stride 2, padded by one, as [`pack_phases`] packed it.
    pub fn phases(g: &Geometry, packed: &'a [f32], tail: Tail<'a, T>, args: (Level, &'a Scratch)) -> Self {
        Self::new(phase_extents(g), Source::Packed(packed), tail, args)
    }

    fn new(extents: Extents, filters: Source<'a>, tail: Tail<'a, T>, (level, scratch): (Level, &'a Scratch)) -> Self {
        let finish = Finish::new(tail.bias, tail.slope, tail.residual, tail.z, extents.kept);
        Correlation { extents, filters, finish, level, scratch }
    }

    /// Computes y from x, and whatever else the epilogue writes.
    pub fn run(&self, x: &[T], to: Written<T>) {
        let e = &self.extents;
        let floats: usize =
            (0..self.groups()).map(|group| group_len(e.planes(), padded(e.c), group_width(e.o, group))).sum();
        if e.tile == SMALL_TILE && e.up == 1 && e.tiles() <= FEW && 4 * floats > SMALL {
            let floats = e.tiles() * (e.stride(padded(e.c)) + e.stride(GROUP) * self.groups());
            self.scratch.of_launch(floats, |memory| self.few(x, to, memory));
        } else {
            self.scratch.of_launch(floats, |u| self.many(x, to, u));
        }
    }

    /// Groups of channels of the result.
    fn groups(&self) -> usize {
        padded(self.extents.o).div_ceil(GROUP)
    }

    /// Few tiles: all of them in three steps, each cut its own way. Filters are transformed where they are used, a slice of the depth
    /// at a time, and never leave the cache.
    fn few(&self, x: &[T], to: Written<T>, memory: &mut [f32]) {
        let e = &self.extents;
        let (channels, tiles) = (padded(e.c), e.tiles());
        let (v, m) = memory.split_at_mut(tiles * e.stride(channels));
        team::each(v.par_chunks_mut(4 * e.stride(channels)).enumerate(), |(index, v)| {
            self.scratch.of_worker(e.planes() * channels, |patch| {
                let tiles = index * 4..(index * 4 + 4).min(tiles);
                self.windows(x, tiles, patch, v);
            });
        });
        let v = &*v;
        team::each(m.par_chunks_mut(tiles * e.stride(GROUP)).enumerate(), |(group, m)| {
            self.scratch.of_worker(group_len(e.planes(), DEPTH, GROUP), |u| {
                for from in (0..channels).step_by(DEPTH) {
                    let depth = DEPTH.min(channels - from);
                    let width = group_width(e.o, group);
                    let u = &mut u[..group_len(e.planes(), depth, width)];
                    self.transform(group, from..from + depth, u);
                    let real = depth.min(e.c - from);
                    let mut next = self.filters.next_slice((group * GROUP, from + depth), (width, depth), e.planes());
                    let size = (tiles, real, width);
                    self.multiply(0..e.planes(), size, &v[from..], u, m, from > 0, || {
                        next.next().unwrap_or(Lines::NONE)
                    });
                }
            });
        });
        let m = &*m;
        for_strips(e, to, 1, |piece| {
            self.scratch.of_worker(PATCH, |patch| {
                for group in 0..self.groups() {
                    let first = group * tiles * e.stride(GROUP) + piece.tiles.start * e.stride(group_width(e.o, group));
                    let tiles = piece.tiles.clone();
                    self.finish(&m[first..], tiles, group, patch, piece);
                }
            });
        });
    }

    /// Many tiles: filters are transformed once, then a few tiles at a time go all the way, in the cache of one core.
    fn many(&self, x: &[T], to: Written<T>, u: &mut [f32]) {
        let e = &self.extents;
        let channels = padded(e.c);
        let whole = group_len(e.planes(), channels, GROUP);
        team::each(u.par_chunks_mut(whole).enumerate(), |(group, u)| self.transform(group, 0..channels, u));
        let u = &*u;
        let block = match (e.tile, 4 * u.len() <= SMALL) {
            (LARGE_TILE, _) => LARGE_BLOCK,
            (_, true) => BLOCK,
            (_, false) => 4 * BLOCK,
        };
        // At least four pieces: fewer would leave threads without work.
        let strips = block.div_ceil(e.tiles_across()).min((e.strips() / 4).max(1));
        // A piece in turns of one size, whose products make whole register tiles.
        let whole_piece = strips * e.tiles_across();
        let block = whole_piece.div_ceil(whole_piece.div_ceil(block)).next_multiple_of(6);
        let (v_len, m_len) = (block * e.stride(channels), block * e.stride(GROUP));
        let patch_len = (e.planes() * channels).max(PATCH);
        let large = size_of::<T>() * (x.len() + to.y.len()) > LARGE;
        for_strips(e, to, strips, |piece| {
            self.scratch.of_worker(v_len + m_len + patch_len, |memory| {
                let (v, rest) = memory.split_at_mut(v_len);
                let (m, patch) = rest.split_at_mut(m_len);
                for from in piece.tiles.clone().step_by(block) {
                    let tiles = from..(from + block).min(piece.tiles.end);
                    self.windows(x, tiles.clone(), patch, v);
                    for (group, u) in u.chunks(whole).enumerate() {
                        let size = (tiles.len(), e.c, group_width(e.o, group));
                        let mut ahead = Ahead::new(e.planes());
                        if large && group == 0 {
                            self.look_ahead(x, piece, &tiles, &mut ahead);
                        }
                        match e.phase_of(group) {
                            Some(phase) => self.multiply_phase(phase, size, v, u, m, || ahead.piece()),
                            None => self.multiply(0..e.planes(), size, v, u, m, false, || ahead.piece()),
                        }
                        self.finish(m, tiles.clone(), group, patch, piece);
                    }
                }
            });
        });
    }

    /// What will be read and written next in memory: the windows of the tiles after these, and where these go.
    fn look_ahead<'b>(&'b self, x: &'b [T], piece: &'b Piece<T>, tiles: &Range<usize>, ahead: &mut Ahead<'b>) {
        let e = &self.extents;
        let next = tiles.end..(tiles.end + tiles.len()).min(e.tiles());
        e.window_rows(next, |row| ahead.add(&x[row]));
        e.tile_rows(tiles.clone(), |row| {
            for tensor in [self.finish.residual, self.finish.z] {
                ahead.add(tensor.get(row.clone()).unwrap_or_default());
            }
            for row in piece.written(row) {
                ahead.add(row);
            }
        });
    }

    fn windows(&self, x: &[T], tiles: Range<usize>, patch: &mut [f32], v: &mut [f32]) {
        let (e, all) = (&self.extents, (0, padded(self.extents.c)));
        let patch = bytemuck::cast_slice_mut(patch);
        if e.tile == LARGE_TILE {
            lanes::run(self.level, input_tiles::<LargeInput, T, 8>(e, x, all, tiles, patch, v));
        } else {
            lanes::run(self.level, input_tiles::<Input, T, 6>(e, x, all, tiles, patch, v));
        }
    }

    fn transform(&self, group: usize, depths: Range<usize>, u: &mut [f32]) {
        let (source, columns) = (self.filters, self.extents.o);
        if self.extents.tile == LARGE_TILE {
            let axis = PhantomData::<LargeFilter>;
            lanes::run(self.level, Transform::<_, 8> { axis, source, columns, group, depths, u });
        } else {
            let axis = PhantomData::<Filter>;
            lanes::run(self.level, Transform::<_, 6> { axis, source, columns, group, depths, u });
        }
    }

    /// The products `m[tile][k] (+)= v[tile][k] u[k]` of some planes k. The depth of `u` is padded; what is padded need not be multiplied.
    #[allow(clippy::too_many_arguments)]
    fn multiply(
        &self,
        range: Range<usize>,
        (tiles, depth, width): (usize, usize, usize),
        v: &[f32],
        u: &[f32],
        m: &mut [f32],
        accumulate: bool,
        ahead: impl FnMut() -> Lines,
    ) {
        let e = &self.extents;
        let channels = padded(e.c);
        let planes = Planes {
            count: range.len(),
            left: plane(channels),
            right: padded(depth) * width + PANEL,
            out: plane(width),
        };
        let extent = Extent { rows: tiles, depth, panels: width / PANEL };
        let left = Left { data: &v[range.start * planes.left..], row_stride: e.stride(channels), depth_stride: 1 };
        let right = Right::in_place(&u[range.start * planes.right..], width);
        let out = (&mut m[range.start * planes.out..], e.stride(width));
        gemm::multiply_planes(self.level, planes, extent, left, right, out, accumulate, ahead);
    }

    /// The products of a group that is one phase or a part of it. A tap that is zero at an end makes zeros of one row or one column of planes.
    fn multiply_phase(
        &self,
        (a, b): (usize, usize),
        size: (usize, usize, usize),
        v: &[f32],
        u: &[f32],
        m: &mut [f32],
        mut ahead: impl FnMut() -> Lines,
    ) {
        let (tiles, _, width) = size;
        for m in m.chunks_mut(self.extents.stride(width)).take(tiles) {
            for (k, m) in m.chunks_mut(plane(width)).enumerate() {
                if k / WINDOW == 5 * (1 - a) || k % WINDOW == 5 * (1 - b) {
                    m.fill(0.0);
                }
            }
        }
        for row in a..a + 5 {
            let first = row * WINDOW + b;
            self.multiply(first..first + 5, size, v, u, m, false, &mut ahead);
        }
    }

    fn finish(&self, m: &[f32], tiles: Range<usize>, group: usize, patch: &mut [f32], piece: &mut Piece<T>) {
        let width = group_width(self.extents.o, group);
        let (extents, finish) = (&self.extents, &self.finish);
        if extents.tile == LARGE_TILE {
            let axis = PhantomData::<LargeOutput>;
            let job = OutputTiles::<_, _, 8, 6> { axis, extents, finish, m, tiles, group, width, patch, piece };
            lanes::run(self.level, job);
        } else {
            let axis = PhantomData::<Output>;
            let job = OutputTiles::<_, _, 6, 4> { axis, extents, finish, m, tiles, group, width, patch, piece };
            lanes::run(self.level, job);
        }
    }
}
