//! Bicubic resampling inside a network: f32, separable, height then width, unrounded, with its transpose as the gradient; and the
//! exact u8 down-sampling that makes low-resolution pictures. Taps and border rules are those of [`crate::resample`].

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, elementwise, mismatch};
use crate::resample::{self, Flavour, Resampler, Taps};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::sync::Arc;

/// Input: x; output: x resampled to `height` x `width`, f32, unrounded.
#[derive(Clone, Debug)]
pub struct Resize {
    pub flavour: Flavour,
    pub height: usize,
    pub width: usize,
}

/// The transpose of [`Resize`], which is its gradient. Inputs: dy, x (for its shape alone); output: dx.
#[derive(Clone, Debug)]
pub struct ResizeTransposed {
    pub flavour: Flavour,
}

/// u8 pictures down-sampled by a whole factor, rounded to u8 exactly as the contract says. Input and output: u8, 3 channels.
#[derive(Clone, Debug)]
pub struct Degrade {
    pub flavour: Flavour,
    pub scale: usize,
}

static RESIZE: Kernel = Kernel { room: "resize", entry: "resize", host: resize_host };
static TRANSPOSED: Kernel = Kernel { room: "resize", entry: "resize_transposed", host: transposed_host };
static DEGRADE: Kernel = Kernel { room: "resize", entry: "degrade", host: degrade_host };

/// Extents before and after, channels, flavour.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    h: u32,
    w: u32,
    oh: u32,
    ow: u32,
    c: u32,
    flavour: u32,
}

const FLAVOURS: [Flavour; 3] = [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv];

impl Params {
    fn new(x: Shape, y: Shape, flavour: Flavour) -> Self {
        let flavour = FLAVOURS.iter().position(|known| *known == flavour).unwrap_or_default() as u32;
        Params { h: x.h as u32, w: x.w as u32, oh: y.h as u32, ow: y.w as u32, c: x.c as u32, flavour }
    }

    fn taps(&self) -> (Vec<Tap>, Vec<Tap>) {
        let flavour = FLAVOURS[self.flavour as usize];
        (
            list(&resample::taps(flavour, self.h as usize, self.oh as usize)),
            list(&resample::taps(flavour, self.w as usize, self.ow as usize)),
        )
    }
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x] if x.dtype == Type::F32 && x.shape.elements() > 0 && self.height > 0 && self.width > 0 => {
                let y = Shape { h: self.height, w: self.width, ..x.shape };
                y.checked_elements()?;
                Ok(vec![Desc::f32(y)])
            }
            _ => Err(mismatch(self, inputs, "one f32 tensor that is not empty")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.input(0), io.output(0), self.flavour);
        vec![elementwise(&RESIZE, io.output(0).elements(), vec![io.read(0)], vec![io.write(0)], params)]
    }

    // y = R x is linear:  dx = R^T dy
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let transposed = Arc::new(ResizeTransposed { flavour: self.flavour });
        Gradient {
            emitted: vec![(transposed, vec![Operand::Upstream(0), Operand::Input(0)])],
            of_input: vec![needed[0].then_some(Operand::Emitted(0, 0))],
        }
    }
}

impl Op for ResizeTransposed {
    fn name(&self) -> &'static str {
        "resize_transposed"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [dy, x]
                if dy.dtype == Type::F32
                    && x.dtype == Type::F32
                    && (dy.shape.n, dy.shape.c) == (x.shape.n, x.shape.c) =>
            {
                Ok(vec![*x])
            }
            _ => Err(mismatch(self, inputs, "dy and x of the same batch and channels")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.output(0), io.input(0), self.flavour);
        vec![elementwise(&TRANSPOSED, io.output(0).elements(), vec![io.read(0)], vec![io.write(0)], params)]
    }
}

