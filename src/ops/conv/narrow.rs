//! bf16 convolution forward on the host. Where the processor multiplies pairs of 16-bit numbers, filters and pictures are read as they
//! lie, in half the bytes of f32, and twice as many products are made in a cycle; the cost model says for which shapes. Everywhere else,
//! and for every gradient, tensors are widened and computed with in f32, so that a result is rounded where it is stored and nowhere
//! else.

use super::cost::{self, Algorithm};
use super::epilogue::{Tail, Written};
use super::forward::{self, finish_columns};
use super::wide::{Wide, widen};
use super::winograd::Fixed;
use super::{Geometry, gather, locate};
use crate::backend::cpu::{HostArgs, gemm, pairs};
use crate::ops::bf16;

pub(super) fn forward_host(mut args: HostArgs) {
    let g: Geometry = args.params();
    if !args.level.multiplies_bf16() {
        return forward::forward_host::<bf16>(args);
    }
    match cost::bf16_algorithm(&g) {
        Algorithm::Fixed => {
            let tail = (args.input(2), args.input(3), args.input(4));
            let (y, before) = (args.output(0), args.output(1));
            let to = Written { y, before, ..Written::default() };
            Fixed::new(&g, args.input(1), tail, (args.level, args.scratch)).run(args.input(0), to);
        }
        Algorithm::FewPixels => few_pixels(&g, args),
        _ => forward::forward_host::<bf16>(args),
    }
}

/// As one matrix product whose right matrix are the pixels, gathered and packed; the filter is read once, where it lies.
fn few_pixels(g: &Geometry, mut args: HostArgs) {
    let (depth, channels, pixels) = ((g.kh * g.kw * g.c) as usize, g.o as usize, (g.n * g.oh * g.ow) as usize);
    let (words, width) = (depth / 2, pairs::row_len(pixels));
    let (x, w): (&[bf16], &[u32]) = (args.input(0), args.input(1));
    let (residual, level) = (widen(args.input::<bf16>(4)), args.level);
    let tail = Tail { bias: args.input(2), slope: args.input(3), residual: &residual, z: &[] };
    let (mut y, mut before) = (Wide::new(args.output::<bf16>(0)), Wide::new(args.output::<bf16>(1)));
    let sizes = [pixels * words, gemm::packed_len(words, pixels), channels * width];
    args.scratch.of_launch(sizes.iter().sum(), |memory| {
        let (gathered, rest) = memory.split_at_mut(sizes[0]);
        let (packed, products) = rest.split_at_mut(sizes[1]);
        for (pixel, row) in gathered.chunks_exact_mut(words).enumerate() {
            let at = locate(pixel, g.oh as usize, g.ow as usize);
            gather(g, x, at, 0..depth, bytemuck::cast_slice_mut(row));
        }
        pairs::multiply_rows(level, (w, gathered), (words, pixels), packed, products);
        let whole = Written { y: y.f32(), before: before.f32(), ..Default::default() };
        finish_columns((products, width), tail, (pixels, channels), whole);
    });
    y.finish();
    before.finish();
}
