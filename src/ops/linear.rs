//! Fully connected layer: `y[n,o] = bias[o] + sum over k of x[n,k] * w[o,k]`.
//!
//! x is flattened as it lies in memory, so w is `[o, c, h, w]` in memory OHWI, which files show as `[o, c*h*w]` channel-first.
//! The filter is by far the largest operand (fc5: 21 MB against 1.3 MB at batch 32), so no kernel copies or repacks it.

use crate::backend::cpu::HostArgs;
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::sync::Arc;

/// Inputs: x, w, bias; output: y.
#[derive(Clone, Debug)]
pub struct Linear;

/// Gradient to x. Inputs: dy, w, x (for its shape alone); output: dx.
#[derive(Clone, Debug)]
pub struct LinearData;

/// Gradient to w and bias. Inputs: x, dy, w (for its shape alone); outputs: dw, db.
#[derive(Clone, Debug)]
pub struct LinearFilter;

static FORWARD: Kernel = Kernel { room: "linear", entry: "linear_forward", host: forward_host };
static DATA: Kernel = Kernel { room: "linear", entry: "linear_data", host: data_host };
static FILTER: Kernel = Kernel { room: "linear", entry: "linear_filter", host: filter_host };

/// Rows, depth and outputs of the layer.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Extents {
    n: u32,
    k: u32,
    o: u32,
}

impl Extents {
    fn new(x: Shape, y: Shape) -> Self {
        Extents { n: x.n as u32, k: x.image() as u32, o: y.c as u32 }
    }

    fn launch(self, kernel: &'static Kernel, tiles: [u32; 2], io: &Io, reads: usize) -> Launch {
        let mut writes: Vec<_> = (0..io.outputs.len()).map(|index| io.write(index)).collect();
        writes.push(io.workspace);
        Launch {
            kernel,
            grid: [tiles[0].div_ceil(64), tiles[1].div_ceil(64), 1],
            block: [128, 1, 1],
            shared: 0,
            reads: (0..reads).map(|index| io.read(index)).collect(),
            writes,
            params: bytemuck::bytes_of(&self).to_vec(),
            flop: 2 * u64::from(self.n) * u64::from(self.k) * u64::from(self.o),
        }
    }
}

fn fits(x: &Desc, w: &Desc) -> bool {
    let same = (x.shape.c, x.shape.h, x.shape.w) == (w.shape.c, w.shape.h, w.shape.w);
    same && x.dtype == Type::F32 && w.dtype == Type::F32 && x.shape.image() > 0
}

fn rows(x: &Desc, w: &Desc) -> Desc {
    Desc::f32(Shape::matrix(x.shape.n, w.shape.n))
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, w, bias] if fits(x, w) && *bias == Desc::f32(Shape::vector(w.shape.n)) => Ok(vec![rows(x, w)]),
            _ => Err(mismatch(self, inputs, "x, w with x's c, h, w, and one bias per output")),
        }
    }

    fn workspace(&self, inputs: &[Desc], outputs: &[Desc]) -> usize {
        let (x, y) = (inputs[0].shape, outputs[0].shape);
        4 * (gemm::packed_len(x.image(), x.n) + y.c * gemm::panels(x.n) * PANEL)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let extents = Extents::new(io.input(0), io.output(0));
        vec![extents.launch(&FORWARD, [extents.n, extents.o], io, 3)]
    }

    // dx = dy w,  dw = dy^T x,  db = sum of dy
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let mut gradient = Gradient { emitted: Vec::new(), of_input: vec![None; 3] };
        if needed[0] {
            let operands = vec![Operand::Upstream(0), Operand::Input(1), Operand::Input(0)];
            gradient.emitted.push((Arc::new(LinearData), operands));
            gradient.of_input[0] = Some(Operand::Emitted(0, 0));
        }
        if needed[1] || needed[2] {
            let index = gradient.emitted.len();
            let operands = vec![Operand::Input(0), Operand::Upstream(0), Operand::Input(1)];
            gradient.emitted.push((Arc::new(LinearFilter), operands));
            gradient.of_input[1] = Some(Operand::Emitted(index, 0));
            gradient.of_input[2] = Some(Operand::Emitted(index, 1));
        }
        gradient
    }
}

impl Op for LinearData {
    fn name(&self) -> &'static str {
        "linear_data"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [dy, w, x] if fits(x, w) && *dy == rows(x, w) => Ok(vec![*x]),
            _ => Err(mismatch(self, inputs, "dy, w, x")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let extents = Extents::new(io.output(0), io.input(0));
        vec![extents.launch(&DATA, [extents.n, extents.k], io, 2)]
    }
}

