//! From pictures to numbers: mirroring u8 pixels and bringing them to network units, `(u8 - 127.5) / 128`.

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Formats, Io, Number, Op, Type, elementwise, flat, formats, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// Mirrors the pictures whose flag is not 0 left to right. Inputs: u8 pixels, one u8 flag per picture; output: u8 pixels.
#[derive(Clone, Debug)]
pub struct Mirror;

/// u8 pixels to network units. Input: u8 pixels; output: numbers of the same shape. Both formats hold all of them exactly: they
/// are odd numbers below 256 over 256, and the significand of bf16 has 8 bits.
#[derive(Clone, Debug)]
pub struct Normalize {
    /// f32 or bf16.
    pub output: Type,
}

static MIRROR: Kernel = Kernel { room: "pixels", entry: "mirror", host: mirror_host };
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

impl Op for Mirror {
    fn name(&self) -> &'static str {
        "mirror"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [pixels, flags]
                if pixels.dtype == Type::U8
                    && *flags == (Desc { shape: Shape::matrix(pixels.shape.n, 1), dtype: Type::U8 }) =>
            {
                Ok(vec![*pixels])
            }
            _ => Err(mismatch(self, inputs, "u8 pixels and one u8 flag per picture")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let Shape { n, h, w, c } = io.input(0);
        let rows = Rows { n: n as u32, h: h as u32, w: w as u32, c: c as u32 };
        let reads = vec![io.read(0), io.read(1)];
        vec![elementwise(&MIRROR, io.input(0).pixels(), reads, vec![io.write(0)], rows)]
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

fn mirror_host(mut args: HostArgs) {
    let Rows { h, w, c, .. } = args.params();
    let (row, height, channels) = ((w * c) as usize, h as usize, c as usize);
    let (pixels, flags) = (args.reads[0], args.reads[1]);
    let [out] = args.outputs::<u8, 1>();
    out.par_chunks_exact_mut(row).zip(pixels.par_chunks_exact(row)).enumerate().for_each(|(index, (out, pixels))| {
        if flags[index / height] == 0 {
            out.copy_from_slice(pixels);
        } else {
            let reversed = pixels.chunks_exact(channels).rev();
            out.chunks_exact_mut(channels).zip(reversed).for_each(|(out, pixel)| out.copy_from_slice(pixel));
        }
    });
}

fn normalize_host<N: Number>(mut args: HostArgs) {
    let pixels = args.reads[0];
    let out = args.output::<N>(0);
    // Both steps are exact in f32: half-integers up to 127.5, divided by a power of two.
    out.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = N::round((f32::from(*pixel) - 127.5) / 128.0));
}
