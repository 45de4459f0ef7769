//! Stochastic gradient descent with momentum, decay and multipliers, in Caffe's order, one pass over all parameters.
//!
//! `v = m v + lr_mult lr (g + decay_mult wd w)`, `w -= v`: the rate is inside the velocity. With clipping, g is first scaled by
//! `min(1, clip / ||g||)`, the norm taken over every gradient of the networks.
//!
//! A step whose norm is not finite changes nothing, so that the last good weights survive for the error report.

use crate::backend::cpu::{HostArgs, team};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Io, Op, Type, elementwise, mismatch, one_block};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// One parameter's part of the blocks that [`Sgd`] walks over; offsets and lengths in f32.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Segment {
    /// Where its weights begin in the block of weights.
    pub weight: u32,
    /// Where its gradient begins in the block of gradients, and its velocity in the block of velocities.
    pub gradient: u32,
    pub length: u32,
    /// Which of the rates applies to it.
    pub rate: u32,
    pub lr_mult: f32,
    pub decay_mult: f32,
    /// 1 where the norm of the networks' gradients clips this one.
    pub clipped: u32,
    pub reserved: u32,
}

const _: () = assert!(size_of::<Segment>() == 32);

/// L2 norm of a block of gradients: a sum of squares per piece, then the root of their sum. Input: gradients; output: the L2 norm (one number).
#[derive(Clone, Debug)]
pub struct Norm;

/// The update. Inputs: gradients, rates, norm, segments (bytes), weights and velocities, the last two updated in place.
#[derive(Clone, Debug)]
pub struct Sgd {
    pub momentum: f32,
    pub weight_decay: f32,
    /// Largest norm that passes unscaled; 0 switches clipping off.
    pub clip: f32,
}

static NORM: Kernel = Kernel { room: "sgd", entry: "gradient_norm", host: norm_host };
static ROOT: Kernel = Kernel { room: "sgd", entry: "gradient_norm_root", host: root_host };
static SGD: Kernel = Kernel { room: "sgd", entry: "sgd", host: sgd_host };

/// Elements whose squares make one partial sum.
const PIECE: usize = 1 << 14;

/// Elements of the block of gradients that one thread block of the update owns.
const OWNED: usize = 2048;

/// Momentum, weight decay, largest norm; segments, and elements of the block of gradients.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    momentum: f32,
    weight_decay: f32,
    clip: f32,
    segments: u32,
    gradients: u32,
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "gradient_norm"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [gradients] if gradients.dtype == Type::F32 => Ok(vec![Desc::f32(Shape::scalar())]),
            _ => Err(mismatch(self, inputs, "one f32 block")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        8 * inputs[0].shape.elements().div_ceil(PIECE)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let elements = io.input(0).elements();
        let pieces = elements.div_ceil(PIECE);
        let first = elementwise(&NORM, elements, vec![io.read(0)], vec![io.workspace], elements as u64);
        let second = one_block(&ROOT, pieces, vec![io.workspace], vec![io.write(0)], pieces as u64);
        vec![Launch { grid: [pieces as u32, 1, 1], ..first }, second]
    }
}

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [gradients, rates, norm, segments, _weights, velocities]
                if gradients == velocities
                    && rates.dtype == Type::F32
                    && *norm == Desc::f32(Shape::scalar())
                    && segments.dtype == Type::U8 =>
            {
                Ok(vec![])
            }
            _ => {
                Err(mismatch(self, inputs, "gradients, rates, norm, segments, weights, velocities like the gradients"))
            }
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let reads = (0..4).map(|index| io.read(index)).collect();
        let elements = io.input(0).elements();
        let params = Params {
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            clip: self.clip,
            segments: (io.input(3).elements() / size_of::<Segment>()) as u32,
            gradients: elements as u32,
        };
        let launch = elementwise(&SGD, elements, reads, vec![io.read(4), io.read(5)], params);
        vec![Launch { grid: [elements.div_ceil(OWNED) as u32, 1, 1], ..launch }]
    }

    fn updates(&self) -> &'static [usize] {
        &[4, 5]
    }
}

fn norm_host(mut args: HostArgs) {
    let gradients = args.input::<f32>(0);
    let sums = args.output::<f64>(0);
    team::each(sums.par_iter_mut().zip(gradients.par_chunks(PIECE)), |(sum, gradients)| {
        // Sixteen sums side by side, in an order that does not depend on the processor, are what vectors can do.
        let (wholes, rest) = gradients.as_chunks::<16>();
        let mut sums = [0f64; 16];
        for whole in wholes {
            sums.iter_mut().zip(whole).for_each(|(sum, g)| *sum += f64::from(*g) * f64::from(*g));
        }
        sums.iter_mut().zip(rest).for_each(|(sum, g)| *sum += f64::from(*g) * f64::from(*g));
        *sum = sums.iter().sum();
    });
}

fn root_host(mut args: HostArgs) {
    let sums = args.input::<f64>(0);
    args.output::<f32>(0)[0] = sums.iter().sum::<f64>().sqrt() as f32;
}

fn sgd_host(mut args: HostArgs) {
    let Params { momentum, weight_decay, clip, .. } = args.params();
    let (gradients, rates, norm) = (args.input::<f32>(0), args.input::<f32>(1), args.input::<f32>(2)[0]);
    let segments = args.input::<Segment>(3);
    let [weights, velocities] = args.outputs::<f32, 2>();
    if !norm.is_finite() {
        return;
    }
    let clipping = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
    for segment in segments {
        let length = segment.length as usize;
        let weights = &mut weights[segment.weight as usize..][..length];
        let velocities = &mut velocities[segment.gradient as usize..][..length];
        let gradients = &gradients[segment.gradient as usize..][..length];
        let rate = segment.lr_mult * rates[segment.rate as usize];
        let decay = segment.decay_mult * weight_decay;
        let scale = if segment.clipped == 1 { clipping } else { 1.0 };
        let pieces = weights.par_chunks_mut(PIECE).zip(velocities.par_chunks_mut(PIECE));
        team::each(pieces.zip(gradients.par_chunks(PIECE)), |((weights, velocities), gradients)| {
            for ((w, v), g) in weights.iter_mut().zip(velocities).zip(gradients) {
                *v = momentum * *v + rate * (scale * g + decay * *w);
                *w -= *v;
            }
        });
    }
}
