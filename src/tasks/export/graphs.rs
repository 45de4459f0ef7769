//! The networks as ONNX graphs, made from the same layer tables as the engine's own and with the weights as files order them.
//! Knows layers, operators and names; what is done with the file is its caller's business.

use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::formats::onnx::{Attribute, Extent, Graph};
use crate::formats::safetensors::Tensor;
use crate::model::{Layer, Model, Source, hallucinator, recognizer};
use crate::resample::{Flavour, taps};
use crate::shape::{HR, LR};

/// A network that has a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    Hallucinator,
    Recognizer,
    /// The hallucinator, then the recogniser.
    Cascade,
}

impl Net {
    /// Those that a model has; a cascade takes both parts.
    pub fn of(model: &Model) -> Vec<Net> {
        let (first, second) = (model.has_hallucinator, model.has_recognizer);
        let all = [(Net::Hallucinator, first), (Net::Recognizer, second), (Net::Cascade, first && second)];
        all.into_iter().filter(|(_, there)| *there).map(|(net, _)| net).collect()
    }

    /// The name of its files.
    pub fn name(self) -> &'static str {
        match self {
            Net::Hallucinator => "hallucinator",
            Net::Recognizer => "recognizer",
            Net::Cascade => "cascade",
        }
    }

    /// What goes in.
    pub fn source(self) -> Source {
        if self == Net::Recognizer { Source::Hr } else { Source::Lr }
    }

    /// Whether `hallucinated` comes out.
    pub fn hallucinates(self) -> bool {
        self != Net::Recognizer
    }

    /// Whether `features` come out.
    pub fn recognizes(self) -> bool {
        self != Net::Hallucinator
    }
}

/// Builds the graph of a network: input `image`, outputs `hallucinated` and `features` as far as it has them.
///
/// # Errors
/// `Shape` where the weights are too large for the format.
pub fn graph(net: Net, network: &Network) -> Result<Graph> {
    let pictures = |(height, width)| [Extent::Batch, Extent::Fixed(3), Extent::Fixed(height), Extent::Fixed(width)];
    let config = &network.model.config.model;
    let mut builder = Builder { graph: Graph::new(net.name()), network, pools: 0 };
    builder.graph.input("image", &pictures(net.source().size()));
    let mut at = "image".to_owned();
    if net.hallucinates() {
        at = builder.hallucinate(&hallucinator::outline(config), &at, "hallucinated")?;
        builder.graph.output(&at, &pictures(HR));
    }
    if net.recognizes() {
        at = builder.layers(recognizer::PREFIX, &recognizer::table(config), at, Some("features"))?;
        builder.graph.output(&at, &[Extent::Batch, Extent::Fixed(config.features)]);
    }
    Ok(builder.graph)
}

/// Names of values are those of the layers that make them: `recognizer.conv1a`, `recognizer.relu1a`, ...
struct Builder<'a> {
    graph: Graph,
    network: &'a Network,
    /// Pools so far: the tables give them no names.
    pools: usize,
}

