//! A timed run computes what a plain one does, and knows every layer.

use crate::{BATCH, every_inference, load};
use hallucinet::graph::Times;

#[test]
fn a_timed_run_is_a_run_and_times_every_layer() {
    for (name, model, graph, inference) in every_inference() {
        let program = load(graph);
        let costs = program.plan().costs();
        model.inference_parameters().write(&program, |parameter| parameter.initial(1)).unwrap();
        let bytes = program.plan().place(inference.pixels).unwrap().region.bytes;
        let pixels: Vec<u8> = (0..bytes).map(|i| (i * 31 % 251) as u8).collect();
        program.write(inference.pixels, &pixels).unwrap();
        program.run().unwrap();
        let plain: Vec<f32> = program.read(inference.pictures).unwrap();
        let mut times = Times::default();
        for _ in 0..2 {
            program.write(inference.pixels, &pixels).unwrap();
            program.run_timed(&mut times).unwrap();
        }
        assert!(program.read::<f32>(inference.pictures).unwrap() == plain, "{name}");
        assert_eq!(times.runs, 2);
        let timed: Vec<(&str, u64)> = times.layers.iter().map(|time| (time.layer.as_str(), time.flop)).collect();
        let counted: Vec<(&str, u64)> = costs.iter().map(|cost| (cost.layer.as_str(), cost.flop)).collect();
        assert_eq!(timed, counted, "{name}");
        assert!(times.seconds() > 0.0 && plain.len() == BATCH * 3 * 96 * 112, "{name}");
    }
}
