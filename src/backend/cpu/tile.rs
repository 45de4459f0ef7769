//! The register tile: a few rows times a few panels of sixteen columns, all in vector registers.
//!
//! `c[r][j] (+)= sum over k of a[r][k] * b[k][j]`, k ascending, one fused multiply-add after the other: the order of the
//! sum, and so its bits, depend on the depth alone and not on which rows share a tile.

use super::simd::{Level, PANEL, Portable, Vector, prefetch, prefetch_once};

/// Distances in f32 between neighbouring elements of the three matrices.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub a_row: usize,
    pub a_depth: usize,
    pub b_panel: usize,
    pub b_depth: usize,
    pub c_row: usize,
}

/// Where the three matrices begin and how much of them there is.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub rows: usize,
    pub panels: usize,
    pub depth: usize,
    pub a: *const f32,
    pub b: *const f32,
    pub c: *mut f32,
    pub strides: Strides,
    /// Adds to `c` instead of replacing it.
    pub accumulate: bool,
    /// Cache lines to ask for on the way, `step` numbers apart, one for each depth of each tile; a few more than there are may be asked for.
    pub ahead: *const f32,
    pub step: usize,
    pub lines: usize,
    /// The same for the right matrix of the next product, to be brought into the first-level cache.
    pub next: *const f32,
    pub next_lines: usize,
}

impl Block {
    /// What is left to ask for after a tile.
    #[inline(always)]
    fn later(self) -> Block {
        let past = |step: usize| self.depth.wrapping_mul(step);
        let [lines, next_lines] = [self.lines, self.next_lines].map(|lines| lines.saturating_sub(self.depth));
        Block {
            ahead: self.ahead.wrapping_add(past(self.step)),
            lines,
            next: self.next.wrapping_add(past(PANEL)),
            next_lines,
            ..self
        }
    }
}

/// Runs one block with the tiles of an instruction set.
///
/// # Safety
/// Every element the block names must be readable (`a`, `b`) or exclusively writable (`c`), and the processor must have `level`.
pub(super) unsafe fn run(level: Level, block: Block) {
    // SAFETY: the caller's promise is passed on; the level is supported.
    unsafe {
        match level {
            Level::Portable => portable(block),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(block),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => avx512(block),
            #[cfg(not(target_arch = "x86_64"))]
            _ => portable(block),
        }
    }
}

/// # Safety
/// As for [`run`].
unsafe fn portable(block: Block) {
    // SAFETY: as promised by the caller.
    unsafe { each_group::<Portable, 2, 2, 2>(block, 1) }
}

/// # Safety
/// As for [`run`], on a processor with AVX2 and FMA: 6 rows x 2 registers leave four of sixteen for operands.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(block: Block) {
    // SAFETY: as promised by the caller.
    unsafe { each_group::<super::simd::Avx2, 6, 6, 6>(block, 1) }
}

/// # Safety
/// As for [`run`], on a processor with AVX-512F: 24 accumulators of 32 registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(block: Block) {
    // SAFETY: as promised by the caller.
    unsafe { each_group::<super::simd::Avx512, 12, 12, 6>(block, 4) }
}

/// Cuts the columns into groups of `widest` panels or fewer; `ONE`, `TWO`, `FOUR` are the rows of a tile that wide.
///
/// # Safety
/// As for [`run`], on a processor that has `V`.
#[inline(always)]
unsafe fn each_group<V: Vector, const ONE: usize, const TWO: usize, const FOUR: usize>(block: Block, widest: usize) {
    let mut done = 0;
    while done < block.panels {
        let width = (block.panels - done).min(widest);
        // SAFETY: the group's first panel is inside `b` and `c`.
        unsafe {
            let (b, c) = (block.b.add(done * block.strides.b_panel), block.c.add(done * PANEL));
            let group = Block {
                b,
                c,
                lines: if done == 0 { block.lines } else { 0 },
                next_lines: if done == 0 { block.next_lines } else { 0 },
                ..block
            };
            match width {
                1 => each_tile::<V, ONE, 1>(group),
                2 => each_tile::<V, TWO, 2>(group),
                3 => each_tile::<V, FOUR, 3>(group),
                _ => each_tile::<V, FOUR, 4>(group),
            }
        }
        done += width;
    }
}

/// Cuts the rows into tiles of `ROWS`, which is at most 12; the rest are at most two more tiles, since a tile of few rows cannot hide the
/// latency of its sums.
///
/// # Safety
/// As for [`run`], on a processor that has `V`; `PANELS` is at most the block's.
#[inline(always)]
unsafe fn each_tile<V: Vector, const ROWS: usize, const PANELS: usize>(mut block: Block) {
    let mut row = 0;
    // SAFETY: every tile lies inside the block's rows.
    unsafe {
        // Of six rows to a tile, seven or eight at the end are two tiles of four or three.
        while block.rows - row >= ROWS && !(ROWS == 6 && matches!(block.rows - row, 7 | 8)) {
            tile::<V, ROWS, PANELS>(block, row);
            row += ROWS;
            block = block.later();
        }
        if ROWS > 6 && block.rows - row >= 6 {
            tile::<V, 6, PANELS>(block, row);
            row += 6;
        }
        if ROWS == 6 && block.rows - row > 6 {
            tile::<V, 4, PANELS>(block, row);
            row += 4;
        }
        match block.rows - row {
            0 => {}
            1 => tile::<V, 1, PANELS>(block, row),
            2 => tile::<V, 2, PANELS>(block, row),
            3 => tile::<V, 3, PANELS>(block, row),
            4 => tile::<V, 4, PANELS>(block, row),
            _ => tile::<V, 5, PANELS>(block, row),
        }
    }
}

/// One tile, its sums in registers from the first depth to the last.
///
/// # Safety
/// As for [`run`], on a processor that has `V`; `ROWS` rows from `row` on and `PANELS` panels are inside the block.
#[inline(always)]
unsafe fn tile<V: Vector, const ROWS: usize, const PANELS: usize>(block: Block, row: usize) {
    let Strides { a_row, a_depth, b_panel, b_depth, c_row } = block.strides;
    // SAFETY: rows `row..row + ROWS` and panels `0..PANELS` are inside the block.
    unsafe {
        let mut a = block.a.add(row * a_row);
        let mut b = block.b;
        let c = block.c.add(row * c_row);
        // Where there is nothing to ask for, the line that is read anyway.
        let (mut ahead, step) = if block.lines > 0 { (block.ahead, block.step) } else { (block.b, 0) };
        let (mut next, next_step) = if block.next_lines > 0 { (block.next, PANEL) } else { (block.b, 0) };
        let mut sums = [[V::zero(); PANELS]; ROWS];
        if block.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (p, sum) in sums.iter_mut().enumerate() {
                    *sum = V::load(c.add(r * c_row + p * PANEL));
                }
            }
        }
        for _ in 0..block.depth {
            prefetch(ahead);
            prefetch_once(next);
            next = next.wrapping_add(next_step);
            ahead = ahead.wrapping_add(step);
            let mut right = [V::zero(); PANELS];
            for (p, right) in right.iter_mut().enumerate() {
                *right = V::load(b.add(p * b_panel));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let left = V::splat(*a.add(r * a_row));
                for (sum, right) in sums.iter_mut().zip(&right) {
                    *sum = sum.add_product(left, *right);
                }
            }
            a = a.wrapping_add(a_depth);
            b = b.wrapping_add(b_depth);
        }
        for (r, sums) in sums.iter().enumerate() {
            for (p, sum) in sums.iter().enumerate() {
                sum.store(c.add(r * c_row + p * PANEL));
            }
        }
    }
}
