//! The most that this device copies and computes, as everything else is measured by it.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::Type;
use hallucinet::ops::roofline::{Chains, Copy, Tiles};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let x = || Given::f32(Shape::vector(1 << 22));
    time(criterion, "roofline", "16 MiB", Copy, vec![x()]);
    time(criterion, "roofline", "64 turns", Chains { turns: 64 }, vec![x()]);
    let given = |rows| Given::of(Type::Bf16, Shape::matrix(rows, 16));
    time(criterion, "roofline", "4 turns", Tiles { turns: 4 }, vec![given(1 << 14), given(64)]);
}
