//! Inner products of many rows with a few columns, on one core: `out[row][column] = sum over k of row[k] * column[k]`, sixteen k side by
//! side. Where [`super::gemm`] wants its right matrix in panels of sixteen columns, here both sides are read along k where they lie: nothing
//! is packed and no column is padded. With few columns the time is what memory takes to give the rows, which are asked for ahead.
//!
//! What is multiplied are f32, or words of two bf16 that lie side by side: then k counts words, and a product is the sum of two, made in f32.
//!
//! A product has sixteen sums, each with k ascending inside of a block, added to one at the end: its bits depend on the blocks alone. Whoever
//! calls cuts the rows into pieces and hands them to threads.

use super::simd::{Level, PANEL, Portable, Vector, prefetch_near};
use bytemuck::Pod;
use half::bf16;
use std::marker::PhantomData;
use std::ops::Range;

/// Depth at which rows are best cut: 20 columns of it, the sums and what is asked for ahead stay in the first-level cache from row to row.
pub const DEPTH: usize = 256;

/// The same for a single column, which takes no room: longer pieces of the rows, which memory gives faster.
const DEPTH_OF_ONE: usize = 512;

/// Rows of numbers or of words: row number i begins at `data[i * stride]`.
#[derive(Clone, Copy)]
pub struct Rows<'a, T = f32> {
    pub data: &'a [T],
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
    let step = if columns == 1 { DEPTH_OF_ONE } else { DEPTH };
    let block = |from: usize| {
        let columns = (0..columns).map(|column| (column, column * depth + from)).collect();
        Block { depth: from..depth.min(from + step), columns }
    };
    (0..depth).step_by(step).map(block).collect()
}

/// `out[row * columns + column]`, the numbers of the columns being in `data`. Panics when something reaches past its slice.
pub fn multiply(level: Level, rows: Rows, data: &[f32], blocks: &[Block], columns: usize, out: &mut [f32]) {
    let work = Work::new(level, rows, data, blocks, columns, out);
    // SAFETY: the level is supported, and all that the blocks name was found to be there.
    unsafe {
        match level {
            Level::Portable => each_group::<Singles<Portable>, 1>(work, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => x86::avx2(work, out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => x86::avx512(work, out),
            #[cfg(not(target_arch = "x86_64"))]
            _ => each_group::<Singles<Portable>, 1>(work, out),
        }
    }
}

/// As [`multiply`] for words of two bf16; depths and strides count words. Levels that lack the instruction compute it in plain loops.
pub fn multiply_pairs(level: Level, rows: Rows<u32>, data: &[u32], blocks: &[Block], columns: usize, out: &mut [f32]) {
    let work = Work::new(level, rows, data, blocks, columns, out);
    // SAFETY: the level is supported, and all that the blocks name was found to be there.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => x86::avx512_bf16(work, out),
            _ => each_group::<Pairs, 1>(work, out),
        }
    }
}

/// What there is to do. Numbers and words are bit patterns of 32 bits here.
#[derive(Clone, Copy)]
struct Work<'a> {
    rows: *const f32,
    stride: usize,
    count: usize,
    data: *const f32,
    blocks: &'a [Block],
    columns: usize,
}

impl<'a> Work<'a> {
    /// Panics when something reaches past its slice, or when this processor lacks the level.
    fn new<T: Pod>(level: Level, rows: Rows<T>, data: &[T], blocks: &'a [Block], columns: usize, out: &[f32]) -> Self {
        assert!(level.is_supported() && size_of::<T>() == size_of::<f32>(), "missing instruction set");
        assert!(rows.count.saturating_mul(columns) <= out.len(), "output too short");
        let last = rows.count.saturating_sub(1).saturating_mul(rows.stride);
        for block in blocks {
            assert!(last.saturating_add(block.depth.end) <= rows.data.len(), "rows reach past their slice");
            let inside =
                |(column, at): &(usize, usize)| *column < columns && at.saturating_add(block.depth.len()) <= data.len();
            assert!(block.columns.iter().all(inside), "column outside of its slice");
        }
        let (stride, count) = (rows.stride, rows.count);
        Work { rows: rows.data.as_ptr().cast(), stride, count, data: data.as_ptr().cast(), blocks, columns }
    }

