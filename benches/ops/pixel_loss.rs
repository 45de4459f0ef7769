//! The pixel loss of a batch of faces.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::pixel_loss::PixelLoss;
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let shape = Shape::new(32, 3, 112, 96);
    let inputs = vec![Given::f32(shape), Given::f32(shape)];
    time(criterion, "pixel_loss", "32 faces", PixelLoss { weight: 0.01 }, inputs);
}
