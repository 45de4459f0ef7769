//! Moving, mirroring and normalising a batch of faces.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::Type;
use hallucinet::ops::pixels::{Augment, Normalize};
use hallucinet::shape::Shape;

pub fn bench(criterion: &mut Criterion) {
    let shape = Shape::new(32, 3, 112, 96);
    let moves =
        Given::i32(Shape::matrix(32, 3), &(0..32).flat_map(|n| [n % 2, n % 7 - 3, 3 - n % 7]).collect::<Vec<_>>());
    time(criterion, "pixels", "32 faces", Augment { output: Type::F32 }, vec![Given::u8(shape), moves]);
    time(criterion, "pixels", "32 faces", Normalize { output: Type::F32 }, vec![Given::u8(shape)]);
}
