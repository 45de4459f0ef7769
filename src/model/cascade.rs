//! The graph of one training step: move and mirror, down-sample, cascade, losses, backward, clipping, SGD, center update.

use super::config::{CenterUpdate as Update, Loss, Mode, Recipe};
use super::parameters::{Bound, Parameter, Part};
use super::{Model, hallucinator, recognizer};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::ops::center_loss::{CenterGradient, CenterLoss, CenterUpdate};
use crate::ops::cosine_loss::CosineLoss;
use crate::ops::pixel_loss::PixelLoss;
use crate::ops::pixels::{Augment, Normalize};
use crate::ops::resize::Degrade;
use crate::ops::sgd::{Norm, Segment, Sgd};
use crate::ops::softmax_loss::SoftmaxLoss;
use crate::ops::{Desc, Type};
use crate::shape::{HR, Shape};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The values of a training step that are written and read from outside.
#[derive(Clone, Debug)]
pub struct Training {
    /// u8 pictures `[n, 112, 96, 3]`.
    pub pixels: Value,
    /// i32 `[n, 3]`: not 0 where a picture is mirrored, and how many pixels it is moved down and to the right before that.
    pub moves: Value,
    /// i32 identities.
    pub labels: Value,
    /// f32: the rate of the recogniser (and of centers in Caffe's way), the rate of the hallucinator.
    pub rates: Value,
    /// Losses without their weights, where the mode has them.
    pub pixel: Option<Value>,
    pub softmax: Option<Value>,
    pub center: Option<Value>,
    pub distill: Option<Value>,
    /// Global L2 norm of the networks' gradients, before clipping.
    pub norm: Value,
    /// What the recogniser or the pixel loss sees, network units.
    pub pictures: Value,
    /// `[n, features]` where the mode has a recogniser.
    pub features: Option<Value>,
    /// Weights of every parameter of the model, by name.
    pub weights: BTreeMap<String, Value>,
    /// Gradients and velocities of those that this mode trains.
    pub gradients: BTreeMap<String, Value>,
    pub velocities: BTreeMap<String, Value>,
    /// Weights of the frozen recogniser that is learnt from, where there is one.
    pub teacher: BTreeMap<String, Value>,
}

/// Builds the step of one stage for a batch.
pub fn training(model: &Model, recipe: &Recipe, loss: &Loss, batch: usize) -> Result<(Graph, Training)> {
    let (mode, precision) = (recipe.mode, model.config.train.precision);
    let mut graph = Graph::new();
    let bound = model.parameters().bind(&mut graph, |parameter| trains(mode, parameter.part));
    let pixels = graph.input(Desc { shape: Shape::new(batch, 3, HR.0, HR.1), dtype: Type::U8 });
    let moves = graph.input(Desc { shape: Shape::matrix(batch, 3), dtype: Type::I32 });
    let labels = graph.input(Desc { shape: Shape::matrix(batch, 1), dtype: Type::I32 });
    let rates = graph.input(Desc::f32(Shape::vector(2)));

    let (high, low) = pictures(model, &mut graph, pixels, moves)?;
    let seen = match mode {
        Mode::RecognitionHr => high,
        Mode::RecognitionLr => hallucinator::bicubic(&mut graph, low)?,
        _ => hallucinator::hallucinate(&model.config.model, &mut graph, &bound, low, precision)?,
    };
    graph.fetch(seen);
    let mut losses = Losses::default();
    if mode.runs_hallucinator() {
        graph.label("pixel_loss");
        losses.pixel = Some(graph.apply(PixelLoss { weight: loss.alpha as f32 }, &[seen, high])?);
    }
    let mut features = None;
    let mut teacher = BTreeMap::new();
    if mode.trains_recognizer() {
        let x = recognizer::features(&model.config.model, &mut graph, &bound, seen, precision)?;
        recognise(&mut graph, &bound, loss, (x, labels), &mut losses)?;
        if loss.distills(mode) {
            teacher = distill(model, &mut graph, loss, (x, high), &mut losses)?;
        }
        features = Some(x);
    }
    losses.each().chain(features).for_each(|value| graph.fetch(value));
    let learned = learn(model, &mut graph, &bound, recipe, loss, (features, labels, rates))?;
    graph.fetch(learned.norm);
    let Losses { pixel, softmax, center, distill } = losses;
    Ok((
        graph,
        Training {
            pixels,
            moves,
            labels,
            rates,
            pixel,
            softmax,
            center,
            distill,
            norm: learned.norm,
            pictures: seen,
            features,
            weights: bound.into_values(),
            gradients: learned.gradients,
            velocities: learned.velocities,
            teacher,
        },
    ))
}

