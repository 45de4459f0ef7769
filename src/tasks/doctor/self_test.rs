//! Known answers: ops against the plainest f64 loops, whole training steps against the portable instruction set, and the same
//! bits twice. Every tolerance is derived, none is chosen.

use super::tiny;
use crate::backend::Device;
use crate::backend::cpu::Cpu;
use crate::backend::cpu::simd::Level;
use crate::data::synth;
use crate::error::Result;
use crate::graph::{Graph, Program};
use crate::model::config::{Mode, Word};
use crate::model::{self, Model};
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;
use crate::ops::resize::Degrade;
use crate::ops::{Desc, Type};
use crate::random::Random;
use crate::resample::{Flavour, shrink_u8};
use crate::shape::{HR, LR, Shape};
use crate::tasks::Context;
use std::sync::Arc;

/// One question and its answer.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    pub pass: bool,
    /// The largest error in units of the tolerance; at most 1 passes. 0 where bits are compared and equal.
    pub error: f64,
}

impl Check {
    fn new(name: impl Into<String>, error: f64) -> Check {
        // A NaN is no pass.
        Check { name: name.into(), pass: error <= 1.0, error }
    }
}

/// Half a unit in the last place of an f32 near 1.
const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
const SEED: u64 = 7;
const BATCH: usize = 2;

/// Runs every check on a device.
pub fn run(context: &Context, device: &Arc<dyn Device>) -> Result<Vec<Check>> {
    let mut checks = vec![conv(device)?, linear(device)?];
    for flavour in [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv] {
        checks.push(degrade(device, flavour)?);
    }
    let portable: Arc<dyn Device> = Arc::new(Cpu::with_level(Some(1), Level::Portable)?);
    // A CPU must give the same bits with any number of threads; other devices are asked twice.
    let single: Arc<dyn Device> = Arc::new(Cpu::new(Some(1))?);
    let second = if device.info().name == single.info().name { &single } else { device };
    let threads = [device, second].map(|device| device.info().threads.to_string()).join(" and ");
    for (word, mode) in Mode::CHOICES {
        context.check_stopped()?;
        let [here, again, plain] = [device, second, &portable].map(|device| Step::of(*mode, device));
        let (here, again, plain) = (here?, again?, plain?);
        checks.push(Check::new(format!("{word}: step like the portable one"), here.distance(&plain)));
        let same = here.weights.iter().zip(&again.weights).all(|(a, b)| a.to_bits() == b.to_bits());
        checks.push(Check::new(
            format!("{word}: same bits with {threads} threads"),
            if same { 0.0 } else { f64::INFINITY },
        ));
    }
    Ok(checks)
}

fn numbers(name: &str, count: usize) -> Vec<f32> {
    let mut random = Random::named(SEED, name);
    (0..count).map(|_| random.normal() as f32).collect()
}

/// The largest error of dot products in units of their bound: a sum of `terms` rounded products, in any order and with or without
/// fused multiply-add, is off by at most `terms u / (1 - terms u)` times the sum of their sizes (Higham, Accuracy and Stability of
/// Numerical Algorithms, 2nd edition, section 3.1).
fn worst(values: &[f32], exact: &[(f64, f64)], terms: usize) -> f64 {
    let share = terms as f64 * ROUNDING;
    let bound = share / (1.0 - share);
    let errors =
        values.iter().zip(exact).map(|(value, (sum, sizes))| (f64::from(*value) - sum).abs() / (bound * sizes));
    largest(errors)
}

/// The largest of numbers that are not negative; one that is not a number is larger than all.
fn largest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |most, number| if most.is_nan() || number <= most { most } else { number })
}

/// A graph of one op: parameters in the store, one fetched output.
fn one_op(
    device: &Arc<dyn Device>,
    op: impl crate::ops::Op + 'static,
    operands: &[(Shape, &[f32])],
) -> Result<Vec<f32>> {
    let mut graph = Graph::new();
    let values: Vec<_> = operands.iter().map(|(shape, _)| graph.stored(Desc::f32(*shape), false)).collect();
    let y = graph.apply(op, &values)?;
    graph.fetch(y);
    let program = Program::new(Arc::clone(device), graph.plan())?;
    for (value, (_, numbers)) in values.iter().zip(operands) {
        program.write(*value, numbers)?;
    }
    program.run()?;
    program.read(y)
}

/// 3x3, padded, with bias; sizes that fill no tile of any device.
fn conv(device: &Arc<dyn Device>) -> Result<Check> {
    let (xs, ws) = (Shape::new(2, 5, 11, 9), Shape::new(19, 5, 3, 3));
    let (x, w, bias) = (numbers("conv.x", xs.elements()), numbers("conv.w", ws.elements()), numbers("conv.bias", ws.n));
    let y = one_op(device, Conv::new(1, 1, true), &[(xs, &x), (ws, &w), (Shape::vector(ws.n), &bias)])?;
    let ys = Shape { c: ws.n, ..xs };
    let mut exact = vec![(0.0, 0.0); ys.elements()];
    for (n, i, j) in (0..ys.n).flat_map(|n| (0..ys.h).flat_map(move |i| (0..ys.w).map(move |j| (n, i, j)))) {
        for o in 0..ys.c {
            let sum = &mut exact[ys.at(n, o, i, j)];
            let mut add = |product: f64| *sum = (sum.0 + product, sum.1 + product.abs());
            add(f64::from(bias[o]));
            for (p, q) in (0..3).flat_map(|p| (0..3).map(move |q| (p, q))) {
                let inside = (1..=xs.h).contains(&(i + p)) && (1..=xs.w).contains(&(j + q));
                for c in (0..xs.c).filter(|_| inside) {
                    let at = xs.at(n, c, i + p - 1, j + q - 1);
                    add(f64::from(x[at]) * f64::from(w[ws.at(o, c, p, q)]));
                }
            }
        }
    }
    Ok(Check::new("conv against plain loops", worst(&y, &exact, ws.image() + 1)))
}

