//! The arguments of `plan` and `bench`: a configuration, a batch, a precision, and nothing that names a file to write.

use super::{ConfigSource, Input, values};
use crate::error::{Error, Result};
use crate::model::config::{Mode, Overrides, Precision, Word};
use clap::Args;
use std::path::PathBuf;

/// Identities of the paper's training set.
const IDENTITIES: &str = "10572";

#[derive(Debug, Args)]
pub(super) struct NetworkArgs {
    /// Configuration file (TOML) [default: the preset paper]
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// An embedded configuration: quick, lfw, paper or ablate-quick
    #[arg(long, value_name = "NAME", value_parser = values::preset)]
    preset: Option<String>,
    /// Without the configuration's stages, in this mode
    #[arg(long, value_name = "M", value_parser = values::word::<Mode>)]
    mode: Option<Mode>,
    /// Override a configuration key; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::assignment)]
    set: Vec<(String, String)>,
    /// Pictures at a time
    #[arg(long, value_name = "N", value_parser = values::batch, allow_negative_numbers = true)]
    batch: Option<usize>,
    /// Of activations and their gradients: f32 or bf16
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    precision: Option<Precision>,
    /// Identities that the recogniser tells apart
    #[arg(long, value_name = "N", default_value = IDENTITIES, value_parser = values::many, allow_negative_numbers = true)]
    identities: usize,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Inference from 96x112 (hr) or 24x28 (lr) pictures, instead of the training step
    #[arg(long, value_name = "hr|lr", value_parser = values::input)]
    inference: Option<Input>,
    /// Also say how long the whole training takes on this device, by measuring a few steps of each stage
    #[arg(long, conflicts_with_all = ["inference", "batch"])]
    time: bool,
}

/// Networks at a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub config: ConfigSource,
    /// `--mode`, `--set`, `--precision` and `--seed`.
    pub overrides: Overrides,
    pub batch: Option<usize>,
    pub identities: usize,
}

/// `plan`
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub network: Network,
    pub inference: Option<Input>,
    /// Whether a few steps are to be measured.
    pub time: bool,
}

impl NetworkArgs {
    pub(super) fn checked(self, seed: Option<u64>) -> Result<Network> {
        if self.identities < 2 {
            return Err(Error::Usage("--identities: a recogniser needs at least 2 to tell apart".into()));
        }
        let preset = self.preset.unwrap_or_else(|| "paper".to_owned());
        Ok(Network {
            config: self.config.map_or(ConfigSource::Preset(preset), ConfigSource::File),
            overrides: Overrides { mode: self.mode, set: with_precision(self.set, self.precision), seed },
            batch: self.batch,
            identities: self.identities,
        })
    }
}

impl PlanArgs {
    pub(super) fn checked(self, seed: Option<u64>) -> Result<Plan> {
        Ok(Plan { network: self.network.checked(seed)?, inference: self.inference, time: self.time })
    }
}

/// `--precision` is the key `train.precision`, laid over the others.
pub(super) fn with_precision(mut set: Vec<(String, String)>, precision: Option<Precision>) -> Vec<(String, String)> {
    set.extend(precision.map(|precision| ("train.precision".to_owned(), precision.word().to_owned())));
    set
}
