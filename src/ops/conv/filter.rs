//! Gradient of a convolution to its filter and bias.
//!
//! `dw[o,c,p,q] = sum over n,i,j of dy[n,o,i,j] * x[n,c,i*stride+p-pad,j*stride+q-pad]`, `db[o] = sum over n,i,j of dy[n,o,i,j]`.
//!
//! The sum over pixels is cut into chunks by the shapes alone; every chunk writes partial sums of its own, which are added in
//! order. So the bits depend neither on the number of threads nor on who finishes first.

use super::cost::{self, Algorithm, Job};
use super::wide::widen;
use super::winograd::FilterGradient;
use super::{Conv, EPILOGUE_BIAS, Geometry, gather, locate};
use crate::backend::cpu::HostArgs;
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::cpu::team;
use crate::backend::{Dim, Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Io, Number, Op, Type, bf16, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::sync::Arc;

/// Gradient to filter and bias. Inputs: x, dy, both f32 or both bf16, and w in either format (for its shape alone); outputs: dw, then
/// with `bias` db, always f32, because they are sums that go to the f32 master weights.
#[derive(Clone, Debug)]
pub struct ConvFilter {
    pub stride: usize,
    pub pad: usize,
    pub bias: bool,
}

static FILTER: Kernel = Kernel { room: "conv", entry: "conv_filter", host: filter_host::<f32> };
static FILTER_BF16: Kernel = Kernel { room: "conv", entry: "conv_filter_bf16", host: filter_host::<bf16> };
static FILTER_BF16_ANY_X: Kernel = Kernel { room: "conv", entry: "conv_filter_bf16_any_x", host: filter_host::<bf16> };
static FILTER_BF16_ANY_DY: Kernel =
    Kernel { room: "conv", entry: "conv_filter_bf16_any_dy", host: filter_host::<bf16> };
static FILTER_BF16_ANY: Kernel = Kernel { room: "conv", entry: "conv_filter_bf16_any", host: filter_host::<bf16> };
static REDUCE: Kernel = Kernel { room: "conv", entry: "conv_filter_reduce", host: reduce_host };

/// The kernel, its threads and its shared memory: bf16 is copied 16 bytes at a time where its channels come in eights.
fn choose(dtype: Type, w: Shape) -> (&'static Kernel, u32, u32) {
    if dtype != Type::Bf16 {
        return (&FILTER, 128, 8_192);
    }
    let kernel = match (w.c.is_multiple_of(8), w.n.is_multiple_of(8)) {
        (true, true) => &FILTER_BF16,
        (false, true) => &FILTER_BF16_ANY_X,
        (true, false) => &FILTER_BF16_ANY_DY,
        (false, false) => &FILTER_BF16_ANY,
    };
    (kernel, 256, 36_864)
}

/// What both launches take by value. The cpu cuts by [`Cut`] instead of the chunks that are given here.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct FilterParams {
    geometry: Geometry,
    /// Chunks of pixels of y on a card, each with partial sums of its own.
    chunks: u32,
    /// Pixels of one of them.
    chunk_pixels: u32,
}

const _: () = assert!(size_of::<FilterParams>() == 56);

/// Pixels gathered at a time: with 576 taps x channels they take 144 KB.
const PIXELS: usize = 64;

