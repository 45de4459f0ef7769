//! The arguments of the commands that use a trained model: `eval`, `hallucinate`, `embed`, `verify`.

use super::{Cut, Input, values};
use crate::model::config::Precision;
use clap::Args;
use std::path::PathBuf;

/// `eval`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Eval {
    /// A run, a checkpoint or a model file
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// A pack, a folder of pictures, or a verification pack (lfw.bin), which brings its own pairs
    #[arg(long, value_name = "X")]
    pub data: PathBuf,
    /// Pairs to verify, in the format of LFW's pairs.txt or YouTube Faces' splits.txt (folders of frames, pooled); without any
    /// only restoration is scored
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// Instead of pairs and restoration, score a gallery: of everybody with several pictures the first is enrolled and the others
    /// are looked for, the pictures of everybody else are impostors
    #[arg(long, conflicts_with = "pairs")]
    pub gallery: bool,
    /// How many pictures of each person --gallery enrols
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::many, allow_negative_numbers = true, requires = "gallery")]
    pub gallery_images: usize,
    /// Score this fold of the pairs alone, counted from 1, cross-fitted within itself
    #[arg(long, value_name = "K", value_parser = values::fold, allow_negative_numbers = true, requires = "pairs")]
    pub fold: Option<usize>,
    /// What the recogniser gets: hr, or lr through the hallucinator [default: by the pictures' size]
    #[arg(long, value_name = "hr|lr", value_parser = values::input)]
    pub input: Option<Input>,
    /// Folder for details: scores, curves, sheets
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Compare f(x) alone, not [f(x), f(flip x)]
    #[arg(long)]
    pub no_mirror: bool,
    /// Take the mean of the other folds' features off before comparing
    #[arg(long, requires = "pairs")]
    pub mean_subtraction: bool,
    /// Keep the first N principal components of the other folds' features (this takes their mean off, too)
    #[arg(long, value_name = "N", value_parser = values::many, allow_negative_numbers = true, requires = "pairs")]
    pub pca: Option<usize>,
    /// Score the pairs whose pictures are there; otherwise a missing picture is an error
    #[arg(long)]
    pub allow_missing: bool,
    /// Of filters and of what goes from layer to layer: f32, or bf16, which is faster and less exact
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    pub precision: Option<Precision>,
    #[command(flatten)]
    pub cut: Cut,
}

/// `hallucinate`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Hallucinate {
    /// A run, a checkpoint or a model file
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// Pictures, or folders of pictures
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder; gets one PNG of 96x112 per picture
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Also write a sheet (low resolution, bicubic, hallucinated) to this PNG file
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Leave out pictures whose output is there already: go on after a stop
    #[arg(long)]
    pub skip_existing: bool,
    /// Folder to look for landmarks in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Of filters and of what goes from layer to layer: f32, or bf16, which is faster and less exact
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    pub precision: Option<Precision>,
    #[command(flatten)]
    pub cut: Cut,
}

/// `embed`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Embed {
    /// A run, a checkpoint or a model file
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// Pictures, or folders of pictures
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// What the recogniser gets: hr, or lr through the hallucinator [default: by each picture's size]
    #[arg(long, value_name = "hr|lr", value_parser = values::input)]
    pub input: Option<Input>,
    /// Write [f(x), f(flip x)], twice as wide
    #[arg(long)]
    pub mirror: bool,
    /// Features to write: a file ending in .npy, .jsonl or .safetensors
    #[arg(long, value_name = "FILE", value_parser = values::features_file)]
    pub out: PathBuf,
    /// Folder to look for landmarks in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Of filters and of what goes from layer to layer: f32, or bf16, which is faster and less exact
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    pub precision: Option<Precision>,
    #[command(flatten)]
    pub cut: Cut,
}

/// `verify`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Verify {
    /// A run, a checkpoint or a model file
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// The first picture
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The second picture
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// Cosine from which two faces are the same person's, from -1 to 1 [default: the model's calibration]
    #[arg(long, value_name = "T", value_parser = values::threshold, allow_hyphen_values = true)]
    pub threshold: Option<f64>,
    /// What the recogniser gets: hr, or lr through the hallucinator [default: by each picture's size]
    #[arg(long, value_name = "hr|lr", value_parser = values::input)]
    pub input: Option<Input>,
    /// Compare f(x) alone, not [f(x), f(flip x)]
    #[arg(long)]
    pub no_mirror: bool,
    /// Folder to look for landmarks in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Of filters and of what goes from layer to layer: f32, or bf16, which is faster and less exact
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    pub precision: Option<Precision>,
    #[command(flatten)]
    pub cut: Cut,
}
