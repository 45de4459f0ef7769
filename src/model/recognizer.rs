//! The recognition network: the 27-convolution residual PReLU net of the center-loss paper's public recipe
//! (`face_example/face_train_test.prototxt` of ydwen/caffe-face), 112x96 to a feature without activation.

use super::config::{CenterInit, Config, Model, Precision};
use super::layers::{self, ConvInit, Layer};
use super::parameters::{Bound, Init, Parameter, Part};
use super::scaled;
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::shape::{HR, Shape};

/// What the names of its parameters begin with.
pub const PREFIX: &str = "recognizer";
/// Of the parameters of a frozen recogniser that another one learns from.
const TEACHER: &str = "teacher";

/// Stage number, channels and residual units of the stages after conv1; conv{n} widens to the next stage.
const STAGES: [(usize, usize, usize); 4] = [(2, 64, 1), (3, 128, 2), (4, 256, 5), (5, 512, 3)];

/// The layers up to and with fc5, the feature.
pub fn table(model: &Model) -> Vec<Layer> {
    let wide = |channels: usize| scaled(channels, model.recognizer_width);
    let valid = |name: &str, channels: usize| Layer::Conv {
        name: format!("conv{name}"),
        relu: Some(format!("relu{name}")),
        out: wide(channels),
        kernel: 3,
        pad: 0,
        init: ConvInit::Xavier,
    };
    let mut table = vec![valid("1a", 32), valid("1b", 64), Layer::Pool];
    for (index, (stage, _, units)) in STAGES.iter().enumerate() {
        for unit in 0..*units {
            let numbers = [2 * unit + 1, 2 * unit + 2];
            table.push(Layer::Unit {
                convs: numbers.map(|number| format!("conv{stage}_{number}")),
                relus: numbers.map(|number| format!("relu{stage}_{number}")),
            });
        }
        if let Some((_, channels, _)) = STAGES.get(index + 1) {
            table.extend([valid(&stage.to_string(), *channels), Layer::Pool]);
        }
    }
    table.push(Layer::Linear { name: "fc5".into(), out: model.features });
    table
}

fn head(identities: usize) -> [Layer; 1] {
    [Layer::Linear { name: "fc6".into(), out: identities }]
}

/// Every parameter, the classifier fc6 last.
pub fn parameters(model: &Model, identities: usize) -> Vec<Parameter> {
    let mut list = feature_parameters(model);
    let features = Shape::matrix(1, model.features);
    list.extend(layers::parameters(PREFIX, Part::Recognizer, &head(identities), features, model));
    list
}

/// Every parameter that the feature depends on: those up to fc5.
pub fn feature_parameters(model: &Model) -> Vec<Parameter> {
    layers::parameters(PREFIX, Part::Recognizer, &table(model), Shape::new(1, 3, HR.0, HR.1), model)
}

/// Every parameter that the feature of a teacher depends on: those of the recogniser up to fc5, under names of their own.
pub fn teacher_parameters(model: &Model) -> Vec<Parameter> {
    layers::parameters(TEACHER, Part::Recognizer, &table(model), Shape::new(1, 3, HR.0, HR.1), model)
}

/// The name of the recogniser's parameter that a teacher's parameter is a copy of.
pub fn taught_by(name: &str) -> String {
    format!("{PREFIX}{}", name.strip_prefix(TEACHER).unwrap_or(name))
}

/// The class centers `[identities, features]`: learning rate and decay are those of Caffe's center update.
pub fn centers(config: &Config, identities: usize) -> Parameter {
    let features = config.model.features;
    Parameter {
        name: "center_loss.centers".into(),
        shape: Shape::matrix(identities, features),
        file_shape: vec![identities, features],
        init: match config.loss.center_init {
            CenterInit::Uniform => Init::Xavier { fan_in: features },
            CenterInit::Zero => Init::Constant(0.0),
        },
        part: Part::Centers,
        lr_mult: 1.0,
        decay_mult: 2.0,
    }
}

/// The feature f(x) of 112x96 pictures in network units: `[n, features]`.
pub fn features(model: &Model, graph: &mut Graph, bound: &Bound, x: Value, precision: Precision) -> Result<Value> {
    layers::build(PREFIX, &table(model), graph, bound, x, precision)
}

/// As [`features`], by a teacher.
pub fn teacher(model: &Model, graph: &mut Graph, bound: &Bound, x: Value, precision: Precision) -> Result<Value> {
    layers::build(TEACHER, &table(model), graph, bound, x, precision)
}

/// The classifier's logits from the feature: `[n, identities]`; features, logits and what comes of them are f32 in every precision.
pub fn logits(graph: &mut Graph, bound: &Bound, features: Value) -> Result<Value> {
    layers::build(PREFIX, &head(0), graph, bound, features, Precision::F32)
}
