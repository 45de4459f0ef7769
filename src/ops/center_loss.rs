//! Center loss (Wen, Zhang, Li, Qiao, ECCV 2016; `center_loss_layer.cpp` of ydwen/caffe-face) and the two ways to move the centers.
//!
//! `L = sum over i of ||x_i - c_{y_i}||^2 / (2 M)`, M the batch. `dx_i = weight (x_i - c_{y_i}) / M`, with the centers before the
//! update. `dc_j = sum over i with y_i = j of (c_j - x_i) / (1 + n_j)`, neither divided by M nor times the weight.
//!
//! Nothing is added into a center from two sides: the rows are sorted by identity, and each segment of equal identities is added up
//! in the order of the batch.

use crate::backend::cpu::HostArgs;
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Op, Operand, Type, elementwise, mismatch, one_block};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};

/// Inputs: x `[n, features]`, labels, centers `[identities, features]`; outputs: L (without the weight), dx.
///
/// Two launches: one writes dx and each row's squared distance, one block per row; the next adds the rows in order.
#[derive(Clone, Debug)]
pub struct CenterLoss {
    /// Weight of this loss in the total (beta2).
    pub weight: f32,
}

/// `c_j -= rate dc_j` for the rows of the batch alone, skipped when the guard is not finite. Inputs: x, labels, guard (one number),
/// centers, which are updated in place.
#[derive(Clone, Debug)]
pub struct CenterUpdate {
    /// Wen's alpha.
    pub rate: f32,
}

/// dc for every center, zero for those not in the batch: the gradient that Caffe's solver sees. Inputs: x, labels, centers; output: dc.
#[derive(Clone, Debug)]
pub struct CenterGradient;

static LOSS: Kernel = Kernel { room: "center_loss", entry: "center_loss", host: loss_host };
static SUM: Kernel = Kernel { room: "center_loss", entry: "center_loss_sum", host: sum_host };
static SORT: Kernel = Kernel { room: "center_loss", entry: "center_sort", host: sort_host };
static UPDATE: Kernel = Kernel { room: "center_loss", entry: "center_update", host: update_host };
static GRADIENT: Kernel = Kernel { room: "center_loss", entry: "center_gradient", host: gradient_host };

/// Batch, features, weight or rate.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    n: u32,
    features: u32,
    factor: f32,
}

/// One block of this many threads per row or identity.
const ACROSS: u32 = 128;

impl Params {
    fn new(x: Shape, factor: f32) -> Self {
        Params { n: x.n as u32, features: x.c as u32, factor }
    }
}

/// Sorts the rows of the batch by identity into the workspace, one [`key`] each. Both ways to move the centers begin with it.
fn sort(io: &Io, params: Params) -> Launch {
    elementwise(&SORT, params.n as usize, vec![io.read(1)], vec![io.workspace], params)
}

/// Bytes of the sorted rows.
fn sorted_bytes(inputs: &[Desc]) -> usize {
    8 * inputs[0].shape.n
}

fn fits(x: &Desc, labels: &Desc, centers: &Desc) -> bool {
    let rows = |desc: &Desc| desc.dtype == Type::F32 && desc.shape.image() == desc.shape.c;
    let one_each = Desc { shape: Shape::matrix(x.shape.n, 1), dtype: Type::I32 };
    rows(x) && rows(centers) && x.shape.c == centers.shape.c && *labels == one_each
}

impl Op for CenterLoss {
    fn name(&self) -> &'static str {
        "center_loss"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, labels, centers] if fits(x, labels, centers) => Ok(vec![Desc::f32(Shape::scalar()), *x]),
            _ => Err(mismatch(self, inputs, "features, one i32 label per row, centers")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        8 * inputs[0].shape.n
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let reads = (0..3).map(|index| io.read(index)).collect();
        let params = Params::new(io.input(0), self.weight);
        let first = elementwise(&LOSS, io.input(0).elements(), reads, vec![io.write(1), io.workspace], params);
        let second = one_block(&SUM, params.n as usize, vec![io.workspace], vec![io.write(0)], params);
        vec![Launch { grid: [params.n, 1, 1], block: [ACROSS, 1, 1], ..first }, second]
    }

    fn gradient(&self, _needed: &[bool]) -> Gradient {
        Gradient { emitted: Vec::new(), of_input: vec![Some(Operand::Output(1)), None, None] }
    }

    fn is_loss(&self) -> bool {
        true
    }
}