    /// What is left from a row on.
    fn from(self, row: usize) -> Self {
        Work { rows: self.rows.wrapping_add(row * self.stride), count: self.count - row, ..self }
    }
}

/// How sixteen bit patterns of a row and of a column are multiplied.
///
/// # Safety
/// Every function must run on a processor that has the instruction set.
trait Kind {
    type Sums: Vector;
    /// # Safety
    /// As for the trait.
    unsafe fn add(sums: Self::Sums, row: Self::Sums, column: Self::Sums) -> Self::Sums;
}

/// f32.
struct Singles<V>(PhantomData<V>);

impl<V: Vector> Kind for Singles<V> {
    type Sums = V;
    #[inline(always)]
    unsafe fn add(sums: V, row: V, column: V) -> V {
        // SAFETY: as promised by the caller.
        unsafe { sums.add_product(row, column) }
    }
}

/// Words of two bf16, in plain loops.
struct Pairs;

impl Kind for Pairs {
    type Sums = Portable;
    #[inline(always)]
    unsafe fn add(sums: Portable, row: Portable, column: Portable) -> Portable {
        // SAFETY: every processor has plain loops; the arrays hold 16 f32.
        unsafe {
            let halves = |word: f32| {
                [word.to_bits() as u16, (word.to_bits() >> 16) as u16].map(|half| bf16::from_bits(half).to_f32())
            };
            let lanes = |vector: Portable| {
                let mut lanes = [0.0; PANEL];
                vector.store(lanes.as_mut_ptr());
                lanes
            };
            let (sums, row, column) = (lanes(sums), lanes(row).map(halves), lanes(column).map(halves));
            let sum = |lane: usize| sums[lane] + row[lane][0] * column[lane][0] + row[lane][1] * column[lane][1];
            Portable::load(std::array::from_fn::<f32, PANEL, _>(sum).as_ptr())
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::simd::{Avx2, Avx512};
    use super::{Kind, Singles, Work, each_group};
    use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};

    /// # Safety
    /// As for [`each_group`], on a processor with AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub unsafe fn avx2(work: Work, out: &mut [f32]) {
        // SAFETY: as promised by the caller.
        unsafe { each_group::<Singles<Avx2>, 1>(work, out) }
    }

    /// # Safety
    /// As for [`each_group`], on a processor with AVX-512F: 24 sums of 32 registers.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn avx512(work: Work, out: &mut [f32]) {
        // SAFETY: as promised by the caller.
        unsafe { each_group::<Singles<Avx512>, 6>(work, out) }
    }

    /// # Safety
    /// As for [`each_group`], on a processor with AVX512_BF16.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn avx512_bf16(work: Work, out: &mut [f32]) {
        // SAFETY: as promised by the caller.
        unsafe { each_group::<Pairs, 6>(work, out) }
    }

    /// Words of two bf16, by `vdpbf16ps`.
    struct Pairs;

    impl Kind for Pairs {
        type Sums = Avx512;
        #[inline(always)]
        unsafe fn add(sums: Avx512, row: Avx512, column: Avx512) -> Avx512 {
            // SAFETY: the caller runs on a processor with AVX512_BF16; both types are 512 bits of anything.
            unsafe {
                let [row, column] = [row, column].map(|bits| std::mem::transmute::<__m512, __m512bh>(bits.0));
                Avx512(_mm512_dpbf16_ps(sums.0, row, column))
            }
        }
    }
}

/// Rows whose memory is asked for at once, and of these the rows of a tile: with six columns it has 24 sums in registers. With a single
/// column a tile takes them all.
const GROUP: usize = 8;
const ROWS: usize = 4;