/// Whether a mode changes the parameters of a part by the gradient of the total loss.
fn trains(mode: Mode, part: Part) -> bool {
    match part {
        Part::Hallucinator => mode.trains_hallucinator(),
        Part::Recognizer => mode.trains_recognizer(),
        Part::Centers => false,
    }
}

#[derive(Default)]
struct Losses {
    pixel: Option<Value>,
    softmax: Option<Value>,
    center: Option<Value>,
    distill: Option<Value>,
}

impl Losses {
    fn each(&self) -> impl Iterator<Item = Value> {
        [self.pixel, self.softmax, self.center, self.distill].into_iter().flatten()
    }
}

/// The losses of the feature x by its label.
fn recognise(
    graph: &mut Graph,
    bound: &Bound,
    loss: &Loss,
    (x, labels): (Value, Value),
    losses: &mut Losses,
) -> Result<()> {
    let logits = recognizer::logits(graph, bound, x)?;
    graph.label("softmax_loss");
    losses.softmax = Some(graph.apply(SoftmaxLoss { weight: loss.beta1 as f32 }, &[logits, labels])?);
    graph.label("center_loss");
    let centers = bound.get("center_loss.centers")?;
    losses.center = Some(graph.apply(CenterLoss { weight: loss.beta2 as f32 }, &[x, labels, centers])?);
    Ok(())
}

/// The loss of the feature x by the feature that a frozen recogniser has of the high-resolution picture; gives the values of that
/// recogniser's weights.
fn distill(
    model: &Model,
    graph: &mut Graph,
    loss: &Loss,
    (x, high): (Value, Value),
    losses: &mut Losses,
) -> Result<BTreeMap<String, Value>> {
    let bound = model.teacher().bind_frozen(graph);
    let target = recognizer::teacher(&model.config.model, graph, &bound, high, model.config.train.precision)?;
    graph.label("cosine_loss");
    losses.distill = Some(graph.apply(CosineLoss { weight: loss.distill as f32 }, &[x, target])?);
    Ok(bound.into_values())
}

/// High and low resolution in network units. Moving and mirroring come first; the low picture is rounded to u8, as a stored one is.
fn pictures(model: &Model, graph: &mut Graph, pixels: Value, moves: Value) -> Result<(Value, Value)> {
    graph.label("augment");
    let augmented = graph.apply_all(Arc::new(Augment { output: Type::F32 }), &[pixels, moves])?;
    graph.label("degrade");
    let flavour = model.config.data.downsample.into();
    let low = graph.apply(Degrade { flavour, scale: 4 }, &[augmented[0]])?;
    graph.label("normalize");
    Ok((augmented[1], graph.apply(Normalize { output: Type::F32 }, &[low])?))
}

struct Learned {
    norm: Value,
    gradients: BTreeMap<String, Value>,
    velocities: BTreeMap<String, Value>,
}

