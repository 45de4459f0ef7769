//! Fully connected layer: `y[n,o] = bias[o] + sum over k of x[n,k] * w[o,k]`.
//!
//! x is flattened as it lies in memory, so w is `[o, c, h, w]` in memory OHWI, which files show as `[o, c*h*w]` channel-first.
//! The filter is by far the largest operand (fc5: 21 MB against 1.3 MB at batch 32), so no f32 host twin copies or repacks it.
//!
//! x and w are both f32 or both bf16; bias, dw and db are f32. With a bf16 x, y may be f32 (features and logits, which the losses
//! read), and dy is then f32 too: the gradients round it to bf16 in their workspace before they multiply.
//!
//! A product is cut along its depth into slices where one tile per block would leave the card idle (fc5 forward: 32 tiles, depth
//! 10,240). Each slice leaves f32 sums in the workspace; the launch after it adds the slices in order, then the bias.

use crate::backend::cpu::HostArgs;
use crate::backend::cpu::dots::{self, Rows};
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::team;
use crate::backend::{Kernel, Launch, Region};
use crate::error::Result;
use crate::ops::{
    Desc, Formats, Gradient, Io, Number, Op, Operand, Type, bf16, elementwise, flat, formats, mismatch, part, whole,
};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// Inputs: x, w, bias; output: y.
#[derive(Clone, Debug)]
pub struct Linear {
    /// The type of y: f32, or that of x.
    pub output: Type,
}

/// Gradient to x. Inputs: dy, w, x (for its shape alone); output: dx.
#[derive(Clone, Debug)]
pub struct LinearData;

/// Gradient to w and bias. Inputs: x, dy, w (for its shape alone); outputs: dw, db.
#[derive(Clone, Debug)]
pub struct LinearFilter;

static FORWARD: Formats = formats!("linear", "linear_forward", forward_host);
static DATA: Formats = formats!("linear", "linear_data", data_host);
static FILTER: Formats = formats!("linear", "linear_filter", filter_host);
static FINISH: Formats = formats!("linear", "linear_finish", finish_host);
static BIAS: Formats = formats!("linear", "linear_bias", bias_host);
static NARROW: Kernel = Kernel { room: "linear", entry: "linear_narrow", host: narrow_host };

/// A product of `[rows, depth]` and `[depth, columns]`, cut into slices of the depth.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Product {
    rows: u32,
    columns: u32,
    depth: u32,
    /// Depth of a slice, a multiple of [`DEPTH`].
    slice: u32,
    slices: u32,
}

/// Rows and columns of the tile that a block computes, and the depth that it takes at a time.
const TILE: usize = 64;
const DEPTH: usize = 32;
/// Blocks that keep the largest card busy: twice its 132 multiprocessors. No slice is thinner than [`THINNEST`].
const BUSY: usize = 264;
const THINNEST: usize = 256;

impl Product {
    fn new(rows: usize, columns: usize, depth: usize) -> Self {
        let tiles = rows.div_ceil(TILE) * columns.div_ceil(TILE);
        let wanted = (BUSY / tiles.max(1)).clamp(1, depth.div_ceil(THINNEST).max(1));
        let slice = depth.div_ceil(wanted).next_multiple_of(DEPTH);
        let slices = depth.div_ceil(slice);
        let extents = [rows, columns, depth, slice, slices].map(|extent| extent as u32);
        let [rows, columns, depth, slice, slices] = extents;
        Product { rows, columns, depth, slice, slices }
    }

    fn uncut(self) -> Self {
        Product { slice: self.depth.next_multiple_of(DEPTH as u32), slices: 1, ..self }
    }

    /// Bytes of the sums of all slices.
    fn bytes(&self) -> usize {
        4 * self.slices as usize * self.rows as usize * self.columns as usize
    }

