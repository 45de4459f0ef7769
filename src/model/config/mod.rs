//! The configuration of a model and of its training: typed values, defaults, presets, stages and learning rates. It
//! knows no network, no picture and no device; names, meanings and defaults are those of `CONTRACT.md`.
//!
//! A configuration comes from a TOML file or an embedded preset, then `--set key=value`, `--mode` and `--seed` are laid
//! over it, then every value is checked. [`Config::to_toml`] writes all of it back, and reading that gives the same.
//!
//! Training may go through several *stages* within one run: every `[[train.stages]]` table overrides keys of `[train]`,
//! and its `[train.stages.loss]` keys of `[loss]`. Weights and centers are carried on from stage to stage; momentum,
//! schedule and warm-up start anew with each. A configuration with no stages has exactly one, `[train]` itself.

pub mod keys;
mod read;
mod stage;
mod tree;
mod words;
mod write;

pub use stage::{Recipe, Schedule, Stage, Step};
pub use words::{CenterInit, CenterUpdate, Downsample, Hallucinator, Mode, Precision, ResidualInit, Word};

use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// The embedded presets: name and text of `configs/NAME.toml`.
pub const PRESETS: &[(&str, &str)] = &[
    ("quick", include_str!("../../../configs/quick.toml")),
    ("lfw", include_str!("../../../configs/lfw.toml")),
    ("paper", include_str!("../../../configs/paper.toml")),
    ("ablate-quick", include_str!("../../../configs/ablate-quick.toml")),
];

/// No configuration written by a person is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// Everything that decides a training run, besides the data itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    pub model: Model,
    pub data: Data,
    pub loss: Loss,
    pub train: Train,
}

/// `[model]`: the networks and how their weights start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Model {
    /// Multiplies the channels of every convolution of the recogniser; 1 is the published net.
    pub recognizer_width: f64,
    /// Width of fc5: the numbers in a face's feature.
    pub features: usize,
    pub hallucinator: Hallucinator,
    /// Channels of the hallucinator's convolutions (`residual` and `fast`).
    pub hallucinator_channels: usize,
    /// Residual units of the hallucinator (`residual` and `fast`); 4 for `fast`, else 8, unless given.
    pub hallucinator_units: usize,
    pub residual_init: ResidualInit,
    /// Factor of He's standard deviation; used by `residual_init = "he"` alone.
    pub residual_scale: f64,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            recognizer_width: 1.0,
            features: 512,
            hallucinator: Hallucinator::Residual,
            hallucinator_channels: 64,
            hallucinator_units: Model::units_of(Hallucinator::Residual),
            residual_init: ResidualInit::Gaussian,
            residual_scale: 0.5,
        }
    }
}

impl Model {
    /// The residual units of a hallucinator whose configuration names none.
    pub fn units_of(hallucinator: Hallucinator) -> usize {
        if hallucinator == Hallucinator::Fast { 4 } else { 8 }
    }
}

/// `[data]`: which pictures are used, how faces are cut from them, how low resolution is made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Data {
    /// Rectangle `[x, y, w, h]` in source pixels, resized to 96x112. At most one of `crop` and `landmarks` is given.
    pub crop: Option<[usize; 4]>,
    /// List of 5-point landmarks, looked for under the data folder, then its parent, where relative.
    pub landmarks: Option<String>,
    /// List of people in sets (LFW's people.txt), looked for like `landmarks`; chooses training identities only.
    pub people: Option<String>,
    /// The sets of `people` to train on, counted from 1; empty: all of them.
    pub sets: Vec<usize>,
    /// Identities with fewer pictures are not trained on.
    pub min_images: usize,
    /// Whether a random half of the training pictures is mirrored.
    pub mirror: bool,
    /// Training pictures are moved by up to so many pixels in each direction, at random; the edge is repeated.
    pub shift: usize,
    /// Whether samples are shuffled; otherwise they come in sorted path order, wrapping around.
    pub shuffle: bool,
    pub downsample: Downsample,
}

impl Default for Data {
    fn default() -> Self {
        Data {
            crop: None,
            landmarks: None,
            people: None,
            sets: Vec::new(),
            min_images: 1,
            mirror: true,
            shift: 0,
            shuffle: true,
            downsample: Downsample::Matlab,
        }
    }
}

/// `[loss]`: total = alpha pixel + beta1 softmax + beta2 center + distill cosine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loss {
    pub alpha: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub center_update: CenterUpdate,
    /// Step of the `wen` update; `caffe` uses the learning rate.
    pub center_rate: f64,
    /// Weight of the distillation loss, 1 - the cosine between the feature and that of a frozen recogniser on the HR picture;
    /// 0 = off. Used by modes whose recogniser sees low resolution.
    pub distill: f64,
    pub center_init: CenterInit,
}

impl Default for Loss {
    fn default() -> Self {
        Loss {
            alpha: 0.01,
            beta1: 1.0,
            beta2: 0.008,
            center_update: CenterUpdate::Wen,
            center_rate: 0.5,
            distill: 0.0,
            center_init: CenterInit::Uniform,
        }
    }
}

impl Loss {
    /// Whether a stage of this mode learns from a teacher as well.
    pub fn distills(&self, mode: Mode) -> bool {
        self.distill > 0.0 && mode.recognizes_low()
    }
}

