//! PReLU with one slope per channel (He, Zhang, Ren, Sun, ICCV 2015; Caffe's PReLU layer).
//!
//! `y = x` where `x > 0`, else `slope[c] * x`. At 0 the gradient is the slope's, as in Caffe and PyTorch.

use crate::backend::cpu::{HostArgs, team};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Formats, Gradient, Io, Number, Op, Operand, elementwise, formats, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::sync::Arc;

/// Inputs: x, f32 or bf16, slope, f32; output: y of x's type.
#[derive(Clone, Debug)]
pub struct Prelu;

/// Inputs: dy, x, slope; outputs: dx of x's type, dslope, f32. Two launches: each block of the first one leaves the slope gradients
/// of its pixels in the workspace, the second one adds them in order.
#[derive(Clone, Debug)]
pub struct PreluGradient;

static FORWARD: Formats = formats!("prelu", "prelu_forward", forward_host);
static BACKWARD: Formats = formats!("prelu", "prelu_backward", backward_host);
static SLOPE: Kernel = Kernel { room: "prelu", entry: "prelu_slope", host: slope_host };

/// Pixels of the batch, or pieces of them, and channels.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Extents {
    pixels: u32,
    channels: u32,
}

impl Extents {
    fn of(x: Shape) -> Self {
        Extents { pixels: x.pixels() as u32, channels: x.c as u32 }
    }
}

/// Channels that one thread of the forward kernel takes.
const GROUP: usize = 4;

impl Op for Prelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, slope] if fits(x, slope) => Ok(vec![*x]),
            _ => Err(mismatch(self, inputs, "x, f32 or bf16, and one f32 slope per channel")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let shape = io.output(0);
        let reads = vec![io.read(0), io.read(1)];
        let threads = shape.pixels() * shape.c.div_ceil(GROUP);
        vec![elementwise(FORWARD.of(io.dtype(0)), threads, reads, vec![io.write(0)], Extents::of(shape))]
    }

    // dy/dx = 1 or slope,  dy/dslope[c] = sum of dy * min(x, 0) over the channel
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let operands = vec![Operand::Upstream(0), Operand::Input(0), Operand::Input(1)];
        let of_input = (0..2).map(|input| needed[input].then_some(Operand::Emitted(0, input))).collect();
        Gradient { emitted: vec![(Arc::new(PreluGradient), operands)], of_input }
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::Prelu)
    }
}

impl Op for PreluGradient {
    fn name(&self) -> &'static str {
        "prelu_gradient"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [dy, x, slope] if dy == x && fits(x, slope) => Ok(vec![*x, *slope]),
            _ => Err(mismatch(self, inputs, "dy and x of one shape and type, one f32 slope per channel")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        4 * inputs[1].shape.pixels().div_ceil(PIXELS) * inputs[1].shape.c
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let shape = io.output(0);
        let reads = vec![io.read(0), io.read(1), io.read(2)];
        let writes = vec![io.write(0), io.workspace];
        let pieces = shape.pixels().div_ceil(PIXELS) as u32;
        // A row of threads per pixel, as wide as the channels need and at most a warp.
        let across = shape.c.next_power_of_two().min(32) as u32;
        let groups = (shape.c as u32).div_ceil(across);
        let params = Extents::of(shape);
        let first = Launch {
            grid: [pieces, groups, 1],
            block: [across, 256 / across, 1],
            ..elementwise(BACKWARD.of(io.dtype(0)), shape.elements(), reads, writes, params)
        };
        let params = Extents { pixels: pieces, ..params };
        let second = elementwise(
            &SLOPE,
            (params.pixels * params.channels) as usize,
            vec![io.workspace],
            vec![io.write(1)],
            params,
        );
        vec![first, Launch { grid: [groups, 1, 1], block: [across, 256 / across, 1], ..second }]
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::PreluGradient)
    }
}

/// Pixels whose slope gradients make one partial sum; the partial sums are added in order.
const PIXELS: usize = 512;

fn fits(x: &Desc, slope: &Desc) -> bool {
    x.dtype.is_number() && *slope == Desc::f32(Shape::vector(x.shape.c))
}

/// The product is taken either way: a choice between two values needs no branch, which random signs would mispredict half the time.
fn prelu(x: f32, slope: f32) -> f32 {
    let below = slope * x;
    if x > 0.0 { x } else { below }
}

fn forward_host<N: Number>(mut args: HostArgs) {
    let channels = args.params::<Extents>().channels as usize;
    let (x, slope) = (args.input::<N>(0), args.input::<f32>(1));
    let y = args.output::<N>(0);
    let piece = PIXELS * channels;
    team::each(y.par_chunks_mut(piece).zip(x.par_chunks(piece)), |(y, x)| {
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            y.iter_mut().zip(x).zip(slope).for_each(|((y, x), slope)| *y = N::round(prelu(x.widen(), *slope)));
        }
    });
}

fn backward_host<N: Number>(mut args: HostArgs) {
    let channels = args.params::<Extents>().channels as usize;
    let (dy, x, slope) = (args.input::<N>(0), args.input::<N>(1), args.input::<f32>(2));
    let (dx, partials) = (args.output::<N>(0), args.output::<f32>(1));
    let piece = PIXELS * channels;
    let tasks = dx.par_chunks_mut(piece).zip(partials.par_chunks_mut(channels));
    team::each(tasks.zip(dy.par_chunks(piece).zip(x.par_chunks(piece))), |((dx, sums), (dy, x))| {
        sums.fill(0.0);
        let pixels = dy.chunks_exact(channels).zip(x.chunks_exact(channels));
        for (dx, (dy, x)) in dx.chunks_exact_mut(channels).zip(pixels) {
            for (((dx, sum), slope), (dy, x)) in dx.iter_mut().zip(&mut *sums).zip(slope).zip(dy.iter().zip(x)) {
                let (dy, x) = (dy.widen(), x.widen());
                // A choice by masks: random signs would mispredict a branch half the time, and the compiler makes one of an `if`.
                let positive = if x > 0.0 { u32::MAX } else { 0 };
                *dx = N::round(f32::from_bits(dy.to_bits() & positive | (slope * dy).to_bits() & !positive));
                *sum += dy * f32::from_bits(x.to_bits() & !positive);
            }
        }
    });
}

fn slope_host(mut args: HostArgs) {
    let channels = args.params::<Extents>().channels as usize;
    let (partials, dslope) = (args.input::<f32>(0), args.output::<f32>(0));
    dslope.fill(0.0);
    for partial in partials.chunks_exact(channels) {
        dslope.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
    }
}
