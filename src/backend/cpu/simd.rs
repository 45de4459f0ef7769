//! Instruction sets, found once at start, and the vector arithmetic that the matrix tile and [`super::lanes`] are written in.

use crate::error::{Error, Result};
use half::bf16;
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
    /// 512-bit vectors that also multiply pairs of 16-bit numbers: bf16 (AVX512_BF16) and integers (AVX512_VNNI). Products of f32 are
    /// those of [`Level::Avx512`], to the bit.
    Avx512Bf16,
}

impl Level {
    /// The best one this processor has.
    pub fn detect() -> Level {
        Level::supported().pop().unwrap_or(Level::Portable)
    }

    /// The one that `HALLUCINET_CPU_LEVEL` names (`portable`, `avx2`, `avx512`, `avx512-bf16`), or else the best one.
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
            Some("avx512-bf16") => Level::Avx512Bf16,
            _ => {
                let name = name.display();
                return Err(Error::Usage(format!(
                    "HALLUCINET_CPU_LEVEL is portable, avx2, avx512 or avx512-bf16, not `{name}`"
                )));
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
                Level::Avx512Bf16 => {
                    Level::Avx512.is_supported()
                        && is_x86_feature_detected!("avx512bf16")
                        && is_x86_feature_detected!("avx512vnni")
                }
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Level::Portable
        }
    }

    /// Every level this machine can run, from the slowest to the best.
    pub fn supported() -> Vec<Level> {
        let all = [Level::Portable, Level::Avx2, Level::Avx512, Level::Avx512Bf16];
        all.into_iter().filter(|level| level.is_supported()).collect()
    }

    /// Whether products of bf16 tensors are made in 16 bits. Where they are not, bf16 is what tensors are stored in and nothing else:
    /// they are widened to f32, which is the meaning that other devices are compared with.
    pub fn multiplies_bf16(self) -> bool {
        self == Level::Avx512Bf16
    }

    /// The best level of this machine at which bf16 is rounded at memory alone.
    pub fn widening() -> Level {
        Level::supported().into_iter().rfind(|level| !level.multiplies_bf16()).unwrap_or(Level::Portable)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Portable => "portable",
            Level::Avx2 => "AVX2+FMA",
            Level::Avx512 => "AVX-512",
            Level::Avx512Bf16 => "AVX-512 with bf16",
        })
    }
}

/// Asks for the cache line of a number to be brought into the second-level cache. Only a hint: nothing is read.
#[inline(always)]
pub fn prefetch(number: *const f32) {
    ask::<2>(number);
}

/// As [`prefetch`], into the first-level cache as well.
#[inline(always)]
pub fn prefetch_near(number: *const f32) {
    ask::<3>(number);
}

/// As [`prefetch`], past the second-level cache into the first: what is read once need not displace what is read again.
#[inline(always)]
pub fn prefetch_once(number: *const f32) {
    ask::<0>(number);
}

