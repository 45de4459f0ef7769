//! Pixel loss: `L = sum over all pixels and channels of (y - t)^2 / (2 M)`, M the batch (Caffe's EuclideanLoss), in network units.

use crate::backend::cpu::{HostArgs, team};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Number, Op, Operand, Type, bf16, elementwise, mismatch, one_block};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// Inputs: y, target, each f32 or bf16; outputs: L (one f32, without the weight), `dy = weight (y - t) / M` of y's type.
///
/// Two launches: one writes dy and a sum for each piece of [`PIECE`] elements, the next adds the sums in order.
#[derive(Clone, Debug)]
pub struct PixelLoss {
    /// Weight of this loss in the total (alpha).
    pub weight: f32,
}

/// Elements whose squares make one partial sum.
const PIECE: usize = 4096;

static LOSS: Kernel = Kernel { room: "pixel_loss", entry: "pixel_loss", host: loss_host::<f32, f32> };
static LOSS_BF16: Kernel = Kernel { room: "pixel_loss", entry: "pixel_loss_bf16", host: loss_host::<bf16, bf16> };
// The type of y, then the type of the target.
static LOSS_F32_BF16: Kernel =
    Kernel { room: "pixel_loss", entry: "pixel_loss_f32_bf16", host: loss_host::<f32, bf16> };
static LOSS_BF16_F32: Kernel =
    Kernel { room: "pixel_loss", entry: "pixel_loss_bf16_f32", host: loss_host::<bf16, f32> };
static SUM: Kernel = Kernel { room: "pixel_loss", entry: "pixel_loss_sum", host: sum_host };

/// Elements of the whole batch, pictures, weight; for the sum, elements are partial sums.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    n: u32,
    weight: f32,
}

impl Op for PixelLoss {
    fn name(&self) -> &'static str {
        "pixel_loss"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [y, target] if y.shape == target.shape && y.dtype.is_number() && target.dtype.is_number() => {
                Ok(vec![Desc::f32(Shape::scalar()), *y])
            }
            _ => Err(mismatch(self, inputs, "two tensors of one shape, f32 or bf16")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        8 * inputs[0].shape.elements().div_ceil(PIECE)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let shape = io.input(0);
        let params = Params { elements: shape.elements() as u32, n: shape.n as u32, weight: self.weight };
        let kernel = match (io.dtype(0), io.dtype(1)) {
            (Type::Bf16, Type::Bf16) => &LOSS_BF16,
            (Type::Bf16, _) => &LOSS_BF16_F32,
            (_, Type::Bf16) => &LOSS_F32_BF16,
            _ => &LOSS,
        };
        let pieces = shape.elements().div_ceil(PIECE) as u32;
        let first = elementwise(
            kernel,
            shape.elements(),
            vec![io.read(0), io.read(1)],
            vec![io.write(1), io.workspace],
            params,
        );
        let second = one_block(
            &SUM,
            pieces as usize,
            vec![io.workspace],
            vec![io.write(0)],
            Params { elements: pieces, ..params },
        );
        vec![Launch { grid: [pieces, 1, 1], ..first }, second]
    }

    fn gradient(&self, _needed: &[bool]) -> Gradient {
        Gradient { emitted: Vec::new(), of_input: vec![Some(Operand::Output(1)), None] }
    }

    fn is_loss(&self) -> bool {
        true
    }
}

fn loss_host<Y: Number, T: Number>(mut args: HostArgs) {
    let Params { n, weight, .. } = args.params();
    let (y, target) = (args.input::<Y>(0), args.input::<T>(1));
    let (dy, sums) = (args.output::<Y>(0), args.output::<f64>(1));
    let scale = weight / n as f32;
    let tasks = dy.par_chunks_mut(PIECE).zip(sums.par_iter_mut());
    team::each(tasks.zip(y.par_chunks(PIECE).zip(target.par_chunks(PIECE))), |((dy, sum), (y, target))| {
        *sum = 0.0;
        for (dy, (y, target)) in dy.iter_mut().zip(y.iter().zip(target)) {
            let difference = y.widen() - target.widen();
            *dy = Y::round(scale * difference);
            *sum += f64::from(difference) * f64::from(difference);
        }
    });
}

fn sum_host(mut args: HostArgs) {
    let Params { n, .. } = args.params();
    let sums = args.input::<f64>(0);
    args.output::<f32>(0)[0] = (sums.iter().sum::<f64>() / (2.0 * f64::from(n))) as f32;
}