impl Op for LinearFilter {
    fn name(&self) -> &'static str {
        "linear_filter"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, dy, w] if fits(x, w) && *dy == rows(x, w) => Ok(vec![*w, Desc::f32(Shape::vector(w.shape.n))]),
            _ => Err(mismatch(self, inputs, "x, dy, w")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let extents = Extents::new(io.input(0), io.input(1));
        vec![extents.launch(&FILTER, [extents.o, extents.k], io, 2)]
    }
}

/// Outputs that one task computes.
const OUTPUTS: usize = 24;

/// y transposed = w x^T: the filter is the left matrix and is read where it lies; x, which is small, is packed.
fn forward_host(mut args: HostArgs) {
    let Extents { n, k, o } = args.params();
    let (n, k, o) = (n as usize, k as usize, o as usize);
    let (x, w, bias) = (args.input::<f32>(0), args.input::<f32>(1), args.input::<f32>(2));
    let [y, scratch] = args.outputs::<f32, 2>();
    let (packed, transposed) = scratch.split_at_mut(gemm::packed_len(k, n));
    gemm::pack_columns(x, n, k, packed);
    let width = gemm::panels(n) * PANEL;
    let right = Right::packed(packed, k);
    transposed.par_chunks_mut(OUTPUTS * width).enumerate().for_each(|(task, out)| {
        let extent = Extent { rows: out.len() / width, depth: k, panels: gemm::panels(n) };
        let left = Left { data: &w[task * OUTPUTS * k..], row_stride: k, depth_stride: 1 };
        gemm::multiply(args.level, extent, left, right, out, width, false);
    });
    for (row, y) in y.chunks_exact_mut(o).enumerate() {
        for (output, y) in y.iter_mut().enumerate() {
            *y = transposed[output * width + row] + bias[output];
        }
    }
}

/// dx = dy w, a piece of the columns to each task; w's rows are the right matrix, read in place.
fn data_host(mut args: HostArgs) {
    let Extents { n, k, o } = args.params();
    let (n, k, o) = (n as usize, k as usize, o as usize);
    let (dy, w) = (args.input::<f32>(0), args.input::<f32>(1));
    let [dx, _] = args.outputs::<f32, 2>();
    dx.par_chunks_mut(OUTPUTS * k).enumerate().for_each(|(task, dx)| {
        let first = task * OUTPUTS;
        let rows = OUTPUTS.min(n - first);
        let left = Left { data: &dy[first * o..], row_stride: o, depth_stride: 1 };
        whole_and_rest(args.level, Extent { rows, depth: o, panels: k / PANEL }, left, w, k, dx);
    });
}

/// dw = dy^T x and db = column sums of dy; both small matrices are read in place.
fn filter_host(mut args: HostArgs) {
    let Extents { n, k, o } = args.params();
    let (n, k, o) = (n as usize, k as usize, o as usize);
    let (x, dy) = (args.input::<f32>(0), args.input::<f32>(1));
    let [dw, db, _] = args.outputs::<f32, 3>();
    dw.par_chunks_mut(OUTPUTS * k).enumerate().for_each(|(task, dw)| {
        let rows = dw.len() / k;
        let left = Left { data: &dy[task * OUTPUTS..], row_stride: 1, depth_stride: o };
        whole_and_rest(args.level, Extent { rows, depth: n, panels: k / PANEL }, left, x, k, dw);
    });
    db.fill(0.0);
    for dy in dy.chunks_exact(o) {
        db.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
    }
}

/// `out = left * right` for a row-major right matrix `columns` wide: whole panels by tiles, the last few columns by plain sums.
fn whole_and_rest(
    level: crate::backend::cpu::simd::Level,
    extent: Extent,
    left: Left,
    right: &[f32],
    columns: usize,
    out: &mut [f32],
) {
    gemm::multiply(level, extent, left, Right::in_place(right, columns), out, columns, false);
    for (row, out) in out.chunks_exact_mut(columns).enumerate() {
        for (column, out) in out.iter_mut().enumerate().skip(extent.panels * PANEL) {
            let at = |depth: usize| left.data[row * left.row_stride + depth * left.depth_stride];
            *out = (0..extent.depth).map(|depth| at(depth) * right[depth * columns + column]).sum();
        }
    }
}
