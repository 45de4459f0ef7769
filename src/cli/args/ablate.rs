//! The arguments of `ablate`: a configuration, data and pairs, and how often everything is done.

use super::{ConfigSource, values};
use crate::error::{Error, Result};
use crate::model::config::Overrides;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct AblateArgs {
    /// Configuration file (TOML) [default: the preset ablate-quick]
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// An embedded configuration: quick, lfw, paper or ablate-quick
    #[arg(long, value_name = "NAME", value_parser = values::preset)]
    preset: Option<String>,
    /// A pack, or a folder of identity folders
    #[arg(long, value_name = "X")]
    data: PathBuf,
    /// Pairs to verify, in the format of LFW's pairs.txt; without it people are split and pairs are made
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Folder of the experiment; the same command goes on with what is there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many seeds, counted from --seed, or a list of them such as 1,5,9
    #[arg(long, value_name = "N|LIST", default_value = "1", value_parser = values::seeds, allow_negative_numbers = true)]
    seeds: values::Seeds,
    /// Folds to hold out in turn, such as 1,2,3 [default: those that data.sets leaves out]
    #[arg(long, value_name = "K,K", value_delimiter = ',', value_parser = values::fold, allow_negative_numbers = true)]
    folds: Vec<usize>,
    /// Rows to train besides recognition-hr, such as recognition-lr,joint-staged [default: all]
    #[arg(long, value_name = "ROW,ROW", value_delimiter = ',')]
    rows: Vec<String>,
    /// Override a configuration key; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::assignment)]
    set: Vec<(String, String)>,
    /// Say what would be trained and how long that takes here, and train nothing
    #[arg(long)]
    dry_run: bool,
}

/// `ablate`
#[derive(Clone, Debug, PartialEq)]
pub struct Ablate {
    pub config: ConfigSource,
    pub overrides: Overrides,
    pub data: PathBuf,
    pub pairs: Option<PathBuf>,
    pub out: PathBuf,
    pub seeds: Vec<u64>,
    pub folds: Vec<usize>,
    pub rows: Vec<String>,
    pub dry_run: bool,
}

impl AblateArgs {
    pub(super) fn checked(self, seed: Option<u64>) -> Result<Ablate> {
        let seeds = match self.seeds {
            values::Seeds::Count(count) => {
                let first = seed.unwrap_or(1);
                (0..count as u64).map(|index| first.saturating_add(index)).collect()
            }
            values::Seeds::List(list) => list,
        };
        for (what, twice) in [("--seeds", repeated(&seeds)), ("--folds", repeated(&self.folds))] {
            if let Some(twice) = twice {
                return Err(Error::Usage(format!("{what} names {twice} twice")));
            }
        }
        let preset = self.preset.unwrap_or_else(|| "ablate-quick".to_owned());
        Ok(Ablate {
            config: self.config.map_or(ConfigSource::Preset(preset), ConfigSource::File),
            overrides: Overrides { mode: None, set: self.set, seed: None },
            data: self.data,
            pairs: self.pairs,
            out: self.out,
            seeds,
            folds: self.folds,
            rows: self.rows,
            dry_run: self.dry_run,
        })
    }
}

/// A value that stands in a list twice.
fn repeated<T: PartialEq + std::fmt::Display>(list: &[T]) -> Option<String> {
    list.iter().enumerate().find(|(index, value)| list[..*index].contains(value)).map(|(_, value)| value.to_string())
}
