//! The cast of the recogniser's largest filter, as at the start of every bf16 step, and of a first layer's pictures.

use crate::harness::{Given, batch, time};
use criterion::Criterion;
use hallucinet::ops::Type;
use hallucinet::ops::cast::Cast;
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    for (name, x) in
        [("recognizer.conv5_1", Shape::new(512, 512, 3, 3)), ("hallucinator.conv_in", Shape::new(batch(), 3, 112, 96))]
    {
        time(criterion, "cast", name, Cast { to: Type::Bf16 }, vec![Given::f32(x)]);
    }
}
