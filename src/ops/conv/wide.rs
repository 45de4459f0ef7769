//! bf16 for host twins that compute in f32: inputs are widened before, outputs rounded after. f32 passes through without a copy.
//!
//! Where no algorithm reads bf16 as it lies (see [`super::narrow`]), whole tensors are converted: for comparison, not for speed. Knows nothing
//! of convolutions.

use crate::backend::cpu::gemm::PANEL;
use crate::backend::cpu::lanes::{Job, Simd, Stored};
use crate::backend::cpu::simd::Vector;
use crate::backend::cpu::team;
use crate::ops::{Number, Type};
use rayon::prelude::*;
use std::borrow::Cow;

/// Numbers of either format as f32; exact.
pub(super) fn widen<T: Number>(numbers: &[T]) -> Cow<'_, [f32]> {
    match T::TYPE {
        Type::F32 => Cow::Borrowed(bytemuck::cast_slice(numbers)),
        _ => Cow::Owned(numbers.par_iter().map(|number| number.widen()).collect()),
    }
}

/// An output of either format that is written as f32.
pub(super) struct Wide<'a, T> {
    numbers: &'a mut [T],
    /// Empty where the numbers are f32 themselves.
    wide: Vec<f32>,
}

impl<'a, T: Number> Wide<'a, T> {
    pub fn new(numbers: &'a mut [T]) -> Self {
        let wide = if T::TYPE == Type::F32 { Vec::new() } else { vec![0.0; numbers.len()] };
        Wide { numbers, wide }
    }

    /// What is to be written.
    pub fn f32(&mut self) -> &mut [f32] {
        if T::TYPE == Type::F32 { bytemuck::cast_slice_mut(self.numbers) } else { &mut self.wide }
    }

    /// Rounds what was written, where that is still to be done.
    pub fn finish(self) {
        if T::TYPE != Type::F32 {
            team::each(self.numbers.par_iter_mut().zip(&self.wide), |(number, wide)| *number = T::round(*wide));
        }
    }
}

/// Numbers of one format in the other, on one core: widening is exact, rounding is to nearest. As many as there are on both sides.
pub(super) struct Convert<'a, A, B> {
    pub from: &'a [A],
    pub to: &'a mut [B],
}

impl<A: Number + Stored, B: Number + Stored> Job for Convert<'_, A, B> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let length = self.from.len().min(self.to.len());
        let whole = length / PANEL * PANEL;
        for at in (0..whole).step_by(PANEL) {
            simd.load(self.from, at).store(self.to, at);
        }
        for at in whole..length {
            self.to[at] = B::round(self.from[at].widen());
        }
    }
}
