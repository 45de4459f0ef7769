//! The graph: gradients of shared values, fusion, lifetimes, and the plans of real training and inference steps.

mod fusion;
mod gradient;
mod memory;
mod plans;
mod team;
mod times;

use hallucinet::backend::cpu::Cpu;
use hallucinet::graph::{Graph, Program};
use hallucinet::model::config::{Config, Overrides};
use hallucinet::model::{self, Inference, Model, Source, Training};
use std::sync::Arc;

const MODES: [&str; 5] = ["hallucination", "recognition-hr", "recognition-lr", "recognition-on-hallucinated", "joint"];
const HALLUCINATORS: [&str; 3] = ["residual", "fast", "srcnn"];
const BATCH: usize = 3;

/// Compiles and loads a graph on two threads.
fn load(graph: Graph) -> Program {
    Program::new(Arc::new(Cpu::new(Some(2)).unwrap()), graph.plan()).unwrap()
}

/// A model with every layer of the published one, a few channels wide.
fn small(mode: &str, hallucinator: &str, center_update: &str) -> (Config, Model) {
    let settings = [
        ("model.recognizer_width", "0.0625"),
        ("model.features", "8"),
        ("model.hallucinator", hallucinator),
        ("model.hallucinator_channels", "4"),
        ("model.hallucinator_units", "2"),
        ("loss.center_update", center_update),
        ("train.mode", mode),
    ];
    let set = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let config = Config::parse("small", "", &Overrides { set, ..Overrides::default() }).unwrap();
    let model = Model::trained_by(&config, 5).unwrap();
    (config, model)
}

fn training(mode: &str, hallucinator: &str, center_update: &str) -> (Model, Graph, Training) {
    let (config, model) = small(mode, hallucinator, center_update);
    let stage = config.stages().remove(0);
    let (graph, training) = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap();
    (model, graph, training)
}

/// Every mode with every hallucinator it can have, and both center updates.
fn every_training() -> Vec<(String, Model, Graph, Training)> {
    let mut list = Vec::new();
    for mode in MODES {
        let hallucinators = if mode.ends_with("r") { &HALLUCINATORS[..1] } else { &HALLUCINATORS };
        for (hallucinator, update) in hallucinators.iter().flat_map(|h| ["wen", "caffe"].map(|update| (h, update))) {
            let (model, graph, training) = training(mode, hallucinator, update);
            list.push((format!("{mode}, {hallucinator}, {update}"), model, graph, training));
        }
    }
    list
}

/// Inference of both kinds of picture with every hallucinator.
fn every_inference() -> Vec<(String, Model, Graph, Inference)> {
    let mut list = Vec::new();
    for (mode, hallucinator) in HALLUCINATORS.map(|h| ("joint", h)).into_iter().chain([("recognition-lr", "fast")]) {
        for source in [Source::Hr, Source::Lr] {
            let (_, model) = small(mode, hallucinator, "wen");
            let (graph, inference) = model::inference(&model, source, BATCH).unwrap();
            list.push((format!("{mode}, {hallucinator}, {source:?}"), model, graph, inference));
        }
    }
    list
}
