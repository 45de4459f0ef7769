//! Which algorithm the cpu takes for a convolution or one of its gradients: a pure function of the shape, so that bits never depend on
//! a measurement. `cargo bench --bench ops -- conv` measures what is estimated here.
//!
//! Costs are clock cycles of one core that begins two vector multiply-adds in each, a vector being a panel of 16 numbers. The constants
//! were fitted on a Zen 5 core with AVX-512; on others all algorithms slow down alike.

use super::winograd::{LARGE_TILE, SMALL_TILE};
use super::{Geometry, few_outputs, shifted, windows};
use crate::backend::cpu::simd::PANEL;

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
    /// One product per row of y, whose left matrix are windows of the rows of x side by side. Forward only.
    Windows,
    /// Inner products of the filter and the few pixels, both where they lie. Forward only.
    FewPixels,
    /// A product of every pixel with the filters of all taps, and sums of what these leave. Forward only.
    FewOutputs,
    /// A product for every tap, whose right matrix is the picture, packed once and shifted. bf16 forward only, where pairs of 16 bits are
    /// multiplied.
    Shifted,
    /// F(4x4, 3x3), or F(6x6, 3x3) but for the gradient to a filter: the pixels of a tile along each axis.
    Winograd(usize),
    /// F(4x4, 2x2) of each of the four phases of a filter of 4x4 at stride 2, padded by one. The gradient to the input only, which is what a
    /// transposed convolution is.
    Phases,
    /// F(4x4, 3x3) with products of 16-bit integers. bf16 forward only, on a cpu that has them.
    Fixed,
}

/// Cycles that a gathered pixel takes whatever its depth, and for every 16 numbers of it.
const PIXEL: f64 = 100.0;
const GATHER: f64 = 3.0;
/// Cycles to lay a row of a column of the picture beside others, and to finish 16 numbers of a row of results.
const LAY: f64 = 4.0;
const FINISH: f64 = 5.0;
/// Cycles to pack 16 numbers of a filter.
const PACK: f64 = 30.0;
/// What a product of gathered rows takes more than its multiplications.
const PRODUCT: f64 = 1.13;
/// Cycles that a tile takes whatever its channels, where these fill no panel and must be copied, and for each transform of 16 of them.
const TILE: f64 = 500.0;
const RAGGED: f64 = 600.0;
const TRANSFORM: f64 = 170.0;
const LARGE_TRANSFORM: f64 = 300.0;
/// Cycles to transform 16 filters, and to transform 16 of their gradients back.
const FILTER: f64 = 150.0;
const LARGE_FILTER: f64 = 300.0;
const FILTER_BACK: f64 = 100.0;
/// Cycles to multiply 16 numbers of a filter and a pixel, and to take up and lay down their sixteen sums.
const INNER: f64 = 0.5;
const SUMS: f64 = 4.0;
/// Cycles to add what a tap left beside a pixel.
const TAP: f64 = 2.0;
/// What products with a shifted picture take more than their multiplications, and the cycles to turn one of them.
const SHIFT: f64 = 1.05;
const TURN: f64 = 4.0;
/// Large tiles are thought of from so many channels on: narrow layers spend their time on transforms, and would lose digits for little.
const LARGE_CHANNELS: f64 = 32.0;
/// Transformed filters of more numbers than so many leave the second-level cache, are read again for every so many large tiles, and each
/// number costs so many cycles then.
const CACHED: f64 = 175e3;
const LARGE_BLOCK: f64 = 16.0;
const STREAMED: f64 = 0.08;
/// What products of integers take more than their multiplications: sums are scaled. Then as [`TRANSFORM`] and [`FILTER`], with rounding.
const FIXED: f64 = 1.15;
const FIXED_TRANSFORM: f64 = 210.0;
const FIXED_FILTER: f64 = 470.0;
/// Pixels up to which inner products are thought of.
const FEW: f64 = 64.0;

/// Cycles to widen or to round 16 numbers of a whole tensor.
const WIDEN: f64 = 16.0;

/// The algorithm for a job: the cheapest.
pub(super) fn algorithm(job: Job, g: &Geometry) -> Algorithm {
    cheapest(estimates(job, g))
}

/// The algorithm for a bf16 convolution forward where products are made in 16 bits.
pub(super) fn bf16_algorithm(g: &Geometry) -> Algorithm {
    cheapest(bf16_estimates(g))
}

