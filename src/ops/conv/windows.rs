//! Convolution as one matrix product per row of y: the rows of x that it reads are laid side by side, column by column, so that the window
//! of a pixel is one run of numbers and those of its neighbours overlap with it. Nothing is copied once per tap but once per row of the
//! filter. For few channels, which fill no panel, and wide pictures.

use super::Geometry;
use super::epilogue::{Written, cut};
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::cpu::lanes::{self, Job, Simd, Stored};
use crate::backend::cpu::simd::{Level, Vector};
use crate::backend::cpu::team;
use rayon::prelude::*;

/// Width of y from which on its rows fill the tiles of a product.
const WIDE: u32 = 24;

/// Rows of y that one task computes.
const ROWS: usize = 8;

/// Whether this file can do it: the gradient of a PReLU is not among its epilogues.
pub(super) fn fits(g: &Geometry) -> bool {
    g.ow >= WIDE && (g.o as usize).is_multiple_of(PANEL) && !g.has(super::EPILOGUE_PRELU_GRADIENT)
}

/// Computes y, which like the residual is in the format `T`.
pub(super) fn run<T: Stored>(
    g: &Geometry,
    (x, w): (&[f32], &[f32]),
    tail: (&[f32], &[f32], &[T]),
    level: Level,
    whole: Written<T>,
) {
    let (depth, channels, columns) = ((g.kw * g.kh * g.c) as usize, g.o as usize, g.ow as usize);
    let mut packed = vec![0.0; gemm::packed_len(depth, channels)];
    gemm::pack_columns(&by_columns(g, w), channels, depth, &mut packed);
    let size = ROWS * columns * channels;
    let count = whole.y.len().div_ceil(size);
    let pieces: Vec<_> = cut(whole.y, size, count).into_iter().zip(cut(whole.before, size, count)).collect();
    team::each(pieces.into_par_iter().enumerate(), |(piece, (y, before))| {
        let step = (g.kh * g.c) as usize;
        let mut band = vec![0.0; (g.w + 2 * g.pad) as usize * step];
        let mut sums = vec![0.0; columns * channels];
        for row in 0..y.len() / sums.len() {
            lay(g, x, piece * ROWS + row, &mut band);
            let left = Left { data: &band, row_stride: g.stride as usize * step, depth_stride: 1 };
            let extent = Extent { rows: columns, depth, panels: channels / PANEL };
            gemm::multiply(level, extent, left, Right::packed(&packed, depth), &mut sums, channels, false);
            let at = row * sums.len()..(row + 1) * sums.len();
            let before = if before.is_empty() { &mut [] } else { &mut before[at.clone()] };
            let (bias, slope, residual) = tail;
            let residual = if residual.is_empty() { residual } else { &residual[piece * size..][at.clone()] };
            lanes::run(level, Finish { sums: &sums, bias, slope, residual, y: &mut y[at], before });
        }
    });
}

/// The filter as bands have their numbers: `[output][q][p][c]` of `[output][p][q][c]`.
fn by_columns(g: &Geometry, w: &[f32]) -> Vec<f32> {
    let [kh, kw, c] = [g.kh, g.kw, g.c].map(|extent| extent as usize);
    let tap = |output: usize, q: usize, p: usize| &w[((output * kh + p) * kw + q) * c..][..c];
    let outputs = 0..g.o as usize;
    outputs.flat_map(|o| (0..kw).flat_map(move |q| (0..kh).flat_map(move |p| tap(o, q, p)))).copied().collect()
}

/// The rows of x that a row of y reads, counted over the batch, as `[column][p][c]` with zeros around them.
fn lay(g: &Geometry, x: &[f32], row: usize, band: &mut [f32]) {
    let [h, w, c, oh, kh, stride, pad] = [g.h, g.w, g.c, g.oh, g.kh, g.stride, g.pad].map(|extent| extent as usize);
    let (n, i) = (row / oh, row % oh);
    band.fill(0.0);
    let inside = &mut band[pad * kh * c..][..w * kh * c];
    for p in 0..kh {
        let Some(line) = (i * stride + p).checked_sub(pad).filter(|line| *line < h) else { continue };
        let line = &x[(n * h + line) * w * c..][..w * c];
        let columns = inside.chunks_exact_mut(kh * c).map(|column| &mut column[p * c..]);
        // Pictures have three channels: too few for a call each.
        match c {
            3 => columns.zip(line.chunks_exact(3)).for_each(|(to, from)| copy::<3>(from, to)),
            _ => columns.zip(line.chunks_exact(c)).for_each(|(to, from)| to[..c].copy_from_slice(from)),
        }
    }
}

fn copy<const C: usize>(from: &[f32], to: &mut [f32]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<C>(), to.first_chunk_mut::<C>()) {
        *to = *from;
    }
}

/// What [`Tail::finish`](super::epilogue::Tail::finish) does to a row of y whose channels are whole panels.
struct Finish<'a, T> {
    sums: &'a [f32],
    bias: &'a [f32],
    slope: &'a [f32],
    residual: &'a [T],
    y: &'a mut [T],
    before: &'a mut [T],
}

impl<T: Stored> Job for Finish<'_, T> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let channels = self.bias.len().max(self.slope.len());
        let mut next = 0;
        for at in (0..self.sums.len()).step_by(PANEL) {
            let channel = next;
            next = if next + PANEL < channels { next + PANEL } else { 0 };
            let mut value = simd.load(self.sums, at);
            if !self.bias.is_empty() {
                value = value + simd.load(self.bias, channel);
            }
            if !self.before.is_empty() {
                value.store(self.before, at);
            }
            if !self.slope.is_empty() {
                value = value.where_positive(value, simd.load(self.slope, channel) * value);
            }
            if !self.residual.is_empty() {
                value = value + simd.load(self.residual, at);
            }
            value.store(self.y, at);
        }
    }
}
