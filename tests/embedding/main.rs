//! The engine inside other programs: Rust, the examples, C. Weights are those of a seed, since what is asked is true of any.

mod c;
mod engine;
mod examples;

use hallucinet::data::image::Picture;
use hallucinet::data::synth;
use hallucinet::engine::Loaded;
use hallucinet::engine::network::Network;
use hallucinet::formats::safetensors::Tensor;
use hallucinet::model::Model;
use hallucinet::model::config::{Config, Overrides};
use hallucinet::{Device, Engine};

/// Numbers of a feature.
pub const FEATURES: usize = 12;

/// The bytes of a model file with the networks named, and more configuration.
pub fn model(has_hallucinator: bool, has_recognizer: bool, more: &[(&str, &str)]) -> Vec<u8> {
    let set = [
        ("model.recognizer_width", "0.05"),
        ("model.features", "12"),
        ("model.hallucinator_channels", "4"),
        ("model.hallucinator_units", "1"),
    ];
    let set = set.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let config = Config::preset("quick", &Overrides { set, ..Overrides::default() }).unwrap();
    let identities = if has_recognizer { 5 } else { 0 };
    let model = Model { config, has_hallucinator, has_recognizer, identities };
    let parameters = model.parameters();
    let tensors = parameters.iter().map(|parameter| {
        let data = parameter.to_file(&parameter.initial(7));
        (parameter.name.clone(), Tensor { shape: parameter.file_shape.clone(), data })
    });
    let tensors = tensors.collect();
    Network::new(model, tensors).to_bytes().unwrap()
}

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
