//! Cosine loss of the features of a batch, as in distillation.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::cosine_loss::CosineLoss;
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let features = || Given::f32(Shape::matrix(256, 512));
    time(criterion, "cosine_loss", "256 x 512", CosineLoss { weight: 5.0 }, vec![features(), features()]);
}
