//! Times one op at one shape. Throughput is FLOP of the mathematics (criterion calls them elements) and bytes that must cross the
//! memory bus once; both come from the launches themselves.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use hallucinet::backend::{self, Choice, Device};
use hallucinet::graph::{Graph, Program};
use hallucinet::ops::{Desc, Op, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;
use std::sync::Arc;

/// Pictures of a batch.
pub const BATCH: usize = 2;

/// An input: random numbers, or these bytes.
pub struct Given {
    desc: Desc,
    bytes: Vec<u8>,
}

impl Given {
    /// Standard normal f32.
    pub fn f32(shape: Shape) -> Self {
        let mut random = Random::named(1, "bench");
        let numbers: Vec<f32> = (0..shape.elements()).map(|_| random.normal() as f32).collect();
        Given { desc: Desc::f32(shape), bytes: bytemuck::cast_slice(&numbers).to_vec() }
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
        let desc = Desc { shape: Shape::matrix(rows, 1), dtype: Type::I32 };
        Given { desc, bytes: bytemuck::cast_slice(&labels).to_vec() }
    }
}

/// The best device here, as every command picks it.
fn device() -> Arc<dyn Device> {
    backend::open(Choice::Auto, None).unwrap().0
}

/// Prints the device; the first line of every run.
pub fn announce(_: &mut Criterion) {
    let info = device().info();
    println!("device {} ({})", info.name, info.detail);
}

/// Times an op; `label` names the layer that has this shape.
pub fn time(criterion: &mut Criterion, room: &str, label: &str, op: impl Op + 'static, inputs: Vec<Given>) {
    let mut graph = Graph::new();
    let values: Vec<_> = inputs.iter().map(|given| graph.input(given.desc)).collect();
    let name = op.name();
    let outputs = graph.apply_all(Arc::new(op), &values).unwrap();
    outputs.iter().for_each(|output| graph.fetch(*output));
    let device = device();
    let program = Program::new(Arc::clone(&device), graph.plan()).unwrap();
    for (value, given) in values.iter().zip(&inputs) {
        program.write(*value, &given.bytes).unwrap();
    }
    let bytes = program.plan().launches.iter().map(|launch| launch.bytes()).sum();
    let mut group = criterion.benchmark_group(room);
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::ElementsAndBytes { elements: program.plan().flop(), bytes });
    group.bench_function(BenchmarkId::new(name, label), |bencher| {
        bencher.iter(|| {
            program.run().unwrap();
            device.sync().unwrap();
        });
    });
    group.finish();
}
