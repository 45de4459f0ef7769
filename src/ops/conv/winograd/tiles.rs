//! Tiles of the result, 4x4 or 6x6 pixels: where they lie, and the pixels that each one reads. How they are finished is [`super::output`]'s.

use super::transform::{Axis, OutputTransposed, transform};
use super::{GROUP, padded};
use crate::backend::cpu::lanes::{Job, Simd, Steps, Stored};
use crate::backend::cpu::simd::{PANEL, Vector};
use std::marker::PhantomData;
use std::ops::Range;

/// Pixels of a small and of a large tile along each axis.
pub(in crate::ops::conv) const SMALL_TILE: usize = 4;
pub(in crate::ops::conv) const LARGE_TILE: usize = 6;

/// A correlation with a 3x3 filter at stride 1: x is `[n, h, w, c]`, the result is `[n, oh, ow, o]`, and x is surrounded by `pad` zeros.
///
/// With `up` of 1 the result is y. With 2 its channels are those of y four times, once for each phase: y is `[n, high, wide, kept]`, and
/// pixel (i, j) of phase (a, b) is its pixel (2 i + a, 2 j + b), where there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub oh: usize,
    pub ow: usize,
    pub o: usize,
    pub pad: usize,
    /// Pixels of a tile along each axis.
    pub tile: usize,
    pub up: usize,
    pub high: usize,
    pub wide: usize,
    pub kept: usize,
}

/// Channels of a group of the result that lie side by side in y.
#[derive(Clone, Copy)]
pub(super) struct Run {
    /// The first one in the group, and how many, padded.
    pub from: usize,
    pub width: usize,
    /// The first one in y.
    pub channel: usize,
    /// Row and column of their phase.
    pub phase: (usize, usize),
}

/// Image, and first row and column of a tile in y.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub n: usize,
    pub row: usize,
    pub column: usize,
}

impl Extents {
    /// Pixels that a tile reads along each axis.
    pub fn window(&self) -> usize {
        self.tile + 2
    }

    /// Products of a tile per pair of channels.
    pub fn planes(&self) -> usize {
        self.window() * self.window()
    }

    /// f32 from one transformed tile to the next.
    pub fn stride(&self, channels: usize) -> usize {
        self.planes() * plane(channels)
    }

    /// Tiles of one row of tiles.
    pub fn tiles_across(&self) -> usize {
        self.ow.div_ceil(self.tile)
    }

    /// Rows of tiles of the whole batch.
    pub fn strips(&self) -> usize {
        self.n * self.oh.div_ceil(self.tile)
    }

    pub fn tiles(&self) -> usize {
        self.strips() * self.tiles_across()
    }

    pub fn place(&self, tile: usize) -> Place {
        let (strip, across) = (tile / self.tiles_across(), tile % self.tiles_across());
        let down = self.oh.div_ceil(self.tile);
        Place { n: strip / down, row: strip % down * self.tile, column: across * self.tile }
    }

    /// Tiles cut where a row of tiles ends, with the place of the first and the count of each run.
    fn runs(&self, tiles: Range<usize>, mut run: impl FnMut(Place, usize)) {
        let mut from = tiles.start;
        while from < tiles.end {
            let to = ((from / self.tiles_across() + 1) * self.tiles_across()).min(tiles.end);
            run(self.place(from), to - from);
            from = to;
        }
    }

    /// The rows of x that the windows of some tiles reach, as ranges of its numbers.
    pub fn window_rows(&self, tiles: Range<usize>, mut row: impl FnMut(Range<usize>)) {
        self.runs(tiles, |place, count| {
            let from = place.column.saturating_sub(self.pad).min(self.w);
            let to = (place.column + count * self.tile + 2).saturating_sub(self.pad).clamp(from, self.w);
            for y in (place.row..place.row + self.window()).filter(|y| (self.pad..self.h + self.pad).contains(y)) {
                let line = (place.n * self.h + y - self.pad) * self.w;
                row((line + from) * self.c..(line + to) * self.c);
            }
        });
    }

