//! Stochastic gradient descent with momentum, decay and multipliers, in Caffe's order, one pass over all parameters.
//!
//! `v = m v + lr_mult lr (g + decay_mult wd w)`, `w -= v`: the rate is inside the velocity. With clipping, g is first scaled by
//! `min(1, clip / ||g||)`, the norm taken over every gradient of the networks.
//!
//! A step whose norm is not finite changes nothing, so that the last good weights survive for the error report.

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Io, Op, Type, elementwise, mismatch};
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

/// Sum of squares of a block of gradients. Input: gradients; output: the L2 norm (one number).
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
static SGD: Kernel = Kernel { room: "sgd", entry: "sgd", host: sgd_host };

/// Elements whose squares make one partial sum.
const PIECE: usize = 1 << 14;

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
        let writes = vec![io.write(0), io.workspace];
        vec![elementwise(&NORM, elements, vec![io.read(0)], writes, elements as u64)]
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
        let params = [self.momentum, self.weight_decay, self.clip];
        vec![elementwise(&SGD, io.input(0).elements(), reads, vec![io.read(4), io.read(5)], params)]
    }

    fn updates(&self) -> &'static [usize] {
        &[4, 5]
    }
}

fn norm_host(mut args: HostArgs) {
    let gradients = args.input::<f32>(0);
    let (norm, sums) = (args.output::<f32>(0), args.output::<f64>(1));
    sums.par_iter_mut().zip(gradients.par_chunks(PIECE)).for_each(|(sum, gradients)| {
        *sum = gradients.iter().map(|g| f64::from(*g) * f64::from(*g)).sum();
    });
    norm[0] = sums.iter().sum::<f64>().sqrt() as f32;
}

fn sgd_host(mut args: HostArgs) {
    let [momentum, weight_decay, clip] = args.params::<[f32; 3]>();
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
        pieces.zip(gradients.par_chunks(PIECE)).for_each(|((weights, velocities), gradients)| {
            for ((w, v), g) in weights.iter_mut().zip(velocities).zip(gradients) {
                *v = momentum * *v + rate * (scale * g + decay * *w);
                *w -= *v;
            }
        });
    }
}
