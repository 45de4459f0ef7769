//! Instruction sets, found once at start, and the vector arithmetic that the matrix tile and [`super::lanes`] are written in.

use crate::error::{Error, Result};
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

    /// The one that `HALLUCINET_CPU_LEVEL` names (`portable`, `avx2`, `avx512`), or else the best one.
    ///
    /// # Errors
    /// `Usage` for another name, `Device` for one that this processor cannot run.
    pub fn chosen() -> Result<Level> {
        let Some(name) = std::env::var_os("HALLUCINET_CPU_LEVEL").filter(|name| !name.is_empty()) else {
            return Ok(Level::detect());
        };
        let level = match name.to_str() {
            Some("portable") => Level::Portable,
            Some("avx2") => Level::Avx2,
            Some("avx512") => Level::Avx512,
            _ => {
                let name = name.display();
                return Err(Error::Usage(format!("HALLUCINET_CPU_LEVEL is portable, avx2 or avx512, not `{name}`")));
            }
        };
        level.is_supported().then_some(level).ok_or_else(|| level.missing())
    }

    /// What to say where this processor lacks it.
    pub(super) fn missing(self) -> Error {
        Error::Device(format!("this processor has no {self}"))
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

/// Asks for the cache line of a number to be brought into the second-level cache. Only a hint: nothing is read, whatever the address, and
/// where the instruction set has none, nothing happens.
#[inline(always)]
pub fn prefetch(number: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE, and a prefetch neither reads nor faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(number.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}

/// Columns of a panel: one 512-bit vector of f32.
pub const PANEL: usize = 16;

/// Sixteen f32 in the registers of one instruction set.
///
/// # Safety
/// Every function must run on a processor that has the instruction set; pointers must be valid for 16 f32.
pub trait Vector: Copy {
    /// # Safety
    /// As for the trait.
    unsafe fn zero() -> Self;
    /// # Safety
    /// As for the trait; any alignment.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// As for the trait; any alignment.
    unsafe fn store(self, to: *mut f32);
    /// # Safety
    /// As for the trait.
    unsafe fn splat(value: f32) -> Self;
    /// `self + a * b`, rounded once where the instruction set can.
    ///
    /// # Safety
    /// As for the trait.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn plus(self, b: Self) -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn minus(self, b: Self) -> Self;
    /// # Safety
    /// As for the trait.
    unsafe fn times(self, b: Self) -> Self;
    /// `[a0, b0, a1, b1, ..., a7, b7]` and `[a8, b8, ..., a15, b15]`.
    ///
    /// # Safety
    /// As for the trait.
    unsafe fn interleave(self, b: Self) -> [Self; 2];
    /// Lanes of `yes` where this one is above zero, of `no` where it is not or is a NaN.
    ///
    /// # Safety
    /// As for the trait.
    unsafe fn where_positive(self, yes: Self, no: Self) -> Self;
}

/// The compiler's own vectors.
#[derive(Clone, Copy)]
pub struct Portable([f32; PANEL]);

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
    #[inline(always)]
    unsafe fn plus(self, b: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] + b.0[lane]))
    }
    #[inline(always)]
    unsafe fn minus(self, b: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] - b.0[lane]))
    }
    #[inline(always)]
    unsafe fn times(self, b: Self) -> Self {
        Portable(std::array::from_fn(|lane| self.0[lane] * b.0[lane]))
    }
    #[inline(always)]
    unsafe fn interleave(self, b: Self) -> [Self; 2] {
        let from = |first: usize| {
            let lane =
                |lane: usize| if lane.is_multiple_of(2) { self.0[first + lane / 2] } else { b.0[first + lane / 2] };
            Portable(std::array::from_fn(lane))
        };
        [from(0), from(PANEL / 2)]
    }
    #[inline(always)]
    unsafe fn where_positive(self, yes: Self, no: Self) -> Self {
        Portable(std::array::from_fn(|lane| if self.0[lane] > 0.0 { yes.0[lane] } else { no.0[lane] }))
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
        #[inline(always)]
        unsafe fn plus(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX2.
            unsafe { Avx2(_mm256_add_ps(self.0, b.0), _mm256_add_ps(self.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn minus(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX2.
            unsafe { Avx2(_mm256_sub_ps(self.0, b.0), _mm256_sub_ps(self.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn times(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX2.
            unsafe { Avx2(_mm256_mul_ps(self.0, b.0), _mm256_mul_ps(self.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn interleave(self, b: Self) -> [Self; 2] {
            // SAFETY: the caller runs on a processor with AVX2. Unpacking works in halves of four; their order is put right after.
            unsafe {
                let each = |a, b| {
                    let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                    Avx2(_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
                };
                [each(self.0, b.0), each(self.1, b.1)]
            }
        }
        #[inline(always)]
        unsafe fn where_positive(self, yes: Self, no: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX2.
            unsafe {
                let zero = _mm256_setzero_ps();
                let low = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, zero);
                let high = _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, zero);
                Avx2(_mm256_blendv_ps(no.0, yes.0, low), _mm256_blendv_ps(no.1, yes.1, high))
            }
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
        #[inline(always)]
        unsafe fn plus(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_add_ps(self.0, b.0)) }
        }
        #[inline(always)]
        unsafe fn minus(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_sub_ps(self.0, b.0)) }
        }
        #[inline(always)]
        unsafe fn times(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe { Avx512(_mm512_mul_ps(self.0, b.0)) }
        }
        #[inline(always)]
        unsafe fn interleave(self, b: Self) -> [Self; 2] {
            // SAFETY: the caller runs on a processor with AVX-512F. Indices from 16 on mean lanes of b.
            unsafe {
                let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
                let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
                [low, high].map(|index| Avx512(_mm512_permutex2var_ps(self.0, index, b.0)))
            }
        }
        #[inline(always)]
        unsafe fn where_positive(self, yes: Self, no: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe {
                let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
                Avx512(_mm512_mask_blend_ps(positive, no.0, yes.0))
            }
        }
    }
}
