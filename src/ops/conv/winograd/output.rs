//! Tiles of the result on their way out of the Winograd domain: finished by an epilogue and written, piece by piece. Where tiles lie is
//! [`super::tiles`]'s.

use super::tiles::{Extents, LARGE_TILE, Run, plane};
use super::transform::{Axis, columns};
use super::{GROUP, padded};
use crate::backend::cpu::lanes::{Grid, GridMut, Job, Lanes, Simd, Steps, Stored};
use crate::backend::cpu::simd::{PANEL, Vector};
use crate::backend::cpu::team;
use crate::ops::conv::epilogue::{Written, add_parts};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// The operands of an epilogue, with vectors of one number per padded channel.
pub(super) struct Finish<'a, T = f32> {
    /// Zeros where there is none.
    pub bias: Vec<f32>,
    /// Ones where there is no PReLU.
    pub slope: Vec<f32>,
    /// The tensor that is added, or nothing.
    pub residual: &'a [T],
    /// What PReLU took, where its gradient is wanted.
    pub z: &'a [T],
}

impl<'a, T> Finish<'a, T> {
    /// For so many channels; an absent bias or slope is empty.
    pub fn new(bias: &[f32], slope: &[f32], residual: &'a [T], z: &'a [T], channels: usize) -> Self {
        let vector = |given: &[f32], absent: f32| {
            let mut vector = if given.is_empty() { vec![absent; channels] } else { given.to_vec() };
            vector.resize(padded(channels), absent);
            vector
        };
        Finish { bias: vector(bias, 0.0), slope: vector(slope, 1.0), residual, z }
    }
}

/// A run of strips of what is written; its sums have one number per padded channel.
pub(super) struct Piece<'a, T = f32> {
    pub tiles: Range<usize>,
    /// Where the piece begins in y.
    first: usize,
    to: Written<'a, T>,
}

impl<T> Piece<'_, T> {
    /// A range of y in what the piece writes: y, and the value kept where there is one.
    pub fn written(&self, row: Range<usize>) -> [&[T]; 2] {
        let row = row.start - self.first..row.end - self.first;
        [&*self.to.y, &*self.to.before].map(|tensor| tensor.get(row.clone()).unwrap_or_default())
    }
}

/// Cuts what is written into pieces of so many strips and works on them in any order. Sums are made piece by piece and added in the
/// order of the pieces.
pub(super) fn for_strips<T: Stored>(
    e: &Extents,
    whole: Written<T>,
    strips: usize,
    work: impl Fn(&mut Piece<T>) + Sync,
) {
    let (across, channels, count) = (e.tiles_across(), padded(e.kept), e.strips().div_ceil(strips));
    let [mut slopes, mut biases] =
        [&whole.slopes, &whole.biases].map(|sums| vec![0.0; if sums.is_empty() { 0 } else { count * channels }]);
    let (mut y, mut before, mut first) = (whole.y, whole.before, 0);
    let (mut slopes_left, mut biases_left) = (slopes.as_mut_slice(), biases.as_mut_slice());
    let cut = |start: usize| {
        let end = (start + strips).min(e.strips());
        let length = (start..end).map(|strip| e.strip_len(strip)).sum();
        let to = Written {
            y: take(&mut y, length),
            before: take(&mut before, length),
            slopes: take(&mut slopes_left, channels),
            biases: take(&mut biases_left, channels),
        };
        first += length;
        Piece { tiles: start * across..end * across, first: first - length, to }
    };
    let pieces: Vec<Piece<T>> = (0..e.strips()).step_by(strips).map(cut).collect();
    team::each(pieces.into_par_iter(), |mut piece| work(&mut piece));
    add_parts(&slopes, channels, whole.slopes);
    add_parts(&biases, channels, whole.biases);
}

/// The first numbers of a slice, or nothing of an empty one.
fn take<'a, T>(slice: &mut &'a mut [T], length: usize) -> &'a mut [T] {
    let whole = std::mem::take(slice);
    let (own, rest) = whole.split_at_mut(length.min(whole.len()));
    *slice = rest;
    own
}

/// Transforms tiles of one group of channels back by the matrix `A`, from `I` x `I` products to `O` x `O` pixels, and writes them finished, in
/// the format `T`. Needs a patch of [`PATCH`] numbers.
pub(super) struct OutputTiles<'a, 'b, A, T, const I: usize, const O: usize> {
    pub axis: PhantomData<A>,
    pub extents: &'a Extents,
    pub finish: &'a Finish<'a, T>,
    /// The products `[tile][I * I][width]` of `tiles`.
    pub m: &'a [f32],
    pub tiles: Range<usize>,
    /// The channels of the group; `width` is the padded count of them.
    pub group: usize,
    pub width: usize,
    pub patch: &'a mut [f32],
    pub piece: &'a mut Piece<'b, T>,
}