/// `[train]`: the recipe, and what belongs to the whole run whatever its stages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Train {
    /// The recipe of a run without stages, and what every stage inherits.
    pub recipe: Recipe,
    /// Decides initial weights, order of pictures and mirroring.
    pub seed: u64,
    /// Steps between checkpoints; 0: only at the end and on Ctrl-C.
    pub checkpoint_every: u64,
    /// Steps between evaluations and sample sheets; 0: only at the end.
    pub eval_every: u64,
    /// Of activations and their gradients.
    pub precision: Precision,
    /// The `[[train.stages]]`, fully resolved; empty where the file has none. Use [`Config::stages`].
    pub stages: Vec<Stage>,
}

impl Default for Train {
    fn default() -> Self {
        Train {
            recipe: Recipe::default(),
            seed: 1,
            checkpoint_every: 1000,
            eval_every: 1000,
            precision: Precision::F32,
            stages: Vec::new(),
        }
    }
}

/// What the command line lays over a configuration, in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// `--mode`: the stages are dropped and `[train]` alone is trained, in this mode.
    pub mode: Option<Mode>,
    /// `--set key=value`, in the order given; the key of a stage is `train.stages.N.key`, N from 1. A key of `[train]`
    /// or `[loss]` is replaced in every stage as well.
    pub set: Vec<(String, String)>,
    /// `--seed`, which is `train.seed`.
    pub seed: Option<u64>,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// `Usage`, naming file, line, key, value and range, for everything that is wrong with it.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Config> {
        let complain = |what: String| Error::Usage(format!("{}: {what}", path.display()));
        let file =
            std::fs::metadata(path).map_err(|error| complain(format!("cannot read the configuration: {error}")))?;
        if !file.is_file() {
            return Err(complain(
                "the configuration is not a file; give a TOML file, such as configs/quick.toml".to_owned(),
            ));
        }
        if file.len() > LARGEST {
            return Err(complain(format!("too large for a configuration ({} bytes; at most {LARGEST})", file.len())));
        }
        let bytes = std::fs::read(path).map_err(|error| complain(format!("cannot read the configuration: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| complain("not a text file in UTF-8".to_owned()))?;
        Config::parse(&path.display().to_string(), &text, overrides)
    }

    /// Reads an embedded preset: `quick`, `lfw`, `paper` or `ablate-quick`.
    ///
    /// # Errors
    /// `Usage` for any other name, and as [`Config::load`].
    pub fn preset(name: &str, overrides: &Overrides) -> Result<Config> {
        let Some((_, text)) = PRESETS.iter().find(|(preset, _)| *preset == name) else {
            let names: Vec<&str> = PRESETS.iter().map(|(preset, _)| *preset).collect();
            return Err(Error::Usage(format!("there is no preset {name:?}; the presets are {}", names.join(", "))));
        };
        Config::parse(&format!("preset {name}"), text, overrides)
    }

    /// Reads a configuration from text; `file` is its name in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &str, text: &str, overrides: &Overrides) -> Result<Config> {
        let mut entries = tree::parse(file, text)?;
        if let Some(mode) = overrides.mode {
            tree::drop_stages(&mut entries);
            tree::set(&mut entries, "train.mode", mode.word())?;
        }
        for (key, value) in &overrides.set {
            tree::set(&mut entries, key, value)?;
        }
        if let Some(seed) = overrides.seed {
            tree::set(&mut entries, "train.seed", &seed.to_string())?;
        }
        read::config(&entries)
    }

    /// The stages of the run, fully resolved, in the order they are trained; never empty.
    pub fn stages(&self) -> Vec<Stage> {
        if self.train.stages.is_empty() {
            vec![Stage { recipe: self.train.recipe.clone(), loss: self.loss.clone() }]
        } else {
            self.train.stages.clone()
        }
    }

    /// Steps of all stages together.
    pub fn steps(&self) -> u64 {
        self.stages().iter().map(|stage| stage.recipe.steps).sum()
    }

    /// Where the step number `step` of the whole run (from 0) lies; `None` from the last stage's end on.
    pub fn locate(&self, step: u64) -> Option<Step> {
        let mut left = step;
        for (stage, Stage { recipe, .. }) in self.stages().iter().enumerate() {
            if left < recipe.steps {
                return Some(Step { stage, step: left });
            }
            left -= recipe.steps;
        }
        None
    }

    /// What a model has to know about itself to be used: `[model]`, and of `[data]` the cut and the flavour of the
    /// low-resolution pictures. A pure function of these keys.
    pub fn model_json(&self) -> serde_json::Value {
        let data = serde_json::json!({
            "crop": self.data.crop,
            "landmarks": self.data.landmarks,
            "downsample": self.data.downsample,
        });
        serde_json::json!({ "data": data, "model": self.model })
    }

    /// Reads what [`Config::model_json`] wrote, with every check of a configuration file; other top-level keys are left
    /// to the caller. `place` is the file's name in messages.
    ///
    /// # Errors
    /// `Input`: a model file is data, not configuration.
    pub fn from_model_json(value: &serde_json::Value, place: &str) -> Result<Config> {
        let part = |name: &str| value.get(name).map(|part| (name.to_owned(), tree::from_json(part, place)));
        let entries = [part("data"), part("model")].into_iter().flatten().collect();
        read::config(&entries).map_err(|error| Error::Input(error.to_string()))
    }
}
