//! Layer tables: a network is a list of rows, from which both its parameters and its graph are made.

use super::config::{Model, Precision, ResidualInit};
use super::parameters::{Bound, Init, Parameter, Part};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::Type;
use crate::ops::add::Add;
use crate::ops::cast::Cast;
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

/// Adds the graph of a table over `x`, f32; what comes out is f32 again. Between, activations are in the format of `precision`:
/// convolutions then read copies of their filters in that format, while the filters that learn stay f32.
pub fn build(
    prefix: &str,
    table: &[Layer],
    graph: &mut Graph,
    bound: &Bound,
    x: Value,
    precision: Precision,
) -> Result<Value> {
    let mut builder = Builder { prefix, graph, bound, format: format(precision) };
    let mut at = x;
    for layer in table {
        at = builder.layer(layer, at)?;
    }
    at = builder.cast(at, Type::F32)?;
    graph.label("");
    Ok(at)
}

/// The format of activations.
pub(super) fn format(precision: Precision) -> Type {
    match precision {
        Precision::F32 => Type::F32,
        Precision::Bf16 => Type::Bf16,
    }
}

struct Builder<'a> {
    prefix: &'a str,
    graph: &'a mut Graph,
    bound: &'a Bound,
    format: Type,
}

impl Builder<'_> {
    fn parameter(&self, layer: &str, kind: &str) -> Result<Value> {
        self.bound.get(&format!("{}.{layer}.{kind}", self.prefix))
    }

    /// A filter in the format of what it is multiplied with.
    fn filter(&mut self, layer: &str, format: Type) -> Result<Value> {
        let weight = self.parameter(layer, "weight")?;
        if self.graph.desc(weight).dtype == format {
            Ok(weight)
        } else {
            self.graph.stand_in(Cast { to: format }, weight)
        }
    }

    fn cast(&mut self, x: Value, format: Type) -> Result<Value> {
        if self.graph.desc(x).dtype == format { Ok(x) } else { self.graph.apply(Cast { to: format }, &[x]) }
    }

    fn label(&mut self, layer: &str) {
        self.graph.label(format!("{}.{layer}", self.prefix));
    }

    fn layer(&mut self, layer: &Layer, x: Value) -> Result<Value> {
        match layer {
            Layer::Conv { name, relu, pad, .. } => {
                self.label(name);
                let inputs =
                    [self.cast(x, self.format)?, self.filter(name, self.format)?, self.parameter(name, "bias")?];
                let y = self.graph.apply(Conv::new(1, *pad, true), &inputs)?;
                relu.iter().try_fold(y, |y, relu| self.prelu(y, relu))
            }
            Layer::Unit { convs, relus } => {
                self.label(&convs[0]);
                let skip = self.cast(x, self.format)?;
                let mut at = skip;
                for (conv, relu) in convs.iter().zip(relus) {
                    self.label(conv);
                    let inputs = [at, self.filter(conv, self.format)?];
                    at = self.graph.apply(Conv::new(1, 1, false), &inputs)?;
                    at = self.prelu(at, relu)?;
                }
                self.graph.apply(Add, &[at, skip])
            }
            Layer::Pool => {
                self.label("pool");
                self.graph.apply(Pool, &[x])
            }
            Layer::Up { name, relu } => {
                self.label(name);
                let inputs = [self.cast(x, self.format)?, self.filter(name, self.format)?];
                let y = self.graph.apply(TransposedConv::new(2, 1), &inputs)?;
                self.prelu(y, relu)
            }
            Layer::Linear { name, .. } => {
                self.label(name);
                let format = self.graph.desc(x).dtype;
                let inputs = [x, self.filter(name, format)?, self.parameter(name, "bias")?];
                self.graph.apply(Linear { output: Type::F32 }, &inputs)
            }
        }
    }

    fn prelu(&mut self, x: Value, relu: &str) -> Result<Value> {
        let slope = self.parameter(relu, "weight")?;
        self.graph.apply(Prelu, &[x, slope])
    }
}
