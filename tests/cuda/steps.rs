//! Training steps on the card of the stand-in driver beside the same steps on the cpu: losses, gradients and weights.
//!
//! In f32 the card goes its own way for five steps. In bf16 each step begins with the weights and velocities that the cpu had there:
//! one activation that rounds the other way moves a gradient by a part in a hundred, and what is then learned from it moves the next
//! ones by tens of percent, on the cpu as well when one weight in a hundred thousand is moved by its last bit. So free runs in bf16
//! say nothing after two steps, while single steps agree as well as their sums do.
//!
//! Tolerance. Both devices compute the same sums in the same format but add in another order. A sum of `n` terms is then off by a walk
//! of `n` roundings, about `sqrt(n)` units of its partial sums; the longest sums of a step, those over all pixels of the batch, have
//! `CHAIN` terms: `LONG_SUM`. How ill-conditioned a step is is *measured on the cpu alone*: its other SIMD level, and weights moved by
//! their last bit, give runs of equal right to be called exact, and the card may be no more than `FACTOR` times as far from the cpu as
//! the worst of those or than a long sum. In bf16 it may also be one rounding of bf16 away. A weight moves by its velocity and by
//! nothing else, so it may be wrong by what its velocities were allowed, and by its own rounding.

use crate::{BATCH, IDENTITIES, small, standin};
use hallucinet::backend::Device;
use hallucinet::backend::cpu::{Cpu, simd::Level};
use hallucinet::graph::{Program, Value};
use hallucinet::model::{self, Training};
use hallucinet::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The spread of three runs is a small sample of what is possible; orders differ more between devices than between levels.
const FACTOR: f64 = 8.0;

/// Unit roundoff of f32.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Unit roundoff of bf16.
const BF16_UNIT: f64 = 1.0 / 256.0;

const STEPS: usize = 5;

/// Terms of the longest sums: gradients of filters, biases and slopes at full size.
const CHAIN: f64 = (BATCH * 112 * 96) as f64;

const MODES: [(&str, &str); 7] = [
    ("hallucination", "fast"),
    ("recognition-hr", "fast"),
    ("recognition-lr", "fast"),
    ("recognition-on-hallucinated", "srcnn"),
    ("joint", "fast"),
    ("joint", "residual"),
    ("joint", "srcnn"),
];

/// What each step leaves behind, by name: losses, gradients, velocities, weights.
type Trace = Vec<BTreeMap<String, Vec<f32>>>;

/// One way to go through the steps.
#[derive(Clone, Copy, Default)]
struct Path<'a> {
    /// Weights begin moved by up to this part of themselves.
    moved: f64,
    /// Every step but the first begins where this run was; its weights are moved too.
    along: Option<&'a Trace>,
}

fn run(device: Arc<dyn Device>, (mode, hallucinator, precision): (&str, &str, &str), path: Path) -> Trace {
    let (config, model) = small(mode, hallucinator, precision);
    let stage = config.stages().remove(0);
    let (graph, training) = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap();
    let program = Program::new(device, graph.plan()).unwrap();
    let mut random = Random::named(5, "moved");
    let mut place = |name: &String, weights: &[f32]| {
        let moved = weights.iter().map(|w| (f64::from(*w) * (1.0 + path.moved * random.between(-1.0, 1.0))) as f32);
        program.write(training.weights[name], &moved.collect::<Vec<_>>()).unwrap();
    };
    model.parameters().iter().for_each(|parameter| place(&parameter.name, &parameter.initial(1)));
    let mut pictures = Random::named(2, "pictures");
    let pixels: Vec<u8> = (0..BATCH * 112 * 96 * 3).map(|_| pictures.below(256) as u8).collect();
    let mut trace = Trace::new();
    for number in 0..STEPS {
        if let (Some(along), 1..) = (path.along, number) {
            let before = &along[number - 1];
            training.weights.keys().for_each(|name| place(name, &before[&format!("weight {name}")]));
            for (name, value) in &training.velocities {
                program.write(*value, &before[&format!("velocity {name}")]).unwrap();
            }
        }
        trace.push(step(&program, &training, &pixels));
    }
    trace
}

