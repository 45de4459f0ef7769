//! Matrix products of 16-bit numbers, on one core: two neighbours along the depth lie in a word and are multiplied and added by one
//! instruction, which does twice the work of an f32 multiply-add.
//!
//! `out[row][column] (+)= sum over k of left(row, 2k) right(2k, column) + left(row, 2k + 1) right(2k + 1, column)`, k ascending. Levels
//! that lack the instructions compute the same in plain loops: integers give the same bits, bf16 is summed in f32 everywhere.

use super::gemm::Extent;
use super::simd::{Level, PANEL, Portable, Vector};
use half::bf16;

/// A matrix of words of two numbers: element (i, k) of a left one is `data[i * outer + k * depth]`; element (k, panel, j) of a right one
/// is `data[panel * outer + k * depth + j]`.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub data: &'a [u32],
    pub outer: usize,
    pub depth: usize,
}

/// What integer sums are multiplied by: a number per row times a number per column.
#[derive(Clone, Copy)]
pub struct Scales<'a> {
    pub rows: &'a [f32],
    pub columns: &'a [f32],
}

/// Where the results go: rows are `stride` apart.
pub struct Target<'a> {
    pub out: &'a mut [f32],
    pub stride: usize,
    /// Adds to what is there instead of replacing it.
    pub accumulate: bool,
}

/// A product of 16-bit integers, each sum brought to f32 and scaled. A sum must fit into 32 bits. The depth of the extent counts words.
///
/// Panics when a slice is shorter than the extent says.
pub fn multiply_integers(level: Level, extent: Extent, sides: [Words; 2], scales: Scales, target: Target) {
    assert!(extent.rows <= scales.rows.len() && extent.panels * PANEL <= scales.columns.len(), "too few scales");
    let block = Block::new(level, extent, sides, target);
    let block = Block { row_scales: scales.rows.as_ptr(), column_scales: scales.columns.as_ptr(), ..block };
    // SAFETY: `new` checked the matrices, the assertion above the scales.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => x86::integers(block),
            _ => each_group::<PlainIntegers, 2, 2>(block, 2),
        }
    }
}

/// A product of bf16, summed in f32. The depth of the extent counts words.
///
/// Panics when a slice is shorter than the extent says.
pub fn multiply_bf16(level: Level, extent: Extent, sides: [Words; 2], target: Target) {
    let block = Block::new(level, extent, sides, target);
    // SAFETY: `new` checked the matrices.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => x86::bf16(block),
            _ => each_group::<PlainBf16, 2, 2>(block, 2),
        }
    }
}

/// Where everything lies, and how much of it there is.
#[derive(Clone, Copy)]
struct Block {
    extent: Extent,
    a: *const u32,
    b: *const u32,
    c: *mut f32,
    a_row: usize,
    a_depth: usize,
    b_panel: usize,
    b_depth: usize,
    c_row: usize,
    accumulate: bool,
    /// Of integers alone.
    row_scales: *const f32,
    column_scales: *const f32,
}

impl Block {
    /// Panics when a slice is shorter than the extent says, or when this processor lacks the level.
    fn new(level: Level, extent: Extent, [left, right]: [Words; 2], to: Target) -> Self {
        let Extent { rows, depth, panels } = extent;
        assert!(
            rows > 0 && depth > 0 && panels > 0 && level.is_supported(),
            "empty product or missing instruction set"
        );
        assert!((rows - 1) * left.outer + (depth - 1) * left.depth < left.data.len(), "left matrix too short");
        let right_end = (panels - 1) * right.outer + (depth - 1) * right.depth + PANEL;
        assert!(right_end <= right.data.len(), "right matrix too short");
        assert!((rows - 1) * to.stride + panels * PANEL <= to.out.len(), "output matrix too short");
        Block {
            extent,
            a: left.data.as_ptr(),
            b: right.data.as_ptr(),
            c: to.out.as_mut_ptr(),
            a_row: left.outer,
            a_depth: left.depth,
            b_panel: right.outer,
            b_depth: right.depth,
            c_row: to.stride,
            accumulate: to.accumulate,
            row_scales: std::ptr::null(),
            column_scales: std::ptr::null(),
        }
    }
}

/// Sixteen words of a right matrix, or one of a left one sixteen times.
///
/// # Safety
/// As for [`Sums`].
trait Sixteen: Copy {
    /// # Safety
    /// As for the trait; `right` points to 16 words.
    unsafe fn load(right: *const u32) -> Self;
    /// # Safety
    /// As for the trait; `left` points to one word.
    unsafe fn splat(left: *const u32) -> Self;
}

/// Sixteen sums of products of pairs.
///
/// # Safety
/// Every function must run on a processor that has the instruction set.
trait Sums: Copy {
    /// What the sums are brought to.
    type Wide: Vector;
    /// Whether they are integers, which are scaled.
    const SCALED: bool;
    type Words: Sixteen;
    /// # Safety
    /// As for the trait.
    unsafe fn zero() -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn add(self, left: Self::Words, right: Self::Words) -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn wide(self) -> Self::Wide;
}

