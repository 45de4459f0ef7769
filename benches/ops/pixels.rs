//! Mirroring and normalising a batch of faces.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::Type;
use hallucinet::ops::pixels::{Mirror, Normalize};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let shape = Shape::new(32, 3, 112, 96);
    let flags = Given::bytes(Shape::matrix(32, 1), (0..32).map(|n| n % 2).collect());
    time(criterion, "pixels", "32 faces", Mirror, vec![Given::u8(shape), flags]);
    time(criterion, "pixels", "32 faces", Normalize { output: Type::F32 }, vec![Given::u8(shape)]);
}