/// A tile of each of the four tensors of an epilogue.
pub(super) const PATCH: usize = 4 * LARGE_TILE * LARGE_TILE * GROUP;

/// A part of the result that is finished at once: a tile, some of whose rows and columns may lie outside.
#[derive(Clone, Copy)]
struct Part {
    rows: usize,
    across: usize,
    channels: usize,
}

impl<A: Axis<I, O>, T: Stored, const I: usize, const O: usize> Job for OutputTiles<'_, '_, A, T, I, O> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        // As for the input, 64 channels are a constant.
        if (self.width, self.extents.kept) == (GROUP, GROUP) {
            self.each(simd, GROUP, GROUP);
        } else {
            let (width, channels) = (self.width, self.extents.kept);
            self.each(simd, width, channels);
        }
    }
}

impl<A: Axis<I, O>, T: Stored, const I: usize, const O: usize> OutputTiles<'_, '_, A, T, I, O> {
    /// Every tile, run by run of its `width` channels; y has `channels`.
    #[inline(always)]
    fn each<V: Vector>(mut self, simd: Simd<V>, width: usize, channels: usize) {
        let e = self.extents;
        let mut half = [[simd.splat(0.0); I]; O];
        for run in e.runs_of(self.group, width) {
            // A run that is the whole group, in numbers that are constants where `width` is one.
            let run = if width == channels { Run { from: 0, width, ..run } } else { run };
            for (index, tile) in self.tiles.clone().enumerate() {
                let m = &self.m[index * I * I * plane(width) + run.from..];
                self.tile(simd, (m, plane(width), run), (tile, channels), &mut half);
            }
        }
    }

    /// A run of channels of one tile.
    #[inline(always)]
    fn tile<V: Vector>(
        &mut self,
        simd: Simd<V>,
        m: (&[f32], usize, Run),
        (tile, channels): (usize, usize),
        half: &mut [[Lanes<V>; I]; O],
    ) {
        let (e, finish, run) = (self.extents, self.finish, m.2);
        let Piece { first: begin, to, .. } = &mut *self.piece;
        let place = e.place(tile);
        let (row, column) = (e.up * place.row + run.phase.0, e.up * place.column + run.phase.1);
        // Of an up-sampled y the last row and column of a phase may be missing.
        let left = |first: usize, extent: usize| O.min(extent.saturating_sub(first).div_ceil(e.up));
        let (rows, across) = (left(row, e.high), left(column, e.wide));
        if rows == 0 || across == 0 {
            return;
        }
        let part = Part { rows, across, channels: run.width.min(channels - run.channel) };
        let at = ((place.n * e.high + row) * e.wide + column) * channels + run.channel;
        let from = Steps { at, row: e.up * e.wide * channels, column: e.up * channels };
        let steps = Steps { at: at - *begin, ..from };
        let operands = (finish.residual, finish.z, from);
        if part.channels != run.width {
            let scratch = (bytemuck::cast_slice_mut(self.patch), half);
            ragged::<A, T, V, I, O>(simd, m, part, finish, from, (to, steps), scratch);
        } else if (rows, across) == (O, O) {
            // With constant extents there is nothing to decide per row and pixel.
            let part = Part { rows: O, across: O, ..part };
            finish_tile::<A, T, V, I, O>(simd, m, part, finish, operands, (to, steps), half);
        } else {
            finish_tile::<A, T, V, I, O>(simd, m, part, finish, operands, (to, steps), half);
        }
    }
}

/// A tile whose channels fill no panel is finished in the patch.
#[inline(always)]
fn ragged<A: Axis<I, O>, T: Stored, V: Vector, const I: usize, const O: usize>(
    simd: Simd<V>,
    m: (&[f32], usize, Run),
    part: Part,
    finish: &Finish<T>,
    from: Steps,
    (to, steps): (&mut Written<T>, Steps),
    (patch, half): (&mut [T], &mut [[Lanes<V>; I]; O]),
) {
    let width = m.2.width;
    let patch_steps = Steps { at: 0, row: O * width, column: width };
    let size = O * O * width;
    let (residual, rest) = patch.split_at_mut(size);
    let (z, rest) = rest.split_at_mut(size);
    let (y, rest) = rest.split_at_mut(size);
    let before = &mut rest[..size];
    let operand = |tensor: &[T], copied: &'_ mut [T]| {
        if !tensor.is_empty() {
            copied.fill(T::zeroed());
            copy(part, (tensor, from), (copied, patch_steps));
        }
    };
    operand(finish.residual, residual);
    operand(finish.z, z);
    let residual = if finish.residual.is_empty() { &[] } else { &*residual };
    let z = if finish.z.is_empty() { &[] } else { &*z };
    let before = if to.before.is_empty() { &mut [] } else { before };
    let mut written = Written { y, before, slopes: to.slopes, biases: to.biases };
    finish_tile::<A, T, V, I, O>(simd, m, part, finish, (residual, z, patch_steps), (&mut written, patch_steps), half);
    copy(part, (written.y, patch_steps), (to.y, steps));
    if !to.before.is_empty() {
        copy(part, (written.before, patch_steps), (to.before, steps));
    }
}

