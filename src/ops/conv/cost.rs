//! Which algorithm the cpu takes for a convolution or one of its gradients: a pure function of the shape, so that bits never depend on
//! a measurement. `cargo bench --bench ops -- conv` measures what is estimated here.
//!
//! Costs are clock cycles of one core that begins two vector multiply-adds in each, a vector being a panel of 16 numbers. The constants
//! were fitted on a Zen 5 core with AVX-512; on others all algorithms slow down alike.

use super::Geometry;
use crate::backend::cpu::gemm;

/// What is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    Forward,
    Data,
    Filter,
}

/// How it is computed on the cpu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// One matrix product (per phase), whose left matrix is gathered from the picture.
    Gathered,
    /// The same product with its sides exchanged: the filter stays where it lies, the few pixels are packed. Forward only.
    FewPixels,
    /// F(4x4, 3x3).
    Winograd,
}

/// Cycles to copy 16 gathered numbers.
const GATHER: f64 = 3.0;
/// Cycles to pack 16 numbers of a filter.
const PACK: f64 = 30.0;
/// Cycles to transform a tile of 16 channels there, or back with its epilogue.
const TILE: f64 = 120.0;
/// Cycles to pack and transform 16 filters, or to transform their gradient back.
const FILTER: f64 = 220.0;
/// Pixels up to which packing them instead of the filter is thought of.
const FEW: f64 = 64.0;

/// The shape of a job as a matrix product over pixels.
struct Product {
    pixels: f64,
    /// Panels of 16 channels that are read and written.
    read: f64,
    written: f64,
    taps: f64,
}

/// The algorithm for a job.
pub(super) fn algorithm(job: Job, g: &Geometry) -> Algorithm {
    let product = Product::new(job, g);
    let mut best = (Algorithm::Gathered, product.gathered(job));
    if job == Job::Forward && product.pixels <= FEW {
        best = cheaper(best, (Algorithm::FewPixels, product.few_pixels()));
    }
    if (g.kh, g.kw, g.stride) == (3, 3, 1) && g.pad <= 2 {
        best = cheaper(best, (Algorithm::Winograd, product.winograd(job, tiles(job, g))));
    }
    best.0
}

fn cheaper(a: (Algorithm, f64), b: (Algorithm, f64)) -> (Algorithm, f64) {
    if b.1 < a.1 { b } else { a }
}

/// Tiles of 4x4 pixels of what is written, or for a filter of y.
fn tiles(job: Job, g: &Geometry) -> f64 {
    let (h, w) = if job == Job::Data { (g.h, g.w) } else { (g.oh, g.ow) };
    f64::from(g.n) * f64::from(h.div_ceil(4)) * f64::from(w.div_ceil(4))
}

impl Product {
    fn new(job: Job, g: &Geometry) -> Self {
        let panels = |channels: u32| gemm::panels(channels as usize) as f64;
        let (read, written) = if job == Job::Data { (g.o, g.c) } else { (g.c, g.o) };
        let (h, w) = if job == Job::Data { (g.h, g.w) } else { (g.oh, g.ow) };
        // With a stride, a pixel of the gradient to the input is reached by a part of the taps only.
        let phases = if job == Job::Data { f64::from(g.stride * g.stride) } else { 1.0 };
        Product {
            pixels: f64::from(g.n) * f64::from(h) * f64::from(w),
            read: panels(read),
            written: panels(written),
            taps: f64::from(g.kh * g.kw) / phases,
        }
    }

    fn gathered(&self, job: Job) -> f64 {
        let copied = self.pixels * self.taps * self.read;
        let filter = 16.0 * self.taps * self.read * self.written;
        copied * (16.0 * self.written / 2.0 + GATHER) + if job == Job::Filter { 2.0 * filter } else { filter * PACK }
    }

    fn few_pixels(&self) -> f64 {
        let depth = 16.0 * self.taps * self.read;
        let panels = (self.pixels / 16.0).ceil();
        depth * panels * (16.0 * self.written / 2.0 + PACK)
    }

    fn winograd(&self, job: Job, tiles: f64) -> f64 {
        // One group of four panels is worked on at a time, and a gradient to the filter transforms both tensors for every pair of groups.
        let groups = |panels: f64| if job == Job::Filter { (panels / 4.0).ceil() } else { 1.0 };
        let transforms = tiles * TILE * (self.read * groups(self.written) + self.written * groups(self.read));
        let products = tiles * 36.0 * self.read * self.written * 16.0 / 2.0;
        products + transforms + 16.0 * self.read * self.written * FILTER
    }
}