    fn launch(self, kernel: &'static Kernel, reads: Vec<Region>, writes: Vec<Region>) -> Launch {
        let tiles = [self.rows, self.columns].map(|extent| extent.div_ceil(TILE as u32));
        let narrow = kernel.entry.ends_with("_bf16");
        Launch {
            kernel,
            grid: [tiles[0], tiles[1], self.slices],
            block: [if narrow { 128 } else { 256 }, 1, 1],
            shared: if narrow { SHARED } else { 0 },
            reads,
            writes,
            params: bytemuck::bytes_of(&self).to_vec(),
            flop: 2 * u64::from(self.rows) * u64::from(self.columns) * u64::from(self.depth),
            label: Default::default(),
            shapes: Default::default(),
        }
    }

    /// Adds the slices in order, and the bias where there is one.
    fn finish(self, dtype: Type, reads: Vec<Region>, out: Region) -> Launch {
        let elements = self.rows as usize * self.columns as usize;
        Launch {
            flop: u64::from(self.slices) * elements as u64,
            ..elementwise(FINISH.of(dtype), elements, reads, vec![out], self)
        }
    }
}

/// Shared memory of a bf16 product: three stages of two pieces of 64 rows of 32 numbers, each row padded by 16 bytes.
const SHARED: u32 = 3 * 2 * 64 * (32 * 2 + 16);

fn fits(x: &Desc, w: &Desc) -> bool {
    let same = (x.shape.c, x.shape.h, x.shape.w) == (w.shape.c, w.shape.h, w.shape.w);
    same && x.dtype.is_number() && x.dtype == w.dtype && x.shape.image() > 0
}

/// Whether this is what arrives as the gradient of y.
fn answers(dy: &Desc, x: &Desc, w: &Desc) -> bool {
    dy.shape == Shape::matrix(x.shape.n, w.shape.n) && (dy.dtype == x.dtype || dy.dtype == Type::F32)
}

/// dy as the products take it: itself, or rounded to bf16 by one more launch that writes it at `offset` of the workspace.
fn narrowed(io: &Io, dy: usize, wanted: Type, offset: usize) -> (Region, Option<Launch>) {
    let given = io.read(dy);
    if io.dtype(dy) == wanted {
        return (given, None);
    }
    let elements = io.input(dy).elements();
    let target = part(io.workspace, offset, 2 * elements);
    (target, Some(flat(&NARROW, elements, vec![given], vec![target], elements as u64)))
}

/// Bytes that [`narrowed`] needs.
fn narrowed_bytes(dy: &Desc, wanted: Type) -> usize {
    if dy.dtype == wanted { 0 } else { 2 * dy.shape.elements() }
}

impl Op for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, w, bias]
                if fits(x, w)
                    && *bias == Desc::f32(Shape::vector(w.shape.n))
                    && (self.output == Type::F32 || self.output == x.dtype) =>
            {
                Ok(vec![Desc { shape: Shape::matrix(x.shape.n, w.shape.n), dtype: self.output }])
            }
            _ => Err(mismatch(self, inputs, "x, w of its type with x's c, h, w, and one f32 bias per output")),
        }
    }

    fn workspace(&self, inputs: &[Desc], outputs: &[Desc]) -> usize {
        let (x, y) = (inputs[0].shape, outputs[0].shape);
        Product::new(x.n, y.c, x.image()).bytes() + 4 * y.elements()
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let (x, y) = (io.input(0), io.output(0));
        let product = Product::new(x.n, y.c, x.image());
        let first = product.launch(FORWARD.of(io.dtype(0)), vec![io.read(0), io.read(1)], vec![io.workspace]);
        vec![first, product.finish(self.output, vec![io.workspace, io.read(2)], io.write(0))]
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
            [dy, w, x] if fits(x, w) && answers(dy, x, w) => Ok(vec![*x]),
            _ => Err(mismatch(self, inputs, "dy, w, x")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        let (w, x) = (inputs[1].shape, inputs[2]);
        let product = Product::new(x.shape.n, x.shape.image(), w.n);
        whole(product.bytes()) + narrowed_bytes(&inputs[0], x.dtype)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let (w, x) = (io.input(1), io.input(2));
        let product = Product::new(x.n, x.image(), w.n);
        let (dy, narrow) = narrowed(io, 0, io.dtype(2), whole(product.bytes()));
        let sums = part(io.workspace, 0, product.bytes());
        let first = product.launch(DATA.of(io.dtype(1)), vec![dy, io.read(1)], vec![sums]);
        let second = product.finish(io.dtype(2), vec![sums, Region::ABSENT], io.write(0));
        narrow.into_iter().chain([first, second]).collect()
    }
}