fn cheapest(all: Vec<(Algorithm, f64)>) -> Algorithm {
    let best = all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(Algorithm::Gathered, |(algorithm, _)| algorithm)
}

/// As [`estimates`], for bf16 forward where products are made in 16 bits: the f32 algorithms over widened tensors but for few pixels,
/// which are multiplied as they are, and the one with integers.
pub(super) fn bf16_estimates(g: &Geometry) -> Vec<(Algorithm, f64)> {
    let product = Product::new(Job::Forward, g);
    let numbers = product.pixels * (product.read + product.written) + product.taps * product.read * product.written;
    let as_it_lies = [Algorithm::FewPixels, Algorithm::FewOutputs, Algorithm::Windows];
    let wide = estimates(Job::Forward, g).into_iter().filter(|(algorithm, _)| !as_it_lies.contains(algorithm));
    let mut all: Vec<_> =
        wide.map(|(algorithm, cycles)| (algorithm, cycles + WIDEN * numbers / PANEL as f64)).collect();
    // Its results are rounded where they are made; a few channels are widened.
    if windows::fits(g) {
        let read = f64::from(g.n * g.h * g.w) * product.read;
        all.push((Algorithm::Windows, product.windows(g) + WIDEN * read / PANEL as f64));
    }
    let pairs = g.c.is_multiple_of(2);
    if pairs && product.pixels <= FEW {
        all.push((Algorithm::FewPixels, product.few_pixels(2.0)));
    }
    if pairs && product.is_thin(g) {
        all.push((Algorithm::FewOutputs, product.few_outputs(4.0)));
    }
    if pairs && g.stride == 1 && product.pixels > 0.0 {
        all.push((Algorithm::Shifted, product.shifted(shifted::pixel_panels(g) as f64)));
    }
    if all.iter().any(|(algorithm, _)| matches!(algorithm, Algorithm::Winograd(_))) {
        all.push((Algorithm::Fixed, product.fixed()));
    }
    all
}

/// Every algorithm that can do a job, with its cycles.
pub(super) fn estimates(job: Job, g: &Geometry) -> Vec<(Algorithm, f64)> {
    let product = Product::new(job, g);
    let mut all = vec![(Algorithm::Gathered, product.gathered(job))];
    if job == Job::Forward && product.pixels <= FEW {
        all.push((Algorithm::FewPixels, product.few_pixels(1.0)));
    }
    if job == Job::Forward && windows::fits(g) {
        all.push((Algorithm::Windows, product.windows(g)));
    }
    if job == Job::Forward && product.is_thin(g) {
        all.push((Algorithm::FewOutputs, product.few_outputs(2.0)));
    }
    if (g.kh, g.kw, g.stride) == (3, 3, 1) && g.pad <= 2 {
        all.push((Algorithm::Winograd(SMALL_TILE), product.winograd(job)));
        if job != Job::Filter && product.read.min(product.written) >= LARGE_CHANNELS {
            all.push((Algorithm::Winograd(LARGE_TILE), product.large_winograd()));
        }
    }
    // Channels that lie side by side in groups of 64.
    if job == Job::Data
        && (g.kh, g.kw, g.stride, g.pad) == (4, 4, 2, 1)
        && (g.c.is_multiple_of(64) || matches!(g.c, 16 | 32))
    {
        all.push((Algorithm::Phases, product.phases(g)));
    }
    all
}

/// The shape of a job as a matrix product over pixels.
struct Product {
    /// Pixels that are written (for a filter, of y), and tiles of 4x4 and of 6x6 of them.
    pixels: f64,
    tiles: f64,
    large_tiles: f64,
    /// Channels that are read and written; for a filter, of x and of y.
    read: f64,
    written: f64,
    /// Taps that reach a pixel.
    taps: f64,
}

/// Panels that hold so many channels or columns.
fn panels(columns: f64) -> f64 {
    (columns / PANEL as f64).ceil()
}

impl Product {
    fn new(job: Job, g: &Geometry) -> Self {
        let (read, written) = if job == Job::Data { (g.o, g.c) } else { (g.c, g.o) };
        let (h, w) = if job == Job::Data { (g.h, g.w) } else { (g.oh, g.ow) };
        // With a stride, a pixel of the gradient to the input is reached by a part of the taps only.
        let phases = if job == Job::Data { f64::from(g.stride * g.stride) } else { 1.0 };
        let area = |h: u32, w: u32| f64::from(g.n) * f64::from(h) * f64::from(w);
        Product {
            pixels: area(h, w),
            tiles: area(h.div_ceil(4), w.div_ceil(4)),
            large_tiles: area(h.div_ceil(6), w.div_ceil(6)),
            read: f64::from(read),
            written: f64::from(written),
            taps: f64::from(g.kh * g.kw) / phases,
        }
    }

