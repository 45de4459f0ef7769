//! One case, every question. A case is an op with its parameters and its inputs; its oracle is the plainest loop of the formula,
//! written once and run in f32 and in f64.
//!
//! * **Right?** The kernel may be wrong by twice what the plain f32 loop is wrong by in its worst element of that output. A loop
//!   over few elements can be lucky and exact, so every element is also allowed `LUCK` times its noise: the error that a random walk
//!   of roundings makes over the very terms of that element (see [`Exact`]; an element that is a single term thus gets a few ulp
//!   of that term), times what the op's algorithm is derived to lose more ([`Oracle::noise`]). An output in bf16 is the same result rounded once more, by at most half a step of bf16. Nothing else is
//!   allowed; copies must be equal. Asked on every instruction set of this machine.
//! * **Gradient?** The ops that `Op::gradient` names are run on random upstream gradients and compared with central differences of
//!   the f64 oracle. The sum over outputs `dy dout/dx` has the noise of its terms; the differences add `EPSILON |out| / step`.
//! * **Inside its regions?** All regions lie in one arena between poisoned bands. Bands and inputs must come back unchanged.
//! * **Fully written, and a function of its inputs alone?** Outputs and workspace begin as all ones (NaN) and as zeros; both runs, and
//!   runs on 1, 2 and 3 threads, must give the same bits.
//! * **NaN?** A NaN among the inputs reaches the outputs that it reaches in the plain loop, and no others; convolutions, which multiply
//!   padding by filters, may spread it further.
//!
//! Over the stand-in driver the same questions are asked of the CUDA kernels, once more in every order of threads and arrival of
//! `cp.async` instead of on every number of threads. ThreadSanitizer is asked for races alone: what the kernels compute the other builds
//! compare, so its cases are small ([`WATCHED`]), their results are not compared with loops, and NaN is left out.

use crate::number::{Exact, Number, UNIT};
use crate::standin;
use hallucinet::backend::cpu::{Cpu, simd::Level};
use hallucinet::backend::cuda::Cuda;
use hallucinet::backend::{Device, Memory, Region, Space};
use hallucinet::ops::{Desc, Io, Op, Operand, Place, Type, bf16, list};
use hallucinet::random::Random;
use hallucinet::shape::Shape;
use std::sync::{Mutex, OnceLock};

/// How many times its expected walk of roundings an element may be off: a rounding is uniform, so this is nearly 7 deviations.
const LUCK: f64 = 4.0;

/// Step of the central differences: their truncation, a third derivative times `STEP^2 / 6` = 4e-11, is far below f32's rounding.
const STEP: f64 = 1.0 / 65536.0;

/// Unit roundoff of bf16, whose significand has 8 bits.
const BF16_UNIT: f64 = 1.0 / 256.0;

/// FLOP of the launches that still run under ThreadSanitizer. More of them are more blocks and longer loops of the same kernel; every
/// kernel has a case below it.
const WATCHED: u64 = 1_000_000;

/// Bytes of poison between regions.
const BAND: usize = 256;

/// Both formats of activations.
pub const FORMATS: [Type; 2] = [Type::F32, Type::Bf16];

/// Numbers as the device sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub desc: Desc,
    pub bytes: Vec<u8>,
}

impl Tensor {
    pub fn f32(shape: Shape, numbers: &[f32]) -> Self {
        assert_eq!(numbers.len(), shape.elements());
        Tensor { desc: Desc::f32(shape), bytes: bytemuck::cast_slice(numbers).to_vec() }
    }

    pub fn u8(shape: Shape, numbers: &[u8]) -> Self {
        assert_eq!(numbers.len(), shape.elements());
        Tensor { desc: Desc { shape, dtype: Type::U8 }, bytes: numbers.to_vec() }
    }

    /// One label per row.
    pub fn labels(labels: &[i32]) -> Self {
        Tensor::i32(Shape::matrix(labels.len(), 1), labels)
    }

    pub fn i32(shape: Shape, numbers: &[i32]) -> Self {
        assert_eq!(numbers.len(), shape.elements());
        Tensor { desc: Desc { shape, dtype: Type::I32 }, bytes: bytemuck::cast_slice(numbers).to_vec() }
    }