/// Cuts the rows into groups of [`GROUP`]; what is left goes row by row. `WIDEST` are the columns of a tile, at most six.
///
/// # Safety
/// On a processor that has the instruction set of `K`; everything that the blocks name is inside its slice.
#[inline(always)]
unsafe fn each_group<K: Kind, const WIDEST: usize>(work: Work, out: &mut [f32]) {
    let columns = work.columns;
    let mut sums = vec![0.0; (columns * GROUP).next_multiple_of(PANEL) * PANEL];
    let mut row = 0;
    while row < work.count && columns > 0 {
        let group = work.from(row);
        let out = &mut out[row * columns..];
        sums.fill(0.0);
        // SAFETY: the group's rows are there; `sums` has a panel for each of its products, and whole panels of these.
        unsafe {
            row += match (group.count >= GROUP, columns) {
                (true, 1) => group_of::<K, GROUP, 1, 1>(group, &mut sums, out),
                (true, _) => group_of::<K, ROWS, 2, WIDEST>(group, &mut sums, out),
                _ => group_of::<K, 1, 1, WIDEST>(group, &mut sums, out),
            };
        }
    }
}

/// Computes the first `PARTS * COUNT` rows and says how many these are. Sums are `[part][column][row][PANEL]` and zero before.
///
/// # Safety
/// As for [`each_group`]; so many rows are there, and a panel of `sums` for each product.
#[inline(always)]
unsafe fn group_of<K: Kind, const COUNT: usize, const PARTS: usize, const WIDEST: usize>(
    work: Work,
    sums: &mut [f32],
    out: &mut [f32],
) -> usize {
    let columns = work.columns;
    // SAFETY: as promised by the caller. Totals take the place of sums that were read before.
    unsafe {
        each_block::<K, COUNT, PARTS, WIDEST>(work, sums);
        for first in (0..PARTS * COUNT * columns).step_by(PANEL) {
            let totals = add_lanes::<K::Sums>(sums.as_ptr().add(first * PANEL));
            totals.store(sums.as_mut_ptr().add(first));
        }
    }
    let parts = sums.chunks_exact(COUNT * columns).zip(out.chunks_exact_mut(COUNT * columns));
    for (totals, out) in parts.take(PARTS) {
        for (column, totals) in totals.chunks_exact(COUNT).enumerate() {
            for (row, total) in totals.iter().enumerate() {
                out[row * columns + column] = *total;
            }
        }
    }
    PARTS * COUNT
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

/// Adds the products of the first `PARTS * COUNT` rows with all columns to `sums`. While a block is computed, what the next one takes of all
/// these rows is asked for: every tile asks for its share.
///
/// # Safety
/// As for [`group_of`].
#[inline(always)]
unsafe fn each_block<K: Kind, const COUNT: usize, const PARTS: usize, const WIDEST: usize>(
    work: Work,
    sums: &mut [f32],
) {
    let (blocks, rows) = (work.blocks, PARTS * COUNT);
    for (index, block) in blocks.iter().enumerate() {
        let tiles = block.columns.len().div_ceil(WIDEST).max(1);
        let width = block.columns.len().div_ceil(tiles).max(1);
        // The block that comes next: of these rows, or the first one of the rows after them.
        let next = blocks.get(index + 1).map_or(rows * work.stride + blocks[0].depth.start, |next| next.depth.start);
        for part in 0..PARTS {
            let first = part * COUNT * work.stride + block.depth.start;
            // A tile that has nothing to ask for asks for what it reads itself.
            let ask = |row: usize| work.rows.wrapping_add(if row < rows { row * work.stride + next } else { first });
            for (tile, columns) in block.columns.chunks(width).enumerate() {
                let turn = part * tiles + tile;
                // SAFETY: as promised by the caller.
                unsafe {
                    let sums = sums.as_mut_ptr().add(part * COUNT * work.columns * PANEL);
                    let tile = Tile { rows: work.rows.add(first), work, length: block.depth.len(), sums };
                    if tiles == 1 {
                        tile.of_any::<K, COUNT, COUNT>(columns, std::array::from_fn(|row| ask(part * COUNT + row)));
                    } else {
                        tile.of_any::<K, COUNT, 2>(columns, [ask(turn), ask(turn + PARTS * tiles)]);
                    }
                }
            }
        }
    }
}

/// Some rows and columns over a piece of the depth.
struct Tile<'a> {
    /// Where the piece begins in the first row.
    rows: *const f32,
    work: Work<'a>,
    length: usize,
    sums: *mut f32,
}

