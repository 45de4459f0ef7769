//! The residual sum where it is not fused: the largest activation.

use crate::harness::{Given, batch, time};
use criterion::Criterion;
use hallucinet::ops::add::Add;
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let shape = Shape::new(batch(), 64, 112, 96);
    time(criterion, "add", "hallucinator.unit", Add, vec![Given::activation(shape), Given::activation(shape)]);
}