impl Op for Degrade {
    fn name(&self) -> &'static str {
        "degrade"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let whole = |extent: usize| extent > 0 && self.scale > 0 && extent.is_multiple_of(self.scale);
        match inputs {
            [x] if x.dtype == Type::U8 && x.shape.c == 3 && whole(x.shape.h) && whole(x.shape.w) => {
                let shape = Shape { h: x.shape.h / self.scale, w: x.shape.w / self.scale, ..x.shape };
                Ok(vec![Desc { shape, dtype: Type::U8 }])
            }
            _ => Err(mismatch(self, inputs, "u8 pictures of 3 channels whose extents are multiples of the scale")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.input(0), io.output(0), self.flavour);
        vec![elementwise(&DEGRADE, io.output(0).elements(), vec![io.read(0)], vec![io.write(0)], params)]
    }
}

/// Source positions and weights of one output position.
type Tap = Vec<(usize, f32)>;

fn list(taps: &Taps) -> Vec<Tap> {
    let entries = taps.index.iter().zip(&taps.weight).map(|(index, weight)| (*index as usize, *weight as f32));
    entries.collect::<Vec<_>>().chunks(taps.width).map(<[_]>::to_vec).collect()
}

/// The same table seen from the source: for every source position the outputs it goes into.
fn transpose(taps: &[Tap], sources: usize) -> Vec<Tap> {
    let mut transposed = vec![Vec::new(); sources];
    for (output, tap) in taps.iter().enumerate() {
        for (source, weight) in tap {
            transposed[*source].push((output, *weight));
        }
    }
    transposed
}

/// Resamples one picture, rows first: `rows` and `columns` list, for each target position, where it gets its sum from.
fn separable(x: &[f32], (w, c): (usize, usize), rows: &[Tap], columns: &[Tap], y: &mut [f32]) {
    let mut line = vec![0.0; w * c];
    for (tap, y) in rows.iter().zip(y.chunks_exact_mut(columns.len() * c)) {
        line.fill(0.0);
        for (source, weight) in tap {
            let x = &x[source * w * c..][..w * c];
            line.iter_mut().zip(x).for_each(|(line, x)| *line += weight * x);
        }
        for (tap, y) in columns.iter().zip(y.chunks_exact_mut(c)) {
            y.fill(0.0);
            for (source, weight) in tap {
                y.iter_mut().zip(&line[source * c..][..c]).for_each(|(y, line)| *y += weight * line);
            }
        }
    }
}

fn resize_host(mut args: HostArgs) {
    let params: Params = args.params();
    let (rows, columns) = params.taps();
    let (w, c) = (params.w as usize, params.c as usize);
    let x = args.input::<f32>(0);
    let [y] = args.outputs::<f32, 1>();
    let images = y.par_chunks_exact_mut((params.oh * params.ow) as usize * c);
    images.zip(x.par_chunks_exact(params.h as usize * w * c)).for_each(|(y, x)| {
        separable(x, (w, c), &rows, &columns, y);
    });
}

fn transposed_host(mut args: HostArgs) {
    let params: Params = args.params();
    let (rows, columns) = params.taps();
    let (rows, columns) = (transpose(&rows, params.h as usize), transpose(&columns, params.w as usize));
    let (ow, c) = (params.ow as usize, params.c as usize);
    let dy = args.input::<f32>(0);
    let [dx] = args.outputs::<f32, 1>();
    let images = dx.par_chunks_exact_mut((params.h * params.w) as usize * c);
    images.zip(dy.par_chunks_exact(params.oh as usize * ow * c)).for_each(|(dx, dy)| {
        separable(dy, (ow, c), &rows, &columns, dx);
    });
}

fn degrade_host(mut args: HostArgs) {
    let params: Params = args.params();
    let (from, to) = ((params.h as usize, params.w as usize), (params.oh as usize, params.ow as usize));
    let pixels = args.reads[0];
    let out = args.output::<u8>(0);
    // The extents were checked when the graph was built, so neither call can fail.
    let Ok(resampler) = Resampler::new(FLAVOURS[params.flavour as usize], from, to) else { return };
    out.par_chunks_exact_mut(to.0 * to.1 * 3).zip(pixels.par_chunks_exact(from.0 * from.1 * 3)).for_each(
        |(to, from)| {
            let _ = resampler.run(from, to);
        },
    );
}