    /// Row and column of the phase that all channels of a group are of, where there are phases.
    pub fn phase_of(&self, group: usize) -> Option<(usize, usize)> {
        let phase = group * GROUP / padded(self.kept);
        (self.up > 1 && self.kept >= GROUP).then(|| (phase / self.up, phase % self.up))
    }

    /// The runs of a group of so many channels.
    pub fn runs_of(&self, group: usize, width: usize) -> impl Iterator<Item = Run> {
        let (kept, up, first) = (padded(self.kept), self.up, group * GROUP);
        (0..width.div_ceil(kept.min(width))).map(move |index| {
            let from = index * kept.min(width);
            let (phase, channel) = ((first + from) / kept, (first + from) % kept);
            Run { from, width: kept.min(width - from), channel, phase: (phase / up, phase % up) }
        })
    }

    /// The rows of y that some tiles cover, as ranges of its numbers.
    pub fn tile_rows(&self, tiles: Range<usize>, mut row: impl FnMut(Range<usize>)) {
        self.runs(tiles, |place, count| {
            let columns = self.up * place.column..(self.up * (place.column + count * self.tile)).min(self.wide);
            for y in self.up * place.row..(self.up * (place.row + self.tile)).min(self.high) {
                let line = (place.n * self.high + y) * self.wide;
                row((line + columns.start) * self.kept..(line + columns.end) * self.kept);
            }
        });
    }

    /// Numbers of y in strip number `strip`.
    pub fn strip_len(&self, strip: usize) -> usize {
        let row = strip % self.oh.div_ceil(self.tile) * self.tile * self.up;
        (self.tile * self.up).min(self.high - row) * self.wide * self.kept
    }
}

/// f32 from one plane of a transformed tile to the next. A cache line more than the channels take: the planes are written one after
/// the other, and powers of two would all fall into the same few sets of the cache.
pub(super) const fn plane(channels: usize) -> usize {
    channels + PANEL
}

/// Some channels of a tensor of pictures that is surrounded by zeros.
#[derive(Clone, Copy)]
pub(super) struct Pictures<'a, T = f32> {
    pub numbers: &'a [T],
    pub h: usize,
    pub w: usize,
    pub c: usize,
    pub pad: usize,
    /// The first channel, and how many, padded.
    pub first: usize,
    pub width: usize,
}

/// Transforms windows of `I` x `I` pixels, one for each tile, into `[tile][O * O][width]`. Needs a patch of `I * I * width` numbers.
pub(super) struct TileTransform<'a, A, T, const I: usize, const O: usize> {
    axis: PhantomData<A>,
    extents: &'a Extents,
    pictures: Pictures<'a, T>,
    tiles: Range<usize>,
    patch: &'a mut [T],
    v: &'a mut [f32],
}

impl<'a, A: Axis<I, O>, T: Stored, const I: usize, const O: usize> TileTransform<'a, A, T, I, O> {
    fn new(
        extents: &'a Extents,
        pictures: Pictures<'a, T>,
        tiles: Range<usize>,
        patch: &'a mut [T],
        v: &'a mut [f32],
    ) -> Self {
        TileTransform { axis: PhantomData, extents, pictures, tiles, patch, v }
    }
}

/// The windows of x that tiles read, by the matrix `A`.
pub(super) fn input_tiles<'a, A: Axis<I, I>, T: Stored, const I: usize>(
    e: &'a Extents,
    x: &'a [T],
    (first, width): (usize, usize),
    tiles: Range<usize>,
    patch: &'a mut [T],
    v: &'a mut [f32],
) -> TileTransform<'a, A, T, I, I> {
    let pictures = Pictures { numbers: x, h: e.h, w: e.w, c: e.c, pad: e.pad, first, width };
    TileTransform::new(e, pictures, tiles, patch, v)
}

