//! Pixel loss: `L = sum over all pixels and channels of (y - t)^2 / (2 M)`, M the batch (Caffe's EuclideanLoss), in network units.

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, elementwise, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// Inputs: y, target; outputs: L (one number, without the weight), `dy = weight (y - t) / M`.
#[derive(Clone, Debug)]
pub struct PixelLoss {
    /// Weight of this loss in the total (alpha).
    pub weight: f32,
}

static LOSS: Kernel = Kernel { room: "pixel_loss", entry: "pixel_loss", host: loss_host };

/// Batch, elements of a picture, weight.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    image: u32,
    weight: f32,
}

impl Op for PixelLoss {
    fn name(&self) -> &'static str {
        "pixel_loss"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [y, target] if y == target && y.dtype == Type::F32 => Ok(vec![Desc::f32(Shape::scalar()), *y]),
            _ => Err(mismatch(self, inputs, "two f32 tensors of one shape")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        8 * inputs[0].shape.n
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let shape = io.input(0);
        let params = Params { n: shape.n as u32, image: shape.image() as u32, weight: self.weight };
        let reads = vec![io.read(0), io.read(1)];
        let writes = vec![io.write(0), io.write(1), io.workspace];
        vec![elementwise(&LOSS, shape.elements(), reads, writes, params)]
    }

    fn gradient(&self, _needed: &[bool]) -> Gradient {
        Gradient { emitted: Vec::new(), of_input: vec![Some(Operand::Output(1)), None] }
    }

    fn is_loss(&self) -> bool {
        true
    }
}

fn loss_host(mut args: HostArgs) {
    let Params { n, image, weight } = args.params();
    let (y, target) = (args.input::<f32>(0), args.input::<f32>(1));
    let (loss, dy, sums) = (args.output::<f32>(0), args.output::<f32>(1), args.output::<f64>(2));
    let (image, scale) = (image as usize, weight / n as f32);
    let tasks = dy.par_chunks_exact_mut(image).zip(sums.par_iter_mut());
    tasks.zip(y.par_chunks_exact(image).zip(target.par_chunks_exact(image))).for_each(|((dy, sum), (y, target))| {
        *sum = 0.0;
        for (dy, (y, target)) in dy.iter_mut().zip(y.iter().zip(target)) {
            let difference = y - target;
            *dy = scale * difference;
            *sum += f64::from(difference) * f64::from(difference);
        }
    });
    // One sum per picture, added in order.
    loss[0] = (sums.iter().sum::<f64>() / (2.0 * f64::from(n))) as f32;
}
