//! Layer tables: a network is a list of rows, from which both its parameters and its graph are made.

use super::config::{Model, ResidualInit};
use super::parameters::{Bound, Init, Parameter, Part};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::Type;
use crate::ops::add::Add;
use crate::ops::conv::{Conv, TransposedConv};
use crate::ops::linear::Linear;
use crate::ops::pool::Pool;
use crate::ops::prelu::Prelu;
use crate::shape::Shape;

/// One row of a table. Names are those of files, without the network's prefix.
#[derive(Clone, Debug)]
pub enum Layer {
    /// Convolution with bias, stride 1, then PReLU where it is named.
    Conv { name: String, relu: Option<String>, out: usize, kernel: usize, pad: usize, init: ConvInit },
    /// Residual unit: `x + PReLU(conv(PReLU(conv x)))`, 3x3, pad 1, no biases; no activation after the sum.
    Unit { convs: [String; 2], relus: [String; 2] },
    /// Maximum over 2x2.
    Pool,
    /// Transposed convolution 4x4, stride 2, pad 1, no bias, then PReLU: twice the extents.
    Up { name: String, relu: String },
    /// Fully connected, with bias.
    Linear { name: String, out: usize },
}

/// How the filter of a [`Layer::Conv`] starts.
#[derive(Clone, Copy, Debug)]
pub enum ConvInit {
    /// Caffe's xavier.
    Xavier,
    /// Normal with this deviation: for a layer whose output is a small correction.
    Small(f64),
}

/// Initial slope of every PReLU (He et al. 2015, Caffe's default).
const SLOPE: f32 = 0.25;

struct Names<'a> {
    prefix: &'a str,
    part: Part,
}

impl Names<'_> {
    fn weight(&self, layer: &str, shape: Shape, file_shape: Vec<usize>, init: Init) -> Parameter {
        let name = format!("{}.{layer}.weight", self.prefix);
        Parameter { name, shape, file_shape, init, part: self.part, lr_mult: 1.0, decay_mult: 1.0 }
    }

    fn filter(&self, layer: &str, shape: Shape, init: Init) -> Parameter {
        self.weight(layer, shape, vec![shape.n, shape.c, shape.h, shape.w], init)
    }

    /// Biases learn twice as fast and do not decay, as in the public recipe.
    fn bias(&self, layer: &str, channels: usize) -> Parameter {
        let weight = self.weight(layer, Shape::vector(channels), vec![channels], Init::Constant(0.0));
        Parameter { name: format!("{}.{layer}.bias", self.prefix), lr_mult: 2.0, decay_mult: 0.0, ..weight }
    }

    fn slope(&self, layer: &str, channels: usize) -> Parameter {
        self.weight(layer, Shape::vector(channels), vec![channels], Init::Constant(SLOPE))
    }
}

/// The parameters of a table in its order. `input` is a picture's `[1, c, h, w]`.
pub fn parameters(prefix: &str, part: Part, table: &[Layer], input: Shape, model: &Model) -> Vec<Parameter> {
    let names = Names { prefix, part };
    let (mut list, mut at) = (Vec::new(), input);
    for layer in table {
        match layer {
            Layer::Conv { name, relu, out, kernel, pad, init } => {
                let shape = Shape::new(*out, at.c, *kernel, *kernel);
                let init = match init {
                    ConvInit::Xavier => Init::Xavier { fan_in: shape.image() },
                    ConvInit::Small(deviation) => Init::Gaussian { deviation: *deviation },
                };
                list.extend([names.filter(name, shape, init), names.bias(name, *out)]);
                list.extend(relu.iter().map(|relu| names.slope(relu, *out)));
                at = Shape::new(1, *out, at.h + 2 * pad + 1 - kernel, at.w + 2 * pad + 1 - kernel);
            }
            Layer::Unit { convs, relus } => {
                let shape = Shape::new(at.c, at.c, 3, 3);
                for (conv, relu) in convs.iter().zip(relus) {
                    list.extend([names.filter(conv, shape, residual(model, shape.image())), names.slope(relu, at.c)]);
                }
            }
            Layer::Pool => at = Shape::new(1, at.c, at.h / 2, at.w / 2),
            Layer::Up { name, relu } => {
                // Every output pixel is reached by 2x2 of the 4x4 taps.
                let init = Init::Xavier { fan_in: at.c * 4 };
                list.extend([names.filter(name, Shape::new(at.c, at.c, 4, 4), init), names.slope(relu, at.c)]);
                at = Shape::new(1, at.c, at.h * 2, at.w * 2);
            }
            Layer::Linear { name, out } => {
                let init = Init::Xavier { fan_in: at.image() };
                let shape = Shape { n: *out, ..at };
                list.extend([names.weight(name, shape, vec![*out, at.image()], init), names.bias(name, *out)]);
                at = Shape::matrix(1, *out);
            }
        }
    }
    list
}

fn residual(model: &Model, fan_in: usize) -> Init {
    Init::Gaussian {
        deviation: match model.residual_init {
            ResidualInit::Gaussian => 0.01,
            ResidualInit::He => model.residual_scale * (2.0 / fan_in as f64).sqrt(),
        },
    }
}

/// Adds the graph of a table over `x`.
pub fn build(prefix: &str, table: &[Layer], graph: &mut Graph, bound: &Bound, x: Value) -> Result<Value> {
    let weight = |layer: &str| bound.get(&format!("{prefix}.{layer}.weight"));
    let bias = |layer: &str| bound.get(&format!("{prefix}.{layer}.bias"));
    let mut at = x;
    for layer in table {
        match layer {
            Layer::Conv { name, relu, pad, .. } => {
                graph.label(format!("{prefix}.{name}"));
                at = graph.apply(Conv::new(1, *pad, true), &[at, weight(name)?, bias(name)?])?;
                if let Some(relu) = relu {
                    at = graph.apply(Prelu, &[at, weight(relu)?])?;
                }
            }
            Layer::Unit { convs, relus } => {
                let skip = at;
                for (conv, relu) in convs.iter().zip(relus) {
                    graph.label(format!("{prefix}.{conv}"));
                    at = graph.apply(Conv::new(1, 1, false), &[at, weight(conv)?])?;
                    at = graph.apply(Prelu, &[at, weight(relu)?])?;
                }
                at = graph.apply(Add, &[at, skip])?;
            }
            Layer::Pool => {
                graph.label(format!("{prefix}.pool"));
                at = graph.apply(Pool, &[at])?;
            }
            Layer::Up { name, relu } => {
                graph.label(format!("{prefix}.{name}"));
                at = graph.apply(TransposedConv::new(2, 1), &[at, weight(name)?])?;
                at = graph.apply(Prelu, &[at, weight(relu)?])?;
            }
            Layer::Linear { name, .. } => {
                graph.label(format!("{prefix}.{name}"));
                at = graph.apply(Linear { output: Type::F32 }, &[at, weight(name)?, bias(name)?])?;
            }
        }
    }
    graph.label("");
    Ok(at)
}