/// Cuts the columns into groups of `widest` panels or fewer; `FEW` and `WIDE` are the rows of a tile of one or two panels, and of more.
///
/// # Safety
/// The block is inside its slices, and the processor has the instruction set of `S`.
#[inline(always)]
unsafe fn each_group<S: Sums, const FEW: usize, const WIDE: usize>(block: Block, widest: usize) {
    let mut done = 0;
    while done < block.extent.panels {
        let width = (block.extent.panels - done).min(widest);
        // SAFETY: the group's first panel is inside; scales are there where they are read.
        unsafe {
            let group = Block {
                b: block.b.add(done * block.b_panel),
                c: block.c.add(done * PANEL),
                column_scales: block.column_scales.wrapping_add(done * PANEL),
                ..block
            };
            match width {
                1 => each_tile::<S, FEW, 1>(group),
                2 => each_tile::<S, FEW, 2>(group),
                3 => each_tile::<S, WIDE, 3>(group),
                _ => each_tile::<S, WIDE, 4>(group),
            }
        }
        done += width;
    }
}

/// Cuts the rows into tiles of `ROWS`, then the rest into ever smaller ones.
///
/// # Safety
/// As for [`each_group`]; `PANELS` is at most the block's.
#[inline(always)]
unsafe fn each_tile<S: Sums, const ROWS: usize, const PANELS: usize>(block: Block) {
    let (mut row, rows) = (0, block.extent.rows);
    // SAFETY: every tile lies inside the block's rows.
    unsafe {
        while rows - row >= ROWS {
            tile::<S, ROWS, PANELS>(block, row);
            row += ROWS;
        }
        while rows - row >= 4 {
            tile::<S, 4, PANELS>(block, row);
            row += 4;
        }
        while rows - row >= 2 {
            tile::<S, 2, PANELS>(block, row);
            row += 2;
        }
        if row < rows {
            tile::<S, 1, PANELS>(block, row);
        }
    }
}

