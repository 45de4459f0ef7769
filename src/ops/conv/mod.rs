//! 2-D convolution (cross-correlation, as every framework means it), its transpose, and both gradients.
//!
//! `y[n,o,i,j] = bias[o] + sum over c,p,q of x[n,c,i*stride+p-pad,j*stride+q-pad] * w[o,c,p,q]`
//!
//! x: `[n, c, h, w]` in memory NHWC; w: `[o, c, kh, kw]` in memory OHWI; y: `[n, o, oh, ow]` with
//! `oh = (h + 2 pad - kh) / stride + 1`, rounded down. Every kernel of a card is an implicit GEMM: rows are pixels, the depth is
//! taps x channels, and rows of the left matrix are gathered a few at a time, never stored as a whole. The cpu does that where nothing is
//! cheaper, which for 3x3 filters Winograd's algorithm mostly is.
//!
//! * [`forward`]: bias, PReLU and the residual sum in the epilogue.
//! * [`data`]: gradient to x; also the forward pass of [`TransposedConv`].
//! * [`filter`]: gradient to w and bias.
//! * [`cost`]: which algorithm the cpu takes; `winograd` is the one with fewer multiplications. `windows` (few channels), `few_outputs` and
//!   `shifted` (few pixels, bf16) are forward alone.
//! * [`epilogue`]: what happens to a finished sum, on the way forward and on the way back.
//!
//! Activations and filters are f32 or bf16 alike; bias, slopes, sums and the gradients to w and bias are f32 always. On a card bf16
//! runs on tensor cores; `entries` chooses the kernel by the number of channels. On the cpu `narrow` computes it.

mod cost;
mod data;
mod entries;
mod epilogue;
mod few_outputs;
mod filter;
mod forward;
mod narrow;
mod shifted;
mod transposed;
mod wide;
mod windows;
mod winograd;

pub use cost::{Algorithm, Job};
pub use data::ConvData;
pub use epilogue::GradientTail;
pub use filter::ConvFilter;
pub use forward::Conv;
pub use transposed::{TransposedConv, TransposedConvData};

use crate::ops::Number;
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};

/// Extents and steps of a convolution x * w = y, as the kernels take them by value.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable, PartialEq, Eq)]
pub struct Geometry {
    /// Batch.
    pub n: u32,
    /// Height, width, channels of x.
    pub h: u32,
    pub w: u32,
    pub c: u32,
    /// Height, width, channels of y.
    pub oh: u32,
    pub ow: u32,
    pub o: u32,
    /// Extents of the filter.
    pub kh: u32,
    pub kw: u32,
    pub stride: u32,
    pub pad: u32,
    /// Bits of [`EPILOGUE_BIAS`] and its neighbours.
    pub epilogue: u32,
}

const _: () = assert!(size_of::<Geometry>() == 48);

/// The epilogue adds a bias per output channel.
pub const EPILOGUE_BIAS: u32 = 1;
/// The epilogue applies PReLU with a slope per output channel.
pub const EPILOGUE_PRELU: u32 = 2;
/// The epilogue adds a tensor of the output's shape, after PReLU.
pub const EPILOGUE_ADD: u32 = 4;
/// The value before PReLU, or before its gradient, is written as well.
pub const EPILOGUE_KEEP: u32 = 8;
/// The epilogue takes the gradient of PReLU, after the sum with another tensor, and sums the slopes' gradients.
pub const EPILOGUE_PRELU_GRADIENT: u32 = 16;
/// The epilogue sums what comes of that over all pixels.
pub const EPILOGUE_BIAS_SUMS: u32 = 32;

impl Geometry {
    fn new(x: Shape, filter: Shape, y: Shape, stride: usize, pad: usize, epilogue: u32) -> Self {
        Geometry {
            n: x.n as u32,
            h: x.h as u32,
            w: x.w as u32,
            c: x.c as u32,
            oh: y.h as u32,
            ow: y.w as u32,
            o: y.c as u32,
            kh: filter.h as u32,
            kw: filter.w as u32,
            stride: stride as u32,
            pad: pad as u32,
            epilogue,
        }
    }

    /// Without an epilogue; y is empty where the filter does not fit.
    fn of(x: Shape, filter: Shape, stride: usize, pad: usize) -> Self {
        let extent = |input: usize, kernel: usize| output_extent(input, kernel, stride, pad).unwrap_or(0);
        let y = Shape::new(x.n, filter.n, extent(x.h, filter.h), extent(x.w, filter.w));
        Geometry::new(x, filter, y, stride, pad, 0)
    }

    /// Multiply-adds times two.
    fn flop(&self) -> u64 {
        2 * [self.n, self.oh, self.ow, self.o, self.kh, self.kw, self.c].iter().map(|e| u64::from(*e)).product::<u64>()
    }

