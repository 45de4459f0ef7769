//! Instruction sets, found once at start, and the vector arithmetic that the matrix tile is written in.

use std::fmt;

/// An instruction set the tiles are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, whatever the compiler makes of it.
    Portable,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
}

impl Level {
    /// The best one this processor has.
    pub fn detect() -> Level {
        [Level::Avx512, Level::Avx2].into_iter().find(|level| level.is_supported()).unwrap_or(Level::Portable)
    }

    /// Whether this processor can run it.
    pub fn is_supported(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            match self {
                Level::Portable => true,
                Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
                Level::Avx512 => is_x86_feature_detected!("avx512f"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Level::Portable
        }
    }

    /// Every level this machine can run, for tests that compare them.
    pub fn supported() -> Vec<Level> {
        [Level::Portable, Level::Avx2, Level::Avx512].into_iter().filter(|level| level.is_supported()).collect()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Portable => "portable",
            Level::Avx2 => "AVX2+FMA",
            Level::Avx512 => "AVX-512",
        })
    }
}

/// Columns of a panel: one 512-bit vector of f32.
pub const PANEL: usize = 16;

/// Sixteen f32 in the registers of one instruction set.
///
/// # Safety
/// Every function must run on a processor that has the instruction set; pointers must be valid for 16 f32.
pub(super) trait Vector: Copy {
    unsafe fn zero() -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    /// `self + a * b`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
}

/// The compiler's own vectors.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; PANEL]);

impl Vector for Portable {
    #[inline(always)]
    unsafe fn zero() -> Self {
        Portable([0.0; PANEL])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's pointer is valid for 16 f32; the array type has no stricter alignment.
        Portable(unsafe { from.cast::<[f32; PANEL]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as for `load`.
        unsafe { to.cast::<[f32; PANEL]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; PANEL])
    }
    #[inline(always)]
    unsafe fn add_product(mut self, a: Self, b: Self) -> Self {
        for lane in 0..PANEL {
            self.0[lane] += a.0[lane] * b.0[lane];
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// Two 256-bit registers.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256, __m256);

    impl Vector for Avx2 {
        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller runs on a processor with AVX2.
            unsafe { Avx2(_mm256_setzero_ps(), _mm256_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: 16 f32 are readable; the loads are unaligned ones.
            unsafe { Avx2(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: 16 f32 are writable; the stores are unaligned ones.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller runs on a processor with AVX2.
            unsafe {
                let all = _mm256_set1_ps(value);
                Avx2(all, all)
            }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with FMA.
            unsafe { Avx2(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
        }
    }

    /// One 512-bit register.
    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Vector for Avx512 {
        #[inline(always)]
        unsafe fn zero() -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: 16 f32 are readable; the load is an unaligned one.
            unsafe { Avx512(_mm512_loadu_ps(from)) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: 16 f32 are writable; the store is an unaligned one.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_set1_ps(value)) }
        }
        #[inline(always)]
        unsafe fn add_product(self, a: Self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_fmadd_ps(a.0, b.0, self.0)) }
        }
    }
}
