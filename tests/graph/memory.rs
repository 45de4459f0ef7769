//! Memory of plans, checked from the launches alone: who wrote the bytes that a launch reads?

use crate::{every_inference, every_training, load};
use hallucinet::backend::{Region, Space};
use hallucinet::graph::{Graph, Plan, Value};
use hallucinet::ops::Desc;
use hallucinet::ops::add::Add;
use hallucinet::ops::conv::Conv;
use hallucinet::shape::Shape;

fn overlap(a: &Region, b: &Region) -> bool {
    let (a_end, b_end) = (a.offset + a.bytes, b.offset + b.bytes);
    a.space == b.space && a.bytes > 0 && b.bytes > 0 && a.offset < b_end && b.offset < a_end
}

/// Replays a plan on an arena whose content is only "who wrote this last". A launch must find every region it reads exactly as one
/// write, or one input, left it: same place, same length, nothing over it since.
fn replay(name: &str, plan: &Plan, inputs: &[Value], fetched: &[Value]) {
    let mut live: Vec<Region> = Vec::new();
    // An input that nothing reads has a place all the same, or none.
    for region in inputs.iter().filter_map(|value| plan.place(*value).ok()).map(|place| place.region) {
        assert!(!live.iter().any(|other| overlap(other, &region)), "{name}: two inputs share {region:?}");
        live.push(region);
    }
    for (index, launch) in plan.launches.iter().enumerate() {
        let arena = |region: &&Region| region.space == Space::Arena && region.bytes > 0;
        for region in launch.reads.iter().filter(arena) {
            assert!(
                live.contains(region),
                "{name}: launch {index} {:?} reads {region:?}, never written so",
                launch.kernel
            );
        }
        for region in launch.writes.iter().filter(arena) {
            live.retain(|other| !overlap(other, region));
            live.push(*region);
        }
    }
    for value in fetched {
        let region = plan.place(*value).unwrap().region;
        assert!(region.space == Space::Store || live.contains(&region), "{name}: {value:?} was overwritten");
    }
}

#[test]
fn every_read_finds_what_was_written_for_it() {
    for (name, _, graph, training) in every_training() {
        let inputs = [training.pixels, training.moves, training.labels, training.rates];
        let losses = [training.pixel, training.softmax, training.center, training.features];
        let fetched: Vec<Value> = losses.into_iter().flatten().chain([training.norm, training.pictures]).collect();
        replay(&name, &graph.plan(), &inputs, &fetched);
    }
    for (name, _, graph, inference) in every_inference() {
        let fetched: Vec<Value> = inference.features.into_iter().chain([inference.pictures]).collect();
        replay(&name, &graph.plan(), &[inference.pixels], &fetched);
    }
}

/// What lies in the arena over a whole step, if nothing shared a place.
fn without_sharing(plan: &Plan) -> usize {
    let writes = plan.launches.iter().flat_map(|launch| &launch.writes);
    writes.filter(|region| region.space == Space::Arena).map(|region| region.bytes).sum()
}

#[test]
fn the_arena_is_smaller_than_the_sum_of_all_values() {
    for (name, _, graph, _) in every_training() {
        let plan = graph.plan();
        let all = without_sharing(&plan);
        // Activations live until the backward pass; gradients and scratch share. Fusion leaves few gradients that are written at all.
        assert!(plan.arena_bytes * 5 < all * 4, "{name}: {} of {all}", plan.arena_bytes);
    }
    for (name, _, graph, _) in every_inference() {
        let plan = graph.plan();
        let all = without_sharing(&plan);
        assert!(plan.arena_bytes * 2 < all, "{name}: {} of {all}", plan.arena_bytes);
    }
}

#[test]
fn what_nobody_reads_is_not_computed() {
    let mut graph = Graph::new();
    let (x, w) = (graph.input(Desc::f32(Shape::new(1, 3, 5, 5))), graph.input(Desc::f32(Shape::new(3, 3, 3, 3))));
    let y = graph.apply(Conv::new(1, 1, false), &[x, w]).unwrap();
    let dead = graph.apply(Conv::new(1, 1, false), &[y, w]).unwrap();
    let dead = graph.apply(Add, &[dead, y]).unwrap();
    graph.fetch(y);
    let plan = graph.clone().plan();
    assert_eq!(plan.launches.len(), 1);
    assert!(plan.place(dead).unwrap_err().to_string().contains("not part of this plan"));
    graph.fetch(dead);
    assert_eq!(graph.plan().launches.len(), 2);
}

/// A run leaves inputs that are still to be read alone, whatever else wants their place, and a second run gives the same.
#[test]
fn fetched_values_survive_later_steps() {
    let mut graph = Graph::new();
    let shape = Shape::new(1, 1, 16, 16);
    let x = graph.input(Desc::f32(shape));
    let mut sums = vec![x];
    for _ in 0..20 {
        let last = sums[sums.len() - 1];
        sums.push(graph.apply(Add, &[last, x]).unwrap());
    }
    let (early, late) = (sums[3], sums[20]);
    graph.fetch(early);
    graph.fetch(late);
    let program = load(graph);
    for value in [1.0f32, -7.0] {
        program.write(x, &vec![value; shape.elements()]).unwrap();
        program.run().unwrap();
        let all = |of: Value, times: f32| program.read::<f32>(of).unwrap().iter().all(|v| *v == times * value);
        assert!(all(early, 4.0) && all(late, 21.0));
    }
    // Four live values at most: x, both fetched, and the sum before the last.
    assert!(program.plan().arena_bytes <= 4 * 4 * shape.elements());
}

#[test]
fn only_whole_values_are_written_and_only_known_ones_read() {
    let mut graph = Graph::new();
    let x = graph.input(Desc::f32(Shape::vector(4)));
    let y = graph.apply(Add, &[x, x]).unwrap();
    graph.fetch(y);
    let other = {
        let mut graph = graph.clone();
        graph.input(Desc::f32(Shape::vector(4)))
    };
    let program = load(graph);
    assert!(program.write(x, &[0f32; 3]).is_err());
    assert!(program.read::<f32>(other).is_err());
    program.write(x, &[1f32; 4]).unwrap();
    program.run().unwrap();
    assert_eq!(program.read::<f32>(y).unwrap(), [2.0; 4]);
}
