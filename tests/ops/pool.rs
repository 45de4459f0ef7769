//! 2x2 maximum.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, device, positions, refuses, run};
use crate::number::Number;
use hallucinet::ops::pool::{Pool, PoolGradient};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Pool {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let x = &inputs[0];
        let shape = Shape { h: x.shape.h / 2, w: x.shape.w / 2, ..x.shape };
        let (mut y, mut index) = (Plain::zeros(shape), Plain::zeros(shape));
        for (n, c, i, j) in positions(shape) {
            let mut winner = 0;
            let at = |k: usize| x.at(n, c, 2 * i + k / 2, 2 * j + k % 2);
            for k in 1..4 {
                // The first of equals wins; a NaN beats every number.
                let nan = |k: usize| at(k).value().is_nan();
                if at(k) > at(winner) || nan(k) && !nan(winner) {
                    winner = k;
                }
            }
            *y.at_mut(n, c, i, j) = at(winner);
            *index.at_mut(n, c, i, j) = N::of(winner as f64);
        }
        vec![y, index]
    }
}

impl Oracle for PoolGradient {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [dy, index, x] = inputs else { panic!("three inputs") };
        let mut dx = Plain::zeros(x.shape);
        for (n, c, i, j) in positions(dy.shape) {
            let winner = index.at(n, c, i, j).value() as usize;
            *dx.at_mut(n, c, 2 * i + winner / 2, 2 * j + winner % 2) = dy.at(n, c, i, j);
        }
        vec![dx]
    }
}

/// Even and odd extents, and the smallest.
const SHAPES: [Shape; 5] = [
    Shape::new(1, 1, 2, 2),
    Shape::new(1, 3, 3, 5),
    Shape::new(3, 17, 13, 11),
    Shape::new(2, 5, 12, 10),
    Shape::new(1, 67, 4, 7),
];

/// Distinct numbers further apart than a step of a central difference: no ties, where the derivative does not exist.
fn without_ties(random: &mut Random, shape: Shape) -> Tensor {
    let order = random.permutation(shape.elements());
    let numbers: Vec<f32> = order.iter().map(|place| *place as f32 / 64.0 - 3.0).collect();
    Tensor::f32(shape, &numbers)
}

#[test]
fn forward_equals_the_plain_loop() {
    let mut random = Random::named(1, "pool");
    for shape in SHAPES {
        let x = without_ties(&mut random, shape);
        for case in FORMATS.map(|dtype| Case::new(Pool, [x.clone().rounded(dtype)])) {
            case.check();
        }
        // In bf16 some of the numbers are ties, where the derivative does not exist.
        Case::new(Pool, [x]).check_gradient(&[0]);
    }
}

#[test]
fn of_equals_the_first_wins() {
    let mut random = Random::named(2, "pool");
    for shape in SHAPES {
        let numbers: Vec<f32> = (0..shape.elements()).map(|_| random.below(3) as f32).collect();
        for dtype in FORMATS {
            Case::new(Pool, [Tensor::f32(shape, &numbers).rounded(dtype)]).check();
        }
    }
}

#[test]
fn nan_stays_seen() {
    let mut random = Random::named(3, "pool");
    // Even extents: every element belongs to a window.
    for dtype in FORMATS {
        Case::new(Pool, [without_ties(&mut random, SHAPES[3]).rounded(dtype)]).check_nan(0);
    }
}

#[test]
fn backward_equals_the_plain_loop() {
    let mut random = Random::named(4, "pool");
    for (shape, dtype) in SHAPES.into_iter().flat_map(|shape| FORMATS.map(|dtype| (shape, dtype))) {
        let x = without_ties(&mut random, shape).rounded(dtype);
        let index = run(device(), &Pool, std::slice::from_ref(&x), 0).swap_remove(1);
        let case = Case::new(PoolGradient, [Tensor::normal(&mut random, index.desc.shape).rounded(dtype), index, x]);
        case.check();
        case.check_nan(0);
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let (x, half) = (Desc::f32(Shape::new(2, 3, 7, 4)), Shape::new(2, 3, 3, 2));
    let index = Desc { shape: half, dtype: Type::U8 };
    refuses(&Pool, &[Desc::f32(Shape::new(2, 3, 1, 4))]);
    refuses(&Pool, &[Desc { dtype: Type::U8, ..x }]);
    refuses(&PoolGradient, &[Desc::f32(Shape::new(2, 3, 4, 2)), index, x]);
    refuses(&PoolGradient, &[Desc::f32(half), Desc::f32(half), x]);
    refuses(&PoolGradient, &[Desc::f32(half).of(Type::Bf16), index, x]);
}
