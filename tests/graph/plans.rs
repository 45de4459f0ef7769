//! The plans of every mode and hallucinator: launches that a device can take, and one layout of the store.

use crate::{every_inference, every_training};
use hallucinet::backend::{Region, Space};
use hallucinet::graph::Plan;
use hallucinet::model::Part;
use std::collections::BTreeSet;

fn every_plan() -> Vec<(String, Plan)> {
    let training = every_training().into_iter().map(|(name, _, graph, _)| (name, graph.plan()));
    training.chain(every_inference().into_iter().map(|(name, _, graph, _)| (name, graph.plan()))).collect()
}

#[test]
fn every_launch_is_one_that_a_device_can_take() {
    for (name, plan) in every_plan() {
        for launch in &plan.launches {
            let place = format!("{name}: {launch:?}");
            let threads: u32 = launch.block.iter().product();
            assert!(
                launch.grid.iter().all(|extent| *extent > 0) && launch.grid[1].max(launch.grid[2]) < 65_536,
                "{place}"
            );
            assert!((1..=1024).contains(&threads), "{place}");
            assert!(launch.bytes() > 0 && !launch.label.is_empty(), "{place}");
            assert!(launch.writes.iter().any(|region| region.bytes > 0), "{place}");
            for region in launch.reads.iter().chain(&launch.writes).filter(|region| region.bytes > 0) {
                let limit = if region.space == Space::Store { plan.store_bytes } else { plan.arena_bytes };
                assert!(region.offset % 256 == 0 && region.offset + region.bytes <= limit, "{place}");
            }
        }
    }
}

#[test]
fn steps_cover_the_launches_in_order_and_have_names() {
    for (name, plan) in every_plan() {
        let mut next = 0;
        for step in &plan.steps {
            assert!(!step.label.is_empty() && !step.op.is_empty(), "{name}: {step:?}");
            assert_eq!(step.launches.start, next, "{name}: {step:?}");
            let flop: u64 = plan.launches[step.launches.clone()].iter().map(|launch| launch.flop).sum();
            assert!(flop > 0, "{name}: {step:?}");
            next = step.launches.end;
        }
        assert_eq!(next, plan.launches.len(), "{name}");
        assert_eq!(plan.flop(), plan.launches.iter().map(|launch| launch.flop).sum::<u64>());
    }
}

#[test]
fn weights_lie_at_one_place_in_every_plan() {
    for (name, model, graph, training) in every_training() {
        let plan = graph.plan();
        for (parameter, offset) in model.parameters().placed() {
            let bytes = 4 * parameter.shape.elements();
            let region = plan.place(training.weights[&parameter.name]).unwrap().region;
            assert_eq!(region, Region { space: Space::Store, offset, bytes }, "{name}: {}", parameter.name);
        }
        // Gradients, velocities and constants come behind.
        let behind = training.gradients.values().chain(training.velocities.values());
        for value in behind {
            assert!(plan.place(*value).unwrap().region.offset >= model.parameters().bytes(), "{name}");
        }
    }
    for (name, model, graph, _) in every_inference() {
        let plan = graph.plan();
        let parameters = model.inference_parameters();
        // The networks alone: fc6 and the centers would be more memory than some networks.
        let constants = plan.store_bytes - parameters.bytes();
        assert!(constants < 1 << 16, "{name}: {constants} bytes beside the parameters");
        let everywhere: BTreeSet<(String, usize)> =
            model.parameters().placed().map(|(p, offset)| (p.name.clone(), offset)).collect();
        let known: BTreeSet<(usize, usize)> =
            parameters.placed().map(|(p, offset)| (offset, parameters.desc(p).bytes())).collect();
        assert!(parameters.placed().all(|(p, offset)| everywhere.contains(&(p.name.clone(), offset))), "{name}");
        for launch in &plan.launches {
            assert!(launch.writes.iter().all(|region| region.space == Space::Arena || region.bytes == 0), "{name}");
            for region in launch.reads.iter().filter(|region| region.space == Space::Store && region.bytes > 0) {
                assert!(known.contains(&(region.offset, region.bytes)), "{name}: {launch:?} reads {region:?}");
            }
        }
    }
}

/// A mode has gradients for the networks it trains, all of them, and for the centers where they are an SGD parameter.
#[test]
fn every_mode_trains_what_it_says() {
    for (name, model, _, training) in every_training() {
        let frozen = name.starts_with("recognition-on");
        for parameter in model.parameters().iter() {
            let expected = match parameter.part {
                Part::Hallucinator => !frozen,
                Part::Recognizer => true,
                Part::Centers => name.ends_with("caffe"),
            };
            assert_eq!(training.gradients.contains_key(&parameter.name), expected, "{name}: {}", parameter.name);
        }
        assert!(training.gradients.keys().eq(training.velocities.keys()), "{name}");
    }
}

/// At full width the networks cost what is published: 4.24 GFLOP a picture for the recogniser with its head of 10,572 identities,
/// which inference leaves out, and 12.76 for the residual hallucinator.
#[test]
fn flop_of_the_published_networks() {
    use hallucinet::model::config::{Config, Overrides};
    use hallucinet::model::{Model, Source, inference};
    let config = Config::preset("paper", &Overrides::default()).unwrap();
    let model = Model::trained_by(&config, 10).unwrap();
    let flop = |source| {
        let (graph, _) = inference(&model, source, 1).unwrap();
        let convolutions = |launch: &&hallucinet::backend::Launch| ["conv", "linear"].contains(&launch.kernel.room);
        graph.plan().launches.iter().filter(convolutions).map(|launch| launch.flop).sum::<u64>() as f64 / 1e9
    };
    let (recognizer, cascade) = (flop(Source::Hr), flop(Source::Lr));
    let head = 2e-9 * 512.0 * 10_572.0;
    assert!((recognizer + head - 4.24).abs() < 0.005, "{recognizer}");
    assert!((cascade - recognizer - 12.76).abs() < 0.005, "{}", cascade - recognizer);
}
