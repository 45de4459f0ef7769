//! The arguments of the commands that answer who somebody is: `calibrate`, `identify`.

use super::{Cut, Input, values};
use clap::Args;
use std::path::PathBuf;

/// `calibrate`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Calibrate {
    /// A run, a checkpoint or a model file; the calibration is written beside its weights
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// A pack, or a folder of pictures, of people the model was not trained on
    #[arg(long, value_name = "X")]
    pub data: PathBuf,
    /// Pairs in the format of LFW's pairs.txt or YouTube Faces' splits.txt [default: every two pictures of X, a folder per person]
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// Share of pairs of different people that may be accepted, such as 1e-3
    #[arg(long, value_name = "F", value_parser = values::rate, allow_negative_numbers = true)]
    pub far: f64,
    /// What the recogniser gets: hr, or lr through the hallucinator [default: by the pictures' size]
    #[arg(long, value_name = "hr|lr", value_parser = values::input)]
    pub input: Option<Input>,
    /// Compare f(x) alone, not [f(x), f(flip x)]
    #[arg(long)]
    pub no_mirror: bool,
    /// Use the pairs whose pictures are there; otherwise a missing picture is an error
    #[arg(long)]
    pub allow_missing: bool,
    #[command(flatten)]
    pub cut: Cut,
}
