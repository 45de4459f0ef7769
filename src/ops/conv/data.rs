//! Gradient of a convolution to its input, which is also what a transposed convolution computes forward.
//!
//! `dx[n,c,y,x] = sum over o,p,q of dy[n,o,i,j] * w[o,c,p,q]` over the taps with `i*stride + p - pad = y` (and j, q, x alike).
//! With a stride the pixels of dx fall into stride x stride phases; each phase sees its own subset of the taps and is one GEMM.

use super::cost::{self, Algorithm, Job};
use super::entries::{Choice, Entries, Walk};
use super::epilogue::{GradientTail, Operands, Sums, Tail, Written, for_pieces};
use super::wide::{Wide, widen};
use super::winograd::{self, Correlation};
use super::{Geometry, block_rows, locate};
use crate::backend::Launch;
use crate::backend::cpu::HostArgs;
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::cpu::lanes::Stored;
use crate::backend::cpu::simd::Level;
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Formats, Io, Number, Op, Place, Type, bf16, formats, mismatch, part};
use crate::shape::Shape;
use std::ops::Range;
use std::sync::Arc;

/// Gradient to the input of a convolution. Inputs: dy, w, x (for its shape alone), then what the tail takes; outputs: the tail's.
#[derive(Clone, Debug)]
pub struct ConvData {
    pub stride: usize,
    pub pad: usize,
    pub tail: GradientTail,
}

static DATA: Entries = Entries::new(
    ["conv_data", "conv_data_bf16", "conv_data_bf16_thin_input", "conv_data_bf16_thin_output", "conv_data_bf16_any"],
    data_host::<f32>,
    data_host::<bf16>,
);
static EXCHANGE: Formats = formats!("conv", "conv_exchange_filter", exchange_host);

impl ConvData {
    /// Without anything in the epilogue.
    pub fn new(stride: usize, pad: usize) -> Self {
        ConvData { stride, pad, tail: GradientTail::default() }
    }
}

impl Op for ConvData {
    fn name(&self) -> &'static str {
        "conv_data"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let [dy, w, x, ..] = inputs else { return Err(mismatch(self, inputs, "dy, w, x, then what the tail takes")) };
        if !dy.dtype.is_number() || w.dtype != dy.dtype || x.dtype != dy.dtype {
            return Err(mismatch(self, inputs, "dy, w, x, all f32 or all bf16"));
        }
        // An error of the forward op would name that one, not this.
        match super::Conv::new(self.stride, self.pad, false).infer(&[*x, *w]).as_deref() {
            Ok([y]) if y == dy => self.tail.infer(self, inputs, 3, *x),
            _ => Err(mismatch(self, inputs, "dy is the shape of x convolved with w")),
        }
    }

    fn workspace(&self, inputs: &[Desc], outputs: &[Desc]) -> usize {
        let shapes = [outputs[0], inputs[1], inputs[0]].map(|desc| desc.shape);
        let geometry = self.geometry(shapes);
        data_sums(&geometry, inputs[1].dtype, &self.tail).workspace(filter_bytes(inputs[1]))
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let geometry = self.geometry([io.output(0), io.input(1), io.input(0)]);
        let operands = self.tail.regions(io, 3);
        data_launches(geometry, io, &self.tail, &operands)
    }

    fn absorb(&self, tail: Epilogue, keep: bool) -> Option<Arc<dyn Op>> {
        self.tail.absorb(tail, keep).map(|tail| Arc::new(ConvData { tail, ..self.clone() }) as _)
    }
}

impl ConvData {
    fn geometry(&self, [x, w, y]: [Shape; 3]) -> Geometry {
        Geometry::new(x, w, y, self.stride, self.pad, self.tail.flags())
    }
}

/// Bytes for the filter packed phase by phase on the cpu, or with outputs and channels exchanged on a card; the former is more.
pub(super) fn filter_bytes(filter: Desc) -> usize {
    let w = filter.shape;
    filter.bytes().max(4 * gemm::packed_len(w.n * w.h * w.w, w.c)).max(4 * winograd::packed_len(w))
}

fn data_sums(geometry: &Geometry, dtype: Type, tail: &GradientTail) -> Sums {
    Sums::new(tail, Walk::data(geometry).choose(&DATA, dtype).grid, geometry.c as usize)
}

