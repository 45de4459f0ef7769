//! The engine inside other programs: Rust, the examples, C. Weights are those of a seed, since what is asked is true of any.

mod c;
mod engine;
mod examples;
mod memory;
#[path = "../weights/mod.rs"]
mod weights;

use hallucinet::data::image::Picture;
use hallucinet::data::synth;
use hallucinet::engine::Loaded;
use hallucinet::{Device, Engine};
use weights::model;

/// Numbers of a feature.
pub const FEATURES: usize = 12;

/// A model with both networks in memory.
pub fn joint() -> Loaded {
    Engine::from_bytes(&model(true, true, &[])).unwrap()
}

/// An engine on the processor.
pub fn on_cpu(loaded: Loaded) -> Engine {
    loaded.on(Device::cpu().threads(2)).unwrap()
}

/// A drawn face of 96x112.
pub fn face(person: u32, image: u32) -> Picture {
    Picture::new(96, 112, synth::face(3, person, image)).unwrap()
}