impl Tile<'_> {
    /// # Safety
    /// As for [`Tile::of`].
    #[inline(always)]
    unsafe fn of_any<K: Kind, const COUNT: usize, const ASKED: usize>(
        &self,
        columns: &[(usize, usize)],
        asked: [*const f32; ASKED],
    ) {
        // SAFETY: as promised by the caller.
        unsafe {
            match columns {
                [a, b, c, d, e, f] => self.of::<K, COUNT, 6, ASKED>([*a, *b, *c, *d, *e, *f], asked),
                [a, b, c, d, e] => self.of::<K, COUNT, 5, ASKED>([*a, *b, *c, *d, *e], asked),
                [a, b, c, d] => self.of::<K, COUNT, 4, ASKED>([*a, *b, *c, *d], asked),
                [a, b, c] => self.of::<K, COUNT, 3, ASKED>([*a, *b, *c], asked),
                [a, b] => self.of::<K, COUNT, 2, ASKED>([*a, *b], asked),
                [a] => self.of::<K, COUNT, 1, ASKED>([*a], asked),
                _ => {}
            }
        }
    }

    /// Adds the products of `COUNT` rows and these columns to their sums. Inside the loop are loads, products and a few requests, whose number
    /// is a constant: a loop over them would cost the sums their registers.
    ///
    /// # Safety
    /// On a processor that has the instruction set of `K`; the numbers of rows and columns are there, and a panel of sums for each product.
    #[inline(always)]
    unsafe fn of<K: Kind, const COUNT: usize, const COLUMNS: usize, const ASKED: usize>(
        &self,
        columns: [(usize, usize); COLUMNS],
        asked: [*const f32; ASKED],
    ) {
        // SAFETY: as promised by the caller.
        unsafe {
            let left: [*const f32; COUNT] = std::array::from_fn(|row| self.rows.add(row * self.work.stride));
            let right = columns.map(|(_, at)| self.work.data.add(at));
            let to = columns.map(|(column, _)| self.sums.add(column * COUNT * PANEL));
            let mut totals = [[K::Sums::zero(); COUNT]; COLUMNS];
            for (totals, to) in totals.iter_mut().zip(to) {
                for (row, total) in totals.iter_mut().enumerate() {
                    *total = K::Sums::load(to.add(row * PANEL));
                }
            }
            let whole = self.length / PANEL * PANEL;
            let mut k = 0;
            while k < whole {
                for line in asked {
                    prefetch_near(line.wrapping_add(k));
                }
                step::<K, COUNT, COLUMNS>(&mut totals, left.map(|row| row.add(k)), right.map(|column| column.add(k)));
                k += PANEL;
            }
            if whole < self.length {
                let mut ends = ([[0.0f32; PANEL]; COUNT], [[0.0f32; PANEL]; COLUMNS]);
                for (end, numbers) in ends.0.iter_mut().zip(left).chain(ends.1.iter_mut().zip(right)) {
                    std::ptr::copy_nonoverlapping(numbers.add(whole), end.as_mut_ptr(), self.length - whole);
                }
                let ends = (ends.0.each_ref().map(|end| end.as_ptr()), ends.1.each_ref().map(|end| end.as_ptr()));
                step::<K, COUNT, COLUMNS>(&mut totals, ends.0, ends.1);
            }
            for (totals, to) in totals.iter().zip(to) {
                for (row, total) in totals.iter().enumerate() {
                    total.store(to.add(row * PANEL));
                }
            }
        }
    }
}

/// Adds the products of sixteen numbers or words.
///
/// # Safety
/// On a processor that has the instruction set of `K`; sixteen of them are at each place.
#[inline(always)]
unsafe fn step<K: Kind, const COUNT: usize, const COLUMNS: usize>(
    totals: &mut [[K::Sums; COUNT]; COLUMNS],
    rows: [*const f32; COUNT],
    columns: [*const f32; COLUMNS],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut left = [K::Sums::zero(); COUNT];
        for (value, row) in left.iter_mut().zip(rows) {
            *value = K::Sums::load(row);
        }
        for (totals, column) in totals.iter_mut().zip(columns) {
            let column = K::Sums::load(column);
            for (total, row) in totals.iter_mut().zip(&left) {
                *total = K::add(*total, *row, column);
            }
        }
    }
}
