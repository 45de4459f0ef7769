//! PReLU and its gradients.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, positions, refuses};
use crate::number::Number;
use hallucinet::ops::prelu::{Prelu, PreluGradient};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Prelu {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, slope] = inputs else { panic!("two inputs") };
        let mut y = x.clone();
        for (n, c, i, j) in positions(x.shape) {
            let x = x.at(n, c, i, j);
            *y.at_mut(n, c, i, j) = if x > N::of(0.0) { x } else { slope.numbers[c] * x };
        }
        vec![y]
    }
}

impl Oracle for PreluGradient {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [dy, x, slope] = inputs else { panic!("three inputs") };
        let (mut dx, mut dslope) = (Plain::zeros(x.shape), Plain::zeros(slope.shape));
        for (n, c, i, j) in positions(x.shape) {
            let (dy, x) = (dy.at(n, c, i, j), x.at(n, c, i, j));
            let positive = x > N::of(0.0);
            *dx.at_mut(n, c, i, j) = if positive { dy } else { slope.numbers[c] * dy };
            let below = if positive { N::of(0.0) } else { x };
            dslope.numbers[c] = dslope.numbers[c] + dy * below;
        }
        vec![dx, dslope]
    }
}

/// The last two have more pixels than make one partial sum of the slopes, and no multiple of them.
const SHAPES: [Shape; 6] = [
    Shape::scalar(),
    Shape::new(1, 3, 5, 7),
    Shape::new(3, 17, 13, 11),
    Shape::new(2, 67, 3, 5),
    Shape::new(3, 5, 23, 19),
    Shape::new(1, 1, 32, 32),
];

fn cases() -> impl Iterator<Item = (Shape, Type)> {
    SHAPES.into_iter().flat_map(|shape| FORMATS.map(|dtype| (shape, dtype)))
}

/// Numbers at least 1/16 from the kink at 0, where the derivative does not exist.
fn without_kink(random: &mut Random, shape: Shape) -> Tensor {
    let away = |value: f64| (value + 0.0625 * value.signum()) as f32;
    let numbers: Vec<f32> = (0..shape.elements()).map(|_| away(random.normal())).collect();
    Tensor::f32(shape, &numbers)
}

#[test]
fn forward_equals_the_plain_loop() {
    let mut random = Random::named(1, "prelu");
    for (shape, dtype) in cases() {
        let slope = Tensor::normal(&mut random, Shape::vector(shape.c));
        let case = Case::new(Prelu, [without_kink(&mut random, shape).rounded(dtype), slope]);
        case.check();
        for wanted in [vec![0], vec![1], vec![0, 1]] {
            case.check_gradient(&wanted);
        }
        case.check_nan(0);
    }
}

#[test]
fn backward_equals_the_plain_loop() {
    let mut random = Random::named(2, "prelu");
    for (shape, dtype) in cases() {
        let slope = Tensor::normal(&mut random, Shape::vector(shape.c));
        let mut normal = || Tensor::normal(&mut random, shape).rounded(dtype);
        let inputs = [normal(), normal(), slope];
        let case = Case::new(PreluGradient, inputs);
        case.check();
        case.check_nan(0);
        case.check_nan(1);
    }
}

/// At 0 the slope's side counts, as in Caffe and PyTorch.
#[test]
fn at_zero_the_gradient_is_the_slope() {
    let shape = Shape::new(1, 2, 1, 2);
    let inputs = [
        Tensor::f32(shape, &[1.0, 2.0, 3.0, 4.0]),
        Tensor::f32(shape, &[0.0, -0.0, 0.0, 1.0]),
        Tensor::f32(Shape::vector(2), &[0.25, 0.5]),
    ];
    let got = Case::new(PreluGradient, inputs).check();
    assert_eq!(got[0].values(), [0.25, 1.0, 0.75, 4.0]);
    assert_eq!(got[1].values(), [0.0, 0.0]);
}

#[test]
fn refuses_what_does_not_fit() {
    let (x, slope) = (Desc::f32(Shape::new(2, 3, 4, 5)), Desc::f32(Shape::vector(3)));
    refuses(&Prelu, &[x, Desc::f32(Shape::vector(4))]);
    refuses(&Prelu, &[x]);
    refuses(&Prelu, &[x.of(Type::Bf16), slope.of(Type::Bf16)]);
    refuses(&PreluGradient, &[x, x.of(Type::Bf16), slope]);
    refuses(&PreluGradient, &[Desc::f32(Shape::new(2, 3, 5, 4)), x, slope]);
}