    /// Standard normal numbers.
    pub fn normal(random: &mut Random, shape: Shape) -> Self {
        let numbers: Vec<f32> = (0..shape.elements()).map(|_| random.normal() as f32).collect();
        Tensor::f32(shape, &numbers)
    }

    /// This tensor with its numbers rounded to a type of activations.
    pub fn rounded(self, dtype: Type) -> Self {
        let values = self.values().into_iter();
        let bytes = match dtype {
            Type::Bf16 => values.flat_map(|value| bf16::from_f64(value).to_le_bytes()).collect(),
            _ => values.flat_map(|value| (value as f32).to_le_bytes()).collect(),
        };
        Tensor { desc: self.desc.of(dtype), bytes }
    }

    /// Random bytes.
    pub fn pixels(random: &mut Random, shape: Shape) -> Self {
        let numbers: Vec<u8> = (0..shape.elements()).map(|_| random.below(256) as u8).collect();
        Tensor::u8(shape, &numbers)
    }

    /// Every element in f64, which holds all types.
    pub fn values(&self) -> Vec<f64> {
        match self.desc.dtype {
            Type::Bf16 => {
                self.bytes.chunks_exact(2).map(|b| bf16::from_le_bytes(b.try_into().unwrap()).to_f64()).collect()
            }
            Type::F32 => {
                self.bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Type::I32 => {
                self.bytes.chunks_exact(4).map(|b| f64::from(i32::from_le_bytes(b.try_into().unwrap()))).collect()
            }
            Type::U8 => self.bytes.iter().map(|byte| f64::from(*byte)).collect(),
        }
    }

    fn plain<N: Number>(&self) -> Plain<N> {
        Plain { shape: self.desc.shape, numbers: self.values().into_iter().map(N::of).collect() }
    }
}

/// A tensor of a plain loop, always indexed by (n, c, h, w).
#[derive(Clone, Debug)]
pub struct Plain<N> {
    pub shape: Shape,
    pub numbers: Vec<N>,
}

impl<N: Number> Plain<N> {
    pub fn zeros(shape: Shape) -> Self {
        Plain { shape, numbers: vec![N::of(0.0); shape.elements()] }
    }

    /// One number.
    pub fn scalar(value: N) -> Self {
        Plain { shape: Shape::scalar(), numbers: vec![value] }
    }

    pub fn at(&self, n: usize, c: usize, h: usize, w: usize) -> N {
        self.numbers[self.shape.at(n, c, h, w)]
    }

    pub fn at_mut(&mut self, n: usize, c: usize, h: usize, w: usize) -> &mut N {
        &mut self.numbers[self.shape.at(n, c, h, w)]
    }
}

/// Every (n, c, h, w) of a shape.
pub fn positions(shape: Shape) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    let Shape { n, c, h, w } = shape;
    (0..n * c * h * w).map(move |i| (i / (c * h * w), i / (h * w) % c, i / w % h, i % w))
}

/// The plainest loop of an op's formula: its outputs, then the inputs that it updates in place.
pub trait Oracle {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>>;

    /// How many times the noise of this loop the op may be off by on the cpu, where its algorithm reorders the algebra.
    fn noise(&self, _inputs: &[Shape]) -> f64 {
        1.0
    }

    /// The same in bf16 on a cpu that multiplies it in 16 bits.
    fn bf16_noise(&self, inputs: &[Shape]) -> f64 {
        self.noise(inputs)
    }

    /// The same for its gradients.
    fn gradient_noise(&self, _inputs: &[Shape]) -> f64 {
        1.0
    }
}

/// The device of one instruction set and number of threads; pools are started once.
pub fn cpu(level: Level, threads: usize) -> &'static Cpu {
    type Known = Mutex<Vec<(Level, usize, &'static Cpu)>>;
    static DEVICES: OnceLock<Known> = OnceLock::new();
    let mut devices = DEVICES.get_or_init(Mutex::default).lock().unwrap();
    if let Some((_, _, cpu)) = devices.iter().find(|(l, t, _)| (*l, *t) == (level, threads)) {
        return cpu;
    }
    let cpu: &'static Cpu = Box::leak(Box::new(Cpu::with_level(Some(threads), level).unwrap()));
    devices.push((level, threads, cpu));
    cpu
}