impl Op for LinearFilter {
    fn name(&self) -> &'static str {
        "linear_filter"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, dy, w] if fits(x, w) && answers(dy, x, w) => {
                Ok(vec![w.of(Type::F32), Desc::f32(Shape::vector(w.shape.n))])
            }
            _ => Err(mismatch(self, inputs, "x, dy, w")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        narrowed_bytes(&inputs[1], inputs[0].dtype)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let (x, w) = (io.input(0), io.input(2));
        // The depth is the batch, which is never deep enough to be cut.
        let product = Product::new(w.n, x.image(), x.n).uncut();
        let (dy, narrow) = narrowed(io, 1, io.dtype(0), 0);
        let first = product.launch(FILTER.of(io.dtype(0)), vec![dy, io.read(0)], vec![io.write(0)]);
        let extents = Product::new(x.n, w.n, 1);
        let sums = elementwise(BIAS.of(io.dtype(1)), w.n, vec![io.read(1)], vec![io.write(1)], extents);
        let bias =
            Launch { grid: [(w.n as u32).div_ceil(32), 1, 1], block: [32, 8, 1], flop: (x.n * w.n) as u64, ..sums };
        narrow.into_iter().chain([first, bias]).collect()
    }
}

/// Outputs that one task computes.
const OUTPUTS: usize = 24;

/// The numbers in f32; those that are f32 stay where they lie.
fn wide<N: Number>(numbers: &[N]) -> Cow<'_, [f32]> {
    match bytemuck::try_cast_slice(numbers) {
        Ok(numbers) if N::TYPE == Type::F32 => Cow::Borrowed(numbers),
        _ => Cow::Owned(numbers.iter().map(|number| number.widen()).collect()),
    }
}

/// y transposed = w x^T: both are read where they lie, bf16 in half the bytes, which is what takes the time. The whole product becomes the
/// first slice; cutting the depth is the card's affair, and the host twin that adds the slices knows it.
fn forward_host<N: Number>(mut args: HostArgs) {
    let product: Product = args.params();
    let (n, k, o) = (product.rows as usize, product.depth as usize, product.columns as usize);
    let level = args.level;
    let (sums, transposed) = args.output::<f32>(0).split_at_mut(product.bytes() / 4);
    let tasks = transposed.par_chunks_mut(OUTPUTS * n).enumerate();
    if N::TYPE == Type::Bf16 && level.multiplies_bf16() && k.is_multiple_of(2) {
        let (x, w, words) = (args.input::<u32>(0), args.input::<u32>(1), k / 2);
        let blocks = dots::blocks(words, n);
        team::each(tasks, |(task, out)| {
            let rows = Rows { data: &w[task * OUTPUTS * words..], stride: words, count: out.len() / n };
            dots::multiply_pairs(level, rows, x, &blocks, n, out);
        });
    } else {
        let (x, w) = (wide(args.input::<N>(0)), wide(args.input::<N>(1)));
        let blocks = dots::blocks(k, n);
        team::each(tasks, |(task, out)| {
            let rows = Rows { data: &w[task * OUTPUTS * k..], stride: k, count: out.len() / n };
            dots::multiply(level, rows, &x, &blocks, n, out);
        });
    }
    turn(transposed, (n, o), sums);
}

