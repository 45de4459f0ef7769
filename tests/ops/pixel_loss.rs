//! The pixel loss.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, refuses};
use crate::number::Number;
use hallucinet::ops::pixel_loss::PixelLoss;
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for PixelLoss {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [y, target] = inputs else { panic!("two inputs") };
        let (batch, weight) = (N::of(y.shape.n as f64), N::of(f64::from(self.weight)));
        let (mut loss, mut dy) = (N::of(0.0), Plain::zeros(y.shape));
        for ((dy, y), target) in dy.numbers.iter_mut().zip(&y.numbers).zip(&target.numbers) {
            let difference = *y - *target;
            loss = loss + difference * difference;
            *dy = weight * difference / batch;
        }
        vec![Plain::scalar(loss / (N::of(2.0) * batch)), dy]
    }
}

#[test]
fn equals_the_plain_loop() {
    let mut random = Random::named(1, "pixel_loss");
    let types = FORMATS.into_iter().flat_map(|y| FORMATS.map(|target| (y, target)));
    let shapes = [Shape::scalar(), Shape::new(1, 3, 5, 7), Shape::new(5, 3, 13, 11), Shape::new(3, 3, 28, 24)];
    for (shape, (y, target)) in types.flat_map(|types| shapes.map(|shape| (shape, types))) {
        let [first, second] = [Tensor::normal(&mut random, shape), Tensor::normal(&mut random, shape)];
        let case = Case::new(PixelLoss { weight: 0.01 }, [first.rounded(y), second.rounded(target)]);
        case.check();
        case.check_loss_gradient(&[0], 0.01);
        case.check_nan(0);
        case.check_nan(1);
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let y = Desc::f32(Shape::new(2, 3, 4, 5));
    refuses(&PixelLoss { weight: 1.0 }, &[y, Desc::f32(Shape::new(1, 3, 4, 5))]);
    refuses(&PixelLoss { weight: 1.0 }, &[y, y.of(Type::U8)]);
    refuses(&PixelLoss { weight: 1.0 }, &[y]);
}