/// Rewrites the filter into the workspace, then computes dx (output 0) from dy (input 0), then adds what the tail sums.
pub(super) fn data_launches(geometry: Geometry, io: &Io, tail: &GradientTail, operands: &Operands) -> Vec<Launch> {
    let Place { desc, region } = io.inputs[1];
    let Choice { kernel, grid, block, shared } = Walk::data(&geometry).choose(&DATA, desc.dtype);
    let params = bytemuck::bytes_of(&geometry).to_vec();
    let sums = data_sums(&geometry, desc.dtype, tail);
    let offset = filter_bytes(desc);
    let filter = part(io.workspace, 0, offset);
    let partials = sums.partials(io.workspace, offset);
    let exchange = Launch {
        kernel: EXCHANGE.of(desc.dtype),
        grid: [desc.shape.elements().div_ceil(256) as u32, 1, 1],
        block: [256, 1, 1],
        shared: 0,
        reads: vec![region],
        writes: vec![filter],
        params: params.clone(),
        flop: 0,
        label: Default::default(),
        shapes: Default::default(),
    };
    let data = Launch {
        kernel,
        grid,
        block,
        shared,
        reads: vec![io.read(0), filter, operands.slope, operands.residual, operands.z],
        writes: vec![io.write(0), operands.before, partials[0], partials[1]],
        params,
        flop: geometry.flop(),
        label: Default::default(),
        shapes: Default::default(),
    };
    [exchange, data].into_iter().chain(sums.launches(io.workspace, offset, operands)).collect()
}

/// The taps along one axis that reach positions of one phase, in ascending order of the position they read.
fn phase_taps(phase: usize, kernel: usize, stride: usize) -> Vec<usize> {
    (phase..kernel).step_by(stride).collect::<Vec<_>>().into_iter().rev().collect()
}

/// One phase: pixels with `(y + pad) % stride == row` and likewise for the column, and their taps.
struct Phase {
    row: usize,
    column: usize,
    /// (p, q) in the order of the packed depth.
    taps: Vec<(usize, usize)>,
    /// Where their rows of the filter are packed.
    packed: Range<usize>,
}

/// The phases in the order in which the filter is packed; every tap belongs to exactly one of them.
fn phases(g: &Geometry) -> Vec<Phase> {
    let (kh, kw, stride) = (g.kh as usize, g.kw as usize, g.stride as usize);
    let mut end = 0;
    let positions = (0..stride).flat_map(|row| (0..stride).map(move |column| (row, column)));
    positions
        .map(|(row, column)| {
            let columns = phase_taps(column, kw, stride);
            let taps: Vec<(usize, usize)> =
                phase_taps(row, kh, stride).iter().flat_map(|p| columns.iter().map(move |q| (*p, *q))).collect();
            let start = end;
            end += gemm::packed_len(taps.len() * g.o as usize, g.c as usize);
            Phase { row, column, taps, packed: start..end }
        })
        .collect()
}

/// On the cpu the filter is not exchanged but packed, phase after phase.
fn exchange_host<T: Number>(mut args: HostArgs) {
    let g: Geometry = args.params();
    let w = widen(args.input::<T>(0));
    let packed = args.output::<f32>(0);
    match cost::algorithm(Job::Data, &g) {
        Algorithm::Winograd(_) => return winograd::pack_data(&g, &w, args.level, packed),
        Algorithm::Phases => return winograd::pack_phases(&g, &w, packed),
        _ => {}
    }
    let (kh, kw, outputs, channels) = (g.kh as usize, g.kw as usize, g.o as usize, g.c as usize);
    for Phase { taps, packed: range, .. } in phases(&g) {
        let depth = taps.len() * outputs;
        if depth > 0 {
            let filter_row = |k: usize| {
                let (tap, o) = (taps[k / outputs], k % outputs);
                &w[((o * kh + tap.0) * kw + tap.1) * channels..][..channels]
            };
            gemm::pack_rows(filter_row, channels, depth, &mut packed[range]);
        }
    }
}

