//! The hallucination networks, 28x24 to 112x96. The paper's own layer table is not public; these are ours:
//!
//! * `residual`: bicubic first, then residual units at full size, plus the bicubic picture;
//! * `fast`: residual units at 28x24, two transposed convolutions, plus the bicubic picture;
//! * `srcnn`: the baseline the paper compares with (Dong et al., ECCV 2014): 9-1-5 on the bicubic picture, no skip.

use super::config::{Hallucinator, Model, Precision};
use super::layers::{self, ConvInit, Layer};
use super::parameters::{Bound, Parameter, Part};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::add::Add;
use crate::ops::resize::Resize;
use crate::resample::Flavour;
use crate::shape::{HR, LR, Shape};

/// What the names of its parameters begin with.
pub const PREFIX: &str = "hallucinator";

/// Deviation of conv_out's initial filter: an untrained net with a skip gives the bicubic picture, nearly.
const CORRECTION: f64 = 0.001;

fn conv(name: &str, relu: Option<&str>, out: usize, kernel: usize, init: ConvInit) -> Layer {
    let relu = relu.map(str::to_owned);
    Layer::Conv { name: name.into(), relu, out, kernel, pad: kernel / 2, init }
}

/// A hallucinator as data: what its layers begin with, the layers, and what is added at the end.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Whether the layers run on the bicubic picture; otherwise on the 28x24 one.
    pub on_bicubic: bool,
    pub layers: Vec<Layer>,
    /// Whether the bicubic picture is added to what the layers give.
    pub skip: bool,
}

/// The hallucinator that a configuration names.
pub fn outline(model: &Model) -> Outline {
    Outline {
        on_bicubic: model.hallucinator != Hallucinator::Fast,
        layers: table(model),
        skip: model.hallucinator != Hallucinator::Srcnn,
    }
}

fn table(model: &Model) -> Vec<Layer> {
    let channels = model.hallucinator_channels;
    if model.hallucinator == Hallucinator::Srcnn {
        return vec![
            conv("conv_in", Some("relu_in"), channels, 9, ConvInit::Xavier),
            conv("conv_map", Some("relu_map"), (channels / 2).max(1), 1, ConvInit::Xavier),
            conv("conv_out", None, 3, 5, ConvInit::Xavier),
        ];
    }
    let mut table = vec![conv("conv_in", Some("relu_in"), channels, 3, ConvInit::Xavier)];
    for unit in 1..=model.hallucinator_units {
        table.push(Layer::Unit {
            convs: [1, 2].map(|half| format!("unit{unit}.conv{half}")),
            relus: [1, 2].map(|half| format!("unit{unit}.relu{half}")),
        });
    }
    if model.hallucinator == Hallucinator::Fast {
        table.extend([1, 2].map(|up| Layer::Up { name: format!("up{up}"), relu: format!("relu_up{up}") }));
    }
    table.push(conv("conv_out", None, 3, 3, ConvInit::Small(CORRECTION)));
    table
}

/// Every parameter in the order of the table.
pub fn parameters(model: &Model) -> Vec<Parameter> {
    let Outline { on_bicubic, layers, .. } = outline(model);
    let (height, width) = if on_bicubic { HR } else { LR };
    layers::parameters(PREFIX, Part::Hallucinator, &layers, Shape::new(1, 3, height, width), model)
}

/// 28x24 pictures in network units up to 112x96 by bicubic (a = -0.5), f32, unrounded.
pub fn bicubic(graph: &mut Graph, low: Value) -> Result<Value> {
    graph.label("bicubic");
    graph.apply(Resize { flavour: Flavour::Matlab, height: HR.0, width: HR.1 }, &[low])
}

/// The hallucinated 112x96 pictures in network units, unrounded.
pub fn hallucinate(model: &Model, graph: &mut Graph, bound: &Bound, low: Value, precision: Precision) -> Result<Value> {
    let Outline { on_bicubic, layers, skip } = outline(model);
    let up = bicubic(graph, low)?;
    let y = layers::build(PREFIX, &layers, graph, bound, if on_bicubic { up } else { low }, precision)?;
    if !skip {
        return Ok(y);
    }
    graph.label(format!("{PREFIX}.skip"));
    graph.apply(Add, &[y, up])
}