    fn gathered(&self, job: Job) -> f64 {
        let depth = self.taps * self.read;
        let gather = self.pixels * (PIXEL + depth / PANEL as f64 * GATHER);
        let multiply = PRODUCT * self.pixels / 2.0;
        if job == Job::Filter {
            // Partial sums are written and added.
            multiply * self.written * panels(depth) + gather + 2.0 * self.written * panels(depth)
        } else {
            (multiply * depth + depth * PACK) * panels(self.written) + gather
        }
    }

    /// With so many numbers to a word.
    fn few_pixels(&self, numbers: f64) -> f64 {
        self.pixels * self.written * self.taps * (panels(self.read / numbers) * INNER + SUMS)
    }

    fn winograd(&self, job: Job) -> f64 {
        let (read, written) = (panels(self.read), panels(self.written));
        let ragged = if self.read % PANEL as f64 == 0.0 { 0.0 } else { RAGGED };
        let filters = PANEL as f64 * read * written;
        let tile = TILE + ragged;
        if job == Job::Filter {
            // Groups of four panels of x and y meet in pairs, and both are transformed for every pair.
            let transforms = read * (written / 4.0).ceil() + written * (read / 4.0).ceil();
            let products = 36.0 / 2.0 * read * self.written;
            return self.tiles * (products + transforms * TRANSFORM + tile) + filters * FILTER_BACK;
        }
        let products = 36.0 / 2.0 * self.read * written;
        self.tiles * (products + (read + written) * TRANSFORM + tile) + filters * FILTER
    }

    fn large_winograd(&self) -> f64 {
        let (read, written) = (panels(self.read), panels(self.written));
        let products = 64.0 / 2.0 * self.read * written;
        let tiles = self.large_tiles * (products + (read + written) * LARGE_TRANSFORM + TILE);
        let filters = PANEL as f64 * read * written;
        let numbers = 64.0 * PANEL as f64 * filters;
        let reads = if numbers > CACHED { self.large_tiles / LARGE_BLOCK } else { 0.0 };
        tiles + filters * LARGE_FILTER + reads * numbers * STREAMED
    }

    fn phases(&self, g: &Geometry) -> f64 {
        let tiles = f64::from(g.n) * f64::from(g.h.div_ceil(8)) * f64::from(g.w.div_ceil(8));
        let (read, written) = (panels(self.read), 4.0 * panels(self.written));
        let products = 25.0 / 2.0 * self.read * written;
        tiles * (products + (read + written) * TRANSFORM + TILE) + PANEL as f64 * read * written * FILTER
    }

    fn windows(&self, g: &Geometry) -> f64 {
        let (depth, written) = (self.taps * self.read, panels(self.written));
        let lay = f64::from(g.n * g.oh * g.kh * g.w) * LAY * panels(self.read);
        (PRODUCT * self.pixels / 2.0 * depth + depth * PACK + self.pixels * FINISH) * written + lay
    }

    /// Whether there are as few outputs as [`Product::few_outputs`] is for.
    fn is_thin(&self, g: &Geometry) -> bool {
        g.stride == 1 && g.o as usize <= few_outputs::FEW
    }

    /// With so many products of a number and a panel in a cycle.
    fn few_outputs(&self, products: f64) -> f64 {
        let multiply = PRODUCT * self.read * panels(self.taps * self.written) / products;
        self.pixels * (multiply + self.taps * TAP)
    }

    /// With so many panels of pixels; outputs come by eights. The picture is packed, and the results are turned.
    fn shifted(&self, pixels: f64) -> f64 {
        let products = SHIFT * self.taps * self.read / 4.0 * pixels * self.written.max(8.0);
        products + self.pixels * (self.read / 2.0 + self.written * TURN)
    }

    fn fixed(&self) -> f64 {
        let (read, written) = (panels(self.read), panels(self.written));
        let products = 36.0 / 4.0 * self.read * written * FIXED;
        let filters = PANEL as f64 * read * written;
        self.tiles * (products + (read + written) * FIXED_TRANSFORM + TILE) + filters * FIXED_FILTER
    }
}
