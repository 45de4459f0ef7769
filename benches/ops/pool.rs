//! The first pool of the recogniser, the largest.

use crate::harness::{BATCH, Given, time};
use criterion::Criterion;
use hallucinet::ops::pool::{Pool, PoolGradient};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let (x, y) = (Shape::new(BATCH, 64, 108, 92), Shape::new(BATCH, 64, 54, 46));
    time(criterion, "pool", "recognizer.pool1", Pool, vec![Given::f32(x)]);
    let winners = Given::bytes(y, (0..y.elements()).map(|i| (i % 4) as u8).collect());
    time(criterion, "pool", "recognizer.pool1", PoolGradient, vec![Given::f32(y), winners, Given::f32(x)]);
}
