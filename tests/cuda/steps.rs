//! Five training steps of every mode on the card of the stand-in driver beside the same steps on the cpu, each going its own way from
//! the same weights: losses, gradients, velocities and weights after every step.
//!
//! Tolerance. Both devices compute the same sums in the same format and add in another order, so a layer's result on one differs from
//! the other's by a part `unit` of its size:
//!
//! * f32: a sum of `n` terms, added one after the other, is off by a walk of `n` roundings of its partial sums, `sqrt(n / 2)` units
//!   of its own size for terms of random signs (Higham and Mary, SIAM J. Sci. Comput. 41, 2019), and two devices are `sqrt(2)` times as
//!   far apart: `sqrt(n)` units. The longest sums of a step, over all pixels of the batch, have `CHAIN` terms.
//! * bf16: each activation is rounded to 8 bits. One that rounds the other way moves later ones to the other side, so that a few layers
//!   on the roundings of two devices are independent: they differ by less than a unit roundoff of bf16 in the mean square.
//!
//! What such differences do to a step is *measured on the cpu alone*: rivals are runs whose every weight is moved by `unit` of itself,
//! up or down by chance, anew at the start of every step and moved back at its end. A dot product of `n` such weights is moved by
//! `unit` of its typical size, forward and backward alike. The card may be as far from the cpu as the farthest of the rivals, and for
//! the last sum of each number, which moved weights do not touch, another `unit` of the largest number of its kind; all of that
//! `FACTOR` times, because differences have heavy tails: where another pixel wins a maximum or a sign turns, a gradient jumps, and no
//! two runs jump at the same places. A slope of a layer of two channels is two numbers: of so few, four rivals stay by chance within a
//! third of what the card differs by once in some hundred times, eight rivals within a quarter once in a hundred thousand. A weight
//! moves by its velocities and by nothing else, so it may be wrong by what those were allowed, and by its own roundings.
//!
//! Rates are small: what is learned from a rounding must not outgrow the roundings themselves. It costs no sharpness, since velocities
//! and moves scale with the rates and their tolerances do too; that a rate wrong by a tenth is seen is tested.

use crate::{BATCH, IDENTITIES, small, standin};
use hallucinet::backend::Device;
use hallucinet::backend::cpu::{Cpu, simd::Level};
use hallucinet::graph::{Program, Value};
use hallucinet::model::{self, Training};
use hallucinet::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Unit roundoff of f32.
const UNIT: f64 = 1.0 / (1 << 24) as f64;

/// Unit roundoff of bf16.
const BF16_UNIT: f64 = 1.0 / 256.0;

const STEPS: usize = 5;

/// Terms of the longest sums: gradients of filters, biases and slopes at full size.
const CHAIN: f64 = (BATCH * 112 * 96) as f64;

/// Of recogniser and hallucinator.
const RATES: [f32; 2] = [1e-3, 1e-3];

/// Runs with moved weights.
const RIVALS: u64 = 8;

/// How many times as far as the farthest of them the card may be.
const FACTOR: f64 = 4.0;

const MODES: [(&str, &str); 7] = [
    ("hallucination", "fast"),
    ("recognition-hr", "fast"),
    ("recognition-lr", "fast"),
    ("recognition-on-hallucinated", "srcnn"),
    ("joint", "fast"),
    ("joint", "residual"),
    ("joint", "srcnn"),
];

/// What a step leaves behind, by name: losses, gradients, velocities, weights.
type Step = BTreeMap<String, Vec<f32>>;
type Trace = Vec<Step>;

type Case<'a> = (&'a str, &'a str, &'a str);

/// How far one layer may be apart on two devices, as a part of its size.
fn unit((_, _, precision): Case) -> f64 {
    if precision == "bf16" { BF16_UNIT } else { CHAIN.sqrt() * UNIT }
}

/// Five steps; a rival's weights are moved at the start of each and moved back at its end.
fn run(device: Arc<dyn Device>, case: Case, rates: [f32; 2], rival: Option<u64>) -> Trace {
    let (mode, hallucinator, precision) = case;
    let (config, model) = small(mode, hallucinator, precision);
    let stage = config.stages().remove(0);
    let (graph, training) = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap();
    let program = Program::new(device, graph.plan()).unwrap();
    for parameter in model.parameters().iter() {
        program.write(training.weights[&parameter.name], &parameter.initial(1)).unwrap();
    }
    let mut pictures = Random::named(2, "pictures");
    let pixels: Vec<u8> = (0..BATCH * 112 * 96 * 3).map(|_| pictures.below(256) as u8).collect();
    let mut random = rival.map(|seed| Random::named(seed, "rival"));
    (0..STEPS)
        .map(|_| match &mut random {
            Some(random) => {
                step_aside(&program, &training, &pixels, rates, || unit(case) * (2.0 * random.below(2) as f64 - 1.0))
            }
            None => step(&program, &training, &pixels, rates),
        })
        .collect()
}

