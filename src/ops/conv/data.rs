//! Gradient of a convolution to its input, which is also what a transposed convolution computes forward.
//!
//! `dx[n,c,y,x] = sum over o,p,q of dy[n,o,i,j] * w[o,c,p,q]` over the taps with `i*stride + p - pad = y` (and j, q, x alike).
//! With a stride the pixels of dx fall into stride x stride phases; each phase sees its own subset of the taps and is one GEMM.

use super::entries::{Choice, Entries, Walk};
use super::forward::{Tail, for_pieces};
use super::wide::{Wide, widen};
use super::{EPILOGUE_ADD, Geometry, block_rows, locate};
use crate::backend::cpu::HostArgs;
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::{Launch, Region};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Formats, Io, Number, Op, Place, bf16, formats, mismatch};
use std::ops::Range;
use std::sync::Arc;

/// Gradient to the input of a convolution. Inputs: dy, w, x (for its shape alone), then with `add` a tensor of x's shape that is
/// added at the end (the gradient of a skip); output: dx.
#[derive(Clone, Debug)]
pub struct ConvData {
    pub stride: usize,
    pub pad: usize,
    pub add: bool,
}

static DATA: Entries = Entries::new(
    ["conv_data", "conv_data_bf16", "conv_data_bf16_thin_input", "conv_data_bf16_thin_output", "conv_data_bf16_any"],
    data_host::<f32>,
    data_host::<bf16>,
);
static EXCHANGE: Formats = formats!("conv", "conv_exchange_filter", exchange_host);

impl ConvData {
    /// Without a sum in the epilogue.
    pub fn new(stride: usize, pad: usize) -> Self {
        ConvData { stride, pad, add: false }
    }
}

impl Op for ConvData {
    fn name(&self) -> &'static str {
        "conv_data"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let fits = inputs.len() == 3 + usize::from(self.add) && inputs[0].dtype.is_number();
        if !fits
            || inputs[1..].iter().any(|desc| desc.dtype != inputs[0].dtype)
            || inputs[3..].iter().any(|desc| *desc != inputs[2])
        {
            return Err(mismatch(self, inputs, "dy, w, x and with add a tensor of x's shape, all f32 or all bf16"));
        }
        // An error of the forward op would name that one, not this.
        match super::Conv::new(self.stride, self.pad, false).infer(&[inputs[2], inputs[1]]).as_deref() {
            Ok([dy]) if *dy == inputs[0] => Ok(vec![inputs[2]]),
            _ => Err(mismatch(self, inputs, "dy is the shape of x convolved with w")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        data_workspace(inputs[1])
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let flags = if self.add { EPILOGUE_ADD } else { 0 };
        let geometry = Geometry::new(io.output(0), io.input(1), io.input(0), self.stride, self.pad, flags);
        data_launches(geometry, io, Region::ABSENT, io.read(3))
    }

    fn absorb(&self, tail: Epilogue, keep: bool) -> Option<Arc<dyn Op>> {
        (tail == Epilogue::Add && !self.add && !keep).then(|| Arc::new(ConvData { add: true, ..self.clone() }) as _)
    }
}

/// Bytes for the filter packed phase by phase on the cpu, or with outputs and channels exchanged on a card; the former is more.
pub(super) fn data_workspace(filter: Desc) -> usize {
    let w = filter.shape;
    filter.bytes().max(4 * gemm::packed_len(w.n * w.h * w.w, w.c))
}

/// Rewrites the filter into the workspace, then computes dx (output 0) and the value kept before PReLU (output 1) from dy (input 0).
pub(super) fn data_launches(geometry: Geometry, io: &Io, slope: Region, residual: Region) -> Vec<Launch> {
    let Place { desc, region } = io.inputs[1];
    let Choice { kernel, grid, block, shared } = Walk::data(&geometry).choose(&DATA, desc.dtype);
    let params = bytemuck::bytes_of(&geometry).to_vec();
    vec![
        Launch {
            kernel: EXCHANGE.of(desc.dtype),
            grid: [desc.shape.elements().div_ceil(256) as u32, 1, 1],
            block: [256, 1, 1],
            shared: 0,
            reads: vec![region],
            writes: vec![io.workspace],
            params: params.clone(),
            flop: 0,
            label: Default::default(),
        },
        Launch {
            kernel,
            grid,
            block,
            shared,
            reads: vec![io.read(0), io.workspace, slope, residual],
            writes: vec![io.write(0), io.write(1)],
            params,
            flop: geometry.flop(),
            label: Default::default(),
        },
    ]
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

fn data_host<T: Number>(mut args: HostArgs) {
    let g: Geometry = args.params();
    let (dy, packed, residual) = (widen(args.input::<T>(0)), args.input::<f32>(1), widen(args.input::<T>(3)));
    let tail = Tail { bias: &[], slope: args.input(2), residual: &residual };
    let (mut dx, mut before) = (Wide::new(args.output::<T>(0)), Wide::new(args.output::<T>(1)));
    let phases = phases(&g);
    let (channels, stride) = (g.c as usize, g.stride as usize);
    // With a stride every phase gets 1/stride^2 of a piece, so pieces grow accordingly.
    let rows = block_rows((g.kh * g.kw * g.o) as usize / (stride * stride)) * stride * stride;
    for_pieces(dx.f32(), before.f32(), rows * channels, |piece, dx, before| {
        for phase in &phases {
            phase_piece(&g, (&dy, packed), phase, tail, (piece * rows, args.level), dx, before);
        }
    });
    dx.finish();
    before.finish();
}

fn phase_piece(
    g: &Geometry,
    (dy, packed): (&[f32], &[f32]),
    phase: &Phase,
    tail: Tail,
    (first, level): (usize, crate::backend::cpu::simd::Level),
    dx: &mut [f32],
    before: &mut [f32],
) {
    let (channels, outputs) = (g.c as usize, g.o as usize);
    let (stride, pad) = (g.stride as usize, g.pad as usize);
    let pixels: Vec<usize> = (0..dx.len() / channels)
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
        let at = pixel * channels..(pixel + 1) * channels;
        let kept = if before.is_empty() { &mut [] } else { &mut before[at.clone()] };
        tail.finish(sums, (first + pixel) * channels, &mut dx[at], kept);
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