/// Backward, norm, SGD and center update, in this order. Gradients and velocities lie in two blocks of one layout: first the
/// networks', over which the norm is taken, then the centers' where Caffe's update wants one.
fn learn(
    model: &Model,
    graph: &mut Graph,
    bound: &Bound,
    recipe: &Recipe,
    loss: &Loss,
    (features, labels, rates): (Option<Value>, Value, Value),
) -> Result<Learned> {
    let parameters = model.parameters();
    let of_value = graph.backward()?;
    let mut blocks = Blocks::default();
    for (parameter, offset) in parameters.placed() {
        if let Some(gradient) = of_value.get(&bound.get(&parameter.name)?) {
            blocks.add(parameter, offset, *gradient, true);
        }
    }
    let network_bytes = blocks.bytes;
    if let (Some(x), Update::Caffe) = (features, loss.center_update) {
        graph.label("center_gradient");
        for (parameter, offset) in parameters.placed().filter(|(parameter, _)| parameter.part == Part::Centers) {
            let gradient = graph.apply(CenterGradient, &[x, labels, bound.get(&parameter.name)?])?;
            blocks.add(parameter, offset, gradient, false);
        }
    }
    let (gradient_base, velocity_base) = (graph.reserve(blocks.bytes), graph.reserve(blocks.bytes));
    let block = |bytes: usize| Desc::f32(Shape::vector(bytes / 4));
    let norm_over = graph.stored_at(gradient_base, block(network_bytes), false);
    let all_gradients = graph.stored_at(gradient_base, block(blocks.bytes), false);
    let all_velocities = graph.stored_at(velocity_base, block(blocks.bytes), false);
    let all_weights = graph.stored_at(0, block(parameters.bytes()), false);
    let mut learned = Learned { norm: norm_over, gradients: BTreeMap::new(), velocities: BTreeMap::new() };
    for (name, gradient, offset) in &blocks.placed {
        graph.place(*gradient, gradient_base + offset);
        let velocity = graph.stored_at(velocity_base + offset, graph.desc(*gradient), false);
        learned.gradients.insert(name.clone(), *gradient);
        learned.velocities.insert(name.clone(), velocity);
    }
    graph.label("sgd");
    learned.norm = graph.apply(Norm, &[norm_over])?;
    let bytes: Vec<u8> = bytemuck::cast_slice(&blocks.segments).to_vec();
    let segments = graph.constant(Desc { shape: Shape::vector(bytes.len()), dtype: Type::U8 }, bytes);
    let sgd =
        Sgd { momentum: recipe.momentum as f32, weight_decay: recipe.weight_decay as f32, clip: recipe.clip as f32 };
    let inputs = [all_gradients, rates, learned.norm, segments, all_weights, all_velocities];
    graph.apply_all(std::sync::Arc::new(sgd), &inputs)?;
    if let (Some(x), Update::Wen) = (features, loss.center_update) {
        graph.label("center_update");
        let update = CenterUpdate { rate: loss.center_rate as f32 };
        let inputs = [x, labels, learned.norm, bound.get("center_loss.centers")?];
        graph.apply_all(std::sync::Arc::new(update), &inputs)?;
    }
    graph.label("");
    Ok(learned)
}

/// The common layout of gradients and velocities, while it is being filled.
#[derive(Default)]
struct Blocks {
    segments: Vec<Segment>,
    /// Name, gradient, offset in bytes from the block's beginning.
    placed: Vec<(String, Value, usize)>,
    bytes: usize,
}

impl Blocks {
    fn add(&mut self, parameter: &Parameter, offset: usize, gradient: Value, clipped: bool) {
        self.segments.push(Segment {
            weight: (offset / 4) as u32,
            gradient: (self.bytes / 4) as u32,
            length: parameter.shape.elements() as u32,
            rate: u32::from(parameter.part == Part::Hallucinator),
            lr_mult: parameter.lr_mult,
            decay_mult: parameter.decay_mult,
            clipped: u32::from(clipped),
            reserved: 0,
        });
        self.placed.push((parameter.name.clone(), gradient, self.bytes));
        self.bytes = (self.bytes + 4 * parameter.shape.elements()).next_multiple_of(256);
    }
}
