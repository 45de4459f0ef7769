//! Convolution forward, with bias, PReLU and the residual sum in its epilogue.

use super::cost::{self, Algorithm, Job};
use super::entries::{Choice, Entries, Walk};
use super::epilogue::{GradientTail, Operands, Sums, Tail, Written, for_pieces};
use super::few_outputs;
use super::narrow;
use super::wide::{Wide, widen};
use super::windows;
use super::winograd::Correlation;
use super::{
    ConvData, ConvFilter, EPILOGUE_ADD, EPILOGUE_BIAS, EPILOGUE_KEEP, EPILOGUE_PRELU, Geometry, block_rows, gather,
    locate, output_extent,
};
use crate::backend::cpu::dots::{self, Block, Rows};
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::team;
use crate::backend::cpu::{HostArgs, Scratch};
use crate::backend::{Launch, Region};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Gradient, Io, Number, Op, Operand, Type, bf16, mismatch};
use crate::shape::Shape;
use rayon::prelude::*;
use std::sync::Arc;

/// Convolution. Inputs: x, w, then bias, slope, residual as far as the flags say; outputs: y, then with `keep` the value before
/// PReLU.
#[derive(Clone, Debug)]
pub struct Conv {
    pub stride: usize,
    pub pad: usize,
    /// Input 2 is a bias per output channel.
    pub bias: bool,
    /// The next input is a PReLU slope per output channel.
    pub prelu: bool,
    /// The last input is added at the very end.
    pub add: bool,
    /// Output 1 is the value before PReLU.
    pub keep: bool,
}

const NAMES: [&str; 5] = [
    "conv_forward",
    "conv_forward_bf16",
    "conv_forward_bf16_thin_input",
    "conv_forward_bf16_thin_output",
    "conv_forward_bf16_any",
];

pub(super) static FORWARD: Entries = Entries::new(NAMES, forward_host::<f32>, narrow::forward_host);

/// The same kernels as gradients, which the cpu computes in f32 always.
pub(super) static GRADIENT: Entries = Entries::new(NAMES, forward_host::<f32>, forward_host::<bf16>);

impl Conv {
    /// A plain convolution, as models build it; the planner adds epilogues.
    pub fn new(stride: usize, pad: usize, bias: bool) -> Self {
        Conv { stride, pad, bias, prelu: false, add: false, keep: false }
    }

    fn flags(&self) -> u32 {
        [(self.bias, EPILOGUE_BIAS), (self.prelu, EPILOGUE_PRELU), (self.add, EPILOGUE_ADD), (self.keep, EPILOGUE_KEEP)]
            .iter()
            .map(|(on, bit)| if *on { *bit } else { 0 })
            .sum()
    }
}

impl Op for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let wrong = |wanted: &str| mismatch(self, inputs, wanted);
        let expected = 2 + usize::from(self.bias) + usize::from(self.prelu) + usize::from(self.add);
        let wanted = "x, w, bias, slope and residual, as far as the flags say; bias and slope f32, the others all f32 or all bf16";
        if inputs.len() != expected || !inputs[0].dtype.is_number() || inputs[1].dtype != inputs[0].dtype {
            return Err(wrong(wanted));
        }
        let (x, w) = (inputs[0].shape, inputs[1].shape);
        let extents = (output_extent(x.h, w.h, self.stride, self.pad), output_extent(x.w, w.w, self.stride, self.pad));
        let (Some(oh), Some(ow), true) = (extents.0, extents.1, x.c == w.c) else {
            return Err(wrong("the filter must have x's channels and fit into the padded picture"));
        };
        let y = Shape::new(x.n, w.n, oh, ow);
        let vectors = usize::from(self.bias) + usize::from(self.prelu);
        if inputs[2..2 + vectors].iter().any(|desc| *desc != Desc::f32(Shape::vector(w.n))) {
            return Err(wrong("bias and slope hold one f32 per output channel"));
        }
        let y = Desc { shape: y, ..inputs[0] };
        if self.add && inputs[expected - 1] != y {
            return Err(wrong("the residual has the shape and the type of the output"));
        }
        y.shape.checked_elements()?;
        Ok(vec![y; 1 + usize::from(self.keep)])
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        forward_workspace(inputs[1])
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let geometry = Geometry::new(io.input(0), io.input(1), io.output(0), self.stride, self.pad, self.flags());
        let mut next = 2;
        let mut optional = |present: bool| {
            let region = if present { io.read(next) } else { Region::ABSENT };
            next += usize::from(present);
            region
        };
        let (bias, slope, residual) = (optional(self.bias), optional(self.prelu), optional(self.add));
        let [z, dslope, dbias] = [Region::ABSENT; 3];
        let operands = Operands { residual, z, slope, before: io.write(1), dslope, dbias };
        vec![forward_launch(&FORWARD, geometry, io, bias, &operands, io.workspace, [Region::ABSENT; 2])]
    }

    // y = x * w + b:  dx = dy (*) w,  dw = x (*) dy,  db = sum of dy
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let mut gradient = Gradient { emitted: Vec::new(), of_input: vec![None; needed.len()] };
        if needed[0] {
            let data = ConvData::new(self.stride, self.pad);
            gradient.of_input[0] = Some(Operand::Emitted(0, 0));
            gradient.emitted.push((Arc::new(data), vec![Operand::Upstream(0), Operand::Input(1), Operand::Input(0)]));
        }
        if needed[1..].contains(&true) {
            let index = gradient.emitted.len();
            let filter = ConvFilter { stride: self.stride, pad: self.pad, bias: self.bias };
            let operands = vec![Operand::Input(0), Operand::Upstream(0), Operand::Input(1)];
            gradient.emitted.push((Arc::new(filter), operands));
            gradient.of_input[1] = Some(Operand::Emitted(index, 0));
            if self.bias {
                gradient.of_input[2] = Some(Operand::Emitted(index, 1));
            }
        }
        gradient
    }

    fn absorb(&self, tail: Epilogue, keep: bool) -> Option<Arc<dyn Op>> {
        let plain = !self.prelu && !self.add;
        match tail {
            Epilogue::Prelu if plain => Some(Arc::new(Conv { prelu: true, keep, ..self.clone() })),
            Epilogue::Add if !self.add && !keep => Some(Arc::new(Conv { add: true, ..self.clone() })),
            _ => None,
        }
    }
}

