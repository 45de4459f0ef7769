//! Convolution of stride 1 with very few outputs: one product of every pixel of x with the filter of all taps, side by side as columns, and
//! then sums of what each tap has left beside its pixel. A product for outputs alone would leave most lanes of a vector empty; this one
//! fills them with taps. Does not know whether the numbers are f32 or bf16.

use super::Geometry;
use super::epilogue::{Tail, Written, for_pieces};
use crate::backend::cpu::Scratch;
use crate::backend::cpu::gemm::{PANEL, panels};
use crate::backend::cpu::lanes::{self, Job, Simd};
use crate::backend::cpu::simd::{Level, Vector};

/// Outputs that there may be: sums of a pixel are four lanes.
pub(super) const FEW: usize = 4;

/// Numbers of the products that a task keeps, which stay in the second-level cache.
const KEPT: usize = 98_304;

/// Extents, and where the products of a task lie: rows of x with zeros on both sides, `width` columns for each pixel.
struct Extents {
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    o: usize,
    kh: usize,
    kw: usize,
    pad: usize,
    width: usize,
}

/// The filter as the product's right matrix has its columns: `[tap][output][c]` of `[output][tap][c]`.
pub(super) fn by_taps<T: Copy>(g: &Geometry, w: &[T], c: usize) -> Vec<T> {
    let taps = (g.kh * g.kw) as usize;
    let filter = |tap: usize, output: usize| &w[(output * taps + tap) * c..][..c];
    (0..taps).flat_map(|tap| (0..g.o as usize).flat_map(move |output| filter(tap, output))).copied().collect()
}

/// Columns of the product.
pub(super) fn columns(g: &Geometry) -> usize {
    (g.kh * g.kw * g.o) as usize
}

/// Computes y. `product(line, out)` multiplies a row of x, counted over the batch, with the filter [`by_taps`]: as many panels of numbers for
/// each pixel as hold the [`columns`].
pub(super) fn run(
    g: &Geometry,
    tail: Tail,
    whole: Written,
    (level, scratch): (Level, &Scratch),
    product: impl Fn(usize, &mut [f32]) + Sync,
) {
    let e = Extents::new(g);
    let rows = (KEPT / e.line()).saturating_sub(e.kh - 1).clamp(1, e.oh);
    // What one pixel has, for a whole row.
    let [bias, slope] = [tail.bias, tail.slope].map(|vector| vector.repeat(e.ow));
    let of_row = Tail { bias: &bias, slope: &slope, ..tail };
    for_pieces(whole, (rows * e.ow, e.o), |piece, to| {
        let mut sums = vec![0.0; e.ow * e.o + FEW];
        scratch.of_worker((rows + e.kh - 1) * e.line() + FEW, |products| {
            let (mut row, count) = (piece * rows, to.y.len() / (e.ow * e.o));
            let end = row + count;
            while row < end {
                // Rows of one picture.
                let (n, from) = (row / e.oh, row % e.oh);
                let until = e.oh.min(from + end - row);
                e.multiply(n, from..until, products, &product);
                for i in from..until {
                    lanes::run(
                        level,
                        Row { extents: &e, products: &products[(i - from) * e.line()..], sums: &mut sums },
                    );
                    let (at, first) = (row + i - from - piece * rows, (row + i - from) * e.ow);
                    if tail.z.is_empty() {
                        of_row.finish(&sums, first * e.o, to.pixel(at, e.ow * e.o));
                    } else {
                        for (j, sums) in sums.chunks_exact(e.o).take(e.ow).enumerate() {
                            tail.finish(sums, (first + j) * e.o, to.pixel(at * e.ow + j, e.o));
                        }
                    }
                }
                row += until - from;
            }
        });
    });
}

impl Extents {
    fn new(g: &Geometry) -> Self {
        let [h, w, oh, ow, o, kh, kw, pad] =
            [g.h, g.w, g.oh, g.ow, g.o, g.kh, g.kw, g.pad].map(|extent| extent as usize);
        Extents { h, w, oh, ow, o, kh, kw, pad, width: panels(columns(g)) * PANEL }
    }

    /// Numbers of the products of a row.
    fn line(&self) -> usize {
        (self.w + 2 * self.pad) * self.width
    }

    /// The products of all rows of picture `n` that rows of y read, zeros around them.
    fn multiply(
        &self,
        n: usize,
        rows: std::ops::Range<usize>,
        products: &mut [f32],
        product: &impl Fn(usize, &mut [f32]),
    ) {
        let edge = self.pad * self.width;
        let lines = rows.start..rows.end + self.kh - 1;
        for (line, out) in lines.zip(products.chunks_exact_mut(self.line())) {
            match line.checked_sub(self.pad).filter(|line| *line < self.h) {
                Some(line) => {
                    let (left, rest) = out.split_at_mut(edge);
                    let (inside, right) = rest.split_at_mut(self.w * self.width);
                    left.fill(0.0);
                    right.fill(0.0);
                    product(n * self.h + line, inside);
                }
                None => out.fill(0.0),
            }
        }
    }
}

/// Adds the taps of a row of y.
struct Row<'a> {
    extents: &'a Extents,
    /// From the first row on that is read.
    products: &'a [f32],
    /// A few more numbers than the row has.
    sums: &'a mut [f32],
}

impl Job for Row<'_> {
    #[inline(always)]
    fn run<V: Vector>(self, _: Simd<V>) {
        let e = self.extents;
        for j in 0..e.ow {
            // Four lanes, whatever the outputs: those that are too many belong to other columns, and are written over.
            let mut sums = [0.0; FEW];
            for p in 0..e.kh {
                let row = &self.products[p * e.line() + j * e.width + p * e.kw * e.o..];
                for q in 0..e.kw {
                    if let Some(four) = row[q * (e.width + e.o)..].first_chunk::<FEW>() {
                        for (sum, number) in sums.iter_mut().zip(four) {
                            *sum += number;
                        }
                    }
                }
            }
            if let Some(to) = self.sums[j * e.o..].first_chunk_mut::<FEW>() {
                *to = sums;
            }
        }
    }
}
