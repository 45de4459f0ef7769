//! The five small matrices of F(4x4, 3x3) along one axis, sixteen channels at a time, and their use along both axes.
//!
//! Points 0, 1, -1, 2, -2 and infinity, as Lavin and Gray give them ("Fast Algorithms for Convolutional Neural Networks",
//! arXiv 1509.09308, section 4.3). Shared sums are formed once. Knows nothing of tensors.

use crate::backend::cpu::lanes::{Grid, GridMut, Lanes, Simd, Steps, Stored};
use crate::backend::cpu::simd::Vector;

/// One matrix times a vector of `I` lanes.
pub(super) trait Axis<const I: usize, const O: usize> {
    fn apply<V: Vector>(simd: Simd<V>, from: [Lanes<V>; I]) -> [Lanes<V>; O];
}

/// `B^T d`: six pixels of the input.
pub(super) struct Input;

/// `A^T m`: four pixels of the output.
pub(super) struct Output;

/// `G g`: three taps of the filter.
pub(super) struct Filter;

/// `A y`, the transpose of [`Output`]: four pixels of the output's gradient.
pub(super) struct OutputTransposed;

/// `G^T u`, the transpose of [`Filter`]: three taps of the filter's gradient.
pub(super) struct FilterTransposed;

impl Axis<6, 6> for Input {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, d: [Lanes<V>; 6]) -> [Lanes<V>; 6] {
        let (two, four) = (simd.splat(2.0), simd.splat(4.0));
        let (less_two, less_four, less_five) = (simd.splat(-2.0), simd.splat(-4.0), simd.splat(-5.0));
        let even = d[4].add_product(less_four, d[2]);
        let odd = d[3].add_product(less_four, d[1]);
        let (near, far) = (d[4] - d[2], d[3] - d[1]);
        [
            d[4].add_product(less_five, d[2]).add_product(four, d[0]),
            even + odd,
            even - odd,
            near.add_product(two, far),
            near.add_product(less_two, far),
            d[5].add_product(less_five, d[3]).add_product(four, d[1]),
        ]
    }
}

impl Axis<6, 4> for Output {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, m: [Lanes<V>; 6]) -> [Lanes<V>; 4] {
        let (one, less_one) = (m[1] + m[2], m[1] - m[2]);
        let (two, less_two) = (m[3] + m[4], m[3] - m[4]);
        [
            m[0] + (one + two),
            less_one.add_product(simd.splat(2.0), less_two),
            one.add_product(simd.splat(4.0), two),
            less_one.add_product(simd.splat(8.0), less_two) + m[5],
        ]
    }
}

impl Axis<3, 6> for Filter {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, g: [Lanes<V>; 3]) -> [Lanes<V>; 6] {
        let ends = (g[0] + g[2]) * simd.splat(-1.0 / 6.0);
        let middle = g[1] * simd.splat(1.0 / 6.0);
        let far_ends = (g[0] * simd.splat(1.0 / 24.0)).add_product(g[2], simd.splat(1.0 / 6.0));
        let far_middle = g[1] * simd.splat(1.0 / 12.0);
        [g[0] * simd.splat(0.25), ends - middle, ends + middle, far_ends + far_middle, far_ends - far_middle, g[2]]
    }
}

impl Axis<4, 6> for OutputTransposed {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, y: [Lanes<V>; 4]) -> [Lanes<V>; 6] {
        let four = simd.splat(4.0);
        let (even, odd) = (y[0] + y[2], y[1] + y[3]);
        let (far_even, far_odd) = (y[0].add_product(four, y[2]), y[1].add_product(four, y[3]));
        let (two, less_two) = (simd.splat(2.0), simd.splat(-2.0));
        [
            y[0],
            even + odd,
            even - odd,
            far_even.add_product(two, far_odd),
            far_even.add_product(less_two, far_odd),
            y[3],
        ]
    }
}

impl Axis<6, 3> for FilterTransposed {
    #[inline(always)]
    fn apply<V: Vector>(simd: Simd<V>, u: [Lanes<V>; 6]) -> [Lanes<V>; 3] {
        let (near, far) = (u[1] + u[2], u[3] + u[4]);
        let (near_apart, far_apart) = (u[2] - u[1], u[3] - u[4]);
        let sixth = simd.splat(1.0 / 6.0);
        [
            (u[0] * simd.splat(0.25))
                .add_product(near, simd.splat(-1.0 / 6.0))
                .add_product(far, simd.splat(1.0 / 24.0)),
            (near_apart * sixth).add_product(far_apart, simd.splat(1.0 / 12.0)),
            u[5].add_product(far - near, sixth),
        ]
    }
}

/// The columns of a grid times the matrix: half of the two-dimensional transform. The other half is [`Axis::apply`] to each row. It is
/// handed in because a large one fits no registers: returned, it would be copied.
#[inline(always)]
pub(super) fn columns<A: Axis<I, O>, T: Stored, V: Vector, const I: usize, const O: usize>(
    simd: Simd<V>,
    (from, steps): (&[T], Steps),
    half: &mut [[Lanes<V>; I]; O],
) {
    let grid = Grid::new(from, steps, I, I);
    for j in 0..I {
        let mut column = [simd.splat(0.0); I];
        for (i, lanes) in column.iter_mut().enumerate() {
            *lanes = grid.load(simd, i, j);
        }
        for (row, lanes) in half.iter_mut().zip(A::apply(simd, column)) {
            row[j] = lanes;
        }
    }
}

/// The two-dimensional transform from one slice to another.
#[inline(always)]
pub(super) fn transform<A: Axis<I, O>, T: Stored, V: Vector, const I: usize, const O: usize>(
    simd: Simd<V>,
    (from, source): (&[T], Steps),
    (to, target): (&mut [f32], Steps),
    half: &mut [[Lanes<V>; I]; O],
) {
    columns::<A, T, V, I, O>(simd, (from, source), half);
    let mut grid = GridMut::new(to, target, O, O);
    for (i, row) in half.iter().enumerate() {
        for (j, lanes) in A::apply(simd, *row).into_iter().enumerate() {
            grid.store(i, j, lanes);
        }
    }
}
