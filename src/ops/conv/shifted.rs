//! bf16 convolution of stride 1 as one matrix product per tap: with zeros around it and its pixels counted through, a picture that is
//! shifted by a tap is the same picture read from another place. So it is packed once, not once per tap, and the filter is read where
//! it lies. Between two rows of y a few products are made that nobody wants. Knows nothing of epilogues.

use super::narrow::Products;
use super::{Geometry, locate};
use crate::backend::cpu::Scratch;
use crate::backend::cpu::gemm::{Extent, PANEL, panels};
use crate::backend::cpu::pairs::{self, Target, Words};
use crate::backend::cpu::simd::Level;
use crate::backend::cpu::team;
use rayon::prelude::*;

/// Outputs that one task computes.
const OUTPUTS: usize = 24;

/// A batch of pictures with zeros around them.
struct Padded {
    /// Height and width.
    h: usize,
    w: usize,
    pad: usize,
    /// Places from the first pixel of y to the last one, and as many as the largest shift more.
    outputs: usize,
    places: usize,
}

impl Padded {
    fn new(g: &Geometry) -> Self {
        let [n, h, w, oh, ow, kh, kw, pad] =
            [g.n, g.h, g.w, g.oh, g.ow, g.kh, g.kw, g.pad].map(|extent| extent as usize);
        let (h, w) = (h + 2 * pad, w + 2 * pad);
        let outputs = ((n - 1) * h + oh - 1) * w + ow;
        // Panels reach past the last pixel of y.
        let places = (panels(outputs) * PANEL + (kh - 1) * w + kw - 1).next_multiple_of(PANEL);
        Padded { h, w, pad, outputs, places }
    }

    /// Where a pixel of x lies, and, without the zeros, one of y.
    fn place(&self, (n, i, j): (usize, usize, usize), pad: usize) -> usize {
        (n * self.h + i + pad) * self.w + j + pad
    }

    /// `packed[word][place]` of `x[pixel][word]`.
    fn pack(&self, g: &Geometry, x: &[u32], packed: &mut [f32]) {
        packed.fill(0.0);
        let words = g.c as usize / 2;
        for (pixel, x) in x.chunks_exact(words).enumerate() {
            let place = self.place(locate(pixel, g.h as usize, g.w as usize), self.pad);
            packed.chunks_exact_mut(self.places).zip(x).for_each(|(row, word)| row[place] = f32::from_bits(*word));
        }
    }
}

/// Panels of pixels that are multiplied.
pub(super) fn pixel_panels(g: &Geometry) -> usize {
    panels(Padded::new(g).outputs)
}

/// The products of x and w, both in words of two bf16.
pub(super) fn multiply(
    g: &Geometry,
    (x, w): (&[u32], &[u32]),
    (level, scratch): (Level, &Scratch),
    finish: impl FnOnce(Products),
) {
    let (channels, words, taps) = (g.o as usize, g.c as usize / 2, (g.kh * g.kw) as usize);
    let picture = Padded::new(g);
    let extent = Extent { rows: OUTPUTS, depth: words, panels: panels(picture.outputs) };
    let stride = extent.panels * PANEL;
    scratch.of_launch(words * picture.places + channels * stride, |memory| {
        let (packed, products) = memory.split_at_mut(words * picture.places);
        picture.pack(g, x, packed);
        let packed: &[u32] = bytemuck::cast_slice(packed);
        team::each(products.par_chunks_mut(OUTPUTS * stride).enumerate(), |(task, out)| {
            let extent = Extent { rows: out.len() / stride, ..extent };
            for tap in 0..taps {
                let shift = picture.place((0, tap / g.kw as usize, tap % g.kw as usize), 0);
                let left = Words { data: &w[(task * OUTPUTS * taps + tap) * words..], outer: taps * words, depth: 1 };
                let right = Words { data: &packed[shift..], outer: PANEL, depth: picture.places };
                pairs::multiply_bf16(level, extent, [left, right], Target { out, stride, accumulate: tap > 0 });
            }
        });
        let place = |pixel: usize| picture.place(locate(pixel, g.oh as usize, g.ow as usize), 0);
        finish(Products { sums: products, stride, place: &place });
    });
}
