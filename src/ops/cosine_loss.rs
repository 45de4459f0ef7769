//! Cosine loss: `L = mean over the rows of 1 - cos(a_i, t_i)`, `cos = a.t / (|a| |t|)`: how far features point away from those of
//! a teacher, whatever their lengths.
//!
//! `da = weight (cos a / |a|^2 - t / (|a| |t|)) / M`, M the rows. A row that is all zero points nowhere: its loss is 1, its gradient 0.

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, elementwise, mismatch, one_block};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};

/// Inputs: a `[n, features]`, target `[n, features]`, which gets no gradient; outputs: L (one number, without the weight), da.
///
/// Two launches: one writes da and each row's loss, one block per row; the next takes the mean of the rows in order.
#[derive(Clone, Debug)]
pub struct CosineLoss {
    /// Weight of this loss in the total.
    pub weight: f32,
}

static LOSS: Kernel = Kernel { room: "cosine_loss", entry: "cosine_loss", host: loss_host };
static MEAN: Kernel = Kernel { room: "cosine_loss", entry: "cosine_loss_mean", host: mean_host };

/// Rows, features, weight.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    features: u32,
    weight: f32,
}

/// One block of this many threads per row.
const ACROSS: u32 = 128;

impl Op for CosineLoss {
    fn name(&self) -> &'static str {
        "cosine_loss"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [a, target] if a == target && a.dtype == Type::F32 && a.shape.image() == a.shape.c => {
                Ok(vec![Desc::f32(Shape::scalar()), *a])
            }
            _ => Err(mismatch(self, inputs, "two f32 matrices of one shape")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        8 * inputs[0].shape.n
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let shape = io.input(0);
        let params = Params { n: shape.n as u32, features: shape.c as u32, weight: self.weight };
        let reads = vec![io.read(0), io.read(1)];
        let first = elementwise(&LOSS, shape.elements(), reads, vec![io.write(1), io.workspace], params);
        let second = one_block(&MEAN, shape.n, vec![io.workspace], vec![io.write(0)], params);
        vec![Launch { grid: [params.n, 1, 1], block: [ACROSS, 1, 1], ..first }, second]
    }

    fn gradient(&self, _needed: &[bool]) -> Gradient {
        Gradient { emitted: Vec::new(), of_input: vec![Some(Operand::Output(1)), None] }
    }

    fn is_loss(&self) -> bool {
        true
    }
}

fn loss_host(mut args: HostArgs) {
    let Params { n, features, weight } = args.params();
    let features = features as usize;
    let (a, target) = (args.input::<f32>(0), args.input::<f32>(1));
    let (da, losses) = (args.output::<f32>(0), args.output::<f64>(1));
    let scale = f64::from(weight) / f64::from(n);
    let dot = |x: &[f32], y: &[f32]| -> f64 { x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum() };
    let rows = da.chunks_exact_mut(features).zip(a.chunks_exact(features).zip(target.chunks_exact(features)));
    for ((da, (a, target)), loss) in rows.zip(losses) {
        let (aa, tt, at) = (dot(a, a), dot(target, target), dot(a, target));
        let lengths = (aa * tt).sqrt();
        // Of f32 numbers no square vanishes in f64: the product is 0 for a row of zeros alone. A NaN is not 0 and stays.
        let (of_a, of_target) = if lengths == 0.0 { (0.0, 0.0) } else { (at / lengths / aa, 1.0 / lengths) };
        *loss = 1.0 - of_target * at;
        for (da, (a, target)) in da.iter_mut().zip(a.iter().zip(target)) {
            *da = (scale * (of_a * f64::from(*a) - of_target * f64::from(*target))) as f32;
        }
    }
}

fn mean_host(mut args: HostArgs) {
    let (Params { n, .. }, losses) = (args.params(), args.input::<f64>(0));
    args.output::<f32>(0)[0] = (losses.iter().sum::<f64>() / f64::from(n)) as f32;
}
