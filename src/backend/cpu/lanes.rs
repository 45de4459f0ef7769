//! Sixteen f32 at a time for host twins, safe and free of any instruction set: a job is written once over [`Lanes`] and compiled for
//! each [`Level`]; one dispatch chooses.
//!
//! Lanes come only out of a [`Simd`], and that only from [`run`], inside a function compiled for an instruction set that the
//! processor has. So whoever holds lanes may use them, and every access to memory is checked against its slice.

use super::simd::{Level, PANEL, Portable, Vector};
use bytemuck::Pod;
use half::bf16;
use std::marker::PhantomData;
use std::ops::{Add, Mul, Sub};

/// Work that is compiled once for every instruction set. Everything on its hot path must be `#[inline(always)]`: what is not
/// inlined into the dispatch is compiled without the instruction set.
pub trait Job {
    fn run<V: Vector>(self, simd: Simd<V>);
}

/// Proof that the processor has the instruction set of `V`.
#[derive(Clone, Copy)]
pub struct Simd<V>(PhantomData<V>);

/// Sixteen f32 in registers.
#[derive(Clone, Copy)]
pub struct Lanes<V>(V);

/// Runs a job on an instruction set. Panics on a level that this processor lacks.
pub fn run(level: Level, job: impl Job) {
    assert!(level.is_supported(), "missing instruction set");
    // SAFETY: the level is supported.
    unsafe {
        match level {
            Level::Portable => job.run(Simd::<Portable>(PhantomData)),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(job),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => avx512(job),
            #[cfg(not(target_arch = "x86_64"))]
            _ => job.run(Simd::<Portable>(PhantomData)),
        }
    }
}

/// # Safety
/// Needs a processor with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(job: impl Job) {
    job.run(Simd::<super::simd::Avx2>(PhantomData));
}

/// # Safety
/// Needs a processor with AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(job: impl Job) {
    job.run(Simd::<super::simd::Avx512>(PhantomData));
}

impl<V: Vector> Simd<V> {
    /// Sixteen times the same number.
    #[inline(always)]
    pub fn splat(self, value: f32) -> Lanes<V> {
        // SAFETY: this token proves the instruction set.
        Lanes(unsafe { V::splat(value) })
    }

    /// The sixteen numbers from `at` on. Panics when they are not all there.
    #[inline(always)]
    pub fn load<T: Stored>(self, from: &[T], at: usize) -> Lanes<V> {
        check(from.len(), at);
        // SAFETY: this token proves the instruction set; the check keeps the sixteen inside the slice.
        Lanes(unsafe { T::load(from.as_ptr().add(at)) })
    }
}

impl<V: Vector> Lanes<V> {
    /// Writes the lanes from `at` on, rounded to what is stored there. Panics when there is no room for sixteen.
    #[inline(always)]
    pub fn store<T: Stored>(self, to: &mut [T], at: usize) {
        check(to.len(), at);
        // SAFETY: lanes exist only where their instruction set does; the check keeps the sixteen inside the slice.
        unsafe { T::store(self.0, to.as_mut_ptr().add(at)) }
    }

    /// As [`Lanes::store`], the lower halves of the bit patterns.
    #[inline(always)]
    pub fn store_halves(self, to: &mut [i16], at: usize) {
        check(to.len(), at);
        // SAFETY: lanes exist only where their instruction set does; the check keeps the sixteen inside the slice.
        unsafe { self.0.store_halves(to.as_mut_ptr().add(at)) }
    }

    /// The larger of this one, which has no signs, and the size of `b`; a NaN is larger than all numbers.
    #[inline(always)]
    pub fn larger_size(self, b: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.larger_size(b.0) })
    }

    /// The lower halves of the bit patterns of both, as bit patterns: those of `b` above.
    #[inline(always)]
    pub fn halves(self, b: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.halves(b.0) })
    }

    /// `self + a * b`, rounded once where the instruction set can.
    #[inline(always)]
    pub fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.add_product(a.0, b.0) })
    }

    /// Lanes of `yes` where this one is above zero, of `no` where it is not or is a NaN.
    #[inline(always)]
    pub fn where_positive(self, yes: Self, no: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.where_positive(yes.0, no.0) })
    }
}

impl<V: Vector> Add for Lanes<V> {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.plus(b.0) })
    }
}

impl<V: Vector> Sub for Lanes<V> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.minus(b.0) })
    }
}

impl<V: Vector> Mul for Lanes<V> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        // SAFETY: lanes exist only where their instruction set does.
        Lanes(unsafe { self.0.times(b.0) })
    }
}

#[inline(always)]
fn check(length: usize, at: usize) {
    assert!(length >= PANEL && at <= length - PANEL, "sixteen lanes reach past their slice");
}

/// A format that numbers are stored in and that lanes are loaded from and rounded to.
pub trait Stored: Pod + Send + Sync + 'static {
    /// # Safety
    /// On a processor that has `V`; sixteen numbers are readable.
    unsafe fn load<V: Vector>(from: *const Self) -> V;

    /// # Safety
    /// On a processor that has `V`; sixteen numbers are writable.
    unsafe fn store<V: Vector>(lanes: V, to: *mut Self);
}

