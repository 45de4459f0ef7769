//! Known answers: ops against the plainest f64 loops, whole training steps against the portable instruction set, and the same
//! bits twice. Every tolerance is derived, none is chosen.

use super::{Launched, launched, tiny};
use crate::backend::Device;
use crate::backend::cpu::Cpu;
use crate::backend::cpu::simd::Level;
use crate::data::synth;
use crate::error::Result;
use crate::graph::{Graph, Program, Value};
use crate::model::config::{Hallucinator, Mode, Precision, Word};
use crate::model::{self, Model};
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;
use crate::ops::resize::Degrade;
use crate::ops::roofline::{Chains, Copy, FACTOR, TERM, Tiles};
use crate::ops::{Desc, Op, Type, bf16};
use crate::random::Random;
use crate::resample::{Flavour, shrink_u8};
use crate::shape::{HR, LR, Shape};
use crate::tasks::Context;
use bytemuck::Pod;
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
    pub fn new(name: impl Into<String>, error: f64) -> Check {
        // A NaN is no pass.
        Check { name: name.into(), pass: error <= 1.0, error }
    }

    /// Bits are compared.
    fn exact(name: impl Into<String>, same: bool) -> Check {
        Check::new(name, if same { 0.0 } else { f64::INFINITY })
    }
}

/// Half a unit in the last place of an f32 near 1.
pub const ROUNDING: f64 = 1.0 / (1u64 << 24) as f64;
/// The same of a bf16.
const BF16_ROUNDING: f64 = 1.0 / 256.0;
const SEED: u64 = 7;
const BATCH: usize = 2;

/// Runs every check on a device; tells which kernels that launched.
pub fn run(context: &Context, device: &Arc<dyn Device>) -> Result<(Vec<Check>, Launched)> {
    let mut test = SelfTest { device, launched: Launched::new() };
    let mut checks = vec![test.conv()?, test.linear()?];
    for flavour in [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv] {
        checks.push(test.degrade(flavour)?);
    }
    checks.extend(test.roofline()?);
    checks.extend(test.lone_ops()?);
    let portable: Arc<dyn Device> = Arc::new(Cpu::with_level(Some(1), Level::Portable)?);
    // A CPU must give the same bits with any number of threads; other devices are asked twice.
    let single: Arc<dyn Device> = Arc::new(Cpu::new(Some(1))?);
    let second = if device.info().name == single.info().name { &single } else { device };
    let threads = [device, second].map(|device| device.info().threads.to_string()).join(" and ");
    for (name, settings) in steps() {
        context.check_stopped()?;
        let mut of = |device| Step::of(&settings, device, &mut test.launched);
        let (here, again, plain) = (of(device)?, of(second)?, of(&portable)?);
        checks.push(Check::new(format!("{name}: step like the portable one"), here.distance(&plain)));
        let same = here.weights.iter().zip(&again.weights).all(|(a, b)| a.to_bits() == b.to_bits());
        checks.push(Check::exact(format!("{name}: same bits with {threads} threads"), same));
    }
    Ok((checks, test.launched))
}

/// Settings of a configuration.
type Settings = Vec<(&'static str, &'static str)>;

/// Steps that together launch every kernel of a network: each mode; then hallucinators and formats at channels that come in eights, as
/// those of the published networks do, and at others.
fn steps() -> Vec<(String, Settings)> {
    let mode = |mode: Mode| vec![("train.mode", mode.word()), ("model.hallucinator", "fast")];
    let mut list: Vec<(String, Settings)> =
        Mode::CHOICES.iter().map(|(word, of)| ((*word).to_owned(), mode(*of))).collect();
    for (hallucinator, precision, channels, width, update, distill) in [
        (Hallucinator::Fast, Precision::Bf16, "16", "0.25", "wen", "1"),
        (Hallucinator::Fast, Precision::Bf16, "12", "0.1", "caffe", "0"),
        (Hallucinator::Residual, Precision::Bf16, "16", "0.1", "wen", "0"),
        (Hallucinator::Srcnn, Precision::Bf16, "12", "0.25", "wen", "0"),
        (Hallucinator::Residual, Precision::F32, "12", "0.1", "caffe", "1"),
        (Hallucinator::Srcnn, Precision::F32, "16", "0.1", "wen", "0"),
    ] {
        let settings = vec![
            ("train.mode", Mode::Joint.word()),
            ("model.hallucinator", hallucinator.word()),
            ("train.precision", precision.word()),
            ("model.hallucinator_channels", channels),
            ("model.recognizer_width", width),
            ("loss.center_update", update),
            ("loss.distill", distill),
        ];
        list.push((format!("joint, {} of {channels} channels, {}", hallucinator.word(), precision.word()), settings));
    }
    list
}

/// A device under test, and what it has launched.
pub struct SelfTest<'a> {
    pub device: &'a Arc<dyn Device>,
    launched: Launched,
}

