//! 2x2 maximum with stride 2, keeping which of the four won. A last odd row or column is dropped (PyTorch's floor; the networks here
//! have even extents, where Caffe's ceil is the same). Of equal values the first in reading order wins.

use crate::backend::Launch;
use crate::backend::cpu::HostArgs;
use crate::error::Result;
use crate::ops::{Desc, Formats, Gradient, Io, Number, Op, Operand, Type, elementwise, formats, mismatch};
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

static FORWARD: Formats = formats!("pool", "pool_forward", forward_host);
static BACKWARD: Formats = formats!("pool", "pool_backward", backward_host);

/// Extents of x.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Extents {
    n: u32,
    h: u32,
    w: u32,
    c: u32,
}

impl Extents {
    fn of(x: Shape) -> Self {
        Extents { n: x.n as u32, h: x.h as u32, w: x.w as u32, c: x.c as u32 }
    }
}

fn halved(x: &Desc) -> Option<Shape> {
    let y = Shape::new(x.shape.n, x.shape.c, x.shape.h / 2, x.shape.w / 2);
    (x.dtype.is_number() && y.h > 0 && y.w > 0).then_some(y)
}

impl Op for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x] => halved(x).map(|y| vec![Desc { shape: y, dtype: x.dtype }, Desc { shape: y, dtype: Type::U8 }]),
            _ => None,
        }
        .ok_or_else(|| mismatch(self, inputs, "one f32 or bf16 tensor of at least 2x2 pixels"))
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Extents::of(io.input(0));
        let writes = vec![io.write(0), io.write(1)];
        let y = io.output(0);
        vec![elementwise(FORWARD.of(io.dtype(0)), y.pixels() * y.c.div_ceil(GROUP), vec![io.read(0)], writes, params)]
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
            [dy, index, x] if halved(x) == Some(dy.shape) && dy.dtype == x.dtype && *index == dy.of(Type::U8) => {
                Ok(vec![*x])
            }
            _ => Err(mismatch(self, inputs, "dy and index of half x's extents, x")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Extents::of(io.output(0));
        let reads = vec![io.read(0), io.read(1)];
        // A window for every two rows and columns of x, also those that a last odd one has for itself.
        let x = io.output(0);
        let threads = x.n * x.h.div_ceil(2) * x.w.div_ceil(2) * x.c.div_ceil(GROUP);
        vec![elementwise(BACKWARD.of(io.dtype(0)), threads, reads, vec![io.write(0)], params)]
    }
}

/// Channels that one thread of a kernel takes.
const GROUP: usize = 4;

fn forward_host<N: Number>(mut args: HostArgs) {
    let Extents { h, w, c, .. } = args.params();
    let (h, w, c) = (h as usize, w as usize, c as usize);
    let x = args.input::<N>(0);
    let (y, index) = (args.output::<N>(0), args.output::<u8>(1));
    let (oh, ow) = (h / 2, w / 2);
    y.par_chunks_mut(ow * c).zip(index.par_chunks_mut(ow * c)).enumerate().for_each(|(row, (y, index))| {
        let (top, bottom) = x[(row / oh * h + row % oh * 2) * w * c..][..2 * w * c].split_at(w * c);
        let windows = top.chunks_exact(2 * c).zip(bottom.chunks_exact(2 * c));
        let results = y.chunks_exact_mut(c).zip(index.chunks_exact_mut(c));
        results.zip(windows).for_each(|((y, index), (top, bottom))| window(top, bottom, y, index));
    });
}

/// Two neighbouring pixels of two rows to one.
fn window<N: Number>(top: &[N], bottom: &[N], y: &mut [N], index: &mut [u8]) {
    let (first, second) = top.split_at(y.len());
    let (third, fourth) = bottom.split_at(y.len());
    let four = first.iter().zip(second).zip(third.iter().zip(fourth));
    for ((y, index), ((first, second), (third, fourth))) in y.iter_mut().zip(index).zip(four) {
        let (mut largest, mut winner) = (first.widen(), 0);
        for (candidate, value) in [(1, second.widen()), (2, third.widen()), (3, fourth.widen())] {
            // A NaN wins and stays, so that it is seen downstream instead of vanishing here. No branches: they would be mispredicted
            // as often as not.
            let wins = (value > largest) | (value.is_nan() & !largest.is_nan());
            largest = if wins { value } else { largest };
            winner = if wins { candidate } else { winner };
        }
        (*y, *index) = (N::round(largest), winner);
    }
}

fn backward_host<N: Number>(mut args: HostArgs) {
    let Extents { h, w, c, .. } = args.params();
    let (h, w, c) = (h as usize, w as usize, c as usize);
    let (dy, index) = (args.input::<N>(0), args.reads[1]);
    let dx = args.output::<N>(0);
    let (oh, ow) = (h / 2, w / 2);
    dx.par_chunks_mut(h * w * c).enumerate().for_each(|(n, dx)| {
        dx.fill(N::zeroed());
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
