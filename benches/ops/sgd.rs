//! One pass over as many parameters as the recogniser has (33 million), and their norm.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::sgd::{Norm, Segment, Sgd};
use hallucinet::shape::Shape;

const PARAMETERS: u32 = 32_970_000;
const SEGMENTS: u32 = 60;

pub fn bench(criterion: &mut Criterion) {
    let length = PARAMETERS / SEGMENTS;
    let segment = |index: u32| Segment {
        weight: index * length,
        gradient: index * length,
        length,
        rate: 0,
        lr_mult: 1.0,
        decay_mult: 1.0,
        clipped: 1,
        reserved: 0,
    };
    let segments: Vec<Segment> = (0..SEGMENTS).map(segment).collect();
    let bytes: Vec<u8> = bytemuck::cast_slice(&segments).to_vec();
    let block = || Given::f32(Shape::vector(PARAMETERS as usize));
    time(criterion, "sgd", "33 M", Norm, vec![block()]);
    let (rates, norm) = (Given::f32(Shape::vector(2)), Given::f32(Shape::scalar()));
    let segments = Given::bytes(Shape::vector(bytes.len()), bytes);
    let op = Sgd { momentum: 0.9, weight_decay: 0.0005, clip: 1.0 };
    time(criterion, "sgd", "33 M", op, vec![block(), rates, norm, segments, block(), block()]);
}