impl Op for ConvFilter {
    fn name(&self) -> &'static str {
        "conv_filter"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let wrong =
            || mismatch(self, inputs, "x and dy of one type, f32 or bf16; dy is the shape of x convolved with w");
        let [x, dy, w] = inputs else { return Err(wrong()) };
        // An error of the forward op would name that one, not this.
        match Conv::new(self.stride, self.pad, false).infer(&[*x, w.of(x.dtype)]).as_deref() {
            Ok([y]) if y == dy && w.dtype.is_number() => {}
            _ => return Err(wrong()),
        }
        let bias = self.bias.then_some(Desc::f32(Shape::vector(w.shape.n)));
        Ok([w.of(Type::F32)].into_iter().chain(bias).collect())
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        let (dy, w) = (inputs[1].shape, inputs[2].shape);
        let split = Split::new(inputs[1].dtype, dy.pixels(), w);
        let geometry = Geometry::new(inputs[0].shape, w, dy, self.stride, self.pad, 0);
        let host = if matches!(cost::algorithm(Job::Filter, &geometry), Algorithm::Winograd(_)) {
            FilterGradient::new(&geometry).partials()
        } else {
            Cut::new(dy.pixels(), w.image()).partials(w.n)
        };
        4 * host.max(split.chunks * (w.elements() + w.n))
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let (w, dy) = (io.input(2), io.input(1));
        let flags = if self.bias { EPILOGUE_BIAS } else { 0 };
        let geometry = Geometry::new(io.input(0), w, dy, self.stride, self.pad, flags);
        let split = Split::new(io.dtype(0), dy.pixels(), w);
        let (chunks, chunk_pixels) = (split.chunks as u32, split.pixels as u32);
        let params = bytemuck::bytes_of(&FilterParams { geometry, chunks, chunk_pixels }).to_vec();
        let (kernel, threads, shared) = choose(io.dtype(0), w);
        vec![
            Launch {
                kernel,
                grid: split.grid,
                block: [threads, 1, 1],
                shared,
                reads: vec![io.read(0), io.read(1)],
                writes: vec![io.workspace],
                params: params.clone(),
                flop: geometry.flop(),
                label: Default::default(),
                shapes: Default::default(),
            },
            Launch {
                kernel: &REDUCE,
                grid: [(w.elements() + w.n).div_ceil(256) as u32, 1, 1],
                block: [256, 1, 1],
                shared: 0,
                reads: vec![io.workspace],
                writes: vec![io.write(0), io.write(1)],
                params,
                flop: 0,
                label: Default::default(),
                shapes: Default::default(),
            },
        ]
    }

    fn without_sums(&self) -> Option<Arc<dyn Op>> {
        self.bias.then(|| Arc::new(ConvFilter { bias: false, ..self.clone() }) as _)
    }
}

/// How the work is cut on a card: tiles of the filter, and chunks of pixels so that all multiprocessors have something to do.
/// By the shapes alone, so that every card of one architecture adds in the same order.
struct Split {
    grid: Dim,
    chunks: usize,
    pixels: usize,
}

impl Split {
    /// Blocks that fill the largest cards twice over.
    const BLOCKS: usize = 264;

    fn new(dtype: Type, pixels: usize, w: Shape) -> Self {
        let columns = w.image().div_ceil(if dtype == Type::Bf16 { 128 } else { 64 });
        let rows = w.n.div_ceil(64);
        let chunks = (Self::BLOCKS / (columns * rows)).min(pixels.div_ceil(4 * PIXELS)).max(1);
        // Whole slices of pixels, of which a block takes 32 at a time.
        let per_chunk = pixels.div_ceil(chunks).next_multiple_of(32);
        let chunks = pixels.div_ceil(per_chunk);
        Split { grid: [columns as u32, rows as u32, chunks as u32], chunks, pixels: per_chunk }
    }
}

/// How a filter gradient is cut: the taps into pieces of a whole number of panels, the pixels into chunks.
struct Cut {
    /// Taps x channels of one piece, a multiple of the panel.
    width: usize,
    pieces: usize,
    chunks: usize,
    /// Pixels of one chunk.
    pixels: usize,
}

impl Cut {
    fn new(pixels: usize, depth: usize) -> Self {
        let pieces = depth.div_ceil(640);
        let width = gemm::panels(depth.div_ceil(pieces)) * PANEL;
        let pieces = depth.div_ceil(width);
        let chunks = 16usize.div_ceil(pieces).min(pixels.div_ceil(4 * PIXELS)).max(1);
        let per_chunk = pixels.div_ceil(chunks);
        Cut { width, pieces, chunks: pixels.div_ceil(per_chunk), pixels: per_chunk }
    }

    /// f32 of all partial sums: a block of the filter gradient and one of the bias gradient for every task.
    fn partials(&self, outputs: usize) -> usize {
        self.chunks * self.pieces * self.task(outputs)
    }

    /// f32 of one task's partial sums.
    fn task(&self, outputs: usize) -> usize {
        outputs * (self.width + 1)
    }
}