    fn has(&self, epilogue: u32) -> bool {
        self.epilogue & epilogue != 0
    }
}

/// Extent of y along one axis, or `None` when the filter does not fit.
fn output_extent(input: usize, kernel: usize, stride: usize, pad: usize) -> Option<usize> {
    let padded = input.checked_add(2 * pad)?;
    (stride > 0 && kernel > 0 && padded >= kernel).then(|| (padded - kernel) / stride + 1)
}

/// Rows of the left matrix that one task gathers: about 400 KB of them, which the L2 cache holds beside the filter.
fn block_rows(depth: usize) -> usize {
    (98_304 / depth.max(1)).clamp(24, 96) / 12 * 12
}

/// Copies one row of the gathered matrix: for output pixel (i, j) of image n, the taps in order p, q, c, zero outside.
fn gather<T: Number>(
    g: &Geometry,
    x: &[T],
    (n, i, j): (usize, usize, usize),
    taps: std::ops::Range<usize>,
    row: &mut [T],
) {
    let (h, w, c, kw) = (g.h as usize, g.w as usize, g.c as usize, g.kw as usize);
    let run = kw * c;
    let left = (j * g.stride as usize) as isize - g.pad as isize;
    for p in taps.start / run..taps.end.div_ceil(run) {
        // The part of filter row p that was asked for, in elements of the run of kw x c.
        let (from, to) = (taps.start.saturating_sub(p * run), (taps.end - p * run).min(run));
        let target = &mut row[p * run + from - taps.start..p * run + to - taps.start];
        let y = (i * g.stride as usize + p) as isize - g.pad as isize;
        if y < 0 || y >= h as isize {
            target.fill(T::zeroed());
            continue;
        }
        // Elements of the run that lie inside the image.
        let inside_from = ((-left).clamp(0, kw as isize) as usize * c).clamp(from, to);
        let inside_to = ((w as isize - left).clamp(0, kw as isize) as usize * c).clamp(inside_from, to);
        target[..inside_from - from].fill(T::zeroed());
        target[inside_to - from..].fill(T::zeroed());
        if inside_from < inside_to {
            let start = (((n * h + y as usize) * w) as isize + left) * c as isize + inside_from as isize;
            let source = &x[start as usize..start as usize + inside_to - inside_from];
            target[inside_from - from..inside_to - from].copy_from_slice(source);
        }
    }
}

/// How the cpu does a job for a convolution of x.
pub fn algorithm(job: Job, x: Shape, filter: Shape, stride: usize, pad: usize) -> Algorithm {
    cost::algorithm(job, &Geometry::of(x, filter, stride, pad))
}

/// The ways in which the cpu could do it, with the clock cycles they are expected to take; the cheapest is taken.
pub fn estimates(job: Job, x: Shape, filter: Shape, stride: usize, pad: usize) -> Vec<(Algorithm, f64)> {
    cost::estimates(job, &Geometry::of(x, filter, stride, pad))
}

/// How a cpu that multiplies in 16 bits ([`Level::multiplies_bf16`](crate::backend::cpu::simd::Level::multiplies_bf16)) computes a bf16
/// convolution forward.
pub fn bf16_algorithm(x: Shape, filter: Shape, stride: usize, pad: usize) -> Algorithm {
    cost::bf16_algorithm(&Geometry::of(x, filter, stride, pad))
}

/// How many times the expected rounding error of the plain loop such a result may be off by, for normal numbers and an f32 result that is
/// not rounded yet.
pub fn bf16_noise(x: Shape, filter: Shape, stride: usize, pad: usize) -> f64 {
    match bf16_algorithm(x, filter, stride, pad) {
        Algorithm::Fixed => winograd::fixed_noise(x.c),
        other => other.noise(),
    }
}

/// The ways in which it could do that, as [`estimates`].
pub fn bf16_estimates(x: Shape, filter: Shape, stride: usize, pad: usize) -> Vec<(Algorithm, f64)> {
    cost::bf16_estimates(&Geometry::of(x, filter, stride, pad))
}

impl Algorithm {
    /// How many times the expected rounding error of the plain loop a result may be off by, as derived in the head of
    /// `winograd/mod.rs`: more than once where fewer multiplications are made.
    pub fn noise(self) -> f64 {
        match self {
            Algorithm::Winograd(tile) => winograd::noise(tile),
            Algorithm::Phases => winograd::PHASE_NOISE,
            _ => 1.0,
        }
    }
}

/// Image, row and column of a pixel counted over the whole batch.
fn locate(pixel: usize, height: usize, width: usize) -> (usize, usize, usize) {
    (pixel / (height * width), pixel / width % height, pixel % width)
}