/// The card of the stand-in driver.
fn card() -> &'static Cuda {
    static CARD: OnceLock<Cuda> = OnceLock::new();
    CARD.get_or_init(|| standin::open().unwrap())
}

/// What is asked of one device only is asked of this one.
pub fn device() -> &'static dyn Device {
    if standin::is_inside() { card() } else { cpu(Level::detect(), 2) }
}

/// Runs an op's launches over one arena with poisoned bands; what it writes begins as `poison` everywhere. Outputs come first,
/// then the inputs updated in place. Panics when a byte changed that was not the op's to write.
pub fn run(device: &dyn Device, op: &dyn Op, inputs: &[Tensor], poison: u8) -> Vec<Tensor> {
    let descs: Vec<Desc> = inputs.iter().map(|tensor| tensor.desc).collect();
    let outputs = op.infer(&descs).unwrap();
    let mut end = 0;
    let mut place = |desc: Desc| {
        let offset = (end + BAND).next_multiple_of(BAND);
        end = offset + desc.bytes();
        Place { desc, region: Region { space: Space::Arena, offset, bytes: desc.bytes() } }
    };
    let bytes = |bytes: usize| Desc { shape: Shape::vector(bytes), dtype: Type::U8 };
    let io = Io {
        inputs: descs.iter().map(|desc| place(*desc)).collect(),
        outputs: outputs.iter().map(|desc| place(*desc)).collect(),
        workspace: match op.workspace(&descs, &outputs) {
            0 => Region::ABSENT,
            workspace => place(bytes(workspace)).region,
        },
    };
    let mut before = vec![0xA5u8; end + BAND];
    let range = |region: Region| region.offset..region.offset + region.bytes;
    for (place, tensor) in io.inputs.iter().zip(inputs) {
        before[range(place.region)].copy_from_slice(&tensor.bytes);
    }
    for region in io.outputs.iter().map(|place| place.region).chain([io.workspace]) {
        before[range(region)].fill(poison);
    }
    let launches = op.launches(&io);
    let large = launches.iter().map(|launch| launch.flop).sum::<u64>() > WATCHED;
    let device: &dyn Device = if large && standin::is_watched() { cpu(Level::detect(), 2) } else { device };
    let memory = Memory { store: device.alloc(1).unwrap(), arena: device.alloc(before.len()).unwrap() };
    device.write(&memory.arena, 0, &before).unwrap();
    launches.iter().for_each(|launch| assert_eq!(launch.kernel.room, launches[0].kernel.room));
    let mut after = vec![0; before.len()];
    let ran = device.launch(&launches, &memory).and_then(|()| device.read(&memory.arena, 0, &mut after));
    ran.unwrap_or_else(|error| panic!("{op:?} on {descs:?}: {error}{}", standin::report()));

    let updated = op.updates().iter().map(|input| &io.inputs[*input]);
    let written: Vec<&Place> = io.outputs.iter().chain(updated).collect();
    let results =
        written.iter().map(|place| Tensor { desc: place.desc, bytes: after[range(place.region)].to_vec() }).collect();
    for region in written.iter().map(|place| place.region).chain([io.workspace]) {
        after[range(region)].copy_from_slice(&before[range(region)]);
    }
    let changed = before.iter().zip(&after).position(|(before, after)| before != after);
    assert!(changed.is_none(), "{op:?} wrote byte {changed:?} of {io:?}");
    results
}

/// An op on inputs.
#[derive(Clone, Debug)]
pub struct Case<O> {
    pub op: O,
    pub inputs: Vec<Tensor>,
}

impl<O: Op + Oracle> Case<O> {
    pub fn new(op: O, inputs: impl Into<Vec<Tensor>>) -> Self {
        Case { op, inputs: inputs.into() }
    }

    fn name(&self) -> String {
        format!("{:?} on {}", self.op, list(self.inputs.iter().map(|tensor| &tensor.desc)))
    }

