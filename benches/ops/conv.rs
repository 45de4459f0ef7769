//! Convolutions: every different layer of the recogniser and of both hallucinators, forward with the epilogue of a training step,
//! and both gradients.

use crate::harness::{Given, batch, time};
use criterion::Criterion;
use hallucinet::ops::conv::{self, Conv, ConvData, ConvFilter, GradientTail, Job, TransposedConv, TransposedConvData};
use hallucinet::shape::Shape;

/// Layer, channels in and out, height and width of x, filter extent, pad.
const LAYERS: [(&str, usize, usize, usize, usize, usize, usize); 13] = [
    ("hallucinator.conv_in", 3, 64, 112, 96, 3, 1),
    ("hallucinator.unit", 64, 64, 112, 96, 3, 1),
    ("hallucinator.conv_out", 64, 3, 112, 96, 3, 1),
    ("fast.unit", 64, 64, 28, 24, 3, 1),
    ("srcnn.conv_in", 3, 64, 112, 96, 9, 4),
    ("srcnn.conv_map", 64, 32, 112, 96, 1, 0),
    ("recognizer.conv1b", 32, 64, 110, 94, 3, 0),
    ("recognizer.conv2_1", 64, 64, 54, 46, 3, 1),
    ("recognizer.conv2", 64, 128, 54, 46, 3, 0),
    ("recognizer.conv3_1", 128, 128, 26, 22, 3, 1),
    ("recognizer.conv4_1", 256, 256, 12, 10, 3, 1),
    ("recognizer.conv4", 256, 512, 12, 10, 3, 0),
    ("recognizer.conv5_1", 512, 512, 5, 4, 3, 1),
];

/// What the gradient of a residual unit's first convolution ends with.
const TAIL: GradientTail = GradientTail { add: true, prelu: true, keep: true, bias: false };

pub fn bench(criterion: &mut Criterion) {
    for (name, channels, outputs, h, w, kernel, pad) in LAYERS {
        let x = Shape::new(batch(), channels, h, w);
        let filter = Shape::new(outputs, channels, kernel, kernel);
        let y = Shape::new(batch(), outputs, h + 2 * pad + 1 - kernel, w + 2 * pad + 1 - kernel);
        let slope = Given::f32(Shape::vector(outputs));
        let forward = Conv { prelu: true, keep: true, ..Conv::new(1, pad, false) };
        for job in [Job::Forward, Job::Data, Job::Filter] {
            let estimates = conv::estimates(job, x, filter, 1, pad).into_iter();
            let estimates: Vec<_> = estimates.map(|(how, cycles)| format!("{how:?} {:.2}", cycles / 1e6)).collect();
            println!("conv {name} {job:?} on one core of the cpu, in millions of cycles: {}", estimates.join(", "));
        }
        let given = |shapes: &[Shape]| shapes.iter().map(|shape| Given::activation(*shape)).collect::<Vec<_>>();
        let mut inputs = given(&[x, filter]);
        inputs.push(slope);
        time(criterion, "conv", name, forward, inputs);
        let data = ConvData { stride: 1, pad, tail: TAIL };
        let mut inputs = given(&[y, filter, x, x, x]);
        inputs.push(Given::f32(Shape::vector(channels)));
        time(criterion, "conv", name, data, inputs);
        time(criterion, "conv", name, ConvFilter { stride: 1, pad, bias: false }, given(&[x, y, filter]));
    }
    for (name, h, w) in [("fast.up1", 28, 24), ("fast.up2", 56, 48)] {
        let (x, filter) = (Shape::new(batch(), 64, h, w), Shape::new(64, 64, 4, 4));
        let y = Shape::new(batch(), 64, 2 * h, 2 * w);
        let slope = || Given::f32(Shape::vector(64));
        let inputs = vec![Given::activation(x), Given::activation(filter), slope()];
        time(criterion, "conv", name, TransposedConv { prelu: true, keep: true, ..TransposedConv::new(2, 1) }, inputs);
        let mut inputs: Vec<Given> = [y, filter, x, x].map(Given::activation).into();
        inputs.push(slope());
        time(criterion, "conv", name, TransposedConvData { stride: 2, pad: 1, tail: TAIL }, inputs);
    }
}
