//! The first pool of the recogniser, the largest.

use crate::harness::{Given, batch, time};
use criterion::Criterion;
use hallucinet::ops::pool::{Pool, PoolGradient};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let (x, y) = (Shape::new(batch(), 64, 108, 92), Shape::new(batch(), 64, 54, 46));
    time(criterion, "pool", "recognizer.pool1", Pool, vec![Given::activation(x)]);
    let winners = Given::bytes(y, (0..y.elements()).map(|i| (i % 4) as u8).collect());
    time(
        criterion,
        "pool",
        "recognizer.pool1",
        PoolGradient,
        vec![Given::activation(y), winners, Given::activation(x)],
    );
}