impl Op for CenterUpdate {
    fn name(&self) -> &'static str {
        "center_update"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, labels, guard, centers] if fits(x, labels, centers) && *guard == Desc::f32(Shape::scalar()) => {
                Ok(vec![])
            }
            _ => Err(mismatch(self, inputs, "features, one i32 label per row, guard, centers")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        sorted_bytes(inputs)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.input(0), self.rate);
        let reads = vec![io.read(0), io.read(2), io.workspace];
        let launch = elementwise(&UPDATE, io.input(0).elements(), reads, vec![io.read(3)], params);
        vec![sort(io, params), Launch { grid: [params.n, 1, 1], block: [ACROSS, 1, 1], ..launch }]
    }

    fn updates(&self) -> &'static [usize] {
        &[3]
    }
}

impl Op for CenterGradient {
    fn name(&self) -> &'static str {
        "center_gradient"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x, labels, centers] if fits(x, labels, centers) => Ok(vec![*centers]),
            _ => Err(mismatch(self, inputs, "features, one i32 label per row, centers")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        sorted_bytes(inputs)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.input(0), 1.0);
        let reads = vec![io.read(0), io.read(2), io.workspace];
        let launch = elementwise(&GRADIENT, io.output(0).elements(), reads, vec![io.write(0)], params);
        vec![sort(io, params), Launch { grid: [io.output(0).n as u32, 1, 1], block: [ACROSS, 1, 1], ..launch }]
    }
}

fn loss_host(mut args: HostArgs) {
    let Params { n, features, factor } = args.params();
    let features = features as usize;
    let (x, labels, centers) = (args.input::<f32>(0), args.input::<i32>(1), args.input::<f32>(2));
    let (dx, sums) = (args.output::<f32>(0), args.output::<f64>(1));
    let scale = factor / n as f32;
    let rows = dx.chunks_exact_mut(features).zip(x.chunks_exact(features));
    for (((dx, x), label), sum) in rows.zip(labels).zip(sums) {
        let center = &centers[*label as usize * features..][..features];
        *sum = 0.0;
        for (dx, (x, c)) in dx.iter_mut().zip(x.iter().zip(center)) {
            let difference = x - c;
            *dx = scale * difference;
            *sum += f64::from(difference) * f64::from(difference);
        }
    }
}

fn sum_host(mut args: HostArgs) {
    let (Params { n, .. }, sums) = (args.params(), args.input::<f64>(0));
    args.output::<f32>(0)[0] = (sums.iter().sum::<f64>() / (2.0 * f64::from(n))) as f32;
}

/// What rows are sorted by: the identity, then the number of the row.
fn key((row, label): (usize, &i32)) -> u64 {
    (*label as u64) << 32 | row as u64
}

fn sort_host(mut args: HostArgs) {
    let labels = args.input::<i32>(0);
    let sorted = args.output::<u64>(0);
    sorted.iter_mut().zip(labels.iter().enumerate()).for_each(|(to, row)| *to = key(row));
    sorted.sort_unstable();
}

/// The segments of equal identities: the identity and its rows in order.
fn segments(sorted: &[u64]) -> impl Iterator<Item = (usize, impl ExactSizeIterator<Item = usize>)> {
    let same = |a: &u64, b: &u64| a >> 32 == b >> 32;
    sorted.chunk_by(same).map(|keys| ((keys[0] >> 32) as usize, keys.iter().map(|key| *key as u32 as usize)))
}

/// dc of one center.
fn step(x: &[f32], rows: impl ExactSizeIterator<Item = usize>, center: &[f32], dc: &mut [f32]) {
    let shrink = 1.0 / (1.0 + rows.len() as f32);
    dc.fill(0.0);
    for row in rows {
        let x = &x[row * center.len()..][..center.len()];
        dc.iter_mut().zip(center.iter().zip(x)).for_each(|(dc, (c, x))| *dc += c - x);
    }
    dc.iter_mut().for_each(|dc| *dc *= shrink);
}

fn update_host(mut args: HostArgs) {
    let Params { features, factor, .. } = args.params();
    let features = features as usize;
    let (x, guard, sorted) = (args.input::<f32>(0), args.input::<f32>(1), args.input::<u64>(2));
    let centers = args.output::<f32>(0);
    if !guard[0].is_finite() {
        return;
    }
    let mut dc = vec![0.0; features];
    for (identity, rows) in segments(sorted) {
        let center = &mut centers[identity * features..][..features];
        step(x, rows, center, &mut dc);
        center.iter_mut().zip(&dc).for_each(|(c, dc)| *c -= factor * dc);
    }
}

fn gradient_host(mut args: HostArgs) {
    let features = args.params::<Params>().features as usize;
    let (x, centers, sorted) = (args.input::<f32>(0), args.input::<f32>(1), args.input::<u64>(2));
    let dc = args.output::<f32>(0);
    dc.fill(0.0);
    for (identity, rows) in segments(sorted) {
        let at = identity * features..(identity + 1) * features;
        step(x, rows, &centers[at.clone()], &mut dc[at]);
    }
}
