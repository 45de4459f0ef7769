//! Softmax and cross-entropy in one kernel: `L = mean over the batch of -log softmax(z)[label]`.

use crate::backend::cpu::{HostArgs, team};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, elementwise, mismatch, one_block};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// Inputs: logits, labels (i32); outputs: L (one number, without the weight), `dz = weight (softmax(z) - onehot) / M`.
///
/// Two launches: one writes dz and each row's loss, one block per row; the next takes the mean.
#[derive(Clone, Debug)]
pub struct SoftmaxLoss {
    /// Weight of this loss in the total (beta1).
    pub weight: f32,
}

static LOSS: Kernel = Kernel { room: "softmax_loss", entry: "softmax_loss", host: loss_host };
static MEAN: Kernel = Kernel { room: "softmax_loss", entry: "softmax_loss_mean", host: mean_host };

/// Batch, classes, weight.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    classes: u32,
    weight: f32,
}

impl Op for SoftmaxLoss {
    fn name(&self) -> &'static str {
        "softmax_loss"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [z, labels]
                if z.dtype == Type::F32
                    && z.shape.image() == z.shape.c
                    && *labels == (Desc { shape: Shape::matrix(z.shape.n, 1), dtype: Type::I32 }) =>
            {
                Ok(vec![Desc::f32(Shape::scalar()), *z])
            }
            _ => Err(mismatch(self, inputs, "f32 rows of logits and one i32 label per row")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        8 * inputs[0].shape.n
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let shape = io.input(0);
        let params = Params { n: shape.n as u32, classes: shape.c as u32, weight: self.weight };
        let writes = vec![io.write(1), io.workspace];
        let first = elementwise(&LOSS, shape.elements(), vec![io.read(0), io.read(1)], writes, params);
        let second = one_block(&MEAN, shape.n, vec![io.workspace], vec![io.write(0)], params);
        vec![Launch { grid: [shape.n as u32, 1, 1], ..first }, second]
    }

    fn gradient(&self, _needed: &[bool]) -> Gradient {
        Gradient { emitted: Vec::new(), of_input: vec![Some(Operand::Output(1)), None] }
    }

    fn is_loss(&self) -> bool {
        true
    }
}

fn loss_host(mut args: HostArgs) {
    let Params { n, classes, weight } = args.params();
    let (z, labels) = (args.input::<f32>(0), args.input::<i32>(1));
    let (dz, losses) = (args.output::<f32>(0), args.output::<f64>(1));
    let (classes, scale) = (classes as usize, weight / n as f32);
    let rows = dz.par_chunks_exact_mut(classes).zip(losses.par_iter_mut());
    team::each(rows.zip(z.par_chunks_exact(classes).zip(labels)), |((dz, loss), (z, label))| {
        // Subtracting the maximum keeps every exponential at or below 1.
        let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        dz.iter_mut().zip(z).for_each(|(e, z)| *e = (z - largest).exp());
        let sum: f64 = dz.iter().map(|e| f64::from(*e)).sum();
        let label = *label as usize;
        // A NaN among the logits is not the maximum of anything; the sum carries it into the loss.
        *loss = sum.ln() - f64::from(z[label] - largest);
        let factor = (f64::from(scale) / sum) as f32;
        dz.iter_mut().for_each(|e| *e *= factor);
        dz[label] -= scale;
    });
}

fn mean_host(mut args: HostArgs) {
    let (Params { n, .. }, losses) = (args.params(), args.input::<f64>(0));
    args.output::<f32>(0)[0] = (losses.iter().sum::<f64>() / f64::from(n)) as f32;
}