    /// What the device may lose more than the plain loop, by a function of the input's shapes; a card loses no more.
    fn noise(&self, of: impl Fn(&O, &[Shape]) -> f64) -> f64 {
        let shapes: Vec<Shape> = self.inputs.iter().map(|tensor| tensor.desc.shape).collect();
        if standin::is_inside() { 1.0 } else { of(&self.op, &shapes) }
    }

    fn oracle<N: Number>(&self) -> Vec<Plain<N>> {
        self.op.plain(&self.inputs.iter().map(Tensor::plain).collect::<Vec<_>>())
    }

    /// Right on every instruction set, inside its regions, a function of its inputs alone. Returns the outputs.
    pub fn check(&self) -> Vec<Tensor> {
        let name = self.name();
        if standin::is_watched() {
            return self.check_on_card(&[], &[]);
        }
        let (exact, plain) = (self.oracle::<Exact>(), self.oracle::<f32>());
        if standin::is_inside() {
            return self.check_on_card(&exact, &plain);
        }
        let bf16 = self.inputs.iter().any(|tensor| tensor.desc.dtype == Type::Bf16);
        for level in Level::supported() {
            let narrow = bf16 && level.multiplies_bf16();
            let noise = self.noise(if narrow { O::bf16_noise } else { O::noise });
            let got = run(cpu(level, 2), &self.op, &self.inputs, 0xFF);
            assert_eq!(got.len(), exact.len(), "{name}");
            for (output, got) in got.iter().enumerate() {
                let place = format!("{name}, {level}, output {output}");
                near(&place, got, &exact[output], &plain[output], noise);
            }
        }
        let bits = |threads, poison| run(cpu(Level::detect(), threads), &self.op, &self.inputs, poison);
        let first = bits(2, 0xFF);
        assert!(first == bits(2, 0x00), "{name}: depends on what its outputs or workspace held before");
        assert!(first == bits(1, 0x00) && first == bits(3, 0xFF), "{name}: depends on the number of threads");
        first
    }

    /// The same questions of the CUDA kernels: right, inside, written, and the same bits whoever comes first.
    fn check_on_card(&self, exact: &[Plain<Exact>], plain: &[Plain<f32>]) -> Vec<Tensor> {
        let name = self.name();
        let mut first: Option<Vec<Tensor>> = None;
        for (turn, (order, copies)) in standin::schedules().into_iter().enumerate() {
            standin::schedule(order, copies, turn);
            let got = run(card(), &self.op, &self.inputs, if turn % 2 == 0 { 0xFF } else { 0x00 });
            let place = format!("{name}, threads {order}, copies {copies}");
            let Some(first) = &first else {
                assert!(got.len() == exact.len() || standin::is_watched(), "{name}");
                for (output, (got, (exact, plain))) in got.iter().zip(exact.iter().zip(plain)).enumerate() {
                    near(&format!("{place}, output {output}"), got, exact, plain, 1.0);
                }
                first = Some(got);
                continue;
            };
            assert!(got == *first, "{place}: other bits");
        }
        standin::schedule("forward", "eager", 0);
        first.unwrap_or_default()
    }

    /// A NaN at a few places of one input shows up exactly where the plain loop has it, and somewhere.
    pub fn check_nan(&self, input: usize) {
        self.with_nan(input, |place, nan, expected| {
            assert!(nan == expected, "{place}");
            assert!(nan.contains(&true), "{place}: vanished");
        });
    }

    /// As [`Case::check_nan`] for a kernel that multiplies zeros which the plain loop leaves out.
    pub fn check_nan_at_least(&self, input: usize) {
        self.with_nan(input, |place, nan, expected| {
            assert!(nan.iter().zip(expected).all(|(nan, expected)| *nan || !expected), "{place}");
        });
    }