/// Winograd's algorithm reads and writes tensors as they are; the gathered product is f32's.
fn data_host<T: Number + Stored>(mut args: HostArgs) {
    let g: Geometry = args.params();
    let packed = args.input::<f32>(1);
    let [dy, residual, z] = [0, 3, 4].map(|read| args.input::<T>(read));
    let tail = Tail { bias: &[], slope: args.input(2), residual, z };
    let [y, before] = [0, 1].map(|write| args.output::<T>(write));
    let [slopes, biases] = [2, 3].map(|write| args.output::<f32>(write));
    let with = (args.level, args.scratch);
    match cost::algorithm(Job::Data, &g) {
        Algorithm::Winograd(tile) => {
            Correlation::data(&g, tile, packed, tail, with).run(dy, Written { y, before, slopes, biases });
        }
        Algorithm::Phases => Correlation::phases(&g, packed, tail, with).run(dy, Written { y, before, slopes, biases }),
        _ => {
            let [dy, residual, z] = [dy, residual, z].map(widen);
            let tail = Tail { bias: &[], slope: tail.slope, residual: &residual, z: &z };
            let (mut dx, mut kept) = (Wide::new(y), Wide::new(before));
            let whole = Written { y: dx.f32(), before: kept.f32(), slopes, biases };
            multiply(&g, (&dy, packed), tail, args.level, whole);
            dx.finish();
            kept.finish();
        }
    }
}

/// As one matrix product per phase, whose left matrix is gathered.
fn multiply(g: &Geometry, operands: (&[f32], &[f32]), tail: Tail, level: Level, whole: Written) {
    let phases = phases(g);
    let (channels, stride) = (g.c as usize, g.stride as usize);
    // With a stride every phase gets 1/stride^2 of a piece, so pieces grow accordingly.
    let rows = block_rows((g.kh * g.kw * g.o) as usize / (stride * stride)) * stride * stride;
    for_pieces(whole, (rows, channels), |piece, to| {
        for phase in &phases {
            phase_piece(g, operands, phase, tail, (piece * rows, level), to);
        }
    });
}

fn phase_piece(
    g: &Geometry,
    (dy, packed): (&[f32], &[f32]),
    phase: &Phase,
    tail: Tail,
    (first, level): (usize, Level),
    to: &mut Written,
) {
    let (channels, outputs) = (g.c as usize, g.o as usize);
    let (stride, pad) = (g.stride as usize, g.pad as usize);
    let pixels: Vec<usize> = (0..to.y.len() / channels)
        .filter(|row| {
            let (_, y, x) = locate(first + row, g.h as usize, g.w as usize);
            (y + pad) % stride == phase.row && (x + pad) % stride == phase.column
        })
        .collect();
    let (depth, width) = (phase.taps.len() * outputs, gemm::panels(channels) * PANEL);
    let mut sums = vec![0.0; pixels.len() * width];
    if depth > 0 {
        let mut left = vec![0.0; pixels.len() * depth];
        for (pixel, left) in pixels.iter().zip(left.chunks_exact_mut(depth)) {
            gather_phase(g, dy, locate(first + pixel, g.h as usize, g.w as usize), &phase.taps, left);
        }
        let extent = Extent { rows: pixels.len(), depth, panels: gemm::panels(channels) };
        let left = Left { data: &left, row_stride: depth, depth_stride: 1 };
        gemm::multiply(
            level,
            extent,
            left,
            Right::packed(&packed[phase.packed.clone()], depth),
            &mut sums,
            width,
            false,
        );
    }
    for (pixel, sums) in pixels.iter().zip(sums.chunks_exact(width)) {
        tail.finish(sums, (first + pixel) * channels, to.pixel(*pixel, channels));
    }
}

/// One row of the gathered matrix: the pixels of dy that the taps reach from (n, y, x) of dx, zero outside.
fn gather_phase(g: &Geometry, dy: &[f32], (n, y, x): (usize, usize, usize), taps: &[(usize, usize)], row: &mut [f32]) {
    let (oh, ow, outputs) = (g.oh as usize, g.ow as usize, g.o as usize);
    let (stride, pad) = (g.stride as usize, g.pad as usize);
    for ((p, q), to) in taps.iter().zip(row.chunks_exact_mut(outputs)) {
        // Both differences are multiples of the stride, by the choice of the phase; a negative one wraps far outside.
        let i = (y + pad).wrapping_sub(*p) / stride;
        let j = (x + pad).wrapping_sub(*q) / stride;
        if y + pad >= *p && x + pad >= *q && i < oh && j < ow {
            to.copy_from_slice(&dy[((n * oh + i) * ow + j) * outputs..][..outputs]);
        } else {
            to.fill(0.0);
        }
    }
}