/// The one launch of a convolution forward. Blocks leave sums over pixels in `partials`, where the epilogue makes any.
pub(super) fn forward_launch(
    entries: &'static Entries,
    geometry: Geometry,
    io: &Io,
    bias: Region,
    operands: &Operands,
    workspace: Region,
    partials: [Region; 2],
) -> Launch {
    let Choice { kernel, grid, block, shared } = Walk::forward(&geometry).choose(entries, io.dtype(0));
    Launch {
        kernel,
        grid,
        block,
        shared,
        reads: vec![io.read(0), io.read(1), bias, operands.slope, operands.residual, operands.z],
        writes: vec![io.write(0), operands.before, workspace, partials[0], partials[1]],
        params: bytemuck::bytes_of(&geometry).to_vec(),
        flop: geometry.flop(),
        label: Default::default(),
        shapes: Default::default(),
    }
}

/// The sums over pixels that a gradient makes which is a convolution forward.
pub(super) fn forward_sums(geometry: &Geometry, dtype: Type, tail: &GradientTail) -> Sums {
    Sums::new(tail, Walk::forward(geometry).choose(&FORWARD, dtype).grid, geometry.o as usize)
}

/// Bytes for the filter packed on the cpu.
pub(super) fn forward_workspace(filter: Desc) -> usize {
    4 * gemm::packed_len(filter.shape.image(), filter.shape.n)
}

/// Computes in f32, whatever the tensors are.
pub(super) fn forward_host<T: Number>(mut args: HostArgs) {
    let g: Geometry = args.params();
    let [x, w, residual, z] = [0, 1, 4, 5].map(|read| widen(args.input::<T>(read)));
    let tail = Tail { bias: args.input(2), slope: args.input(3), residual: &residual, z: &z };
    let (mut y, mut before) = (Wide::new(args.output::<T>(0)), Wide::new(args.output::<T>(1)));
    let [packed, slopes, biases] = [2, 3, 4].map(|write| args.output::<f32>(write));
    let whole = Written { y: y.f32(), before: before.f32(), slopes, biases };
    match cost::algorithm(Job::Forward, &g) {
        Algorithm::Winograd(tile) => {
            Correlation::forward(&g, tile, &w, tail, (args.level, args.scratch)).run(&x, whole);
        }
        Algorithm::FewPixels => few_pixels(&g, (&x, &w), tail, (args.level, args.scratch), whole),
        Algorithm::FewOutputs => few_outputs(&g, (&x, &w), tail, (args.level, args.scratch), whole),
        Algorithm::Windows => {
            let Written { y, before, .. } = whole;
            let whole = Written { y, before, ..Written::default() };
            windows::run(&g, (&x, &w), (tail.bias, tail.slope, tail.residual), args.level, whole);
        }
        _ => multiply(&g, (&x, &w, packed), tail, args.level, whole),
    }
    y.finish();
    before.finish();
}

/// Outputs that one task computes.
pub(super) const OUTPUTS: usize = 32;