    fn with_nan(&self, input: usize, verdict: impl Fn(&str, &[bool], &[bool])) {
        if standin::is_watched() {
            return;
        }
        let mut random = Random::named(7, &self.name());
        for _ in 0..3 {
            let mut inputs = self.inputs.clone();
            let at = random.below(inputs[input].desc.shape.elements() as u64) as usize;
            let size = inputs[input].desc.dtype.bytes();
            // The upper half of an f32's NaN is the NaN of bf16.
            inputs[input].bytes[size * at..][..size].copy_from_slice(&f32::NAN.to_le_bytes()[4 - size..]);
            let plain: Vec<Plain<f32>> = self.op.plain(&inputs.iter().map(Tensor::plain).collect::<Vec<_>>());
            let got = run(device(), &self.op, &inputs, 0x00);
            let nan: Vec<bool> = got.iter().flat_map(Tensor::values).map(f64::is_nan).collect();
            let expected: Vec<bool> = plain.iter().flat_map(|plain| &plain.numbers).map(|v| v.is_nan()).collect();
            verdict(&format!("{}: NaN at {at} of input {input}", self.name()), &nan, &expected);
        }
    }

    /// Gradients to these inputs against central differences, with a random gradient arriving at output 0.
    pub fn check_gradient(&self, inputs: &[usize]) {
        let mut random = Random::named(11, &self.name());
        let descs: Vec<Desc> = self.inputs.iter().map(|tensor| tensor.desc).collect();
        let output = self.op.infer(&descs).unwrap()[0];
        let upstream = Tensor::normal(&mut random, output.shape);
        // An op over bf16 may round what arrives to bf16, which must not count as an error of its arithmetic.
        let bf16 = descs.iter().any(|desc| desc.dtype == Type::Bf16);
        let upstream = if bf16 { upstream.rounded(Type::Bf16) } else { upstream };
        self.differences(inputs, &upstream.rounded(output.dtype));
    }

    /// As [`Case::check_gradient`] for a loss, whose gradient is its own output and carries its weight.
    pub fn check_loss_gradient(&self, inputs: &[usize], weight: f32) {
        assert!(self.op.is_loss());
        self.differences(inputs, &Tensor::f32(Shape::scalar(), &[weight]));
    }

    fn differences(&self, inputs: &[usize], upstream: &Tensor) {
        let needed: Vec<bool> = (0..self.inputs.len()).map(|input| inputs.contains(&input)).collect();
        let gradients = self.gradients(&needed, upstream);
        if standin::is_watched() {
            return;
        }
        // A few places only where one evaluation is dear.
        let cost: u64 = self.inputs.iter().map(|tensor| tensor.desc.shape.elements() as u64).product();
        let samples = (100_000_000 / cost.max(1)).clamp(6, 48) as usize;
        let mut random = Random::named(13, &self.name());
        for (input, gradient) in gradients.iter().enumerate() {
            assert_eq!(gradient.is_some(), needed[input], "{}: gradient of input {input}", self.name());
            let Some(gradient) = gradient else { continue };
            // The gradient of a bf16 filter is f32: it belongs to the filter that learns.
            let (got, of) = (gradient.desc, self.inputs[input].desc);
            assert!(got == of || got == of.of(Type::F32), "{}: gradient of input {input} is {got:?}", self.name());
            let values = gradient.values();
            for at in random.permutation(values.len()).iter().take(samples).map(|at| *at as usize) {
                let (expected, allowed) = self.difference(input, at, upstream);
                let allowed = allowed + rounding(gradient.desc.dtype, expected, allowed);
                let error = (values[at] - expected).abs();
                let place = format!("{}: d input {input}[{at}]", self.name());
                assert!(error <= allowed, "{place} = {}, not {expected}: {error:e} > {allowed:e}", values[at]);
            }
        }
    }

