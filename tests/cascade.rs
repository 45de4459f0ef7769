//! The whole cascade, a few channels wide: it learns, it repeats itself bit for bit, and inference computes what training computed.

use hallucinet::backend::cpu::{Cpu, simd::Level};
use hallucinet::graph::Program;
use hallucinet::model::config::{Config, Overrides};
use hallucinet::model::{self, Inference, Model, Source, Training};
use hallucinet::random::Random;
use hallucinet::resample::{Flavour, resize_u8};
use std::sync::Arc;

const BATCH: usize = 5;
const IDENTITIES: usize = 3;
const LABELS: [i32; BATCH] = [0, 1, 2, 1, 0];
const PICTURE: usize = 112 * 96 * 3;
const SMALL: usize = 28 * 24 * 3;

struct Run {
    model: Model,
    program: Program,
    training: Training,
    total: [f64; 3],
}

fn small(mode: &str, hallucinator: &str) -> (Config, Model) {
    let settings = [
        ("model.recognizer_width", "0.0625"),
        ("model.features", "8"),
        ("model.hallucinator", hallucinator),
        ("model.hallucinator_channels", "4"),
        ("model.hallucinator_units", "1"),
        ("model.residual_init", "he"),
        ("train.mode", mode),
        ("train.lr", "0.05"),
        ("train.hallucinator_lr", "0.005"),
        ("train.clip", "1"),
    ];
    let set = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let config = Config::parse("small", "", &Overrides { set, ..Overrides::default() }).unwrap();
    let model = Model::trained_by(&config, IDENTITIES).unwrap();
    (config, model)
}

/// Noise with a gradient of light that is each identity's own.
fn pictures() -> Vec<u8> {
    let mut random = Random::named(1, "pictures");
    let pixel = |n: usize, at: usize, random: &mut Random| {
        let (row, column) = (at / 3 / 96, at / 3 % 96);
        let light = [row, column, 112 - row][LABELS[n] as usize] + 30;
        (light as f64 + random.between(0.0, 90.0)) as u8
    };
    (0..BATCH * PICTURE).map(|i| pixel(i / PICTURE, i % PICTURE, &mut random)).collect()
}

/// The pictures that the training step makes for itself.
fn degraded() -> Vec<u8> {
    let mut all = Vec::new();
    for picture in pictures().chunks_exact(PICTURE) {
        let mut small = vec![0; SMALL];
        resize_u8(Flavour::Matlab, picture, (112, 96), &mut small, (28, 24)).unwrap();
        all.extend(small);
    }
    all
}

/// A training step with initial weights, not yet run.
fn start(mode: &str, hallucinator: &str, cpu: Cpu) -> Run {
    let (config, model) = small(mode, hallucinator);
    let stage = config.stages().remove(0);
    let (graph, training) = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap();
    let program = Program::new(Arc::new(cpu), graph.plan()).unwrap();
    for parameter in model.parameters().iter() {
        program.write(training.weights[&parameter.name], &parameter.initial(1)).unwrap();
    }
    let total = [stage.loss.alpha, stage.loss.beta1, stage.loss.beta2];
    Run { model, program, training, total }
}

impl Run {
    /// Runs one step and returns the total loss and the softmax part of it, both before the step.
    fn step(&self) -> [f64; 2] {
        self.step_moved([[0; 3]; BATCH])
    }

    fn step_moved(&self, moves: [[i32; 3]; BATCH]) -> [f64; 2] {
        // A run may use the place of an input for something else once it was read.
        self.program.write(self.training.pixels, &pictures()).unwrap();
        self.program.write(self.training.moves, &moves).unwrap();
        self.program.write(self.training.labels, &LABELS).unwrap();
        self.program.write(self.training.rates, &[0.05f32, 0.005]).unwrap();
        self.program.run().unwrap();
        let losses = [self.training.pixel, self.training.softmax, self.training.center];
        let read = |loss: &Option<_>| loss.map_or(0.0, |loss| f64::from(self.program.read::<f32>(loss).unwrap()[0]));
        let total = self.total.iter().zip(&losses).map(|(weight, loss)| weight * read(loss)).sum();
        [total, read(&self.training.softmax)]
    }

    /// The bits of every weight.
    fn weights(&self) -> Vec<u32> {
        let read = |value: &hallucinet::graph::Value| self.program.read::<f32>(*value).unwrap();
        self.training.weights.values().flat_map(read).map(f32::to_bits).collect()
    }

    fn features(&self) -> Vec<u32> {
        bits(&self.program, self.training.features.unwrap())
    }
}

fn cpu(threads: usize) -> Cpu {
    Cpu::new(Some(threads)).unwrap()
}

fn bits(program: &Program, value: hallucinet::graph::Value) -> Vec<u32> {
    program.read::<f32>(value).unwrap().into_iter().map(f32::to_bits).collect()
}