impl Stored for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as promised by the caller.
        unsafe { V::load(from) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(lanes: V, to: *mut Self) {
        // SAFETY: as promised by the caller.
        unsafe { lanes.store(to) }
    }
}

/// Widening is exact; rounding is to nearest, ties to even, and a NaN stays one.
impl Stored for bf16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const Self) -> V {
        // SAFETY: as promised by the caller.
        unsafe { V::load_bf16(from) }
    }

    #[inline(always)]
    unsafe fn store<V: Vector>(lanes: V, to: *mut Self) {
        // SAFETY: as promised by the caller.
        unsafe { lanes.store_bf16(to) }
    }
}

/// Sixteen vectors of sixteen numbers, rows and columns exchanged.
#[inline(always)]
pub fn transpose<V: Vector>(mut rows: [Lanes<V>; PANEL]) -> [Lanes<V>; PANEL] {
    // Interleaving the two halves of the rows turns the eight bits of (row, column) by one; four turns exchange them.
    for _ in 0..4 {
        let old = rows;
        for i in 0..PANEL / 2 {
            // SAFETY: lanes exist only where their instruction set does.
            let [low, high] = unsafe { old[i].0.interleave(old[i + PANEL / 2].0) };
            rows[2 * i] = Lanes(low);
            rows[2 * i + 1] = Lanes(high);
        }
    }
    rows
}

/// Where a small grid of lanes lies in a slice: its first number, the distance of its rows and of its columns.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub at: usize,
    pub row: usize,
    pub column: usize,
}

impl Steps {
    /// The same grid some numbers further on.
    #[inline(always)]
    pub fn after(self, numbers: usize) -> Self {
        Steps { at: self.at + numbers, ..self }
    }

    /// Where element (i, j) begins.
    #[inline(always)]
    pub fn index(self, i: usize, j: usize) -> usize {
        self.at + i * self.row + j * self.column
    }

    /// Panics unless all of `rows` x `columns` lanes lie inside so many numbers. Sums that overflow saturate, which is outside.
    #[inline(always)]
    fn check(self, rows: usize, columns: usize, length: usize) {
        let last = |count: usize, step: usize| count.saturating_sub(1).saturating_mul(step);
        let end = self.at.saturating_add(last(rows, self.row)).saturating_add(last(columns, self.column));
        assert!(end.saturating_add(PANEL) <= length, "a grid of lanes reaches past its slice");
    }
}

/// A grid of lanes that is read. It is checked once as a whole, so that loads with constant positions cost no check.
#[derive(Clone, Copy)]
pub struct Grid<'a, T = f32> {
    from: &'a [T],
    steps: Steps,
    rows: usize,
    columns: usize,
}

impl<'a, T: Stored> Grid<'a, T> {
    /// Panics when the grid is not inside the slice.
    #[inline(always)]
    pub fn new(from: &'a [T], steps: Steps, rows: usize, columns: usize) -> Self {
        steps.check(rows, columns, from.len());
        Grid { from, steps, rows, columns }
    }

    /// The lanes at (i, j). Panics outside of the grid.
    #[inline(always)]
    pub fn load<V: Vector>(&self, _: Simd<V>, i: usize, j: usize) -> Lanes<V> {
        assert!(i < self.rows && j < self.columns, "outside of a grid");
        let at =
            self.steps.at.wrapping_add(i.wrapping_mul(self.steps.row)).wrapping_add(j.wrapping_mul(self.steps.column));
        // SAFETY: the token proves the instruction set; the grid was found to be inside the slice, and (i, j) is inside the grid.
        Lanes(unsafe { T::load(self.from.as_ptr().add(at)) })
    }
}

/// A grid of lanes that is written.
pub struct GridMut<'a, T = f32> {
    to: &'a mut [T],
    steps: Steps,
    rows: usize,
    columns: usize,
}

impl<'a, T: Stored> GridMut<'a, T> {
    /// Panics when the grid is not inside the slice.
    #[inline(always)]
    pub fn new(to: &'a mut [T], steps: Steps, rows: usize, columns: usize) -> Self {
        steps.check(rows, columns, to.len());
        GridMut { to, steps, rows, columns }
    }

    /// Writes lanes at (i, j). Panics outside of the grid.
    #[inline(always)]
    pub fn store<V: Vector>(&mut self, i: usize, j: usize, lanes: Lanes<V>) {
        assert!(i < self.rows && j < self.columns, "outside of a grid");
        let at =
            self.steps.at.wrapping_add(i.wrapping_mul(self.steps.row)).wrapping_add(j.wrapping_mul(self.steps.column));
        // SAFETY: lanes exist only where their instruction set does; the grid was found to be inside the slice, and (i, j) is inside.
        unsafe { T::store(lanes.0, self.to.as_mut_ptr().add(at)) }
    }
}
