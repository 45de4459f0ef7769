//! Inner products of many rows with a few columns, on one core: `out[row][column] = sum over k of row[k] * column[k]`, sixteen k side by
//! side. Where [`super::gemm`] wants its right matrix in panels of sixteen columns, here both sides are read along k where they lie: nothing
//! is packed and no column is padded. With few columns the time is what memory takes to give the rows, which are asked for ahead.
//!
//! A product has sixteen sums, each with k ascending, added to one at the end: its bits depend on the blocks of the depth alone. Whoever
//! calls cuts the rows into pieces and hands them to threads.

use super::simd::{Level, PANEL, Portable, Vector, prefetch};
use std::ops::Range;

/// Depth at which a long row is best cut: 20 columns of it stay in the first-level cache from row to row.
const DEPTH: usize = 512;

/// Rows of numbers: row number i begins at `data[i * stride]`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub count: usize,
}

/// A piece of the depth, and the columns that have something there.
pub struct Block {
    /// Which numbers of every row.
    pub depth: Range<usize>,
    /// Number of a column, and where its numbers of this block begin.
    pub columns: Vec<(usize, usize)>,
}

/// The blocks of columns that are as long as the rows, `depth`, and lie one behind the other.
pub fn blocks(depth: usize, columns: usize) -> Vec<Block> {
    let block = |from: usize| {
        let columns = (0..columns).map(|column| (column, column * depth + from)).collect();
        Block { depth: from..depth.min(from + DEPTH), columns }
    };
    (0..depth).step_by(DEPTH).map(block).collect()
}

/// `out[row * columns + column]`, the numbers of the columns being in `data`. Panics when something reaches past its slice.
pub fn multiply(level: Level, rows: Rows, data: &[f32], blocks: &[Block], columns: usize, out: &mut [f32]) {
    if rows.count == 0 || columns == 0 {
        return;
    }
    assert!(level.is_supported(), "missing instruction set");
    assert!(rows.count.saturating_mul(columns) <= out.len(), "output too short");
    for block in blocks {
        let last = (rows.count - 1).saturating_mul(rows.stride);
        assert!(last.saturating_add(block.depth.end) <= rows.data.len(), "rows reach past their slice");
        for (column, at) in &block.columns {
            assert!(
                *column < columns && at.saturating_add(block.depth.len()) <= data.len(),
                "column outside of its slice"
            );
        }
    }
    // SAFETY: the level is supported, and all that the blocks name was found to be there.
    unsafe {
        match level {
            Level::Portable => each_group::<Portable, 1>(rows, data, blocks, columns, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(rows, data, blocks, columns, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => avx512(rows, data, blocks, columns, out),
            #[cfg(not(target_arch = "x86_64"))]
            _ => each_group::<Portable, 1>(rows, data, blocks, columns, out),
        }
    }
}

/// # Safety
/// As for [`each_group`], on a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(rows: Rows, data: &[f32], blocks: &[Block], columns: usize, out: &mut [f32]) {
    // SAFETY: as promised by the caller.
    unsafe { each_group::<super::simd::Avx2, 1>(rows, data, blocks, columns, out) }
}

/// # Safety
/// As for [`each_group`], on a processor with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(rows: Rows, data: &[f32], blocks: &[Block], columns: usize, out: &mut [f32]) {
    // SAFETY: as promised by the caller.
    unsafe { each_group::<super::simd::Avx512, 5>(rows, data, blocks, columns, out) }
}

/// Rows that are worked on together: with five columns they have 20 sums in registers. Of a single column all that counts is memory, which
/// gives eight rows at once faster than four.
const ROWS: usize = 4;
const ROWS_OF_ONE: usize = 8;

/// Cuts the rows into groups of [`ROWS`] or [`ROWS_OF_ONE`]; what is left goes row by row. `WIDEST` are the columns of a tile, at most five.
///
/// # Safety
/// On a processor that has `V`; everything that the blocks name is inside its slice.
#[inline(always)]
unsafe fn each_group<V: Vector, const WIDEST: usize>(
    rows: Rows,
    data: &[f32],
    blocks: &[Block],
    columns: usize,
    out: &mut [f32],
) {
    let most = if columns == 1 { ROWS_OF_ONE } else { ROWS };
    let mut sums = vec![0.0; (columns * most).next_multiple_of(PANEL) * PANEL];
    let mut row = 0;
    while row < rows.count {
        let count = if rows.count - row >= most { most } else { 1 };
        let group = Rows { data: &rows.data[row * rows.stride..], ..rows };
        let products = count * columns;
        sums.fill(0.0);
        // SAFETY: the group's rows are inside the slice; `sums` has a panel for each of its products, and whole panels of these.
        unsafe {
            match count {
                ROWS => each_block::<V, ROWS, WIDEST>(group, data, blocks, &mut sums),
                ROWS_OF_ONE => each_block::<V, ROWS_OF_ONE, 1>(group, data, blocks, &mut sums),
                _ => each_block::<V, 1, WIDEST>(group, data, blocks, &mut sums),
            }
            for first in (0..products).step_by(PANEL) {
                let mut totals = [0.0; PANEL];
                add_lanes::<V>(sums.as_ptr().add(first * PANEL)).store(totals.as_mut_ptr());
                for (product, total) in (first..products).zip(totals) {
                    out[(row + product % count) * columns + product / count] = total;
                }
            }
        }
        row += count;
    }
}

