//! The networks: tables of layers, names, initial values, and the graphs that training and inference run. No kernels, no
//! devices, no files.

pub mod config;

mod cascade;
pub mod hallucinator;
mod inference;
mod layers;
mod parameters;
pub mod recognizer;

pub use cascade::{Training, training};
pub use inference::{Inference, Source, inference};
pub use layers::{ConvInit, Layer};
pub use parameters::{Init, Parameter, Parameters, Part};
pub use recognizer::taught_by;

use crate::error::{Error, Result};
use config::{Config, Mode};

/// What a set of weights is for: the configuration of its networks, which of them it has, and how many identities it tells apart.
#[derive(Clone, Debug)]
pub struct Model {
    pub config: Config,
    pub has_hallucinator: bool,
    pub has_recognizer: bool,
    /// Identities of the training set: rows of fc6 and of the centers. 0 when there is no recogniser.
    pub identities: usize,
}

impl Model {
    /// The model that a configuration trains, over all its stages.
    pub fn trained_by(config: &Config, identities: usize) -> Result<Self> {
        Model::after(config, config.stages().len(), identities)
    }

    /// The model that the first `stages` stages of a configuration train: what later stages bring is not in it.
    pub fn after(config: &Config, stages: usize, identities: usize) -> Result<Self> {
        let modes: Vec<Mode> = config.stages().iter().take(stages).map(|stage| stage.recipe.mode).collect();
        let has_recognizer = modes.iter().any(|mode| mode.trains_recognizer());
        if has_recognizer && identities < 2 {
            return Err(Error::Input(format!(
                "a recogniser needs at least 2 identities to tell apart, the training data has {identities}"
            )));
        }
        Ok(Model {
            config: config.clone(),
            has_hallucinator: modes.iter().any(|mode| mode.runs_hallucinator()),
            has_recognizer,
            identities: if has_recognizer { identities } else { 0 },
        })
    }

    /// Every parameter, in the order of the layer tables: hallucinator, recogniser, centers.
    pub fn parameters(&self) -> Parameters {
        let mut list = Vec::new();
        if self.has_hallucinator {
            list.extend(hallucinator::parameters(&self.config.model));
        }
        if self.has_recognizer {
            list.extend(recognizer::parameters(&self.config.model, self.identities));
            list.push(recognizer::centers(&self.config, self.identities));
        }
        Parameters::new(list)
    }

    /// What pictures and features depend on, which is all that inference keeps in memory: not fc6 and not the centers, which only tell the
    /// identities of the training set apart. These come last, so that in f32 all others lie where [`Model::parameters`] has them; in bf16
    /// filters are stored rounded, since nothing learns.
    pub fn inference_parameters(&self) -> Parameters {
        let mut list = Vec::new();
        if self.has_hallucinator {
            list.extend(hallucinator::parameters(&self.config.model));
        }
        if self.has_recognizer {
            list.extend(recognizer::feature_parameters(&self.config.model));
        }
        Parameters::with_filters(list, layers::format(self.config.train.precision))
    }

    /// The parameters of the frozen recogniser that stages with a distillation loss learn from. They are no part of the model.
    pub fn teacher(&self) -> Parameters {
        Parameters::new(recognizer::teacher_parameters(&self.config.model))
    }
}

/// Channels of a layer of the published net at a width: rounded half up, at least 1.
fn scaled(channels: usize, width: f64) -> usize {
    ((channels as f64 * width + 0.5).floor() as usize).max(1)
}
