//! PReLU at the hallucinator's and the recogniser's largest activations.

use crate::harness::{Given, batch, time};
use criterion::Criterion;
use hallucinet::ops::prelu::{Prelu, PreluGradient};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    for (name, x) in [
        ("hallucinator.unit", Shape::new(batch(), 64, 112, 96)),
        ("recognizer.conv3_1", Shape::new(batch(), 128, 26, 22)),
    ] {
        let slope = Shape::vector(x.c);
        time(criterion, "prelu", name, Prelu, vec![Given::activation(x), Given::f32(slope)]);
        time(
            criterion,
            "prelu",
            name,
            PreluGradient,
            vec![Given::activation(x), Given::activation(x), Given::f32(slope)],
        );
    }
}
