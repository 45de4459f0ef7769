//! 2x2 maximum with stride 2, keeping which of the four won. A last odd row or column is dropped (PyTorch's floor; the networks here
//! have even extents, where Caffe's ceil is the same). Of equal values the first in reading order wins.

use crate::backend::Launch;
use crate::backend::cpu::HostArgs;
use crate::backend::cpu::lanes::{self, Job, Simd};
use crate::backend::cpu::simd::Vector;
use crate::backend::cpu::team;
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
    let rows = y.par_chunks_mut(ow * c).zip(index.par_chunks_mut(ow * c));
    team::each(rows.enumerate(), |(row, (y, index))| {
        let (top, bottom) = x[(row / oh * h + row % oh * 2) * w * c..][..2 * w * c].split_at(w * c);
        lanes::run(args.level, ForwardRow { top, bottom, channels: c, y, index });
    });
}

/// Two rows of x to one: plain Rust, which the compiler makes vectors of where it knows the instruction set.
struct ForwardRow<'a, N> {
    top: &'a [N],
    bottom: &'a [N],
    channels: usize,
    y: &'a mut [N],
    index: &'a mut [u8],
}

impl<N: Number> Job for ForwardRow<'_, N> {
    #[inline(always)]
    fn run<V: Vector>(self, _: Simd<V>) {
        let c = self.channels;
        let windows = self.top.chunks_exact(2 * c).zip(self.bottom.chunks_exact(2 * c));
        let results = self.y.chunks_exact_mut(c).zip(self.index.chunks_exact_mut(c));
        for ((y, index), (top, bottom)) in results.zip(windows) {
            window(top, bottom, y, index);
        }
    }
}

/// Two neighbouring pixels of two rows to one.
#[inline(always)]
fn window<N: Number>(top: &[N], bottom: &[N], y: &mut [N], index: &mut [u8]) {
    let (first, second) = top.split_at(y.len());
    let (third, fourth) = bottom.split_at(y.len());
    let four = first.iter().zip(second).zip(third.iter().zip(fourth));
    for ((y, index), ((first, second), (third, fourth))) in y.iter_mut().zip(index).zip(four) {
        // What wins is kept as it is: rounding what was widened would cost more than all the rest.
        let (mut kept, mut largest, mut winner) = (*first, first.widen(), 0);
        for (candidate, number) in [(1, second), (2, third), (3, fourth)] {
            let value = number.widen();
            // A NaN wins and stays, so that it is seen downstream instead of vanishing here. No branches: they would be mispredicted
            // as often as not.
            let wins = (value > largest) | (value.is_nan() & !largest.is_nan());
            largest = if wins { value } else { largest };
            kept = if wins { *number } else { kept };
            winner = if wins { candidate } else { winner };
        }
        (*y, *index) = (kept, winner);
    }
}

fn backward_host<N: Number>(mut args: HostArgs) {
    let Extents { h, w, c, .. } = args.params();
    let (h, w, c) = (h as usize, w as usize, c as usize);
    let (dy, index) = (args.input::<N>(0), args.reads[1]);
    let (oh, row) = (h / 2, w / 2 * c);
    team::each(args.output::<N>(0).par_chunks_mut(w * c).enumerate(), |(line, dx)| {
        let (n, y) = (line / h, line % h);
        if y / 2 == oh {
            return dx.fill(N::zeroed());
        }
        let at = (n * oh + y / 2) * row..(n * oh + y / 2 + 1) * row;
        lanes::run(
            args.level,
            BackwardRow { dy: &dy[at.clone()], index: &index[at], half: y as u8 % 2, channels: c, dx },
        );
    });
}

/// A row of x, the upper or the lower half of its windows.
struct BackwardRow<'a, N> {
    dy: &'a [N],
    index: &'a [u8],
    half: u8,
    channels: usize,
    dx: &'a mut [N],
}

impl<N: Number> Job for BackwardRow<'_, N> {
    #[inline(always)]
    fn run<V: Vector>(self, _: Simd<V>) {
        let (c, zero) = (self.channels, N::zeroed());
        let winners = (2 * self.half, 2 * self.half + 1);
        let (whole, rest) = self.dx.split_at_mut(2 * self.dy.len());
        rest.fill(zero);
        let windows = self.dy.chunks_exact(c).zip(self.index.chunks_exact(c));
        for (dx, (dy, index)) in whole.chunks_exact_mut(2 * c).zip(windows) {
            let (left, right) = dx.split_at_mut(c);
            for ((left, right), (dy, index)) in left.iter_mut().zip(right).zip(dy.iter().zip(index)) {
                *left = if *index == winners.0 { *dy } else { zero };
                *right = if *index == winners.1 { *dy } else { zero };
            }
        }
    }
}