/// Tiles of the gradient to y, with zeros where a tile reaches over the edge.
pub(super) fn gradient_tiles<'a>(
    e: &'a Extents,
    dy: &'a [f32],
    (first, width): (usize, usize),
    tiles: Range<usize>,
    patch: &'a mut [f32],
    v: &'a mut [f32],
) -> TileTransform<'a, OutputTransposed, f32, 4, 6> {
    let pictures = Pictures { numbers: dy, h: e.oh, w: e.ow, c: e.o, pad: 0, first, width };
    TileTransform::new(e, pictures, tiles, patch, v)
}

impl<A: Axis<I, O>, T: Stored, const I: usize, const O: usize> Job for TileTransform<'_, A, T, I, O> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        // Most work has 64 channels. Written as a constant, they make constants of the places of a tile's numbers.
        if (self.pictures.width, self.pictures.c) == (GROUP, GROUP) {
            self.each(simd, GROUP, GROUP);
        } else {
            let (width, channels) = (self.pictures.width, self.pictures.c);
            self.each(simd, width, channels);
        }
    }
}

impl<A: Axis<I, O>, T: Stored, const I: usize, const O: usize> TileTransform<'_, A, T, I, O> {
    /// Every tile, whose `width` channels are some of `channels`.
    #[inline(always)]
    fn each<V: Vector>(self, simd: Simd<V>, width: usize, channels: usize) {
        let pictures = Pictures { width, c: channels, ..self.pictures };
        let mut half = [[simd.splat(0.0); I]; O];
        let target = Steps { at: 0, row: O * plane(width), column: plane(width) };
        for (tile, v) in self.tiles.clone().zip(self.v.chunks_mut(O * O * plane(width))) {
            let (from, steps) = pictures.window::<I>(self.extents.place(tile), self.patch);
            for channel in (0..width).step_by(PANEL) {
                transform::<A, T, V, I, O>(simd, (from, steps.after(channel)), (v, target.after(channel)), &mut half);
            }
        }
    }
}

impl<'a, T: Stored> Pictures<'a, T> {
    /// A window where it lies, or copied into the patch with zeros around it where it reaches over a border or where the channels
    /// fill no panel.
    #[inline(always)]
    pub fn window<'b, const I: usize>(&self, place: Place, patch: &'b mut [T]) -> (&'b [T], Steps)
    where
        'a: 'b,
    {
        let inside = |first: usize, extent: usize| first >= self.pad && first + I <= extent + self.pad;
        if inside(place.row, self.h) && inside(place.column, self.w) && self.first + self.width <= self.c {
            let pixel = (place.n * self.h + place.row - self.pad) * self.w + place.column - self.pad;
            return (self.numbers, Steps { at: pixel * self.c + self.first, row: self.w * self.c, column: self.c });
        }
        self.copy_window(place, I, patch);
        (patch, Steps { at: 0, row: I * self.width, column: self.width })
    }

    fn copy_window(&self, place: Place, size: usize, patch: &mut [T]) {
        let (width, real) = (self.width, self.width.min(self.c - self.first));
        // The columns of the window that lie inside.
        let from = self.pad.saturating_sub(place.column).min(size);
        let to = (self.w + self.pad).saturating_sub(place.column).clamp(from, size);
        for (i, row) in patch.chunks_exact_mut(size * width).take(size).enumerate() {
            let y = place.row + i;
            if y < self.pad || y >= self.h + self.pad || from == to {
                row.fill(T::zeroed());
                continue;
            }
            row[..from * width].fill(T::zeroed());
            row[to * width..].fill(T::zeroed());
            let first = ((place.n * self.h + y - self.pad) * self.w + place.column + from - self.pad) * self.c;
            let source = &self.numbers[first..first + (to - from) * self.c];
            let row = &mut row[from * width..to * width];
            for (to, from) in row.chunks_exact_mut(width).zip(source.chunks_exact(self.c)) {
                to[..real].copy_from_slice(&from[self.first..self.first + real]);
                to[real..].fill(T::zeroed());
            }
        }
    }
}
