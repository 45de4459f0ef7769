//! Softmax with cross-entropy.

use crate::harness::{Case, Oracle, Plain, Tensor, refuses};
use crate::number::Number;
use hallucinet::ops::softmax_loss::SoftmaxLoss;
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for SoftmaxLoss {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [z, labels] = inputs else { panic!("two inputs") };
        let (batch, weight) = (N::of(z.shape.n as f64), N::of(f64::from(self.weight)));
        let (mut loss, mut dz) = (N::of(0.0), Plain::zeros(z.shape));
        for n in 0..z.shape.n {
            let label = labels.numbers[n].value() as usize;
            let row: Vec<N> = (0..z.shape.c).map(|class| z.at(n, class, 0, 0)).collect();
            // Without the maximum f32 would overflow; it changes nothing else.
            let largest = row.iter().copied().fold(N::of(f64::NEG_INFINITY), |m, z| if z > m { z } else { m });
            let largest = N::of(largest.value());
            let mut sum = N::of(0.0);
            row.iter().for_each(|z| sum = sum + (*z - largest).exp());
            loss = loss + sum.ln() - (row[label] - largest);
            for (class, z) in row.iter().enumerate() {
                let hot = N::of(if class == label { 1.0 } else { 0.0 });
                *dz.at_mut(n, class, 0, 0) = weight * ((*z - largest).exp() / sum - hot) / batch;
            }
        }
        vec![Plain::scalar(loss / batch), dz]
    }
}

fn case(random: &mut Random, rows: usize, classes: usize, size: f64) -> Case<SoftmaxLoss> {
    let numbers: Vec<f32> = (0..rows * classes).map(|_| (size * random.normal()) as f32).collect();
    // Labels at both ends come first.
    let any = |row: usize, random: &mut Random| match row {
        0 => 0,
        1 => classes as i32 - 1,
        _ => random.below(classes as u64) as i32,
    };
    let labels: Vec<i32> = (0..rows).map(|row| any(row, random)).collect();
    let logits = Tensor::f32(Shape::matrix(rows, classes), &numbers);
    Case::new(SoftmaxLoss { weight: 0.7 }, [logits, Tensor::labels(&labels)])
}

#[test]
fn equals_the_plain_loop() {
    let mut random = Random::named(1, "softmax_loss");
    for (rows, classes, size) in
        [(1, 2, 1.0), (3, 5, 1.0), (17, 67, 3.0), (2, 4093, 1.0), (5, 11, 0.0), (7, 13, 50.0), (1, 1, 1.0)]
    {
        let case = case(&mut random, rows, classes, size);
        case.check();
        case.check_loss_gradient(&[0], 0.7);
        case.check_nan(0);
    }
}

/// Logits of +-10,000 neither overflow nor give NaN: the loss is their difference.
#[test]
fn large_logits_stay_finite() {
    for (label, expected) in [(0, 0.0), (1, 20_000.0), (2, 10_000.0)] {
        let logits = Tensor::f32(Shape::matrix(1, 3), &[1e4, -1e4, 0.0]);
        let case = Case::new(SoftmaxLoss { weight: 1.0 }, [logits, Tensor::labels(&[label])]);
        let got = case.check();
        case.check_loss_gradient(&[0], 1.0);
        assert_eq!(got[0].values(), [expected]);
    }
    let mut random = Random::named(2, "softmax_loss");
    for (rows, classes) in [(5, 17), (3, 67)] {
        let case = case(&mut random, rows, classes, 1e4);
        let finite = case.check().iter().all(|output| output.values().iter().all(|value| value.is_finite()));
        assert!(finite);
    }
}

#[test]
fn every_row_of_the_gradient_sums_to_nothing() {
    let mut random = Random::named(3, "softmax_loss");
    let (rows, classes) = (5, 67);
    let gradient = &case(&mut random, rows, classes, 2.0).check()[1];
    for row in gradient.values().chunks_exact(classes) {
        // Each element is rounded once, to at most a unit of the largest, which is weight / rows.
        let allowed = classes as f64 * crate::number::UNIT * 0.7 / rows as f64;
        assert!(row.iter().sum::<f64>().abs() <= allowed);
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let labels = |n| Desc { shape: Shape::matrix(n, 1), dtype: Type::I32 };
    let (op, logits) = (SoftmaxLoss { weight: 1.0 }, Desc::f32(Shape::matrix(4, 9)));
    refuses(&op, &[logits, labels(3)]);
    refuses(&op, &[logits, Desc::f32(Shape::matrix(4, 1))]);
    refuses(&op, &[Desc::f32(Shape::new(4, 9, 2, 1)), labels(4)]);
    refuses(&op, &[logits]);
}