impl Builder<'_> {
    fn hallucinate(&mut self, outline: &hallucinator::Outline, low: &str, result: &str) -> Result<String> {
        if outline.on_bicubic || outline.skip {
            self.bicubic(low)?;
        }
        let from = if outline.on_bicubic { "bicubic" } else { low };
        if !outline.skip {
            return self.layers(hallucinator::PREFIX, &outline.layers, from.to_owned(), Some(result));
        }
        let y = self.layers(hallucinator::PREFIX, &outline.layers, from.to_owned(), None)?;
        self.graph.node("Add", &[&y, "bicubic"], result, &[]);
        Ok(result.to_owned())
    }

    /// Bicubic x4 as two products with the resampler's own taps, height then width. ONNX's Resize repeats the edge pixel where this
    /// mirrors the picture, so it is another function in the outer two rows and columns. The taps are multiples of 1/1024: exact in f32.
    fn bicubic(&mut self, low: &str) -> Result<()> {
        let down = matrix(LR.0, HR.0);
        let across = transposed(&matrix(LR.1, HR.1), LR.1);
        self.graph.weight("bicubic.rows", &[HR.0, LR.0], &down)?;
        self.graph.weight("bicubic.columns", &[LR.1, HR.1], &across)?;
        self.graph.node("MatMul", &["bicubic.rows", low], "bicubic.height", &[]);
        self.graph.node("MatMul", &["bicubic.height", "bicubic.columns"], "bicubic", &[]);
        Ok(())
    }

    /// The layers of a table; the last value is called `result` where that is given.
    fn layers(&mut self, prefix: &str, table: &[Layer], x: String, result: Option<&str>) -> Result<String> {
        let mut at = x;
        for (index, layer) in table.iter().enumerate() {
            let result = result.filter(|_| index + 1 == table.len());
            at = self.layer(prefix, layer, &at, result)?;
        }
        Ok(at)
    }

    fn layer(&mut self, prefix: &str, layer: &Layer, x: &str, result: Option<&str>) -> Result<String> {
        let named = |name: &str| format!("{prefix}.{name}");
        let last = |name: String| result.map_or(name, str::to_owned);
        match layer {
            Layer::Conv { name, relu, kernel, pad, .. } => match relu {
                Some(relu) => {
                    let (y, result) = (named(name), last(named(relu)));
                    self.conv(&y, x, *kernel, *pad, true, &y)?;
                    self.prelu(&named(relu), &y, &result)?;
                    Ok(result)
                }
                None => {
                    let result = last(named(name));
                    self.conv(&named(name), x, *kernel, *pad, true, &result)?;
                    Ok(result)
                }
            },
            Layer::Unit { convs, relus } => {
                let mut at = x.to_owned();
                for (conv, relu) in convs.iter().map(|name| named(name)).zip(relus.iter().map(|name| named(name))) {
                    self.conv(&conv, &at, 3, 1, false, &conv)?;
                    self.prelu(&relu, &conv, &relu)?;
                    at = relu;
                }
                let result = last(format!("{}.sum", named(&convs[1])));
                self.graph.node("Add", &[&at, x], &result, &[]);
                Ok(result)
            }
            Layer::Pool => {
                self.pools += 1;
                let result = last(named(&format!("pool{}", self.pools)));
                self.graph.node("MaxPool", &[x], &result, &[square("kernel_shape", 2), square("strides", 2)]);
                Ok(result)
            }
            Layer::Up { name, relu } => {
                let (y, result) = (named(name), last(named(relu)));
                let filter = self.parameter(&y, "weight")?;
                let attributes = [square("kernel_shape", 4), square("strides", 2), pads(1)];
                self.graph.node("ConvTranspose", &[x, &filter], &y, &attributes);
                self.prelu(&named(relu), &y, &result)?;
                Ok(result)
            }
            Layer::Linear { name, .. } => {
                let (flat, result) = (format!("{}.flatten", named(name)), last(named(name)));
                let inputs = [self.parameter(&named(name), "weight")?, self.parameter(&named(name), "bias")?];
                // Channels first, as the rows of the weights are.
                self.graph.node("Flatten", &[x], &flat, &[Attribute::Int("axis", 1)]);
                self.graph.node("Gemm", &[&flat, &inputs[0], &inputs[1]], &result, &[Attribute::Int("transB", 1)]);
                Ok(result)
            }
        }
    }

    /// A convolution of stride 1.
    fn conv(&mut self, layer: &str, x: &str, kernel: usize, pad: usize, bias: bool, result: &str) -> Result<()> {
        let filter = self.parameter(layer, "weight")?;
        let bias = if bias { Some(self.parameter(layer, "bias")?) } else { None };
        let inputs: Vec<&str> = [x, &filter].into_iter().chain(bias.as_deref()).collect();
        self.graph.node("Conv", &inputs, result, &[square("kernel_shape", kernel), square("strides", 1), pads(pad)]);
        Ok(())
    }

    /// The operator wants its slopes to be of a shape that spreads over pixels.
    fn prelu(&mut self, layer: &str, x: &str, result: &str) -> Result<()> {
        let name = format!("{layer}.weight");
        let Tensor { shape, data } = tensor(self.network, &name)?;
        self.graph.weight(&name, &[shape.as_slice(), &[1, 1]].concat(), data)?;
        self.graph.node("PRelu", &[x, &name], result, &[]);
        Ok(())
    }

    /// Puts a parameter into the file as it is.
    fn parameter(&mut self, layer: &str, kind: &str) -> Result<String> {
        let name = format!("{layer}.{kind}");
        let Tensor { shape, data } = tensor(self.network, &name)?;
        self.graph.weight(&name, shape, data)?;
        Ok(name)
    }
}

fn tensor<'a>(network: &'a Network, name: &str) -> Result<&'a Tensor> {
    network.tensors().get(name).ok_or_else(|| Error::Shape(format!("the model has no parameter {name}")))
}

/// An attribute of two equal numbers, for height and width.
fn square(name: &'static str, extent: usize) -> Attribute {
    Attribute::Ints(name, vec![extent as i64; 2])
}

/// The same padding on all four sides.
fn pads(pad: usize) -> Attribute {
    Attribute::Ints("pads", vec![pad as i64; 4])
}

/// The bicubic taps of one direction as a matrix `[outputs, inputs]`.
fn matrix(inputs: usize, outputs: usize) -> Vec<f32> {
    let taps = taps(Flavour::Matlab, inputs, outputs);
    let mut matrix = vec![0.0; outputs * inputs];
    let rows = taps.index.chunks_exact(taps.width).zip(taps.weight.chunks_exact(taps.width));
    for (row, (index, weight)) in matrix.chunks_exact_mut(inputs).zip(rows) {
        for (index, weight) in index.iter().zip(weight) {
            // Mirrored at the border, two taps may be of one pixel.
            row[*index as usize] += *weight as f32;
        }
    }
    matrix
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}