/// `sums[n][o]` from `transposed[o][n]`.
fn turn(transposed: &[f32], (n, o): (usize, usize), sums: &mut [f32]) {
    for (row, sums) in sums.chunks_exact_mut(o).take(n).enumerate() {
        sums.iter_mut().enumerate().for_each(|(output, sum)| *sum = transposed[output * n + row]);
    }
}

/// dx = dy w, a piece of the columns to each task; w's rows are the right matrix, read in place.
fn data_host<N: Number>(mut args: HostArgs) {
    let product: Product = args.params();
    let (n, k, o) = (product.rows as usize, product.columns as usize, product.depth as usize);
    let (dy, w) = (wide(args.input::<N>(0)), wide(args.input::<N>(1)));
    team::each(args.output::<f32>(0)[..n * k].par_chunks_mut(OUTPUTS * k).enumerate(), |(task, dx)| {
        let first = task * OUTPUTS;
        let rows = OUTPUTS.min(n - first);
        let left = Left { data: &dy[first * o..], row_stride: o, depth_stride: 1 };
        whole_and_rest(args.level, Extent { rows, depth: o, panels: k / PANEL }, left, &w, k, dx);
    });
}

/// The first slice, which holds the whole product on the host, plus the bias.
fn finish_host<N: Number>(mut args: HostArgs) {
    let columns = args.params::<Product>().columns as usize;
    let (sums, bias) = (args.input::<f32>(0), args.input::<f32>(1));
    let out = args.output::<N>(0);
    for (out, sums) in out.chunks_exact_mut(columns).zip(sums.chunks_exact(columns)) {
        if bias.is_empty() {
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = N::round(*sum));
        } else {
            out.iter_mut().zip(sums).zip(bias).for_each(|((out, sum), bias)| *out = N::round(sum + bias));
        }
    }
}

/// dw = dy^T x; both small matrices are read in place.
fn filter_host<N: Number>(mut args: HostArgs) {
    let product: Product = args.params();
    let (n, k, o) = (product.depth as usize, product.columns as usize, product.rows as usize);
    let (dy, x) = (wide(args.input::<N>(0)), wide(args.input::<N>(1)));
    team::each(args.output::<f32>(0).par_chunks_mut(OUTPUTS * k).enumerate(), |(task, dw)| {
        let rows = dw.len() / k;
        let left = Left { data: &dy[task * OUTPUTS..], row_stride: 1, depth_stride: o };
        whole_and_rest(args.level, Extent { rows, depth: n, panels: k / PANEL }, left, &x, k, dw);
    });
}

/// db = column sums of dy.
fn bias_host<N: Number>(mut args: HostArgs) {
    let columns = args.params::<Product>().columns as usize;
    let (dy, db) = (args.input::<N>(0), args.output::<f32>(0));
    db.fill(0.0);
    for dy in dy.chunks_exact(columns) {
        db.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy.widen());
    }
}

fn narrow_host(mut args: HostArgs) {
    let (dy, out) = (args.input::<f32>(0), args.output::<bf16>(0));
    out.iter_mut().zip(dy).for_each(|(out, dy)| *out = bf16::round(*dy));
}

/// `out = left * right` for a row-major right matrix `columns` wide: whole panels by tiles, the last few columns by plain sums.
fn whole_and_rest(level: Level, extent: Extent, left: Left, right: &[f32], columns: usize, out: &mut [f32]) {
    gemm::multiply(level, extent, left, Right::in_place(right, columns), out, columns, false);
    for (row, out) in out.chunks_exact_mut(columns).enumerate() {
        for (column, out) in out.iter_mut().enumerate().skip(extent.panels * PANEL) {
            let at = |depth: usize| left.data[row * left.row_stride + depth * left.depth_stride];
            *out = (0..extent.depth).map(|depth| at(depth) * right[depth * columns + column]).sum();
        }
    }
}
