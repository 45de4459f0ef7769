//! The graph of inference: pictures to hallucinated pictures and features.

use super::{Model, hallucinator, recognizer};
use crate::error::{Error, Result};
use crate::graph::{Graph, Value};
use crate::ops::pixels::Normalize;
use crate::ops::{Desc, Type};
use crate::shape::{HR, LR, Shape};

/// What goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// 96x112 pictures, for the recogniser alone.
    Hr,
    /// 24x28 pictures: hallucinator (bicubic if the model has none), then the recogniser.
    Lr,
}

impl Source {
    /// `hr` or `lr`, as the command line and JSON say it.
    pub fn word(self) -> &'static str {
        match self {
            Source::Hr => "hr",
            Source::Lr => "lr",
        }
    }

    /// Height and width of a picture that goes in.
    pub fn size(self) -> (usize, usize) {
        match self {
            Source::Hr => HR,
            Source::Lr => LR,
        }
    }
}

/// The values of an inference graph that are written and read from outside.
#[derive(Clone, Debug)]
pub struct Inference {
    /// u8 pictures, rows of RGB pixels.
    pub pixels: Value,
    /// The 112x96 pictures that the recogniser sees, network units, unrounded, rows of RGB pixels.
    pub pictures: Value,
    /// `[n, features]`, when the model has a recogniser.
    pub features: Option<Value>,
}

/// Builds the graph for a batch. Without a recogniser only pictures come out; an HR source then is an error.
pub fn inference(model: &Model, source: Source, batch: usize) -> Result<(Graph, Inference)> {
    if source == Source::Hr && !model.has_recognizer {
        return Err(Error::Input("this model has no recogniser, so it has no features to give".into()));
    }
    let precision = model.config.train.precision;
    let mut graph = Graph::new();
    let bound = model.inference_parameters().bind(&mut graph, |_| false);
    let (height, width) = source.size();
    let pixels = graph.input(Desc { shape: Shape::new(batch, 3, height, width), dtype: Type::U8 });
    graph.label("normalize");
    let x = graph.apply(Normalize { output: Type::F32 }, &[pixels])?;
    let pictures = match source {
        Source::Hr => x,
        Source::Lr if model.has_hallucinator => {
            hallucinator::hallucinate(&model.config.model, &mut graph, &bound, x, precision)?
        }
        Source::Lr => hallucinator::bicubic(&mut graph, x)?,
    };
    graph.fetch(pictures);
    let features = match model.has_recognizer {
        true => Some(recognizer::features(&model.config.model, &mut graph, &bound, pictures, precision)?),
        false => None,
    };
    features.iter().for_each(|features| graph.fetch(*features));
    Ok((graph, Inference { pixels, pictures, features }))
}
