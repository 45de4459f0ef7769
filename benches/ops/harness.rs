//! Times one op at one shape; FLOP of the mathematics and bytes that must cross the memory bus once come from the launches themselves.

use crate::clock::{self, clock};
use criterion::Criterion;
use hallucinet::graph::{Graph, Program};
use hallucinet::ops::{Desc, Op, Type, bf16};
use hallucinet::random::Random;
use hallucinet::shape::Shape;
use std::sync::Arc;

/// Pictures of a batch.
pub fn batch() -> usize {
    clock::batch(2)
}

/// An input: random numbers, or these bytes.
pub struct Given {
    desc: Desc,
    bytes: Vec<u8>,
}

impl Given {
    /// Standard normal f32.
    pub fn f32(shape: Shape) -> Self {
        let numbers = normal(shape.elements());
        Given { desc: Desc::f32(shape), bytes: bytemuck::cast_slice(&numbers).to_vec() }
    }

    /// Standard normal numbers in a format of activations.
    pub fn of(dtype: Type, shape: Shape) -> Self {
        if dtype != Type::Bf16 {
            return Given::f32(shape);
        }
        let bytes = normal(shape.elements()).iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        Given { desc: Desc { shape, dtype }, bytes }
    }

    /// Standard normal numbers in the format of this run's activations.
    pub fn activation(shape: Shape) -> Self {
        Given::of(clock().precision, shape)
    }

    /// Random u8.
    pub fn u8(shape: Shape) -> Self {
        let mut random = Random::named(1, "bench");
        Given::bytes(shape, (0..shape.elements()).map(|_| random.below(256) as u8).collect())
    }

    /// These u8.
    pub fn bytes(shape: Shape, bytes: Vec<u8>) -> Self {
        Given { desc: Desc { shape, dtype: Type::U8 }, bytes }
    }

    /// One label per row, spread over the classes.
    pub fn labels(rows: usize, classes: usize) -> Self {
        let labels: Vec<i32> = (0..rows).map(|row| (row * 7919 % classes) as i32).collect();
        Given::i32(Shape::matrix(rows, 1), &labels)
    }

    /// These i32.
    pub fn i32(shape: Shape, numbers: &[i32]) -> Self {
        Given { desc: Desc { shape, dtype: Type::I32 }, bytes: bytemuck::cast_slice(numbers).to_vec() }
    }
}

/// The first numbers over and over: drawing hundreds of millions would take longer than what is measured.
fn normal(count: usize) -> Vec<f32> {
    let mut random = Random::named(1, "bench");
    let first: Vec<f32> = (0..count.min(65_537)).map(|_| random.normal() as f32).collect();
    first.iter().cycle().take(count).copied().collect()
}

/// Times an op; `label` names the layer that has this shape.
pub fn time(criterion: &mut Criterion, room: &str, label: &str, op: impl Op + 'static, inputs: Vec<Given>) {
    let mut graph = Graph::new();
    let values: Vec<_> = inputs.iter().map(|given| graph.input(given.desc)).collect();
    let name = op.name();
    let outputs = graph.apply_all(Arc::new(op), &values).unwrap();
    outputs.iter().for_each(|output| graph.fetch(*output));
    let program = Program::new(Arc::clone(&clock().device), graph.plan()).unwrap();
    for (value, given) in values.iter().zip(&inputs) {
        program.write(*value, &given.bytes).unwrap();
    }
    clock::time(criterion, [room, name, label], &program, |_| {});
}