/// Fully connected with bias.
fn linear(device: &Arc<dyn Device>) -> Result<Check> {
    let (xs, ws) = (Shape::matrix(3, 211), Shape::matrix(21, 211));
    let (x, w, bias) =
        (numbers("linear.x", xs.elements()), numbers("linear.w", ws.elements()), numbers("linear.bias", ws.n));
    let y = one_op(device, Linear { output: Type::F32 }, &[(xs, &x), (ws, &w), (Shape::vector(ws.n), &bias)])?;
    let mut exact = Vec::new();
    for row in x.chunks_exact(xs.c) {
        for (column, bias) in w.chunks_exact(ws.c).zip(&bias) {
            let products = row.iter().zip(column).map(|(x, w)| f64::from(*x) * f64::from(*w));
            let all = products.chain([f64::from(*bias)]);
            exact.push(all.fold((0.0, 0.0), |(sum, sizes), product| (sum + product, sizes + product.abs())));
        }
    }
    Ok(Check::new("linear against plain loops", worst(&y, &exact, ws.c + 1)))
}

/// Down-sampling is defined to the bit.
fn degrade(device: &Arc<dyn Device>, flavour: Flavour) -> Result<Check> {
    let face = synth::face(SEED, 0, 0);
    let mut graph = Graph::new();
    let x = graph.input(Desc { shape: Shape::new(1, 3, HR.0, HR.1), dtype: Type::U8 });
    let y = graph.apply(Degrade { flavour, scale: HR.0 / LR.0 }, &[x])?;
    graph.fetch(y);
    let program = Program::new(Arc::clone(device), graph.plan())?;
    program.write(x, &face)?;
    program.run()?;
    let same = program.read::<u8>(y)? == shrink_u8(flavour, &face, HR, HR.0 / LR.0)?.0;
    Ok(Check::new(format!("degrade ({flavour:?}) to the bit"), if same { 0.0 } else { f64::INFINITY }))
}

/// What one training step of tiny networks computes.
struct Step {
    /// Losses, pictures and features, each with the number of layers' terms its rounding errors come from.
    forward: Vec<Vec<f32>>,
    norm: f32,
    weights: Vec<f32>,
    /// The sum over layers of the terms of their dot products.
    terms: usize,
}

impl Step {
    fn of(mode: Mode, device: &Arc<dyn Device>) -> Result<Step> {
        let config = tiny(&[("train.mode", mode.word()), ("model.hallucinator", "fast")])?;
        let model = Model::trained_by(&config, 3)?;
        let (recipe, loss) = (&config.train.recipe, &config.loss);
        let (graph, values) = model::training(&model, recipe, loss, BATCH)?;
        let program = Program::new(Arc::clone(device), graph.plan())?;
        let parameters = model.parameters();
        for (parameter, offset) in parameters.placed() {
            program.write_store(offset, &parameter.initial(SEED))?;
        }
        let faces = [synth::face(SEED, 0, 0), synth::face(SEED, 1, 0)].concat();
        program.write(values.pixels, &faces)?;
        program.write(values.mirrored, &[0u8, 1])?;
        program.write(values.labels, &[0i32, 1])?;
        program.write(values.rates, &[1e-3f32, 1e-4])?;
        program.run()?;
        let fetched = [values.pixel, values.softmax, values.center, Some(values.pictures), values.features];
        Ok(Step {
            forward: fetched.iter().flatten().map(|value| program.read(*value)).collect::<Result<_>>()?,
            norm: program.read::<f32>(values.norm)?.first().copied().unwrap_or(f32::NAN),
            weights: program.read_store(0, parameters.bytes() / 4)?,
            terms: parameters.iter().filter(|parameter| parameter.shape.n > 1).map(|p| p.shape.image()).sum(),
        })
    }

    /// How far two instruction sets are apart, in units of what rounding explains: each layer adds errors that walk at random
    /// over its K terms, sqrt(K) u of the sum of sizes (Higham and Mary, SIAM J. Sci. Comput. 41, 2019), which is at most sqrt(K)
    /// times the result's own size for signs at random; together K u a layer, in each of both steps. The gradients' norm has
    /// gone through the layers three times: forward, and back to data and to filters.
    fn distance(&self, other: &Step) -> f64 {
        let allowed = 2.0 * self.terms as f64 * ROUNDING;
        let relative = |a: &[f32], b: &[f32]| {
            let size = largest(b.iter().map(|number| f64::from(number.abs())));
            let error = largest(a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()));
            if error == 0.0 { 0.0 } else { error / size }
        };
        let forward = self.forward.iter().zip(&other.forward).map(|(a, b)| relative(a, b) / allowed);
        let norm = relative(&[self.norm], &[other.norm]) / (3.0 * allowed);
        largest(forward.chain([norm]))
    }
}