/// Inference with a run's weights.
fn infer(run: &Run, source: Source, pixels: &[u8], batch: usize, cpu: Cpu) -> (Program, Inference) {
    let (graph, inference) = model::inference(&run.model, source, batch).unwrap();
    let program = Program::new(Arc::new(cpu), graph.plan()).unwrap();
    program.copy_store(&run.program, run.model.inference_parameters().bytes()).unwrap();
    program.write(inference.pixels, pixels).unwrap();
    program.run().unwrap();
    (program, inference)
}

#[test]
fn thirty_steps_learn_and_repeat_themselves() {
    let run = |threads: usize| {
        let run = start("joint", "fast", cpu(threads));
        let losses: Vec<[f64; 2]> = (0..30).map(|_| run.step()).collect();
        (losses, run.weights())
    };
    let (losses, weights) = run(2);
    assert!(losses.as_flattened().iter().all(|loss| loss.is_finite()), "{losses:?}");
    // The pixel part cannot fall below the noise of the pictures; the softmax part begins at chance, ln 3.
    assert!(losses[29][0] < 0.9 * losses[0][0] && losses[29][1] < 0.1 * losses[0][1], "{losses:?}");
    for threads in [1, 2, 3] {
        let (again, same) = run(threads);
        assert!(again == losses && same == weights, "{threads} threads: other bits");
    }
}

/// Inference has no kept values, no labels and another arena, but the same arithmetic: not one bit differs.
#[test]
fn inference_computes_what_training_computed() {
    let cases = [
        ("joint", "fast", Source::Lr),
        ("joint", "residual", Source::Lr),
        ("recognition-on-hallucinated", "srcnn", Source::Lr),
        ("recognition-lr", "fast", Source::Lr),
        ("recognition-hr", "fast", Source::Hr),
    ];
    for (mode, hallucinator, source) in cases {
        let run = start(mode, hallucinator, cpu(2));
        let pixels = if source == Source::Hr { pictures() } else { degraded() };
        // Before the step: it changes the weights after it has computed the features.
        let (program, inference) = infer(&run, source, &pixels, BATCH, cpu(2));
        run.step();
        assert!(bits(&program, inference.features.unwrap()) == run.features(), "{mode}, {hallucinator}: features");
        assert!(bits(&program, inference.pictures) == bits(&run.program, run.training.pictures), "{mode}: pictures");
    }
}

/// The bits of a row depend neither on its neighbours nor on their number: a tile sums along the depth alone, on every
/// instruction set.
#[test]
fn a_batch_is_its_rows() {
    for (level, hallucinator) in Level::supported().into_iter().flat_map(|l| [(l, "fast"), (l, "residual")]) {
        let device = || Cpu::with_level(Some(2), level).unwrap();
        let run = start("joint", hallucinator, device());
        let (all, inference) = infer(&run, Source::Lr, &degraded(), BATCH, device());
        let (features, seen) = (bits(&all, inference.features.unwrap()), bits(&all, inference.pictures));
        for (row, pixels) in degraded().chunks_exact(SMALL).enumerate() {
            let (one, inference) = infer(&run, Source::Lr, pixels, 1, device());
            assert!(bits(&one, inference.features.unwrap()) == features[row * 8..][..8], "{level}: row {row}");
            assert!(bits(&one, inference.pictures) == seen[row * PICTURE..][..PICTURE], "{level}: picture {row}");
        }
    }
}

/// What is not trained keeps its bits.
#[test]
fn a_frozen_hallucinator_stays() {
    let run = start("recognition-on-hallucinated", "fast", cpu(2));
    let of = |run: &Run, prefix: &str| -> Vec<u32> {
        let weights = run.training.weights.iter().filter(|(name, _)| name.starts_with(prefix));
        weights.flat_map(|(_, value)| bits(&run.program, *value)).collect()
    };
    let before = [of(&run, "hallucinator"), of(&run, "recognizer"), of(&run, "center_loss")];
    run.step();
    let after = [of(&run, "hallucinator"), of(&run, "recognizer"), of(&run, "center_loss")];
    assert!(before[0] == after[0] && before[1] != after[1] && before[2] != after[2]);
}

/// What the step sees is what the host made of the pictures before kernels moved them.
#[test]
fn pictures_are_moved_and_mirrored() {
    let run = start("recognition-hr", "fast", cpu(2));
    run.step();
    let plain = run.program.read::<f32>(run.training.pictures).unwrap();
    let moves = [[0, 0, 0], [1, 0, 0], [0, 3, -2], [255, -1, 4], [1, 200, -200]];
    run.step_moved(moves);
    let seen = run.program.read::<f32>(run.training.pictures).unwrap();
    for (index, value) in seen.iter().enumerate() {
        let (picture, row, column, channel) = (index / PICTURE, index / 3 / 96 % 112, index / 3 % 96, index % 3);
        let [mirror, down, right] = moves[picture];
        let column = if mirror == 0 { column } else { 95 - column };
        let (y, x) = ((row as i32 - down).clamp(0, 111) as usize, (column as i32 - right).clamp(0, 95) as usize);
        assert_eq!(*value, plain[picture * PICTURE + (y * 96 + x) * 3 + channel]);
    }
}
