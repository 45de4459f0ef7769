//! fc5 and fc6 of the published recogniser at a batch that a CPU trains with.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::Type;
use hallucinet::ops::linear::{Linear, LinearData, LinearFilter};
use hallucinet::shape::Shape;

const ROWS: usize = 32;

pub fn bench(criterion: &mut Criterion) {
    for (name, x, outputs) in [("fc5", Shape::new(ROWS, 512, 5, 4), 512), ("fc6", Shape::matrix(ROWS, 512), 10_572)] {
        let (w, y, bias) = (Shape { n: outputs, ..x }, Shape::matrix(ROWS, outputs), Shape::vector(outputs));
        let given = |shapes: [Shape; 3]| shapes.map(Given::f32).into();
        time(criterion, "linear", name, Linear { output: Type::F32 }, given([x, w, bias]));
        time(criterion, "linear", name, LinearData, given([y, w, x]));
        time(criterion, "linear", name, LinearFilter, given([x, y, w]));
    }
}