/// `HINT` is that of x86: T0 is 3, T1 is 2, NTA is 0.
#[inline(always)]
fn ask<const HINT: i32>(_number: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has SSE, and a prefetch neither reads nor faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<HINT>(_number.cast())
    };
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

    /// Sixteen bf16, widened; exact.
    ///
    /// # Safety
    /// As for the trait, of a pointer to 16 bf16.
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: as promised by the caller; the array holds 16 f32.
        unsafe {
            let bits = from.cast::<[u16; PANEL]>().read_unaligned();
            Self::load(bits.map(|bits| f32::from_bits(u32::from(bits) << 16)).as_ptr())
        }
    }

    /// Rounds to bf16, to nearest, ties to even; a NaN stays one.
    ///
    /// # Safety
    /// As for the trait, of a pointer to 16 bf16.
    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        // SAFETY: as promised by the caller; the array holds 16 f32.
        unsafe {
            let mut wide = [0.0; PANEL];
            self.store(wide.as_mut_ptr());
            to.cast::<[bf16; PANEL]>().write_unaligned(wide.map(bf16::from_f32));
        }
    }

    /// The lower halves of the sixteen bit patterns.
    ///
    /// # Safety
    /// As for the trait, of a pointer to 16 halves.
    #[inline(always)]
    unsafe fn store_halves(self, to: *mut i16) {
        // SAFETY: as promised by the caller; the array holds 16 f32.
        unsafe {
            let mut wide = [0.0f32; PANEL];
            self.store(wide.as_mut_ptr());
            to.cast::<[i16; PANEL]>().write_unaligned(wide.map(|number| number.to_bits() as i16));
        }
    }

    /// The larger of this one, which has no signs, and the size of `b`; a NaN is larger than all numbers.
    ///
    /// # Safety
    /// As for the trait.
    #[inline(always)]
    unsafe fn larger_size(self, b: Self) -> Self {
        // SAFETY: as promised by the caller; the arrays hold 16 f32.
        unsafe {
            let (mut own, mut other) = ([0.0f32; PANEL], [0.0f32; PANEL]);
            self.store(own.as_mut_ptr());
            b.store(other.as_mut_ptr());
            let larger = |lane: usize| f32::from_bits(own[lane].to_bits().max(other[lane].to_bits() & i32::MAX as u32));
            Self::load(std::array::from_fn::<f32, PANEL, _>(larger).as_ptr())
        }
    }

    /// The lower halves of the bit patterns of both, as bit patterns: those of `b` above.
    ///
    /// # Safety
    /// As for the trait.
    #[inline(always)]
    unsafe fn halves(self, b: Self) -> Self {
        // SAFETY: as promised by the caller; the arrays hold 16 f32.
        unsafe {
            let (mut low, mut high) = ([0.0f32; PANEL], [0.0f32; PANEL]);
            self.store(low.as_mut_ptr());
            b.store(high.as_mut_ptr());
            let both = |lane: usize| f32::from_bits(low[lane].to_bits() & 0xFFFF | high[lane].to_bits() << 16);
            Self::load(std::array::from_fn::<f32, PANEL, _>(both).as_ptr())
        }
    }
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
    use super::{Vector, bf16};
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
    pub struct Avx512(pub(in super::super) __m512);

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
        #[inline(always)]
        unsafe fn load_bf16(from: *const bf16) -> Self {
            // SAFETY: 16 bf16 are readable; the load is an unaligned one.
            unsafe {
                let halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                Avx512(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves)))
            }
        }
        #[inline(always)]
        unsafe fn store_bf16(self, to: *mut bf16) {
            // SAFETY: 16 bf16 are writable; the store is an unaligned one. Half a step is added, less a bit where the half above is
            // even; a NaN, whose payload that could clear or carry away, is cut and made quiet instead.
            unsafe {
                let bits = _mm512_castps_si512(self.0);
                let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0);
                let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
                let rounded = _mm512_mask_blend_epi32(nan, _mm512_add_epi32(bits, half), quiet);
                let halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded));
                _mm256_storeu_si256(to.cast(), halves);
            }
        }
        #[inline(always)]
        unsafe fn store_halves(self, to: *mut i16) {
            // SAFETY: 16 halves are writable; the store is an unaligned one.
            unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtepi32_epi16(_mm512_castps_si512(self.0))) }
        }
        #[inline(always)]
        unsafe fn larger_size(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F. Bit patterns without signs are ordered as their numbers are.
            unsafe {
                let size = _mm512_and_si512(_mm512_castps_si512(b.0), _mm512_set1_epi32(i32::MAX));
                Avx512(_mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(self.0), size)))
            }
        }
        #[inline(always)]
        unsafe fn halves(self, b: Self) -> Self {
            // SAFETY: the caller runs on a processor with AVX-512F.
            unsafe {
                let low = _mm512_and_si512(_mm512_castps_si512(self.0), _mm512_set1_epi32(0xFFFF));
                let high = _mm512_slli_epi32::<16>(_mm512_castps_si512(b.0));
                Avx512(_mm512_castsi512_ps(_mm512_or_si512(low, high)))
            }
        }
    }
}