/// The sums of the lanes of sixteen vectors.
///
/// # Safety
/// On a processor that has `V`; sixteen vectors are there.
#[inline(always)]
unsafe fn add_lanes<V: Vector>(from: *const f32) -> V {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut vectors = [V::zero(); PANEL];
        for (index, vector) in vectors.iter_mut().enumerate() {
            *vector = V::load(from.add(index * PANEL));
        }
        // Two vectors become one with half as many sums of each, until lane number i holds the sum of vector number i.
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                let [low, high] = vectors[i].interleave(vectors[i + half]);
                vectors[i] = low.plus(high);
            }
        }
        vectors[0]
    }
}

/// Adds the products of the first `COUNT` rows with all columns to `sums`, `[column][row][PANEL]`.
///
/// # Safety
/// As for [`each_group`].
#[inline(always)]
unsafe fn each_block<V: Vector, const COUNT: usize, const WIDEST: usize>(
    rows: Rows,
    data: &[f32],
    blocks: &[Block],
    sums: &mut [f32],
) {
    for (index, block) in blocks.iter().enumerate() {
        let tiles = block.columns.len().div_ceil(WIDEST);
        let share = COUNT.div_ceil(tiles.max(1));
        // The block that comes next: of these rows, or the first one of the rows after them.
        let next = blocks.get(index + 1).map_or(COUNT * rows.stride + blocks[0].depth.start, |next| next.depth.start);
        for (tile, columns) in block.columns.chunks(WIDEST).enumerate() {
            let ahead = (tile * share).min(COUNT)..((tile + 1) * share).min(COUNT);
            let ahead = Ahead { numbers: rows.data, first: next, stride: rows.stride, rows: ahead };
            let depth = block.depth.clone();
            // SAFETY: as promised by the caller.
            unsafe {
                match columns {
                    [a, b, c, d, e] => tile_of::<V, COUNT, 5>(rows, data, depth, [*a, *b, *c, *d, *e], ahead, sums),
                    [a, b, c, d] => tile_of::<V, COUNT, 4>(rows, data, depth, [*a, *b, *c, *d], ahead, sums),
                    [a, b, c] => tile_of::<V, COUNT, 3>(rows, data, depth, [*a, *b, *c], ahead, sums),
                    [a, b] => tile_of::<V, COUNT, 2>(rows, data, depth, [*a, *b], ahead, sums),
                    [a] => tile_of::<V, COUNT, 1>(rows, data, depth, [*a], ahead, sums),
                    _ => {}
                }
            }
        }
    }
}

/// What to ask for while a tile is computed: some rows, from `first` on.
struct Ahead<'a> {
    numbers: &'a [f32],
    first: usize,
    stride: usize,
    rows: Range<usize>,
}

/// Adds the products of `COUNT` rows and `COLUMNS` columns over a piece of the depth to their sums.
///
/// # Safety
/// On a processor that has `V`; the numbers of rows and columns are there, and a panel of `sums` for each product.
#[inline(always)]
unsafe fn tile_of<V: Vector, const COUNT: usize, const COLUMNS: usize>(
    rows: Rows,
    data: &[f32],
    depth: Range<usize>,
    columns: [(usize, usize); COLUMNS],
    ahead: Ahead,
    sums: &mut [f32],
) {
    // Where everything is, worked out once: inside the loop nothing is left but loads, products and hints.
    let next: [usize; COUNT] = std::array::from_fn(|row| row * ahead.stride + ahead.first);
    let next = &next[ahead.rows];
    // SAFETY: as promised by the caller.
    unsafe {
        let left: [*const f32; COUNT] =
            std::array::from_fn(|row| rows.data.as_ptr().add(row * rows.stride + depth.start));
        let right = columns.map(|(_, at)| data.as_ptr().add(at));
        let to = columns.map(|(column, _)| sums.as_mut_ptr().add(column * COUNT * PANEL));
        let mut totals = [[V::zero(); COUNT]; COLUMNS];
        for (totals, to) in totals.iter_mut().zip(to) {
            for (row, total) in totals.iter_mut().enumerate() {
                *total = V::load(to.add(row * PANEL));
            }
        }
        let whole = depth.len() / PANEL * PANEL;
        let mut k = 0;
        while k < whole {
            for row in next {
                prefetch(ahead.numbers.as_ptr().wrapping_add(row.wrapping_add(k)));
            }
            step(&mut totals, left.map(|row| row.add(k)), right.map(|column| column.add(k)));
            k += PANEL;
        }
        if whole < depth.len() {
            let mut ends = ([[0.0; PANEL]; COUNT], [[0.0; PANEL]; COLUMNS]);
            let rest = depth.len() - whole;
            for (end, numbers) in ends.0.iter_mut().zip(left).chain(ends.1.iter_mut().zip(right)) {
                std::ptr::copy_nonoverlapping(numbers.add(whole), end.as_mut_ptr(), rest);
            }
            step(&mut totals, ends.0.each_ref().map(|end| end.as_ptr()), ends.1.each_ref().map(|end| end.as_ptr()));
        }
        for (totals, to) in totals.iter().zip(to) {
            for (row, total) in totals.iter().enumerate() {
                total.store(to.add(row * PANEL));
            }
        }
    }
}

/// Adds the products of sixteen numbers.
///
/// # Safety
/// On a processor that has `V`; sixteen numbers are at each place.
#[inline(always)]
unsafe fn step<V: Vector, const COUNT: usize, const COLUMNS: usize>(
    totals: &mut [[V; COUNT]; COLUMNS],
    rows: [*const f32; COUNT],
    columns: [*const f32; COLUMNS],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut left = [V::zero(); COUNT];
        for (value, row) in left.iter_mut().zip(rows) {
            *value = V::load(row);
        }
        for (totals, column) in totals.iter_mut().zip(columns) {
            let column = V::load(column);
            for (total, row) in totals.iter_mut().zip(&left) {
                *total = total.add_product(*row, column);
            }
        }
    }
}
