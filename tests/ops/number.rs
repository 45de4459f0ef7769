//! The number formats that a plain loop is written for once and run in twice: `f32`, the kernel's own, and [`Exact`], f64 that also
//! carries how much the same loop is expected to lose in f32. They know nothing of ops.

use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Sub};

/// Unit roundoff of f32: one rounding loses at most this part of its result.
pub const UNIT: f64 = 1.0 / (1u64 << 24) as f64;

/// What a plain loop needs of a number.
pub trait Number:
    Copy + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// A number given from outside: an input, or a constant of the formula.
    fn of(value: f64) -> Self;
    fn value(self) -> f64;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
}

impl Number for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }
    fn value(self) -> f64 {
        f64::from(self)
    }
    fn exp(self) -> Self {
        f32::exp(self)
    }
    fn ln(self) -> Self {
        f32::ln(self)
    }
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

/// A value in f64 with its noise: the error, in units of [`UNIT`], that f32 is expected to make on the way to it.
///
/// Every operation loses up to `UNIT * |result|` of its own and passes its operands' errors on through its derivative; errors
/// are taken as independent, so they add in squares (a random walk, which is how roundings of random data behave).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exact {
    pub value: f64,
    pub noise: f64,
}

impl Exact {
    /// A result with the errors that its operands brought.
    fn made(value: f64, brought: [f64; 2]) -> Self {
        Exact { value, noise: (value * value + brought[0] * brought[0] + brought[1] * brought[1]).sqrt() }
    }

    /// A number that was rounded once.
    pub fn rounded(value: f64) -> Self {
        Exact { value, noise: value.abs() }
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Exact {
    type Output = Self;
    fn add(self, b: Self) -> Self {
        Exact::made(self.value + b.value, [self.noise, b.noise])
    }
}

impl Sub for Exact {
    type Output = Self;
    fn sub(self, b: Self) -> Self {
        Exact::made(self.value - b.value, [self.noise, b.noise])
    }
}

impl Mul for Exact {
    type Output = Self;
    fn mul(self, b: Self) -> Self {
        Exact::made(self.value * b.value, [self.noise * b.value, self.value * b.noise])
    }
}

impl Div for Exact {
    type Output = Self;
    fn div(self, b: Self) -> Self {
        let quotient = self.value / b.value;
        Exact::made(quotient, [self.noise / b.value, quotient * b.noise / b.value])
    }
}

impl Number for Exact {
    fn of(value: f64) -> Self {
        Exact { value, noise: 0.0 }
    }
    fn value(self) -> f64 {
        self.value
    }
    fn exp(self) -> Self {
        let value = self.value.exp();
        Exact::made(value, [value * self.noise, 0.0])
    }
    fn ln(self) -> Self {
        Exact::made(self.value.ln(), [self.noise / self.value, 0.0])
    }
    fn sqrt(self) -> Self {
        let value = self.value.sqrt();
        Exact::made(value, [self.noise / (2.0 * value), 0.0])
    }
}
