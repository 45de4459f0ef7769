//! Matrix products on one core, over slices: what convolution and linear layers are made of.
//!
//! The right matrix comes in panels of [`PANEL`] columns, `[panels][depth][PANEL]`, or is read in place row by row when its
//! rows are a multiple of that wide. Whoever calls cuts the work into pieces and hands them to threads.

use super::simd::Level;
use super::team;
use super::tile::{self, Block, Strides};
use rayon::prelude::*;

pub use super::simd::PANEL;

/// Depth of a piece of the right matrix: 256 x 64 columns x 4 bytes = 64 KiB, which stays in the L2 cache between rows.
const DEPTH_BLOCK: usize = 256;

/// The left matrix: element (row, k) is `data[row * row_stride + k * depth_stride]`.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    pub data: &'a [f32],
    pub row_stride: usize,
    pub depth_stride: usize,
}

/// The right matrix: element (k, panel, j) is `data[panel * panel_stride + k * depth_stride + j]`.
#[derive(Clone, Copy)]
pub struct Right<'a> {
    pub data: &'a [f32],
    pub panel_stride: usize,
    pub depth_stride: usize,
}

impl<'a> Right<'a> {
    /// A matrix that [`pack_rows`] or [`pack_columns`] made.
    pub fn packed(data: &'a [f32], depth: usize) -> Self {
        Right { data, panel_stride: depth * PANEL, depth_stride: PANEL }
    }

    /// A row-major matrix read where it lies; its rows are `width` apart.
    pub fn in_place(data: &'a [f32], width: usize) -> Self {
        Right { data, panel_stride: PANEL, depth_stride: width }
    }
}

/// How many rows, how deep, how many panels of columns.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub rows: usize,
    pub depth: usize,
    pub panels: usize,
}

/// Several products at once: how many, and the distance from one to the next in each of the three matrices.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub count: usize,
    pub left: usize,
    pub right: usize,
    pub out: usize,
}

impl Planes {
    const ONE: Planes = Planes { count: 1, left: 0, right: 0, out: 0 };
}

/// `out[row * out_stride + column] (+)= sum over k of left(row, k) * right(k, column)`, k ascending.
///
/// Panics when a slice is shorter than the extent says: a mistake in the caller's geometry must not become a wild read.
pub fn multiply(
    level: Level,
    extent: Extent,
    left: Left,
    right: Right,
    out: &mut [f32],
    out_stride: usize,
    accumulate: bool,
) {
    multiply_planes(level, Planes::ONE, extent, left, right, (out, out_stride), accumulate, || Lines::NONE);
}

/// Cache lines that will be needed later, the first numbers of all of them: `count` of them, `step` numbers apart. Nothing is read there.
#[derive(Clone, Copy)]
pub struct Lines {
    first: *const f32,
    step: usize,
    count: usize,
}

impl Lines {
    pub const NONE: Lines = Lines { first: std::ptr::null(), step: 0, count: 0 };

    /// All of a slice.
    pub fn of(numbers: &[f32]) -> Self {
        Lines { first: numbers.as_ptr(), step: PANEL, count: numbers.len().div_ceil(PANEL) }
    }

    /// One line at every `step` numbers, from `at` on. They may lie past the end of the slice.
    pub fn every(numbers: &[f32], at: usize, step: usize, count: usize) -> Self {
        Lines { first: numbers.as_ptr().wrapping_add(at), step, count }
    }
}

/// As [`multiply`] for every plane: one product of the same extent after the other. `out` comes with the distance of its rows; `ahead` gives
/// for each plane what will be needed later. It is asked for line by line between the products, which a burst of requests would hold up.
#[allow(clippy::too_many_arguments)]
pub fn multiply_planes(
    level: Level,
    planes: Planes,
    extent: Extent,
    left: Left,
    right: Right,
    (out, out_stride): (&mut [f32], usize),
    accumulate: bool,
    mut ahead: impl FnMut() -> Lines,
) {
    let Extent { rows, depth, panels } = extent;
    if rows == 0 || panels == 0 || planes.count == 0 {
        return;
    }
    assert!(depth > 0 && level.is_supported(), "empty sum or missing instruction set");
    let last = |count: usize, stride: usize| (count - 1) * stride;
    let left_end = last(planes.count, planes.left) + last(rows, left.row_stride) + last(depth, left.depth_stride);
    assert!(left_end < left.data.len(), "left matrix too short");
    let right_end = last(planes.count, planes.right) + last(panels, right.panel_stride);
    assert!(right_end + last(depth, right.depth_stride) + PANEL <= right.data.len(), "right matrix too short");
    let out_end = last(planes.count, planes.out) + last(rows, out_stride) + panels * PANEL;
    assert!(out_end <= out.len(), "output matrix too short");
    let strides = Strides {
        a_row: left.row_stride,
        a_depth: left.depth_stride,
        b_panel: right.panel_stride,
        b_depth: right.depth_stride,
        c_row: out_stride,
    };
    let blocks = (0..planes.count).flat_map(|plane| (0..depth).step_by(DEPTH_BLOCK).map(move |from| (plane, from)));
    for (plane, from) in blocks {
        let ahead = if from == 0 { ahead() } else { Lines::NONE };
        // SAFETY: the assertions above keep every element named by planes, rows, panels and depth inside its slice; `out` is
        // exclusively borrowed and shares nothing with the two others; the level is supported.
        unsafe {
            let block = Block {
                rows,
                panels,
                depth: DEPTH_BLOCK.min(depth - from),
                a: left.data.as_ptr().add(plane * planes.left + from * left.depth_stride),
                b: right.data.as_ptr().add(plane * planes.right + from * right.depth_stride),
                c: out.as_mut_ptr().add(plane * planes.out),
                strides,
                accumulate: accumulate || from > 0,
                ahead: ahead.first,
                step: ahead.step,
                lines: ahead.count,
                next: right.data.as_ptr().wrapping_add((plane + 1) * planes.right),
                next_lines: if plane + 1 < planes.count { panels * depth } else { 0 },
            };
            tile::run(level, block);
        }
    }
}

/// Number of panels that hold `columns`.
pub const fn panels(columns: usize) -> usize {
    columns.div_ceil(PANEL)
}

/// f32 that a packed matrix takes.
pub const fn packed_len(depth: usize, columns: usize) -> usize {
    panels(columns) * depth * PANEL
}

/// Packs the transpose of a row-major `[columns][depth]` matrix; missing columns of the last panel become zero.
pub fn pack_columns(matrix: &[f32], columns: usize, depth: usize, packed: &mut [f32]) {
    team::each(packed.par_chunks_exact_mut(depth * PANEL).enumerate(), |(panel, packed)| {
        let first = panel * PANEL;
        let width = PANEL.min(columns - first);
        packed.fill(0.0);
        for (j, column) in matrix[first * depth..].chunks_exact(depth).take(width).enumerate() {
            for (row, value) in packed.chunks_exact_mut(PANEL).zip(column) {
                row[j] = *value;
            }
        }
    });
}

/// Packs a matrix whose row number k is `row(k)`; missing columns of the last panel become zero.
pub fn pack_rows<'a>(row: impl Fn(usize) -> &'a [f32] + Sync, columns: usize, depth: usize, packed: &mut [f32]) {
    team::each(packed.par_chunks_exact_mut(depth * PANEL).enumerate(), |(panel, packed)| {
        let first = panel * PANEL;
        let width = PANEL.min(columns - first);
        for (k, to) in packed.chunks_exact_mut(PANEL).enumerate() {
            to[..width].copy_from_slice(&row(k)[first..first + width]);
            to[width..].fill(0.0);
        }
    });
}
