//! 2x2 maximum with stride 2, keeping which of the four won. A last odd row or column is dropped (PyTorch's floor; the networks here
//! have even extents, where Caffe's ceil is the same). Of equal values the first in reading order wins.

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, elementwise, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::sync::Arc;

/// Input: x; outputs: y, and the index 0..4 of the winner as u8.
#[derive(Clone, Debug)]
pub struct Pool;

/// Inputs: dy, index, x (for its shape alone); output: dx.
#[derive(Clone, Debug)]
pub struct PoolGradient;

static FORWARD: Kernel = Kernel { room: "pool", entry: "pool_forward", host: forward_host };
static BACKWARD: Kernel = Kernel { room: "pool", entry: "pool_backward", host: backward_host };

/// Extents of x.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Extents {
    h: u32,
    w: u32,
    c: u32,
}

impl Extents {
    fn of(x: Shape) -> Self {
        Extents { h: x.h as u32, w: x.w as u32, c: x.c as u32 }
    }
}

fn halved(x: &Desc) -> Option<Shape> {
    let y = Shape::new(x.shape.n, x.shape.c, x.shape.h / 2, x.shape.w / 2);
    (x.dtype == Type::F32 && y.h > 0 && y.w > 0).then_some(y)
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x] => halved(x).map(|y| vec![Desc::f32(y), Desc { shape: y, dtype: Type::U8 }]),
            _ => None,
        }
        .ok_or_else(|| mismatch(self, inputs, "one f32 tensor of at least 2x2 pixels"))
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Extents::of(io.input(0));
        let writes = vec![io.write(0), io.write(1)];
        vec![elementwise(&FORWARD, io.output(0).elements(), vec![io.read(0)], writes, params)]
    }

    // dy/dx = 1 at the winner, 0 elsewhere
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let operands = vec![Operand::Upstream(0), Operand::Output(1), Operand::Input(0)];
        let of_input = vec![needed[0].then_some(Operand::Emitted(0, 0))];
        Gradient { emitted: vec![(Arc::new(PoolGradient), operands)], of_input }
    }
}

impl Op for PoolGradient {
    fn name(&self) -> &'static str {
        "pool_gradient"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [dy, index, x] if halved(x) == Some(dy.shape) && index.shape == dy.shape && index.dtype == Type::U8 => {
                Ok(vec![*x])
            }
            _ => Err(mismatch(self, inputs, "dy and index of half x's extents, x")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Extents::of(io.output(0));
        let reads = vec![io.read(0), io.read(1)];
        vec![elementwise(&BACKWARD, io.output(0).elements(), reads, vec![io.write(0)], params)]
    }
}

fn forward_host(mut args: HostArgs) {
    let Extents { h, w, c } = args.params();
    let (h, w, c) = (h as usize, w as usize, c as usize);
    let x = args.input::<f32>(0);
    let (y, index) = (args.output::<f32>(0), args.output::<u8>(1));
    let (oh, ow) = (h / 2, w / 2);
    y.par_chunks_mut(ow * c).zip(index.par_chunks_mut(ow * c)).enumerate().for_each(|(row, (y, index))| {
        let (top, bottom) = x[(row / oh * h + row % oh * 2) * w * c..][..2 * w * c].split_at(w * c);
        let windows = top.chunks_exact(2 * c).zip(bottom.chunks_exact(2 * c));
        let results = y.chunks_exact_mut(c).zip(index.chunks_exact_mut(c));
        results.zip(windows).for_each(|((y, index), (top, bottom))| window(top, bottom, y, index));
    });
}

/// Two neighbouring pixels of two rows to one.
fn window(top: &[f32], bottom: &[f32], y: &mut [f32], index: &mut [u8]) {
    let (first, second) = top.split_at(y.len());
    let (third, fourth) = bottom.split_at(y.len());
    let four = first.iter().zip(second).zip(third.iter().zip(fourth));
    for ((y, index), ((first, second), (third, fourth))) in y.iter_mut().zip(index).zip(four) {
        let (mut largest, mut winner) = (*first, 0);
        for (candidate, value) in [(1, *second), (2, *third), (3, *fourth)] {
            // A NaN wins and stays, so that it is seen downstream instead of vanishing here. No branches: they would be mispredicted
            // as often as not.
            let wins = (value > largest) | (value.is_nan() & !largest.is_nan());
            largest = if wins { value } else { largest };
            winner = if wins { candidate } else { winner };
        }
        (*y, *index) = (largest, winner);
    }
}

fn backward_host(mut args: HostArgs) {
    let Extents { h, w, c } = args.params();
    let (h, w, c) = (h as usize, w as usize, c as usize);
    let (dy, index) = (args.input::<f32>(0), args.reads[1]);
    let [dx] = args.outputs::<f32, 1>();
    let (oh, ow) = (h / 2, w / 2);
    dx.par_chunks_mut(h * w * c).enumerate().for_each(|(n, dx)| {
        dx.fill(0.0);
        for (i, j) in (0..oh).flat_map(|i| (0..ow).map(move |j| (i, j))) {
            let from = ((n * oh + i) * ow + j) * c;
            for channel in 0..c {
                let winner = index[from + channel] as usize;
                let (y, x) = (2 * i + winner / 2, 2 * j + winner % 2);
                dx[(y * w + x) * c + channel] = dy[from + channel];
            }
        }
    });
}
