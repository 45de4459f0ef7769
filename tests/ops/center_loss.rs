//! The center loss and both ways to move the centers.

use crate::harness::{Case, Oracle, Plain, Tensor, device, positions, refuses, run};
use crate::number::Number;
use hallucinet::ops::center_loss::{CenterGradient, CenterLoss, CenterUpdate};
use hallucinet::ops::{Desc, Op, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

fn label<N: Number>(labels: &Plain<N>, row: usize) -> usize {
    labels.numbers[row].value() as usize
}

/// dc of every center, zero where no row names it.
fn gradient<N: Number>(x: &Plain<N>, labels: &Plain<N>, centers: &Plain<N>) -> Plain<N> {
    let mut dc = Plain::zeros(centers.shape);
    for (j, k, ..) in positions(centers.shape) {
        let rows: Vec<usize> = (0..x.shape.n).filter(|row| label(labels, *row) == j).collect();
        for row in &rows {
            let difference = centers.at(j, k, 0, 0) - x.at(*row, k, 0, 0);
            *dc.at_mut(j, k, 0, 0) = dc.at(j, k, 0, 0) + difference;
        }
        if !rows.is_empty() {
            *dc.at_mut(j, k, 0, 0) = dc.at(j, k, 0, 0) / (N::of(1.0) + N::of(rows.len() as f64));
        }
    }
    dc
}

impl Oracle for CenterLoss {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, labels, centers] = inputs else { panic!("three inputs") };
        let batch = N::of(x.shape.n as f64);
        let (mut loss, mut dx) = (N::of(0.0), Plain::zeros(x.shape));
        for (i, k, ..) in positions(x.shape) {
            let difference = x.at(i, k, 0, 0) - centers.at(label(labels, i), k, 0, 0);
            loss = loss + difference * difference;
            *dx.at_mut(i, k, 0, 0) = N::of(f64::from(self.weight)) * difference / batch;
        }
        vec![Plain::scalar(loss / (N::of(2.0) * batch)), dx]
    }
}

impl Oracle for CenterUpdate {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, labels, _guard, centers] = inputs else { panic!("four inputs") };
        let dc = gradient(x, labels, centers);
        let rate = N::of(f64::from(self.rate));
        let moved = centers.numbers.iter().zip(&dc.numbers).map(|(c, dc)| *c - rate * *dc).collect();
        vec![Plain { shape: centers.shape, numbers: moved }]
    }
}

impl Oracle for CenterGradient {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, labels, centers] = inputs else { panic!("three inputs") };
        vec![gradient(x, labels, centers)]
    }
}

/// x, labels, centers: one row, all different, repeated, both ends, all of one identity, and more rows than a block has threads.
fn batches() -> Vec<[Tensor; 3]> {
    let mut random = Random::named(1, "center_loss");
    let many: Vec<i32> = (0..300).map(|row| row * row % 11).collect();
    let list: [(&[i32], usize, usize); 6] = [
        (&[0], 1, 1),
        (&[4, 0, 2], 5, 7),
        (&[6, 1, 6, 0, 1, 6, 3], 7, 67),
        (&[2; 11], 3, 13),
        (&[0, 16, 16, 0, 8], 17, 512),
        (&many, 13, 2),
    ];
    list.map(|(labels, identities, features)| {
        let x = Tensor::normal(&mut random, Shape::matrix(labels.len(), features));
        [x, Tensor::labels(labels), Tensor::normal(&mut random, Shape::matrix(identities, features))]
    })
    .into()
}

#[test]
fn loss_equals_the_plain_loop() {
    for inputs in batches() {
        let case = Case::new(CenterLoss { weight: 0.008 }, inputs);
        case.check();
        case.check_loss_gradient(&[0], 0.008);
        case.check_nan(0);
    }
}

#[test]
fn center_gradient_equals_the_plain_loop() {
    for inputs in batches() {
        let case = Case::new(CenterGradient, inputs);
        case.check();
        case.check_nan(0);
    }
}

#[test]
fn center_update_equals_the_plain_loop() {
    for [x, labels, centers] in batches() {
        let guard = Tensor::f32(Shape::scalar(), &[3.0]);
        Case::new(CenterUpdate { rate: 0.5 }, [x, labels, guard, centers]).check();
    }
}

/// The recipe's 10,572 identities and batch of 256 rows, half of which share 20 identities; few features, for the oracle's sake.
#[test]
fn as_many_identities_as_the_recipe_has() {
    const IDENTITIES: u64 = 10_572;
    let mut random = Random::named(2, "center_loss");
    let labels: Vec<i32> =
        (0..256).map(|row| random.below(if row % 2 == 0 { 20 } else { IDENTITIES }) as i32).collect();
    let shapes = [Shape::matrix(256, 3), Shape::matrix(IDENTITIES as usize, 3)];
    let [x, centers] = shapes.map(|shape| Tensor::normal(&mut random, shape));
    let labels = Tensor::labels(&labels);
    Case::new(CenterLoss { weight: 0.008 }, [x.clone(), labels.clone(), centers.clone()]).check();
    Case::new(CenterGradient, [x.clone(), labels.clone(), centers.clone()]).check();
    let guard = Tensor::f32(Shape::scalar(), &[3.0]);
    Case::new(CenterUpdate { rate: 0.5 }, [x, labels, guard, centers]).check();
}

#[test]
fn a_guard_that_is_not_finite_leaves_the_centers_alone() {
    for [x, labels, centers] in batches() {
        for guard in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let guard = Tensor::f32(Shape::scalar(), &[guard]);
            let inputs = [x.clone(), labels.clone(), guard, centers.clone()];
            let after = run(device(), &CenterUpdate { rate: 0.5 }, &inputs, 0xFF);
            assert!(after == [centers.clone()]);
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let (x, centers) = (Desc::f32(Shape::matrix(4, 8)), Desc::f32(Shape::matrix(3, 8)));
    let labels = Desc { shape: Shape::matrix(4, 1), dtype: Type::I32 };
    let short = Desc { shape: Shape::matrix(3, 1), dtype: Type::I32 };
    let (loss, update) = (CenterLoss { weight: 1.0 }, CenterUpdate { rate: 0.5 });
    for op in [&loss as &dyn Op, &CenterGradient] {
        refuses(op, &[x, short, centers]);
        refuses(op, &[x, Desc::f32(Shape::matrix(4, 1)), centers]);
        refuses(op, &[x, labels, Desc::f32(Shape::matrix(3, 7))]);
        refuses(op, &[x, labels]);
    }
    refuses(&update, &[x, labels, Desc::f32(Shape::vector(2)), centers]);
    refuses(&update, &[x, labels, centers]);
}