/// The partial sums of every task.
fn filter_host<T: Number>(mut args: HostArgs) {
    let g = args.params::<FilterParams>().geometry;
    let (x, dy) = (widen(args.input::<T>(0)), widen(args.input::<T>(1)));
    if matches!(cost::algorithm(Job::Filter, &g), Algorithm::Winograd(_)) {
        let (device, bias) = ((args.level, args.scratch), g.has(EPILOGUE_BIAS));
        return FilterGradient::new(&g).run(&x, &dy, bias, device, args.output(0));
    }
    let (depth, outputs) = ((g.kh * g.kw * g.c) as usize, g.o as usize);
    let cut = Cut::new((g.n * g.oh * g.ow) as usize, depth);
    let partials = &mut args.output::<f32>(0)[..cut.partials(outputs)];
    team::each(partials.par_chunks_exact_mut(cut.task(outputs)).enumerate(), |(task, partial)| {
        let (chunk, piece) = (task / cut.pieces, task % cut.pieces);
        let (filter, bias) = partial.split_at_mut(outputs * cut.width);
        let taps = piece * cut.width..((piece + 1) * cut.width).min(depth);
        let pixels = chunk * cut.pixels..((chunk + 1) * cut.pixels).min((g.n * g.oh * g.ow) as usize);
        filter_task(&g, &x, &dy, &cut, (taps, pixels.clone()), args.level, filter);
        if piece == 0 && g.has(EPILOGUE_BIAS) {
            bias.fill(0.0);
            for pixel in dy[pixels.start * outputs..pixels.end * outputs].chunks_exact(outputs) {
                bias.iter_mut().zip(pixel).for_each(|(sum, dy)| *sum += dy);
            }
        }
    });
}

/// Adds the partial sums in the order of the chunks.
fn reduce_host(mut args: HostArgs) {
    let g = args.params::<FilterParams>().geometry;
    let partials = args.input::<f32>(0);
    let [dw, db] = args.outputs::<f32, 2>();
    if matches!(cost::algorithm(Job::Filter, &g), Algorithm::Winograd(_)) {
        return FilterGradient::new(&g).reduce(partials, dw, db);
    }
    let (depth, outputs) = ((g.kh * g.kw * g.c) as usize, g.o as usize);
    let cut = Cut::new((g.n * g.oh * g.ow) as usize, depth);
    let task = |chunk: usize, piece: usize| &partials[(chunk * cut.pieces + piece) * cut.task(outputs)..];
    team::each(dw.par_chunks_exact_mut(depth).enumerate(), |(o, dw)| {
        for (piece, dw) in dw.chunks_mut(cut.width).enumerate() {
            dw.copy_from_slice(&task(0, piece)[o * cut.width..][..dw.len()]);
            for chunk in 1..cut.chunks {
                let partial = &task(chunk, piece)[o * cut.width..][..dw.len()];
                dw.iter_mut().zip(partial).for_each(|(sum, part)| *sum += part);
            }
        }
    });
    for (o, db) in db.iter_mut().enumerate() {
        *db = (0..cut.chunks).map(|chunk| task(chunk, 0)[outputs * cut.width + o]).sum();
    }
}

/// The partial sums of one chunk of pixels and one piece of the taps.
fn filter_task(
    g: &Geometry,
    x: &[f32],
    dy: &[f32],
    cut: &Cut,
    (taps, pixels): (std::ops::Range<usize>, std::ops::Range<usize>),
    level: crate::backend::cpu::simd::Level,
    partial: &mut [f32],
) {
    let outputs = g.o as usize;
    let mut gathered = vec![0.0; PIXELS * cut.width];
    for first in pixels.clone().step_by(PIXELS) {
        let count = PIXELS.min(pixels.end - first);
        for (row, gathered) in gathered.chunks_exact_mut(cut.width).take(count).enumerate() {
            let at = locate(first + row, g.oh as usize, g.ow as usize);
            gather(g, x, at, taps.clone(), &mut gathered[..taps.len()]);
        }
        let extent = Extent { rows: outputs, depth: count, panels: cut.width / PANEL };
        let left = Left { data: &dy[first * outputs..], row_stride: 1, depth_stride: outputs };
        let right = Right::in_place(&gathered, cut.width);
        gemm::multiply(level, extent, left, right, partial, cut.width, first > pixels.start);
    }
}
