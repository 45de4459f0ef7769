//! Fully connected layers and their gradients.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, device, positions, refuses, run};
use crate::number::Number;
use hallucinet::ops::linear::{Linear, LinearData, LinearFilter};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Linear {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, w, bias] = inputs else { panic!("three inputs") };
        let mut y = Plain::zeros(Shape::matrix(x.shape.n, w.shape.n));
        for (n, o, ..) in positions(y.shape) {
            let mut sum = N::of(0.0);
            for (_, c, i, j) in positions(Shape { n: 1, ..x.shape }) {
                sum = sum + x.at(n, c, i, j) * w.at(o, c, i, j);
            }
            *y.at_mut(n, o, 0, 0) = sum + bias.numbers[o];
        }
        vec![y]
    }
}

impl Oracle for LinearData {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [dy, w, x] = inputs else { panic!("three inputs") };
        let mut dx = Plain::zeros(x.shape);
        for (n, c, i, j) in positions(x.shape) {
            for o in 0..w.shape.n {
                *dx.at_mut(n, c, i, j) = dx.at(n, c, i, j) + dy.at(n, o, 0, 0) * w.at(o, c, i, j);
            }
        }
        vec![dx]
    }
}

impl Oracle for LinearFilter {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, dy, w] = inputs else { panic!("three inputs") };
        let (mut dw, mut db) = (Plain::zeros(w.shape), Plain::zeros(Shape::vector(w.shape.n)));
        for n in 0..x.shape.n {
            for (o, c, i, j) in positions(w.shape) {
                *dw.at_mut(o, c, i, j) = dw.at(o, c, i, j) + dy.at(n, o, 0, 0) * x.at(n, c, i, j);
            }
            (0..w.shape.n).for_each(|o| db.numbers[o] = db.numbers[o] + dy.at(n, o, 0, 0));
        }
        vec![dw, db]
    }
}

/// Shape of x and number of outputs: batches around a panel of 16 and its quadruple, depths that are no multiple of 16 and pass
/// 512, outputs that are no multiple of 24.
const SHAPES: [(Shape, usize); 10] = [
    (Shape::matrix(1, 1), 1),
    (Shape::matrix(1, 3), 2),
    (Shape::new(3, 5, 2, 3), 7),
    (Shape::new(2, 17, 4, 5), 29),
    (Shape::matrix(17, 67), 25),
    (Shape::matrix(67, 16), 24),
    (Shape::new(5, 13, 5, 7), 49),
    (Shape::matrix(33, 48), 64),
    // Deep enough that the card cuts it into slices.
    (Shape::matrix(3, 1031), 10),
    // One row, for which the cpu takes eight outputs at a time, then one by one.
    (Shape::matrix(1, 1031), 45),
];

/// The type of x and w, the type of y.
const TYPES: [(Type, Type); 3] = [(Type::F32, Type::F32), (Type::Bf16, Type::Bf16), (Type::Bf16, Type::F32)];

fn normal(shapes: &[Shape]) -> Vec<Tensor> {
    let mut random = Random::named(1, "linear");
    shapes.iter().map(|shape| Tensor::normal(&mut random, *shape)).collect()
}

#[test]
fn forward_equals_the_plain_loop() {
    for ((x, outputs), (input, output)) in SHAPES.into_iter().flat_map(|shape| TYPES.map(|types| (shape, types))) {
        let [x, w, bias] = normal(&[x, Shape { n: outputs, ..x }, Shape::vector(outputs)]).try_into().unwrap();
        let case = Case::new(Linear { output }, [x.rounded(input), w.rounded(input), bias]);
        case.check();
        case.check_gradient(&[0, 1, 2]);
        case.check_gradient(&[0]);
        case.check_gradient(&[1, 2]);
        (0..3).for_each(|input| case.check_nan(input));
    }
}

#[test]
fn gradients_equal_the_plain_loop() {
    for ((x, outputs), dtype) in SHAPES.into_iter().flat_map(|shape| FORMATS.map(|dtype| (shape, dtype))) {
        let (w, dy) = (Shape { n: outputs, ..x }, Shape::matrix(x.n, outputs));
        let rounded = |shapes: &[Shape]| normal(shapes).into_iter().map(|t| t.rounded(dtype)).collect::<Vec<_>>();
        let data = Case::new(LinearData, rounded(&[dy, w, x]));
        data.check();
        data.check_nan(0);
        let filter = Case::new(LinearFilter, rounded(&[x, dy, w]));
        filter.check();
        filter.check_nan(1);
    }
}

/// A dy in f32 beside filters in bf16 is rounded first: the same bits as a dy that came rounded. db alone keeps its precision.
#[test]
fn an_f32_gradient_is_rounded_for_bf16_filters() {
    let (x, w, dy) = (Shape::new(5, 13, 5, 7), Shape::new(49, 13, 5, 7), Shape::matrix(5, 49));
    let [x, w, wide] = normal(&[x, w, dy]).try_into().unwrap();
    let (x, w, narrow) = (x.rounded(Type::Bf16), w.rounded(Type::Bf16), wide.clone().rounded(Type::Bf16));
    let device = device();
    let data = |dy: &Tensor| run(device, &LinearData, &[dy.clone(), w.clone(), x.clone()], 0xFF);
    assert!(data(&wide) == data(&narrow));
    let filter = |dy: &Tensor| run(device, &LinearFilter, &[x.clone(), dy.clone(), w.clone()], 0xFF);
    let (from_wide, from_narrow) = (filter(&wide), filter(&narrow));
    assert!(from_wide[0] == from_narrow[0] && from_wide[1] != from_narrow[1]);
    let exact: f64 = wide.values().iter().step_by(49).sum();
    assert!((from_wide[1].values()[0] - exact).abs() <= 5.0 * crate::number::UNIT * exact.abs().max(5.0));
}

#[test]
fn refuses_what_does_not_fit() {
    let f32 = |n, c, h, w| Desc::f32(Shape::new(n, c, h, w));
    let (x, w, bias) = (f32(4, 3, 2, 2), f32(7, 3, 2, 2), Desc::f32(Shape::vector(7)));
    let linear = Linear { output: Type::F32 };
    refuses(&linear, &[x, f32(7, 3, 2, 1), bias]);
    refuses(&linear, &[x, f32(7, 12, 1, 1), bias]);
    refuses(&linear, &[x, w, Desc::f32(Shape::vector(4))]);
    refuses(&linear, &[x, w]);
    refuses(&linear, &[x.of(Type::Bf16), w, bias]);
    refuses(&linear, &[x, w, bias.of(Type::Bf16)]);
    refuses(&Linear { output: Type::Bf16 }, &[x, w, bias]);
    refuses(&LinearData, &[f32(4, 7, 1, 1).of(Type::Bf16), w, x]);
    refuses(&LinearData, &[f32(4, 6, 1, 1), w, x]);
    refuses(&LinearFilter, &[x, f32(3, 7, 1, 1), w]);
}
