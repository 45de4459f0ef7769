//! Training steps on the card of the stand-in driver beside the same steps on the cpu: losses, gradients and weights.
//!
//! Tolerance. Both devices compute the same sums in the same format but add in another order. A sum of `n` terms is then off by a walk
//! of `n` roundings, about `sqrt(n)` units of its partial sums; the longest sums of a step, those over all pixels of the batch, have
//! `CHAIN` terms. How far such a part reaches is *measured on the cpu alone*: the cpu's own SIMD levels, and weights moved by that part,
//! give runs of equal right to be called exact, and the card may be no more than `FACTOR` times as far from the cpu as the worst of
//! those is, or than the part itself. Steps follow each other's weights, so each step is judged by the spread of that very step.

use crate::{BATCH, IDENTITIES, small, standin};
use hallucinet::backend::Device;
use hallucinet::backend::cpu::{Cpu, simd::Level};
use hallucinet::graph::{Program, Value};
use hallucinet::model::{self, Training};
use hallucinet::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The spread of two or three runs is a small sample of what is possible; orders differ more between devices than between levels.
const FACTOR: f64 = 8.0;

const STEPS: usize = 5;

/// Terms of the longest sums: bias and slope gradients at full size.
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

/// What a step leaves behind, by name: losses, gradients, weights. `seen` is everything as one list of numbers per name.
type Trace = Vec<BTreeMap<String, Vec<f32>>>;

/// How a run begins: weights moved by this part of themselves, in a random direction.
fn run(device: Arc<dyn Device>, mode: &str, hallucinator: &str, precision: &str, moved: f64) -> Trace {
    let (config, model) = small(mode, hallucinator, precision);
    let stage = config.stages().remove(0);
    let (graph, training) = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap();
    let program = Program::new(device, graph.plan()).unwrap();
    let mut random = Random::named(5, "moved");
    for parameter in model.parameters().iter() {
        let weights = parameter.initial(1).into_iter();
        let weights: Vec<f32> =
            weights.map(|w| (f64::from(w) * (1.0 + moved * random.between(-1.0, 1.0))) as f32).collect();
        program.write(training.weights[&parameter.name], &weights).unwrap();
    }
    let mut pictures = Random::named(2, "pictures");
    let pixels: Vec<u8> = (0..BATCH * 112 * 96 * 3).map(|_| pictures.below(256) as u8).collect();
    (0..STEPS).map(|_| step(&program, &training, &pixels)).collect()
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
    seen.extend(training.weights.iter().map(|(name, value)| (format!("weight {name}"), read(*value))));
    seen
}

/// Largest difference, as a part of the largest number of both.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let largest = a.iter().chain(b).map(|v| f64::from(v.abs())).fold(0.0, f64::max);
    let apart = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs()).fold(0.0, f64::max);
    if apart == 0.0 { 0.0 } else { apart / largest }
}

fn cpu(level: Level) -> Arc<dyn Device> {
    Arc::new(Cpu::with_level(Some(2), level).unwrap())
}

/// `unit` is the part by which starts of equal right are apart.
fn compare(mode: &str, hallucinator: &str, precision: &str, unit: f64) {
    let place = format!("{mode}, {hallucinator}, {precision}");
    let exact = run(cpu(Level::detect()), mode, hallucinator, precision, 0.0);
    let rivals = [
        run(cpu(Level::supported()[0]), mode, hallucinator, precision, 0.0),
        run(cpu(Level::detect()), mode, hallucinator, precision, unit),
    ];
    let card = run(Arc::new(standin::open().unwrap()), mode, hallucinator, precision, 0.0);
    let mut wrong = Vec::new();
    for (number, (exact, card)) in exact.iter().zip(&card).enumerate() {
        assert!(exact.keys().eq(card.keys()));
        for (name, expected) in exact {
            let got = &card[name];
            assert!(got.iter().all(|v| v.is_finite()), "{place}, step {number}: {name} is not finite");
            let spread = rivals.iter().map(|rival| distance(expected, &rival[number][name])).fold(unit, f64::max);
            let apart = distance(expected, got);
            if apart > FACTOR * spread {
                wrong.push(format!("step {number}: {name} is {apart:.1e} off, spread {spread:.1e}"));
            }
        }
    }
    // The first are the ones that the others come from.
    wrong.truncate(12);
    assert!(wrong.is_empty(), "{place}:\n{}", wrong.join("\n"));
}

#[test]
fn five_f32_steps_of_every_mode_are_those_of_the_cpu() {
    if standin::inside("steps::five_f32_steps_of_every_mode_are_those_of_the_cpu") {
        let unit = CHAIN.sqrt() / (1 << 24) as f64;
        MODES.iter().for_each(|(mode, hallucinator)| compare(mode, hallucinator, "f32", unit));
    }
}

#[test]
fn five_bf16_steps_of_every_mode_are_those_of_the_cpu() {
    if standin::inside("steps::five_bf16_steps_of_every_mode_are_those_of_the_cpu") {
        MODES.iter().for_each(|(mode, hallucinator)| compare(mode, hallucinator, "bf16", 1.0 / 256.0));
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
            let trace = run(Arc::new(standin::open().unwrap()), "joint", "fast", precision, 0.0);
            assert!(*first.get_or_insert_with(|| trace.clone()) == trace, "{precision}: {order}, {copies}");
        }
        standin::schedule("forward", "eager", 0);
    }
}
