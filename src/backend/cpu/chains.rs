//! Chains of multiply-adds in registers: the most arithmetic that a core can do, by which other loops are measured.

use super::simd::{Level, PANEL, Portable, Vector};

/// `v = v * factor + term`, `turns` times, for every number, on the instruction set `level`.
///
/// Panics where this machine lacks it.
pub fn run(level: Level, numbers: &mut [f32], turns: u32, factor: f32, term: f32) {
    assert!(level.is_supported(), "missing instruction set");
    // SAFETY: the level is supported.
    unsafe {
        match level {
            Level::Portable => each::<Portable, 2>(numbers, turns, factor, term),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => avx2(numbers, turns, factor, term),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx512Bf16 => avx512(numbers, turns, factor, term),
            #[cfg(not(target_arch = "x86_64"))]
            _ => each::<Portable, 2>(numbers, turns, factor, term),
        }
    }
}

/// # Safety
/// On a processor with AVX2 and FMA: 6 x 2 registers of sixteen, more than the latency of a multiply-add can use.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(numbers: &mut [f32], turns: u32, factor: f32, term: f32) {
    // SAFETY: as promised by the caller.
    unsafe { each::<super::simd::Avx2, 6>(numbers, turns, factor, term) }
}

/// # Safety
/// On a processor with AVX-512F: 12 registers of 32.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(numbers: &mut [f32], turns: u32, factor: f32, term: f32) {
    // SAFETY: as promised by the caller.
    unsafe { each::<super::simd::Avx512, 12>(numbers, turns, factor, term) }
}

/// `CHAINS` vectors at a time; what is left goes through a vector of its own, so that every number is treated alike.
///
/// # Safety
/// On a processor that has `V`.
#[inline(always)]
unsafe fn each<V: Vector, const CHAINS: usize>(numbers: &mut [f32], turns: u32, factor: f32, term: f32) {
    let mut blocks = numbers.chunks_exact_mut(CHAINS * PANEL);
    // SAFETY: a block holds `CHAINS` vectors, a buffer one.
    unsafe {
        for block in &mut blocks {
            chain::<V, CHAINS>(block.as_mut_ptr(), turns, factor, term);
        }
        for rest in blocks.into_remainder().chunks_mut(PANEL) {
            let mut buffer = [0.0; PANEL];
            buffer[..rest.len()].copy_from_slice(rest);
            chain::<V, 1>(buffer.as_mut_ptr(), turns, factor, term);
            rest.copy_from_slice(&buffer[..rest.len()]);
        }
    }
}

/// # Safety
/// On a processor that has `V`; `numbers` is valid for `CHAINS` vectors.
#[inline(always)]
unsafe fn chain<V: Vector, const CHAINS: usize>(numbers: *mut f32, turns: u32, factor: f32, term: f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        let (factor, term) = (V::splat(factor), V::splat(term));
        let mut values = [V::zero(); CHAINS];
        for (index, value) in values.iter_mut().enumerate() {
            *value = V::load(numbers.add(index * PANEL));
        }
        for _ in 0..turns {
            for value in &mut values {
                *value = term.add_product(*value, factor);
            }
        }
        for (index, value) in values.iter().enumerate() {
            value.store(numbers.add(index * PANEL));
        }
    }
}
