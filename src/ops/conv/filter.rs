//! Gradient of a convolution to its filter and bias.
//!
//! `dw[o,c,p,q] = sum over n,i,j of dy[n,o,i,j] * x[n,c,i*stride+p-pad,j*stride+q-pad]`, `db[o] = sum over n,i,j of dy[n,o,i,j]`.
//!
//! The sum over pixels is cut into chunks by the shapes alone; every chunk writes partial sums of its own, which are added in
//! order. So the bits depend neither on the number of threads nor on who finishes first.

use super::{Conv, Geometry, gather, locate};
use crate::backend::cpu::HostArgs;
use crate::backend::cpu::gemm::{self, Extent, Left, PANEL, Right};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Io, Op, Type, mismatch};
use crate::shape::Shape;
use rayon::prelude::*;

/// Gradient to filter and bias. Inputs: x, dy, w (for its shape alone); outputs: dw, then with `bias` db.
#[derive(Clone, Debug)]
pub struct ConvFilter {
    pub stride: usize,
    pub pad: usize,
    pub bias: bool,
}

static FILTER: Kernel = Kernel { room: "conv", entry: "conv_filter", host: filter_host };

/// Pixels gathered at a time: with 576 taps x channels they take 144 KB.
const PIXELS: usize = 64;

impl Op for ConvFilter {
    fn name(&self) -> &'static str {
        "conv_filter"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        if inputs.len() != 3 || inputs.iter().any(|desc| desc.dtype != Type::F32) {
            return Err(mismatch(self, inputs, "x, dy, w, all f32"));
        }
        // An error of the forward op would name that one, not this.
        match Conv::new(self.stride, self.pad, false).infer(&[inputs[0], inputs[2]]).as_deref() {
            Ok([dy]) if *dy == inputs[1] => {}
            _ => return Err(mismatch(self, inputs, "dy is the shape of x convolved with w")),
        }
        let mut outputs = vec![inputs[2]];
        if self.bias {
            outputs.push(Desc::f32(Shape::vector(inputs[2].shape.n)));
        }
        Ok(outputs)
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        let (dy, w) = (inputs[1].shape, inputs[2].shape);
        4 * Cut::new(dy.pixels(), w.image()).partials(w.n)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let geometry = Geometry::new(io.input(0), io.input(2), io.input(1), self.stride, self.pad, 0);
        let cut = Cut::new(io.input(1).pixels(), io.input(2).image());
        vec![Launch {
            kernel: &FILTER,
            grid: [cut.pieces as u32, io.input(2).n.div_ceil(64) as u32, cut.chunks as u32],
            block: [128, 1, 1],
            shared: 0,
            reads: vec![io.read(0), io.read(1)],
            writes: vec![io.write(0), io.write(1), io.workspace],
            params: bytemuck::bytes_of(&geometry).to_vec(),
            flop: geometry.flop(),
        }]
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

fn filter_host(mut args: HostArgs) {
    let g: Geometry = args.params();
    let (x, dy) = (args.input::<f32>(0), args.input::<f32>(1));
    let [dw, db, partials] = args.outputs::<f32, 3>();
    let (depth, outputs) = ((g.kh * g.kw * g.c) as usize, g.o as usize);
    let cut = Cut::new((g.n * g.oh * g.ow) as usize, depth);
    partials.par_chunks_exact_mut(cut.task(outputs)).enumerate().for_each(|(task, partial)| {
        let (chunk, piece) = (task / cut.pieces, task % cut.pieces);
        let (filter, bias) = partial.split_at_mut(outputs * cut.width);
        let taps = piece * cut.width..((piece + 1) * cut.width).min(depth);
        let pixels = chunk * cut.pixels..((chunk + 1) * cut.pixels).min((g.n * g.oh * g.ow) as usize);
        filter_task(&g, x, dy, &cut, (taps, pixels.clone()), args.level, filter);
        if piece == 0 && !db.is_empty() {
            bias.fill(0.0);
            for pixel in dy[pixels.start * outputs..pixels.end * outputs].chunks_exact(outputs) {
                bias.iter_mut().zip(pixel).for_each(|(sum, dy)| *sum += dy);
            }
        }
    });
    let partials = &*partials;
    let task = |chunk: usize, piece: usize| &partials[(chunk * cut.pieces + piece) * cut.task(outputs)..];
    dw.par_chunks_exact_mut(depth).enumerate().for_each(|(o, dw)| {
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