/// As inner products of the filter and the pixels, both where they lie: every tap with the pixels that it reaches.
fn few_pixels(g: &Geometry, (x, w): (&[f32], &[f32]), tail: Tail, (level, scratch): (Level, &Scratch), whole: Written) {
    let (depth, channels, pixels) = ((g.kh * g.kw * g.c) as usize, g.o as usize, (g.n * g.oh * g.ow) as usize);
    let blocks = tap_blocks(g, g.c as usize);
    scratch.of_launch(pixels * channels, |products| {
        team::each(products.par_chunks_mut(OUTPUTS * pixels).enumerate(), |(task, out)| {
            let rows = Rows { data: &w[task * OUTPUTS * depth..], stride: depth, count: out.len() / pixels };
            dots::multiply(level, rows, x, &blocks, pixels, out);
        });
        finish_columns((products, pixels), tail, (pixels, channels), whole);
    });
}

/// Finishes products whose rows, `stride` apart, are channels and whose columns are pixels.
fn finish_columns((products, stride): (&[f32], usize), tail: Tail, (pixels, channels): (usize, usize), whole: Written) {
    for_pieces(whole, (pixels, channels), |_, to| {
        let mut sums = vec![0.0; channels];
        for pixel in 0..pixels {
            sums.iter_mut().zip(products.chunks_exact(stride)).for_each(|(sum, row)| *sum = row[pixel]);
            tail.finish(&sums, pixel * channels, to.pixel(pixel, channels));
        }
    });
}

/// Blocks for every tap and every piece of the channels, of which a pixel has `c` (f32, or words of two bf16): the pixels of y whose product
/// with it is not with the zeros around x, and the pixels of x that these read. A piece goes through all taps before the next one comes.
pub(super) fn tap_blocks(g: &Geometry, c: usize) -> Vec<Block> {
    let [h, w, stride, pad] = [g.h, g.w, g.stride, g.pad].map(|extent| extent as usize);
    let read = |at: usize, tap: usize, extent: usize| (at * stride + tap).checked_sub(pad).filter(|at| *at < extent);
    let block = |piece: usize, tap: usize| {
        let (p, q) = (tap / g.kw as usize, tap % g.kw as usize);
        let pixels = 0..(g.n * g.oh * g.ow) as usize;
        let columns = pixels.filter_map(|pixel| {
            let (n, i, j) = locate(pixel, g.oh as usize, g.ow as usize);
            Some((pixel, ((n * h + read(i, p, h)?) * w + read(j, q, w)?) * c + piece))
        });
        Block { depth: tap * c + piece..tap * c + c.min(piece + dots::DEPTH), columns: columns.collect() }
    };
    let taps = 0..(g.kh * g.kw) as usize;
    (0..c)
        .step_by(dots::DEPTH)
        .flat_map(|piece| taps.clone().map(move |tap| (piece, tap)))
        .map(|(piece, tap)| block(piece, tap))
        .collect()
}

/// As one matrix product of the pixels, which are read where they lie, and the filters of all taps.
fn few_outputs(
    g: &Geometry,
    (x, w): (&[f32], &[f32]),
    tail: Tail,
    (level, scratch): (Level, &Scratch),
    whole: Written,
) {
    let (c, columns, row) = (g.c as usize, few_outputs::columns(g), (g.w * g.c) as usize);
    let extent = Extent { rows: g.w as usize, depth: c, panels: gemm::panels(columns) };
    let mut packed = vec![0.0; gemm::packed_len(c, columns)];
    gemm::pack_columns(&few_outputs::by_taps(g, w, c), columns, c, &mut packed);
    few_outputs::run(g, tail, whole, (level, scratch), |line, out| {
        let left = Left { data: &x[line * row..], row_stride: c, depth_stride: 1 };
        gemm::multiply(level, extent, left, Right::packed(&packed, c), out, extent.panels * PANEL, false);
    });
}

/// As one matrix product whose left matrix is gathered.
fn multiply(g: &Geometry, (x, w, packed): (&[f32], &[f32], &mut [f32]), tail: Tail, level: Level, whole: Written) {
    let (depth, channels) = ((g.kh * g.kw * g.c) as usize, g.o as usize);
    let packed = &mut packed[..gemm::packed_len(depth, channels)];
    gemm::pack_columns(w, channels, depth, packed);
    let (rows, width) = (block_rows(depth), gemm::panels(channels) * PANEL);
    let right = Right::packed(packed, depth);
    for_pieces(whole, (rows, channels), |piece, to| {
        let first = piece * rows;
        let count = to.y.len() / channels;
        let mut left = vec![0.0; count * depth];
        let mut sums = vec![0.0; count * width];
        for (row, left) in left.chunks_exact_mut(depth).enumerate() {
            gather(g, x, locate(first + row, g.oh as usize, g.ow as usize), 0..depth, left);
        }
        let extent = Extent { rows: count, depth, panels: gemm::panels(channels) };
        let left = Left { data: &left, row_stride: depth, depth_stride: 1 };
        gemm::multiply(level, extent, left, right, &mut sums, width, false);
        for (row, sums) in sums.chunks_exact(width).enumerate() {
            tail.finish(sums, (first + row) * channels, to.pixel(row, channels));
        }
    });
}
