//! Whole training steps and whole inference of the presets at a small batch. Throughput is FLOP (criterion calls them elements) and
//! bytes of all launches; time a picture is the time shown divided by the batch.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use hallucinet::backend::{self, Choice};
use hallucinet::graph::{Graph, Program, Value};
use hallucinet::model::config::{Config, Overrides};
use hallucinet::model::{self, Model, Source};
use hallucinet::random::Random;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const BATCH: usize = 4;
const IDENTITIES: usize = 100;

fn preset(name: &str) -> (Config, Model) {
    let config = Config::preset(name, &Overrides::default()).unwrap();
    let model = Model::trained_by(&config, IDENTITIES).unwrap();
    (config, model)
}

fn random_bytes(length: usize) -> Vec<u8> {
    let mut random = Random::named(1, "pictures");
    (0..length).map(|_| random.below(256) as u8).collect()
}

/// Times a graph with the writing of its inputs, which `prepare` does before every run.
fn time(criterion: &mut Criterion, group: &str, label: &str, graph: Graph, prepare: impl Fn(&Program)) {
    let (device, _) = backend::open(Choice::Auto, None).unwrap();
    let program = Program::new(Arc::clone(&device), graph.plan()).unwrap();
    let bytes = program.plan().launches.iter().map(|launch| launch.bytes()).sum();
    let mut group = criterion.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::ElementsAndBytes { elements: program.plan().flop(), bytes });
    group.bench_function(BenchmarkId::new(label, BATCH), |bencher| {
        bencher.iter(|| {
            prepare(&program);
            program.run().unwrap();
            device.sync().unwrap();
        });
    });
    group.finish();
}

fn load(program: &Program, model: &Model, weights: &BTreeMap<String, Value>) {
    for parameter in model.parameters().iter() {
        program.write(weights[&parameter.name], &parameter.initial(1)).unwrap();
    }
}

/// The last stage of each preset, which trains everything. Rates of 0: numbers stay as they begin, whatever criterion repeats.
fn training(criterion: &mut Criterion) {
    for name in ["quick", "lfw"] {
        let (config, model) = preset(name);
        let stage = config.stages().pop().unwrap();
        let (graph, values) = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap();
        let pixels = random_bytes(BATCH * 112 * 96 * 3);
        let first = std::cell::Cell::new(true);
        time(criterion, "training", name, graph, |program| {
            if first.replace(false) {
                load(program, &model, &values.weights);
            }
            program.write(values.pixels, &pixels).unwrap();
            program.write(values.mirrored, &[0u8, 1, 0, 1]).unwrap();
            program.write(values.labels, &[0i32, 1, 2, 3]).unwrap();
            program.write(values.rates, &[0f32, 0.0]).unwrap();
        });
    }
}

/// Low-resolution pictures to features; weights are those that zeroed memory holds, which cost as much as any.
fn inference(criterion: &mut Criterion) {
    for name in ["quick", "lfw", "paper"] {
        let (_, model) = preset(name);
        for (source, (height, width)) in [(Source::Lr, (28, 24)), (Source::Hr, (112, 96))] {
            let (graph, values) = model::inference(&model, source, BATCH).unwrap();
            let pixels = random_bytes(BATCH * height * width * 3);
            let label = format!("{name}, {source:?}");
            time(criterion, "inference", &label, graph, |program| program.write(values.pixels, &pixels).unwrap());
        }
    }
}

fn announce(_: &mut Criterion) {
    let info = backend::open(Choice::Auto, None).unwrap().0.info();
    println!("device {} ({})", info.name, info.detail);
}

fn quick() -> Criterion {
    let criterion = Criterion::default().sample_size(10).without_plots();
    criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2)).configure_from_args()
}

criterion_group! {
    name = step;
    config = quick();
    targets = announce, training, inference
}
criterion_main!(step);
