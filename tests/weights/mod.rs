//! Model files with small networks whose weights are those of a seed: for tests that ask what is true of any weights.

use hallucinet::engine::network::Network;
use hallucinet::formats::safetensors::Tensor;
use hallucinet::model::Model;
use hallucinet::model::config::{Config, Overrides};

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