/// A step from weights that are each moved by the part of itself that `part` gives; what was added then is taken away again.
fn step_aside(
    program: &Program,
    training: &Training,
    pixels: &[u8],
    rates: [f32; 2],
    mut part: impl FnMut() -> f64,
) -> Step {
    let read = |value: &Value| program.read::<f32>(*value).unwrap();
    let before: Vec<Vec<f32>> = training.weights.values().map(read).collect();
    let mut moved = before.clone();
    moved.iter_mut().flatten().for_each(|w| *w = (f64::from(*w) * (1.0 + part())) as f32);
    training.weights.values().zip(&moved).for_each(|(value, moved)| program.write(*value, moved).unwrap());
    let mut seen = step(program, training, pixels, rates);
    for (((name, value), before), moved) in training.weights.iter().zip(&before).zip(&moved) {
        let weights = seen.get_mut(&format!("weight {name}")).unwrap();
        for ((w, before), moved) in weights.iter_mut().zip(before).zip(moved) {
            *w = (f64::from(*w) - f64::from(*moved) + f64::from(*before)) as f32;
        }
        program.write(*value, weights).unwrap();
    }
    seen
}

fn step(program: &Program, training: &Training, pixels: &[u8], rates: [f32; 2]) -> Step {
    program.write(training.pixels, pixels).unwrap();
    program.write(training.moves, &[[0, 0, 0], [1, -2, 3i32]]).unwrap();
    if training.features.is_some() {
        program.write(training.labels, &[0i32, IDENTITIES as i32 - 1]).unwrap();
    }
    program.write(training.rates, &rates).unwrap();
    let ran = program.run();
    ran.unwrap_or_else(|error| panic!("{error}{}", standin::report()));
    let read = |value: Value| program.read::<f32>(value).unwrap_or_else(|error| panic!("{error}{}", standin::report()));
    let mut seen = Step::new();
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

/// Where bf16 is rounded in memory and nowhere else, as on the card.
fn cpu() -> Arc<dyn Device> {
    Arc::new(Cpu::with_level(Some(2), Level::widening()).unwrap())
}

/// How far each number of each step may be off: see the head of this file.
fn tolerances(case: Case, exact: &Trace) -> Vec<BTreeMap<String, f64>> {
    let rivals: Vec<Trace> = (0..RIVALS).map(|seed| run(cpu(), case, RATES, Some(seed))).collect();
    let mut drift: BTreeMap<String, f64> = BTreeMap::new();
    let each = exact.iter().enumerate().map(|(number, exact)| {
        let mut allowed: BTreeMap<String, f64> = exact
            .iter()
            .map(|(name, expected)| {
                let spread = rivals.iter().map(|rival| distance(expected, &rival[number][name])).fold(0.0, f64::max);
                (name.clone(), FACTOR * (spread + unit(case) * largest(expected)))
            })
            .collect();
        for (name, expected) in exact {
            let Some(parameter) = name.strip_prefix("weight ") else { continue };
            if let Some(velocity) = allowed.get(&format!("velocity {parameter}")) {
                let sum = drift.entry(parameter.to_owned()).or_insert(0.0);
                *sum += velocity;
                allowed.insert(name.clone(), *sum + 2.0 * UNIT * (number + 1) as f64 * largest(expected));
            }
        }
        allowed
    });
    each.collect()
}

/// All that is off by more than it may be, the first causes first.
fn wrong(exact: &Trace, allowed: &[BTreeMap<String, f64>], card: &Trace) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, ((exact, allowed), card)) in exact.iter().zip(allowed).zip(card).enumerate() {
        assert!(exact.keys().eq(card.keys()));
        for (name, expected) in exact {
            assert!(card[name].iter().all(|v| v.is_finite()), "step {number}: {name} is not finite");
            let (apart, allowed) = (distance(expected, &card[name]), allowed[name]);
            if apart > allowed {
                let size = largest(expected);
                wrong.push(format!("step {number}: {name} is {apart:.1e} > {allowed:.1e} off, of {size:.1e}"));
            }
        }
    }
    wrong
}

/// The card keeps within the tolerances, which are narrow enough to see a rate that is wrong by a tenth, and weights that stay.
fn compare(case: Case) {
    let exact = run(cpu(), case, RATES, None);
    let allowed = tolerances(case, &exact);
    let card = run(Arc::new(standin::open().unwrap()), case, RATES, None);
    let found = wrong(&exact, &allowed, &card);
    assert!(found.is_empty(), "{case:?}:\n{}", found[..found.len().min(12)].join("\n"));
    let hasty = run(cpu(), case, RATES.map(|rate| 1.1 * rate), None);
    let seen = wrong(&exact, &allowed, &hasty);
    assert!(
        seen.iter().any(|what| what.contains(": velocity ")),
        "{case:?}: a rate that is wrong by a tenth is not seen"
    );
    let weights = exact[0].keys().filter(|name| name.starts_with("weight "));
    let stays = |name: &&String| distance(&exact[0][*name], &exact[STEPS - 1][*name]) > allowed[STEPS - 1][*name];
    let (all, seen) = (weights.clone().count(), weights.filter(stays).count());
    assert!(2 * seen > all, "{case:?}: only {seen} of {all} weights would be seen to stay");
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
            let trace = run(Arc::new(standin::open().unwrap()), ("joint", "fast", precision), RATES, None);
            assert!(*first.get_or_insert_with(|| trace.clone()) == trace, "{precision}: {order}, {copies}");
        }
        standin::schedule("forward", "eager", 0);
    }
}