    /// What `Op::gradient` says, computed by the device: one entry per input.
    fn gradients(&self, needed: &[bool], upstream: &Tensor) -> Vec<Option<Tensor>> {
        let device = device();
        let outputs = run(device, &self.op, &self.inputs, 0xFF);
        let gradient = self.op.gradient(needed);
        let mut emitted: Vec<Vec<Tensor>> = Vec::new();
        let find = |operand: &Operand, emitted: &[Vec<Tensor>]| match *operand {
            Operand::Input(input) => self.inputs[input].clone(),
            Operand::Output(output) => outputs[output].clone(),
            Operand::Upstream(output) => {
                assert!(output == 0 && !self.op.is_loss(), "only output 0 of an op that is no loss has an upstream");
                upstream.clone()
            }
            Operand::Emitted(op, output) => emitted[op][output].clone(),
        };
        for (op, operands) in &gradient.emitted {
            let inputs: Vec<Tensor> = operands.iter().map(|operand| find(operand, &emitted)).collect();
            emitted.push(run(device, op.as_ref(), &inputs, 0xFF));
        }
        assert_eq!(gradient.of_input.len(), self.inputs.len(), "{}", self.name());
        // An op may compute more than was asked for; only what was asked for is looked at.
        let asked = gradient.of_input.iter().zip(needed).map(|(operand, needed)| operand.filter(|_| *needed));
        asked.map(|operand| operand.map(|operand| find(&operand, &emitted))).collect()
    }

    /// The derivative of `sum of upstream * output 0` by one element, and how far a kernel may be from it.
    fn difference(&self, input: usize, at: usize, upstream: &Tensor) -> (f64, f64) {
        let plain: Vec<Plain<Exact>> = self.inputs.iter().map(Tensor::plain).collect();
        let moved = |by: f64| {
            let mut inputs = plain.clone();
            inputs[input].numbers[at].value += by;
            self.op.plain(&inputs).swap_remove(0)
        };
        let (above, below) = (moved(STEP), moved(-STEP));
        let lost = |dy: f64, out: f64| dy.abs() * f64::EPSILON / STEP * out.abs().max(1.0);
        let (mut sum, mut differences) = (Exact::of(0.0), lost(1.0, 1.0));
        for ((above, below), dy) in above.numbers.iter().zip(&below.numbers).zip(upstream.values()) {
            let term = dy * (above.value - below.value) / (2.0 * STEP);
            if above.value != below.value {
                sum = sum + Exact::rounded(term);
                differences += lost(dy, above.value);
            }
        }
        (sum.value, 2.0 * LUCK * UNIT * self.noise(O::gradient_noise) * sum.noise + differences)
    }
}

/// How far storing a result in its format may move it: a value, and how wrong it may be before.
fn rounding(dtype: Type, value: f64, allowed: f64) -> f64 {
    if dtype == Type::Bf16 { BF16_UNIT * (value.abs() + allowed) } else { 0.0 }
}

/// Compares one output by the rule of this file's head.
fn near(place: &str, tensor: &Tensor, exact: &Plain<Exact>, plain: &Plain<f32>, noise: f64) {
    let got = tensor.values();
    assert_eq!(got.len(), exact.numbers.len(), "{place}");
    assert_eq!(got.len(), plain.numbers.len(), "{place}");
    let errors = plain.numbers.iter().zip(&exact.numbers).map(|(plain, exact)| (plain.value() - exact.value).abs());
    let worst = errors.fold(0.0, f64::max);
    // Reordered algebra makes every result of the terms of its whole neighbourhood; one with few terms of its own, such as at a
    // border, is then as noisy as the others.
    let loudest = exact.numbers.iter().map(|exact| exact.noise).fold(0.0, f64::max);
    for (at, (got, exact)) in got.iter().zip(&exact.numbers).enumerate() {
        // Below the smallest normal number f32 has no relative precision.
        let allowed = (2.0 * worst).max(LUCK * UNIT * if noise > 1.0 { noise * loudest } else { exact.noise })
            + f64::from(f32::MIN_POSITIVE);
        let allowed = allowed + rounding(tensor.desc.dtype, exact.value, allowed);
        let error = (got - exact.value).abs();
        assert!(error <= allowed, "{place}[{at}]: {got} is not {}: {error:e} > {allowed:e}", exact.value);
    }
}

/// Asserts that an op refuses inputs, and that the sentence names the op and every shape.
pub fn refuses(op: &dyn Op, inputs: &[Desc]) {
    let error = op.infer(inputs).expect_err(&format!("{op:?} takes {inputs:?}")).to_string();
    let shapes = inputs.iter().all(|desc| error.contains(&desc.shape.to_string()));
    assert!(shapes && error.contains(op.name()), "{op:?}: {error}");
}
