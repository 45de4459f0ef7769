//! Bicubic x4 of a batch of faces, its gradient, and the exact down-sampling.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::resize::{Degrade, Resize, ResizeTransposed};
use hallucinet::resample::Flavour;
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let (high, low) = (Shape::new(32, 3, 112, 96), Shape::new(32, 3, 28, 24));
    let flavour = Flavour::Matlab;
    time(criterion, "resize", "32 faces x4", Resize { flavour, height: 112, width: 96 }, vec![Given::f32(low)]);
    let inputs = vec![Given::f32(high), Given::f32(low)];
    time(criterion, "resize", "32 faces x4", ResizeTransposed { flavour }, inputs);
    for flavour in [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv] {
        let label = format!("32 faces 1/4 {flavour}");
        time(criterion, "resize", &label, Degrade { flavour, scale: 4 }, vec![Given::u8(high)]);
    }
}
