//! The matrices of F(6x6, 3x3): 64 multiplications for 36 results of a pair of channels, 1.78 each where [`super::transform`]'s take 2.25.
//!
//! Points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity: of all symmetric points that are multiples of 1/20 these have the smallest error in the
//! root mean square over a tile. The rows of `B^T` for a pair of points are the sum and the difference of an even and an odd part.

use super::transform::Axis;
use crate::backend::cpu::lanes::{Lanes, Simd};
use crate::backend::cpu::simd::Vector;

/// `B^T d`: eight pixels of the input.
pub(super) struct LargeInput;

/// `A^T m`: six pixels of the output.
pub(super) struct LargeOutput;

/// `G g`: three taps of the filter.
pub(super) struct LargeFilter;

impl Axis<8, 8> for LargeInput {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, d: [Lanes<V>; 8]) -> [Lanes<V>; 8] {
        let times = |value: f32, lanes: Lanes<V>| simd.splat(value) * lanes;
        let plus = |sum: Lanes<V>, value: f32, lanes: Lanes<V>| sum.add_product(simd.splat(value), lanes);
        let one = (plus(d[2] + d[6], -4.25, d[4]), plus(d[1] + d[5], -4.25, d[3]));
        let two = (plus(plus(d[6], 0.25, d[2]), -1.25, d[4]), plus(plus(times(0.5, d[1]), -2.5, d[3]), 2.0, d[5]));
        let half = (plus(plus(d[6], 4.0, d[2]), -5.0, d[4]), plus(plus(times(2.0, d[1]), -2.5, d[3]), 0.5, d[5]));
        [
            plus(d[0] - d[6], 5.25, d[4] - d[2]),
            one.0 + one.1,
            one.0 - one.1,
            two.0 + two.1,
            two.0 - two.1,
            half.0 + half.1,
            half.0 - half.1,
            plus(d[7] - d[1], 5.25, d[3] - d[5]),
        ]
    }
}

impl Axis<8, 6> for LargeOutput {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, m: [Lanes<V>; 8]) -> [Lanes<V>; 6] {
        let plus = |sum: Lanes<V>, value: f32, lanes: Lanes<V>| sum.add_product(simd.splat(value), lanes);
        let (one, less_one) = (m[1] + m[2], m[1] - m[2]);
        let (two, less_two) = (m[3] + m[4], m[3] - m[4]);
        let (half, less_half) = (m[5] + m[6], m[5] - m[6]);
        [
            (m[0] + one) + (two + half),
            plus(plus(less_one, 2.0, less_two), 0.5, less_half),
            plus(plus(one, 4.0, two), 0.25, half),
            plus(plus(less_one, 8.0, less_two), 0.125, less_half),
            plus(plus(one, 16.0, two), 0.0625, half),
            plus(plus(less_one + m[7], 32.0, less_two), 0.03125, less_half),
        ]
    }
}

impl Axis<3, 8> for LargeFilter {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, g: [Lanes<V>; 3]) -> [Lanes<V>; 8] {
        let times = |value: f32, lanes: Lanes<V>| simd.splat(value) * lanes;
        let plus = |sum: Lanes<V>, value: f32, lanes: Lanes<V>| sum.add_product(simd.splat(value), lanes);
        let one = (times(-2.0 / 9.0, g[0] + g[2]), times(-2.0 / 9.0, g[1]));
        let two = (plus(times(1.0 / 90.0, g[0]), 2.0 / 45.0, g[2]), times(1.0 / 45.0, g[1]));
        let half = (plus(times(32.0 / 45.0, g[0]), 8.0 / 45.0, g[2]), times(16.0 / 45.0, g[1]));
        [g[0], one.0 + one.1, one.0 - one.1, two.0 + two.1, two.0 - two.1, half.0 + half.1, half.0 - half.1, g[2]]
    }
}
