//! Softmax with cross-entropy over the identities of CASIA-WebFace.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::softmax_loss::SoftmaxLoss;
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let inputs = vec![Given::f32(Shape::matrix(256, 10_572)), Given::labels(256, 10_572)];
    time(criterion, "softmax_loss", "256 x 10572", SoftmaxLoss { weight: 1.0 }, inputs);
}