/// One tile, its sums in registers from the first depth to the last.
///
/// # Safety
/// As for [`each_group`]; `ROWS` rows from `row` on and `PANELS` panels are inside the block.
#[inline(always)]
unsafe fn tile<S: Sums, const ROWS: usize, const PANELS: usize>(block: Block, row: usize) {
    let Block { a_row, a_depth, b_panel, b_depth, c_row, .. } = block;
    // SAFETY: rows `row..row + ROWS` and panels `0..PANELS` are inside the block.
    unsafe {
        let mut a = block.a.add(row * a_row);
        let mut b = block.b;
        let mut sums = [[S::zero(); PANELS]; ROWS];
        for _ in 0..block.extent.depth {
            let mut right = [S::Words::load(b); PANELS];
            for (p, right) in right.iter_mut().enumerate() {
                *right = S::Words::load(b.add(p * b_panel));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let left = S::Words::splat(a.add(r * a_row));
                for (sum, right) in sums.iter_mut().zip(&right) {
                    *sum = sum.add(left, *right);
                }
            }
            a = a.wrapping_add(a_depth);
            b = b.wrapping_add(b_depth);
        }
        let c = block.c.add(row * c_row);
        let mut columns = [<S::Wide as Vector>::zero(); PANELS];
        if S::SCALED {
            for (p, column) in columns.iter_mut().enumerate() {
                *column = <S::Wide as Vector>::load(block.column_scales.add(p * PANEL));
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let to = c.add(r * c_row);
            let mut wide = columns;
            for (wide, sum) in wide.iter_mut().zip(sums) {
                *wide = sum.wide();
            }
            if S::SCALED {
                let scale = <S::Wide as Vector>::splat(*block.row_scales.add(row + r));
                for (wide, column) in wide.iter_mut().zip(&columns) {
                    *wide = wide.times(scale.times(*column));
                }
            }
            finish::<S::Wide, PANELS>(wide, to, block.accumulate);
        }
    }
}

/// Writes one row of a tile.
///
/// # Safety
/// On a processor that has `V`; `to` is valid for `PANELS` vectors.
#[inline(always)]
unsafe fn finish<V: Vector, const PANELS: usize>(mut row: [V; PANELS], to: *mut f32, accumulate: bool) {
    // SAFETY: as promised by the caller.
    unsafe {
        if accumulate {
            for (p, value) in row.iter_mut().enumerate() {
                *value = value.plus(V::load(to.add(p * PANEL)));
            }
        }
        for (p, value) in row.iter().enumerate() {
            value.store(to.add(p * PANEL));
        }
    }
}

impl Sixteen for [u32; PANEL] {
    #[inline(always)]
    unsafe fn load(right: *const u32) -> Self {
        // SAFETY: 16 words are readable; the array type has no stricter alignment.
        unsafe { right.cast::<[u32; PANEL]>().read() }
    }
    #[inline(always)]
    unsafe fn splat(left: *const u32) -> Self {
        // SAFETY: as promised by the caller.
        [unsafe { *left }; PANEL]
    }
}

/// Integers in plain loops.
#[derive(Clone, Copy)]
struct PlainIntegers([i32; PANEL]);

/// bf16 in plain loops.
#[derive(Clone, Copy)]
struct PlainBf16([f32; PANEL]);

impl Sums for PlainIntegers {
    type Wide = Portable;
    type Words = [u32; PANEL];
    const SCALED: bool = true;

    #[inline(always)]
    unsafe fn zero() -> Self {
        PlainIntegers([0; PANEL])
    }
    #[inline(always)]
    unsafe fn add(self, left: Self::Words, right: Self::Words) -> Self {
        let both = |word: u32| [word as i16, (word >> 16) as i16].map(i32::from);
        // Wraps where the instruction does, which only numbers that are no numbers can bring about.
        let sum = |lane: usize| {
            let (left, right) = (both(left[lane]), both(right[lane]));
            self.0[lane].wrapping_add((left[0] * right[0]).wrapping_add(left[1] * right[1]))
        };
        PlainIntegers(std::array::from_fn(sum))
    }
    #[inline(always)]
    unsafe fn wide(self) -> Portable {
        // SAFETY: the array holds 16 f32.
        unsafe { Portable::load(self.0.map(|sum| sum as f32).as_ptr()) }
    }
}

impl Sums for PlainBf16 {
    type Wide = Portable;
    type Words = [u32; PANEL];
    const SCALED: bool = false;

    #[inline(always)]
    unsafe fn zero() -> Self {
        PlainBf16([0.0; PANEL])
    }
    #[inline(always)]
    unsafe fn add(self, left: Self::Words, right: Self::Words) -> Self {
        let both = |word: u32| [word as u16, (word >> 16) as u16].map(|bits| bf16::from_bits(bits).to_f32());
        let sum = |lane: usize| {
            let (left, right) = (both(left[lane]), both(right[lane]));
            self.0[lane] + left[0] * right[0] + left[1] * right[1]
        };
        PlainBf16(std::array::from_fn(sum))
    }
    #[inline(always)]
    unsafe fn wide(self) -> Portable {
        // SAFETY: the array holds 16 f32.
        unsafe { Portable::load(self.0.as_ptr()) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::simd::Avx512;
    use super::{Block, Sixteen, Sums, each_group};
    use std::arch::x86_64::*;

    /// # Safety
    /// The block is inside its slices; needs AVX512_VNNI. 24 accumulators of 32 registers.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub unsafe fn integers(block: Block) {
        // SAFETY: as promised by the caller.
        unsafe { each_group::<Integers, 12, 6>(block, 4) }
    }

    /// # Safety
    /// The block is inside its slices; needs AVX512_BF16. 24 accumulators of 32 registers; of three panels, as few loads as there can be.
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn bf16(block: Block) {
        // SAFETY: as promised by the caller.
        unsafe { each_group::<Bf16, 12, 8>(block, 3) }
    }

    /// Integers by `vpdpwssd`.
    #[derive(Clone, Copy)]
    struct Integers(__m512i);

    /// bf16 by `vdpbf16ps`.
    #[derive(Clone, Copy)]
    struct Bf16(__m512);

    impl Sixteen for __m512i {
        #[inline(always)]
        unsafe fn load(right: *const u32) -> Self {
            // SAFETY: 16 words are readable; the load is an unaligned one.
            unsafe { _mm512_loadu_si512(right.cast()) }
        }
        #[inline(always)]
        unsafe fn splat(left: *const u32) -> Self {
            // SAFETY: the word is readable.
            unsafe { _mm512_set1_epi32(*left as i32) }
        }
    }

    impl Sums for Integers {
        type Wide = Avx512;
        type Words = __m512i;
        const SCALED: bool = true;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Integers(_mm512_setzero_si512()) }
        }
        #[inline(always)]
        unsafe fn add(self, left: __m512i, right: __m512i) -> Self {
            // SAFETY: the caller runs on a processor with AVX512_VNNI.
            unsafe { Integers(_mm512_dpwssd_epi32(self.0, left, right)) }
        }
        #[inline(always)]
        unsafe fn wide(self) -> Avx512 {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_cvtepi32_ps(self.0)) }
        }
    }

    impl Sums for Bf16 {
        type Wide = Avx512;
        type Words = __m512i;
        const SCALED: bool = false;

        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Bf16(_mm512_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn add(self, left: __m512i, right: __m512i) -> Self {
            // SAFETY: the caller runs on a processor with AVX512_BF16; both types are 512 bits of anything.
            unsafe {
                let left: __m512bh = std::mem::transmute(left);
                let right: __m512bh = std::mem::transmute(right);
                Bf16(_mm512_dpbf16_ps(self.0, left, right))
            }
        }
        #[inline(always)]
        unsafe fn wide(self) -> Avx512 {
            Avx512(self.0)
        }
    }
}
