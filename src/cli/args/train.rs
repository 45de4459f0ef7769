//! The arguments of `train`: a new run with its configuration, or an old one to go on with.

use super::{measure, values};
use crate::error::{Error, Result};
use crate::model::config::{Mode, Overrides, Precision};
use clap::Args;
use std::path::PathBuf;

pub(super) const TRAIN_USAGE: &str = "hallucinet train --config FILE | --preset NAME --data X --out RUN [OPTIONS]
       hallucinet train --resume RUN [COMMON OPTIONS]";

/// `train`
#[derive(Clone, Debug, PartialEq)]
pub enum Train {
    New(Box<NewRun>),
    /// Go on with the run in this folder.
    Resume(PathBuf),
}

/// A run that is yet to start.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    pub config: ConfigSource,
    /// `--mode`, `--set` and `--seed`.
    pub overrides: Overrides,
    pub data: PathBuf,
    pub out: PathBuf,
    /// Models to start from, later ones winning.
    pub init: Vec<PathBuf>,
    /// Check everything and train nothing.
    pub dry_run: bool,
}

/// Where the configuration of a run comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigSource {
    File(PathBuf),
    /// The name of an embedded `configs/*.toml`; known to exist.
    Preset(String),
}

#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An embedded configuration: quick, lfw, paper or ablate-quick
    #[arg(long, value_name = "NAME", value_parser = values::preset)]
    preset: Option<String>,
    /// A pack, or a folder of identity folders
    #[arg(long, value_name = "X")]
    data: Option<PathBuf>,
    /// New or empty folder for the run
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Train without the configuration's stages, in this mode: hallucination, recognition-hr, recognition-lr,
    /// recognition-on-hallucinated or joint
    #[arg(long, value_name = "M", value_parser = values::word::<Mode>)]
    mode: Option<Mode>,
    /// Start from the weights of a run, checkpoint or model file; may be given several times
    #[arg(long, value_name = "MODEL")]
    init: Vec<PathBuf>,
    /// Override a configuration key, such as train.steps=500; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::assignment)]
    set: Vec<(String, String)>,
    /// Of activations and their gradients: f32 or bf16; the key train.precision
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    precision: Option<Precision>,
    /// Check configuration, device, lists and pictures, say what would be trained, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Go on with a stopped run; configuration, seed and data come from it
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
}

impl TrainArgs {
    pub(super) fn checked(self, seed: Option<u64>) -> Result<Train> {
        if let Some(run) = &self.resume {
            let given = [
                ("--config", self.config.is_some()),
                ("--preset", self.preset.is_some()),
                ("--data", self.data.is_some()),
                ("--out", self.out.is_some()),
                ("--mode", self.mode.is_some()),
                ("--init", !self.init.is_empty()),
                ("--set", !self.set.is_empty()),
                ("--precision", self.precision.is_some()),
                ("--dry-run", self.dry_run),
                ("--seed", seed.is_some()),
            ];
            return match given.iter().find(|(_, given)| *given) {
                None => Ok(Train::Resume(run.clone())),
                Some((flag, _)) => Err(Error::Usage(format!(
                    "{flag} cannot be given with --resume: configuration, seed and data come from the run"
                ))),
            };
        }
        let missing = |what: &str| Error::Usage(format!("train needs {what}; see 'hallucinet train --help'"));
        let config = match (self.config, self.preset) {
            (Some(file), None) => ConfigSource::File(file),
            (None, Some(preset)) => ConfigSource::Preset(preset),
            (None, None) => return Err(missing("--config FILE or --preset NAME (or --resume RUN)")),
            (Some(_), Some(_)) => {
                return Err(Error::Usage(
                    "--config and --preset cannot be given together: both are configurations".to_owned(),
                ));
            }
        };
        Ok(Train::New(Box::new(NewRun {
            config,
            overrides: Overrides { mode: self.mode, set: measure::with_precision(self.set, self.precision), seed },
            data: self.data.ok_or_else(|| missing("--data X, a pack or a folder of identity folders"))?,
            out: self.out.ok_or_else(|| missing("--out RUN, a new folder for the run"))?,
            init: self.init,
            dry_run: self.dry_run,
        })))
    }
}
