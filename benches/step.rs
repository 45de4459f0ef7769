//! Whole training steps and whole inference of the presets. Throughput is FLOP (criterion calls them elements) and bytes of all
//! launches; time a picture is the time shown divided by the batch.

#[path = "clock/mod.rs"]
mod clock;

use clock::clock;
use criterion::{Criterion, criterion_group, criterion_main};
use hallucinet::graph::{Graph, Program, Value};
use hallucinet::model::config::{Config, Overrides};
use hallucinet::model::{self, Model, Source};
use hallucinet::ops::Type;
use hallucinet::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const IDENTITIES: usize = 100;

fn preset(name: &str) -> (Config, Model) {
    let precision = if clock().precision == Type::Bf16 { "bf16" } else { "f32" };
    let set = vec![("train.precision".to_owned(), precision.to_owned())];
    let config = Config::preset(name, &Overrides { set, ..Overrides::default() }).unwrap();
    let model = Model::trained_by(&config, IDENTITIES).unwrap();
    (config, model)
}

fn random_bytes(length: usize) -> Vec<u8> {
    let mut random = Random::named(1, "pictures");
    (0..length).map(|_| random.below(256) as u8).collect()
}

fn batch() -> usize {
    clock::batch(4)
}

/// Times a graph; `prepare` writes its inputs before every run.
fn time(criterion: &mut Criterion, group: &str, label: &str, graph: Graph, prepare: impl Fn(&Program)) {
    let program = Program::new(Arc::clone(&clock().device), graph.plan()).unwrap();
    clock::time(criterion, [group, label, &batch().to_string()], &program, prepare);
}

fn load(program: &Program, model: &Model, weights: &BTreeMap<String, Value>) {
    for parameter in model.parameters().iter() {
        program.write(weights[&parameter.name], &parameter.initial(1)).unwrap();
    }
}

/// The last stage of each preset, which trains everything. Rates of 0: numbers stay as they begin, whatever criterion repeats.
fn training(criterion: &mut Criterion) {
    for name in ["quick", "lfw", "paper"] {
        let (config, model) = preset(name);
        let stage = config.stages().pop().unwrap();
        let (graph, values) = model::training(&model, &stage.recipe, &stage.loss, batch()).unwrap();
        let pixels = random_bytes(batch() * 112 * 96 * 3);
        let first = std::cell::Cell::new(true);
        time(criterion, "training", name, graph, |program| {
            if first.replace(false) {
                load(program, &model, &values.weights);
            }
            program.write(values.pixels, &pixels).unwrap();
            program.write(values.moves, &vec![[0i32; 3]; batch()]).unwrap();
            let labels: Vec<i32> = (0..batch()).map(|index| (index % IDENTITIES) as i32).collect();
            program.write(values.labels, &labels).unwrap();
            program.write(values.rates, &[0f32, 0.0]).unwrap();
        });
    }
}

/// Low-resolution pictures to features; weights are those that zeroed memory holds, which cost as much as any.
fn inference(criterion: &mut Criterion) {
    for name in ["quick", "lfw", "paper"] {
        let (_, model) = preset(name);
        for (source, (height, width)) in [(Source::Lr, (28, 24)), (Source::Hr, (112, 96))] {
            let (graph, values) = model::inference(&model, source, batch()).unwrap();
            let pixels = random_bytes(batch() * height * width * 3);
            let label = format!("{name}, {source:?}");
            time(criterion, "inference", &label, graph, |program| program.write(values.pixels, &pixels).unwrap());
        }
    }
}

fn quick() -> Criterion {
    let criterion = Criterion::default().sample_size(10).without_plots();
    criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).configure_from_args()
}

criterion_group! {
    name = step;
    config = quick();
    targets = clock::announce, training, inference
}
criterion_main!(step);
