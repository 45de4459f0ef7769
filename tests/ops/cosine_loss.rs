//! The cosine loss.

use crate::harness::{Case, Oracle, Plain, Tensor, device, refuses, run};
use crate::number::{Number, UNIT};
use hallucinet::ops::cosine_loss::CosineLoss;
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for CosineLoss {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [a, target] = inputs else { panic!("two inputs") };
        let (rows, weight) = (N::of(a.shape.n as f64), N::of(f64::from(self.weight)));
        let (mut loss, mut da) = (N::of(0.0), Plain::zeros(a.shape));
        for i in 0..a.shape.n {
            let (mut aa, mut tt, mut at) = (N::of(0.0), N::of(0.0), N::of(0.0));
            for k in 0..a.shape.c {
                let (x, t) = (a.at(i, k, 0, 0), target.at(i, k, 0, 0));
                (aa, tt, at) = (aa + x * x, tt + t * t, at + x * t);
            }
            if aa.value() == 0.0 || tt.value() == 0.0 {
                loss = loss + N::of(1.0);
                continue;
            }
            let lengths = aa.sqrt() * tt.sqrt();
            let cosine = at / lengths;
            loss = loss + (N::of(1.0) - cosine);
            for k in 0..a.shape.c {
                let (x, t) = (a.at(i, k, 0, 0), target.at(i, k, 0, 0));
                *da.at_mut(i, k, 0, 0) = weight * (cosine * x / aa - t / lengths) / rows;
            }
        }
        vec![Plain::scalar(loss / rows), da]
    }
}

fn case(random: &mut Random, rows: usize, features: usize) -> Case<CosineLoss> {
    let shape = Shape::matrix(rows, features);
    let [a, target] = [Tensor::normal(random, shape), Tensor::normal(random, shape)];
    Case::new(CosineLoss { weight: 5.0 }, [a, target])
}

#[test]
fn equals_the_plain_loop() {
    let mut random = Random::named(1, "cosine_loss");
    for (rows, features) in [(1, 2), (3, 5), (7, 67), (5, 512), (2, 130)] {
        let case = case(&mut random, rows, features);
        case.check();
        case.check_loss_gradient(&[0], 5.0);
        case.check_nan(0);
        case.check_nan(1);
    }
}

/// Rows that point the same way, the opposite way, across, and nowhere.
#[test]
fn directions_alone_count() {
    let a = [3.0, 4.0, 3.0, 4.0, 3.0, 4.0, 0.0, 0.0, 3.0, 4.0];
    let target = [6.0, 8.0, -0.3, -0.4, -4.0, 3.0, 1.0, 2.0, 0.0, 0.0];
    for (row, expected) in [0.0, 2.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        let take = |numbers: &[f32]| Tensor::f32(Shape::matrix(1, 2), &numbers[2 * row..2 * row + 2]);
        let got = Case::new(CosineLoss { weight: 1.0 }, [take(&a), take(&target)]).check();
        let loss = got[0].values()[0];
        assert!((loss - expected).abs() <= UNIT, "row {row}: {loss}");
        let nowhere = row > 2;
        assert!(!nowhere || got[1].values() == [0.0, 0.0], "row {row}: {:?}", got[1].values());
    }
}

/// A longer feature has the same loss, and a gradient that is shorter by as much; lengths far from 1 neither overflow nor vanish.
#[test]
fn lengths_do_not_count() {
    let mut random = Random::named(2, "cosine_loss");
    let base = case(&mut random, 4, 33);
    let plain = base.check();
    for factor in [2f32.powi(60), 2f32.powi(-60)] {
        let numbers: Vec<f32> = base.inputs[0].values().iter().map(|value| *value as f32 * factor).collect();
        let scaled = Tensor::f32(base.inputs[0].desc.shape, &numbers);
        let got = run(device(), &base.op, &[scaled, base.inputs[1].clone()], 0xFF);
        assert_eq!(got[0], plain[0]);
        let back: Vec<f64> = got[1].values().iter().map(|value| value * f64::from(factor)).collect();
        assert_eq!(back, plain[1].values());
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let (op, a) = (CosineLoss { weight: 1.0 }, Desc::f32(Shape::matrix(4, 9)));
    refuses(&op, &[a, Desc::f32(Shape::matrix(3, 9))]);
    refuses(&op, &[a.of(Type::Bf16), a.of(Type::Bf16)]);
    refuses(&op, &[Desc::f32(Shape::new(4, 9, 2, 1)), Desc::f32(Shape::new(4, 9, 2, 1))]);
    refuses(&op, &[a]);
}
