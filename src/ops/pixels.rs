//! From pictures to numbers: moving and mirroring u8 pixels and bringing them to network units, `(u8 - 127.5) / 128`.

use crate::backend::Launch;
use crate::backend::cpu::{HostArgs, team};
use crate::error::Result;
use crate::ops::{Desc, Formats, Io, Number, Op, Type, elementwise, flat, formats, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// Moves each picture and mirrors some left to right, in one pass with [`Normalize`]. Inputs: u8 pixels and i32 `[n, 3]`: not 0 where the
/// picture is mirrored, and how many pixels it is moved down and to the right before that; what comes in from outside repeats the edge.
/// Outputs: the u8 pixels, and the same in network units.
#[derive(Clone, Debug)]
pub struct Augment {
    /// f32 or bf16.
    pub output: Type,
}

/// u8 pixels to network units. Input: u8 pixels; output: numbers of the same shape. Both formats hold all of them exactly: they
/// are odd numbers below 256 over 256, and the significand of bf16 has 8 bits.
#[derive(Clone, Debug)]
pub struct Normalize {
    /// f32 or bf16.
    pub output: Type,
}

static AUGMENT: Formats = formats!("pixels", "augment", augment_host);
static NORMALIZE: Formats = formats!("pixels", "normalize", normalize_host);

/// Pictures, rows of a picture, width and channels of a row.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Rows {
    n: u32,
    h: u32,
    w: u32,
    c: u32,
}

impl Op for Augment {
    fn name(&self) -> &'static str {
        "augment"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [pixels, moves]
                if pixels.dtype == Type::U8
                    && self.output.is_number()
                    && *moves == (Desc { shape: Shape::matrix(pixels.shape.n, 3), dtype: Type::I32 }) =>
            {
                Ok(vec![*pixels, pixels.of(self.output)])
            }
            _ => Err(mismatch(self, inputs, "u8 pixels and three i32 per picture")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let Shape { n, h, w, c } = io.input(0);
        let rows = Rows { n: n as u32, h: h as u32, w: w as u32, c: c as u32 };
        let (reads, writes) = (vec![io.read(0), io.read(1)], vec![io.write(0), io.write(1)]);
        let launch = elementwise(AUGMENT.of(self.output), io.input(0).pixels(), reads, writes, rows);
        vec![Launch { flop: 2 * io.input(0).elements() as u64, ..launch }]
    }
}

impl Op for Normalize {
    fn name(&self) -> &'static str {
        "normalize"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [pixels] if pixels.dtype == Type::U8 && self.output.is_number() => Ok(vec![pixels.of(self.output)]),
            _ => Err(mismatch(self, inputs, "u8 pixels")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let elements = io.input(0).elements();
        vec![flat(NORMALIZE.of(self.output), elements, vec![io.read(0)], vec![io.write(0)], elements as u64)]
    }
}

/// A position moved back by `by`; what comes in from outside repeats the edge.
fn inside(position: usize, by: i32, extent: usize) -> usize {
    (position as i64 - i64::from(by)).clamp(0, extent as i64 - 1) as usize
}

fn augment_host<N: Number>(mut args: HostArgs) {
    let Rows { h, w, c, .. } = args.params();
    let (height, width, channels) = (h as usize, w as usize, c as usize);
    let row = width * channels;
    let (pixels, moves) = (args.reads[0], args.input::<i32>(1));
    let (moved, out) = (args.output::<u8>(0), args.output::<N>(1));
    let rows = moved.par_chunks_exact_mut(row).zip(out.par_chunks_exact_mut(row));
    team::each(rows.enumerate(), |(index, (moved, out))| {
        let (picture, y) = (index / height, index % height);
        let [mirror, down, right] = [0, 1, 2].map(|which| moves[3 * picture + which]);
        let from = &pixels[(picture * height + inside(y, down, height)) * row..][..row];
        if (mirror, right) == (0, 0) {
            moved.copy_from_slice(from);
        } else {
            for (column, pixel) in moved.chunks_exact_mut(channels).enumerate() {
                let x = inside(if mirror == 0 { column } else { width - 1 - column }, right, width);
                pixel.copy_from_slice(&from[x * channels..][..channels]);
            }
        }
        to_network_units(moved, out);
    });
}

fn normalize_host<N: Number>(mut args: HostArgs) {
    to_network_units(args.reads[0], args.output::<N>(0));
}

/// Both steps are exact in f32: half-integers up to 127.5, divided by a power of two.
fn to_network_units<N: Number>(pixels: &[u8], out: &mut [N]) {
    out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = N::round((f32::from(*pixel) - 127.5) / 128.0));
}