pub fn numbers(name: &str, count: usize) -> Vec<f32> {
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

/// A tensor that a check brings: its format, and its numbers as bytes.
pub type Given = (Desc, Vec<u8>);

/// An output: its format and its numbers.
pub type Numbers = (Desc, Vec<f64>);

fn given(shape: Shape, numbers: &[f32]) -> Given {
    (Desc::f32(shape), bytemuck::cast_slice(numbers).to_vec())
}

impl SelfTest<'_> {
    /// A graph of one op: parameters in the store, every output fetched.
    fn one_op<T: Pod>(&mut self, op: impl Op + 'static, operands: &[Given]) -> Result<Vec<T>> {
        let (program, outputs) = self.run(self.device, Arc::new(op), operands)?;
        program.read(outputs[0].0)
    }

    /// Every output of an op, as numbers.
    pub fn outputs(&mut self, device: &Arc<dyn Device>, op: &Arc<dyn Op>, operands: &[Given]) -> Result<Vec<Numbers>> {
        let (program, outputs) = self.run(device, Arc::clone(op), operands)?;
        let read = |(value, desc): &(Value, Desc)| {
            let numbers = match desc.dtype {
                Type::Bf16 => program.read::<bf16>(*value)?.iter().map(|v| v.to_f64()).collect(),
                Type::U8 => program.read::<u8>(*value)?.iter().map(|v| f64::from(*v)).collect(),
                Type::I32 => program.read::<i32>(*value)?.iter().map(|v| f64::from(*v)).collect(),
                Type::F32 => program.read::<f32>(*value)?.iter().map(|v| f64::from(*v)).collect(),
            };
            Ok((*desc, numbers))
        };
        outputs.iter().map(read).collect()
    }

    fn run(
        &mut self,
        device: &Arc<dyn Device>,
        op: Arc<dyn Op>,
        operands: &[Given],
    ) -> Result<(Program, Vec<(Value, Desc)>)> {
        let mut graph = Graph::new();
        let values: Vec<_> = operands.iter().map(|(desc, _)| graph.stored(*desc, false)).collect();
        let outputs = graph.apply_all(op, &values)?;
        outputs.iter().for_each(|value| graph.fetch(*value));
        let outputs = outputs.into_iter().map(|value| (value, graph.desc(value))).collect();
        let program = Program::new(Arc::clone(device), graph.plan())?;
        self.launched.extend(launched(program.plan()));
        for (value, (_, bytes)) in values.iter().zip(operands) {
            program.write(*value, bytes)?;
        }
        program.run()?;
        Ok((program, outputs))
    }

    /// 3x3, padded, with bias; sizes that fill no tile of any device.
    fn conv(&mut self) -> Result<Check> {
        let (xs, ws) = (Shape::new(2, 5, 11, 9), Shape::new(19, 5, 3, 3));
        let (x, w, bias) =
            (numbers("conv.x", xs.elements()), numbers("conv.w", ws.elements()), numbers("conv.bias", ws.n));
        let y =
            self.one_op(Conv::new(1, 1, true), &[given(xs, &x), given(ws, &w), given(Shape::vector(ws.n), &bias)])?;
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
    fn linear(&mut self) -> Result<Check> {
        let (xs, ws) = (Shape::matrix(3, 211), Shape::matrix(21, 211));
        let (x, w, bias) =
            (numbers("linear.x", xs.elements()), numbers("linear.w", ws.elements()), numbers("linear.bias", ws.n));
        let y = self
            .one_op(Linear { output: Type::F32 }, &[given(xs, &x), given(ws, &w), given(Shape::vector(ws.n), &bias)])?;
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
    fn degrade(&mut self, flavour: Flavour) -> Result<Check> {
        let face = synth::face(SEED, 0, 0);
        let x = Desc { shape: Shape::new(1, 3, HR.0, HR.1), dtype: Type::U8 };
        let expected = shrink_u8(flavour, &face, HR, HR.0 / LR.0)?.0;
        let y: Vec<u8> = self.one_op(Degrade { flavour, scale: HR.0 / LR.0 }, &[(x, face)])?;
        Ok(Check::exact(format!("degrade ({flavour:?}) to the bit"), y == expected))
    }

    /// The loops that `bench` measures the device by.
    fn roofline(&mut self) -> Result<Vec<Check>> {
        let x = numbers("roofline.x", 1000);
        let shape = Shape::vector(x.len());
        let copied: Vec<f32> = self.one_op(Copy, &[given(shape, &x)])?;
        let chained: Vec<f32> = self.one_op(Chains { turns: 5 }, &[given(shape, &x)])?;
        let chain = |x: &f32| {
            (0..5).fold((f64::from(*x), f64::from(x.abs())), |(v, size), _| {
                let (factor, term) = (f64::from(FACTOR), f64::from(TERM));
                (v * factor + term, size * factor + term)
            })
        };
        let exact: Vec<_> = x.iter().map(chain).collect();
        let (rows, turns) = (16, 3);
        let bf16_of = |name: &str, rows: usize| -> Vec<bf16> {
            numbers(name, rows * 16).into_iter().map(bf16::from_f32).collect()
        };
        let (x, w) = (bf16_of("roofline.rows", rows), bf16_of("roofline.columns", 64));
        let operand = |rows: usize, numbers: &[bf16]| {
            let desc = Desc { shape: Shape::matrix(rows, 16), dtype: Type::Bf16 };
            (desc, bytemuck::cast_slice(numbers).to_vec())
        };
        let tiles: Vec<f32> = self.one_op(Tiles { turns }, &[operand(rows, &x), operand(64, &w)])?;
        let mut sums = Vec::new();
        for (row, column) in x.chunks_exact(16).flat_map(|row| w.chunks_exact(16).map(move |column| (row, column))) {
            let products =
                row.iter().zip(column).map(|(x, w)| f64::from(turns) * f64::from(x.to_f32()) * f64::from(w.to_f32()));
            sums.push(products.fold((0.0, 0.0), |(sum, sizes), product| (sum + product, sizes + product.abs())));
        }
        Ok(vec![
            Check::exact("roofline: copy to the bit", copied == numbers("roofline.x", 1000)),
            Check::new("roofline: chains against plain loops", worst(&chained, &exact, 10)),
            Check::new("roofline: tiles against plain loops", worst(&tiles, &sums, 16 * turns as usize)),
        ])
    }
}

/// What one training step of tiny networks computes.
struct Step {
    /// Losses, pictures and features, each with the number of layers' terms its rounding errors come from.
    forward: Vec<Vec<f32>>,
    norm: f32,
    weights: Vec<f32>,
    /// How far two instruction sets may be apart: see [`Step::distance`].
    allowed: f64,
}

impl Step {
    fn of(settings: &Settings, device: &Arc<dyn Device>, tested: &mut Launched) -> Result<Step> {
        let config = tiny(settings)?;
        let model = Model::trained_by(&config, 3)?;
        let (recipe, loss) = (&config.train.recipe, &config.loss);
        let (graph, values) = model::training(&model, recipe, loss, BATCH)?;
        let program = Program::new(Arc::clone(device), graph.plan())?;
        tested.extend(launched(program.plan()));
        let parameters = model.parameters();
        parameters.write(&program, |parameter| parameter.initial(SEED))?;
        for parameter in model.teacher().iter() {
            if let Some(value) = values.teacher.get(&parameter.name) {
                program.write(*value, &parameter.initial(SEED))?;
            }
        }
        let faces = [synth::face(SEED, 0, 0), synth::face(SEED, 1, 0)].concat();
        program.write(values.pixels, &faces)?;
        program.write(values.moves, &[[0, 0, 0], [1, 2, -3i32]])?;
        program.write(values.labels, &[0i32, 1])?;
        program.write(values.rates, &[1e-3f32, 1e-4])?;
        program.run()?;
        let layers = || parameters.iter().filter(|parameter| parameter.shape.n > 1);
        let fetched =
            [values.pixel, values.softmax, values.center, values.distill, Some(values.pictures), values.features];
        Ok(Step {
            forward: fetched.iter().flatten().map(|value| program.read(*value)).collect::<Result<_>>()?,
            norm: program.read::<f32>(values.norm)?.first().copied().unwrap_or(f32::NAN),
            weights: program.read_store(0, parameters.bytes() / 4)?,
            allowed: match config.train.precision {
                Precision::F32 => 2.0 * layers().map(|layer| layer.shape.image()).sum::<usize>() as f64 * ROUNDING,
                Precision::Bf16 => 2.0 * (layers().count() as f64).sqrt() * BF16_ROUNDING,
            },
        })
    }

    /// How far two instruction sets are apart, in units of what rounding explains: each layer adds errors that walk at random
    /// over its K terms, sqrt(K) u of the sum of sizes (Higham and Mary, SIAM J. Sci. Comput. 41, 2019), which is at most sqrt(K)
    /// times the result's own size for signs at random; together K u a layer, in each of both steps. The gradients' norm has
    /// gone through the layers three times: forward, and back to data and to filters. In bf16 what a layer gives is rounded by up to
    /// a unit of bf16, beside which its sum's own errors are nothing: a walk of one unit a layer, in each of both steps.
    fn distance(&self, other: &Step) -> f64 {
        let relative = |a: &[f32], b: &[f32]| {
            let size = largest(b.iter().map(|number| f64::from(number.abs())));
            let error = largest(a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()));
            if error == 0.0 { 0.0 } else { error / size }
        };
        let forward = self.forward.iter().zip(&other.forward).map(|(a, b)| relative(a, b) / self.allowed);
        let norm = relative(&[self.norm], &[other.norm]) / (3.0 * self.allowed);
        largest(forward.chain([norm]))
    }
}