/// One tile: back from the Winograd domain, then what [`Tail::finish`](crate::ops::conv::epilogue::Tail::finish) does.
#[inline(always)]
fn finish_tile<A: Axis<I, O>, T: Stored, V: Vector, const I: usize, const O: usize>(
    simd: Simd<V>,
    (m, plane, run): (&[f32], usize, Run),
    part: Part,
    finish: &Finish<T>,
    (residual, z, from): (&[T], &[T], Steps),
    (to, steps): (&mut Written<T>, Steps),
    half: &mut [[Lanes<V>; I]; O],
) {
    let source = Steps { at: 0, row: I * plane, column: plane };
    let zero = simd.splat(0.0);
    for channel in (0..run.width).step_by(PANEL) {
        let bias = simd.load(&finish.bias, run.channel + channel);
        let slope = simd.load(&finish.slope, run.channel + channel);
        let (from, steps) = (from.after(channel), steps.after(channel));
        columns::<A, f32, V, I, O>(simd, (m, source.after(channel)), half);
        let (residual, z) = (part.grid(residual, from), part.grid(z, from));
        let (y, before) = (part.grid_mut(to.y, steps), part.grid_mut(to.before, steps));
        let (Some(mut y), mut before) = (y, before) else { return };
        let (mut slopes, mut biases) = (zero, zero);
        for (i, row) in half.iter().enumerate().take(part.rows) {
            let mut row = A::apply(simd, *row);
            for sum in &mut row {
                *sum = *sum + bias;
            }
            if z.is_some() {
                add_row(simd, residual, part, i, &mut row);
            }
            if let Some(before) = &mut before {
                store_row(before, part, i, row);
            }
            if let Some(z) = z {
                for (j, value) in row.iter_mut().enumerate().take(part.across) {
                    let z = z.load(simd, i, j);
                    slopes = slopes.add_product(*value, z.where_positive(zero, z));
                    *value = z.where_positive(*value, slope * *value);
                    biases = biases + *value;
                }
            } else {
                for value in &mut row {
                    *value = value.where_positive(*value, slope * *value);
                }
                add_row(simd, residual, part, i, &mut row);
            }
            store_row(&mut y, part, i, row);
        }
        for (sums, part) in [(&mut *to.slopes, slopes), (&mut *to.biases, biases)] {
            if !sums.is_empty() {
                (simd.load(sums, run.channel + channel) + part).store(sums, run.channel + channel);
            }
        }
    }
}

impl Part {
    /// The part in a tensor, where there is one.
    #[inline(always)]
    fn grid<T: Stored>(self, tensor: &[T], steps: Steps) -> Option<Grid<'_, T>> {
        if tensor.is_empty() { None } else { Some(Grid::new(tensor, steps, self.rows, self.across)) }
    }

    #[inline(always)]
    fn grid_mut<T: Stored>(self, tensor: &mut [T], steps: Steps) -> Option<GridMut<'_, T>> {
        if tensor.is_empty() { None } else { Some(GridMut::new(tensor, steps, self.rows, self.across)) }
    }
}

#[inline(always)]
fn add_row<T: Stored, V: Vector, const O: usize>(
    simd: Simd<V>,
    tensor: Option<Grid<T>>,
    part: Part,
    i: usize,
    row: &mut [Lanes<V>; O],
) {
    let Some(tensor) = tensor else { return };
    for (j, value) in row.iter_mut().enumerate().take(part.across) {
        *value = *value + tensor.load(simd, i, j);
    }
}

#[inline(always)]
fn store_row<T: Stored, V: Vector, const O: usize>(to: &mut GridMut<T>, part: Part, i: usize, row: [Lanes<V>; O]) {
    for (j, value) in row.into_iter().enumerate().take(part.across) {
        to.store(i, j, value);
    }
}

/// Copies the pixels and channels of a part from one steps to another.
fn copy<T: Copy>(part: Part, (from, source): (&[T], Steps), (to, target): (&mut [T], Steps)) {
    for (i, j) in (0..part.rows).flat_map(|i| (0..part.across).map(move |j| (i, j))) {
        to[target.index(i, j)..][..part.channels].copy_from_slice(&from[source.index(i, j)..][..part.channels]);
    }
}
