//! fc5 and fc6 of the published recogniser at a batch that a CPU trains with.

use crate::clock::batch;
use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::Type;
use hallucinet::ops::linear::{Linear, LinearData, LinearFilter};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let rows = batch(32);
    for (name, x, outputs) in [("fc5", Shape::new(rows, 512, 5, 4), 512), ("fc6", Shape::matrix(rows, 512), 10_572)] {
        let (w, y, bias) = (Shape { n: outputs, ..x }, Shape::matrix(rows, outputs), Shape::vector(outputs));
        let given = |shapes: [Shape; 3]| shapes.map(Given::activation).into();
        let forward = vec![Given::activation(x), Given::activation(w), Given::f32(bias)];
        time(criterion, "linear", name, Linear { output: Type::F32 }, forward);
        time(criterion, "linear", name, LinearData, given([y, w, x]));
        time(criterion, "linear", name, LinearFilter, given([x, y, w]));
    }
}
