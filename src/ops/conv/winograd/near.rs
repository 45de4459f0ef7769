//! The matrices of F(4x4, 3x3) at other points than those of [`super::transform`]: 0, 5/8, -5/8, 3/2, -3/2 and infinity.
//!
//! At points whose sizes lie close to 1 the products of a tile are of one size, and less of them cancels: rounding transformed numbers to
//! a fixed step costs 2.3 times less than at 0, 1, -1, 2, -2 (measured over pairs of points with few binary digits; compare Barabasz,
//! Anderson, Soodhalter and Gregg, "Error Analysis and Improving the Accuracy of Winograd Convolution for DNNs", arXiv 1803.10986). The
//! rows of `B^T` are the coefficients of `M(x) / (x - p)`, `M(x)` the product of all `x - p`; those of `G` the powers of p over `M'(p)`.

use super::transform::Axis;
use crate::backend::cpu::lanes::{Lanes, Simd};
use crate::backend::cpu::simd::Vector;

/// The two points, their squares, and the derivatives of `M` at 0 and at them.
const A: f32 = 0.625;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;
const AT_ZERO: f32 = A2 * B2;
const AT_A: f32 = 2.0 * A2 * (A2 - B2);
const AT_B: f32 = 2.0 * B2 * (B2 - A2);

/// By how much the largest number of the input a transformed one may be larger, along one axis: the sums of sizes of the rows of `B^T`.
pub(super) const GROWTH: [f32; 6] = [
    AT_ZERO + A2 + B2 + 1.0,
    (1.0 + A) * (1.0 + B2),
    (1.0 + A) * (1.0 + B2),
    (1.0 + B) * (1.0 + A2),
    (1.0 + B) * (1.0 + A2),
    AT_ZERO + A2 + B2 + 1.0,
];

/// `B^T d`: six pixels of the input.
pub(super) struct NearInput;

/// `A^T m`: four pixels of the output.
pub(super) struct NearOutput;

/// `G g`: three taps of the filter.
pub(super) struct NearFilter;

impl Axis<6, 6> for NearInput {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, d: [Lanes<V>; 6]) -> [Lanes<V>; 6] {
        let (less_a2, less_b2) = (simd.splat(-A2), simd.splat(-B2));
        let (both, less_sum) = (simd.splat(AT_ZERO), simd.splat(-A2 - B2));
        let (even, odd) = (d[4].add_product(less_b2, d[2]), d[3].add_product(less_b2, d[1]));
        let (far_even, far_odd) = (d[4].add_product(less_a2, d[2]), d[3].add_product(less_a2, d[1]));
        [
            d[4].add_product(less_sum, d[2]).add_product(both, d[0]),
            even.add_product(simd.splat(A), odd),
            even.add_product(simd.splat(-A), odd),
            far_even.add_product(simd.splat(B), far_odd),
            far_even.add_product(simd.splat(-B), far_odd),
            d[5].add_product(less_sum, d[3]).add_product(both, d[1]),
        ]
    }
}

impl Axis<6, 4> for NearOutput {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, m: [Lanes<V>; 6]) -> [Lanes<V>; 4] {
        let (near, near_apart) = (m[1] + m[2], m[1] - m[2]);
        let (far, far_apart) = (m[3] + m[4], m[3] - m[4]);
        let powers =
            |a: f32, b: f32, near: Lanes<V>, far: Lanes<V>| (near * simd.splat(a)).add_product(simd.splat(b), far);
        [
            m[0] + (near + far),
            powers(A, B, near_apart, far_apart),
            powers(A2, B2, near, far),
            powers(A * A2, B * B2, near_apart, far_apart) + m[5],
        ]
    }
}

impl Axis<3, 6> for NearFilter {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, g: [Lanes<V>; 3]) -> [Lanes<V>; 6] {
        let near = (g[0] * simd.splat(1.0 / AT_A)).add_product(g[2], simd.splat(A2 / AT_A));
        let far = (g[0] * simd.splat(1.0 / AT_B)).add_product(g[2], simd.splat(B2 / AT_B));
        [
            g[0] * simd.splat(1.0 / AT_ZERO),
            near.add_product(g[1], simd.splat(A / AT_A)),
            near.add_product(g[1], simd.splat(-A / AT_A)),
            far.add_product(g[1], simd.splat(B / AT_B)),
            far.add_product(g[1], simd.splat(-B / AT_B)),
            g[2],
        ]
    }
}