fn step(program: &Program, training: &Training, pixels: &[u8]) -> BTreeMap<String, Vec<f32>> {
    program.write(training.pixels, pixels).unwrap();
    program.write(training.mirrored, &[0u8, 1]).unwrap();
    if training.features.is_some() {
        program.write(training.labels, &[0i32, IDENTITIES as i32 - 1]).unwrap();
    }
    program.write(training.rates, &[0.02f32, 0.002]).unwrap();
    let ran = program.run();
    ran.unwrap_or_else(|error| panic!("{error}{}", standin::report()));
    let read = |value: Value| program.read::<f32>(value).unwrap_or_else(|error| panic!("{error}{}", standin::report()));
    let mut seen = BTreeMap::new();
    let losses = [("pixel", training.pixel), ("softmax", training.softmax), ("center", training.center)];
    for (name, value) in losses {
        seen.extend(value.map(|value| (format!("loss {name}"), read(value))));
    }
    seen.insert("norm".into(), read(training.norm));
    seen.extend(training.gradients.iter().map(|(name, value)| (format!("gradient {name}"), read(*value))));
    seen.extend(training.velocities.iter().map(|(name, value)| (format!("velocity {name}"), read(*value))));
    seen.extend(training.weights.iter().map(|(name, value)| (format!("weight {name}"), read(*value))));
    seen
}

fn largest(numbers: &[f32]) -> f64 {
    numbers.iter().map(|v| f64::from(v.abs())).fold(0.0, f64::max)
}

/// Largest difference.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max)
}

fn cpu(level: Level) -> Arc<dyn Device> {
    Arc::new(Cpu::with_level(Some(2), level).unwrap())
}

fn compare(case: (&str, &str, &str)) {
    let exact = run(cpu(Level::detect()), case, Path::default());
    let narrow = case.2 == "bf16";
    let path = |moved| Path { moved, along: narrow.then_some(&exact) };
    let rivals = [
        run(cpu(Level::supported()[0]), case, path(0.0)),
        run(cpu(Level::detect()), case, path(2.0 * UNIT)),
        run(cpu(Level::detect()), case, path(-2.0 * UNIT)),
    ];
    let card = run(Arc::new(standin::open().unwrap()), case, path(0.0));
    let floor = (FACTOR * CHAIN.sqrt() * UNIT).max(if narrow { BF16_UNIT } else { 0.0 });
    let (mut wrong, mut drift) = (Vec::new(), BTreeMap::new());
    for (number, (exact, card)) in exact.iter().zip(&card).enumerate() {
        assert!(exact.keys().eq(card.keys()));
        // Velocities come before weights.
        for (name, expected) in exact {
            let got = &card[name];
            assert!(got.iter().all(|v| v.is_finite()), "{case:?}, step {number}: {name} is not finite");
            let spread = rivals.iter().map(|rival| distance(expected, &rival[number][name])).fold(0.0, f64::max);
            let mut allowed = (FACTOR * spread).max(floor * largest(expected));
            if let Some(parameter) = name.strip_prefix("velocity ") {
                let sum = drift.entry(parameter.to_owned()).or_insert(0.0);
                *sum = if narrow { allowed } else { *sum + allowed };
            }
            if let Some(drift) = name.strip_prefix("weight ").and_then(|parameter| drift.get(parameter)) {
                allowed = drift + 2.0 * UNIT * (number + 1) as f64 * largest(expected);
            }
            let apart = distance(expected, got);
            if apart > allowed {
                let relative = apart / largest(expected);
                wrong.push(format!("step {number}: {name} is {apart:.1e} > {allowed:.1e} off, {relative:.1e} of it"));
            }
        }
    }
    // The first are the ones that the others come from.
    wrong.truncate(12);
    assert!(wrong.is_empty(), "{case:?}:\n{}", wrong.join("\n"));
}

#[test]
fn five_f32_steps_of_every_mode_are_those_of_the_cpu() {
    if standin::inside("steps::five_f32_steps_of_every_mode_are_those_of_the_cpu") {
        MODES.iter().for_each(|(mode, hallucinator)| compare((mode, hallucinator, "f32")));
    }
}

#[test]
fn five_bf16_steps_of_every_mode_are_those_of_the_cpu() {
    if standin::inside("steps::five_bf16_steps_of_every_mode_are_those_of_the_cpu") {
        MODES.iter().for_each(|(mode, hallucinator)| compare((mode, hallucinator, "bf16")));
    }
}

/// Whoever comes first, the bits are the same.
#[test]
fn steps_do_not_depend_on_the_order_of_threads() {
    if !standin::inside("steps::steps_do_not_depend_on_the_order_of_threads") {
        return;
    }
    for precision in ["f32", "bf16"] {
        let mut first: Option<Trace> = None;
        for (turn, (order, copies)) in standin::SCHEDULES.into_iter().enumerate().step_by(3) {
            standin::schedule(order, copies, turn);
            let trace = run(Arc::new(standin::open().unwrap()), ("joint", "fast", precision), Path::default());
            assert!(*first.get_or_insert_with(|| trace.clone()) == trace, "{precision}: {order}, {copies}");
        }
        standin::schedule("forward", "eager", 0);
    }
}
