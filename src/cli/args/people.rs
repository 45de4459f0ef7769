//! The arguments of the commands that answer who somebody is: `calibrate`, `identify`.

use super::{Cut, Input, values};
use crate::error::{Error, Result};
use crate::model::config::Precision;
use clap::{ArgGroup, Args};
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
    /// Pairs in the format of LFW's pairs.txt [default: those of a verification pack, else every two pictures of X, a
    /// folder per person]
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

pub(super) const IDENTIFY_USAGE: &str = "hallucinet identify --model M --gallery F IN... [OPTIONS]
       hallucinet identify --model M --gallery F --add IN... [--name NAME] [OPTIONS]
       hallucinet identify --gallery F --remove NAME... | --list";

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("action").args(["inputs", "add", "remove", "list"]).required(true)))]
pub(super) struct IdentifyArgs {
    /// A run, a checkpoint or a model file; the one that made the gallery
    #[arg(long, value_name = "M")]
    model: Option<PathBuf>,
    /// The gallery: one file with features by name and no pictures
    #[arg(long, value_name = "F")]
    gallery: PathBuf,
    /// Pictures of people to look for, or folders of pictures
    #[arg(value_name = "IN")]
    inputs: Vec<PathBuf>,
    /// Add people: a folder of identity folders, a folder of pictures of the person it is named after, or a picture; makes the gallery
    /// where there is none
    #[arg(long, value_name = "IN", num_args = 1..)]
    add: Vec<PathBuf>,
    /// Whose pictures --add gets
    #[arg(long, value_name = "NAME", conflicts_with_all = ["inputs", "remove", "list"])]
    name: Option<String>,
    /// Remove people
    #[arg(long, value_name = "NAME", num_args = 1..)]
    remove: Vec<String>,
    /// Say who is in the gallery
    #[arg(long)]
    list: bool,
    /// How many of the nearest people to name
    #[arg(long, value_name = "K", default_value = "5", value_parser = values::many, allow_negative_numbers = true)]
    top: usize,
    /// Cosine below which a picture is nobody's in the gallery [default: the model's calibration]; the FAR of a calibration is that of
    /// one comparison, so among N people a stranger passes up to N times as often
    #[arg(long, value_name = "T", value_parser = values::threshold, allow_hyphen_values = true)]
    threshold: Option<f64>,
    /// What the recogniser gets: hr, or lr through the hallucinator [default: by each picture's size]
    #[arg(long, value_name = "hr|lr", value_parser = values::input)]
    input: Option<Input>,
    /// Compare f(x) alone, not [f(x), f(flip x)]
    #[arg(long)]
    no_mirror: bool,
    /// Folder to look for landmarks in
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Of filters and of what goes from layer to layer: f32, or bf16, which is faster and less exact
    #[arg(long, value_name = "P", value_parser = values::word::<Precision>)]
    precision: Option<Precision>,
    #[command(flatten)]
    cut: Cut,
}

/// `identify`
#[derive(Clone, Debug, PartialEq)]
pub struct Identify {
    pub gallery: PathBuf,
    pub action: Action,
}

/// What `identify` does with its gallery.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Add { inputs: Vec<PathBuf>, name: Option<String>, way: Way },
    Remove(Vec<String>),
    List,
    Search { inputs: Vec<PathBuf>, top: usize, threshold: Option<f64>, way: Way },
}

/// How `identify` makes features.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    pub model: PathBuf,
    pub input: Option<Input>,
    pub no_mirror: bool,
    pub data: Option<PathBuf>,
    pub precision: Option<Precision>,
    pub cut: Cut,
}

impl IdentifyArgs {
    pub(super) fn checked(self) -> Result<Identify> {
        let IdentifyArgs {
            model,
            gallery,
            inputs,
            add,
            name,
            remove,
            list,
            top,
            threshold,
            input,
            no_mirror,
            data,
            precision,
            cut,
        } = self;
        let way = |to: &str| match model {
            Some(model) => Ok(Way { model, input, no_mirror, data, precision, cut }),
            None => Err(Error::Usage(format!("identify needs --model M to {to}; see 'hallucinet identify --help'"))),
        };
        let action = match (list, remove.is_empty(), add.is_empty()) {
            (true, ..) => Action::List,
            (_, false, _) => Action::Remove(remove),
            (.., false) => Action::Add { inputs: add, name, way: way("add people")? },
            _ => Action::Search { inputs, top, threshold, way: way("look for people")? },
        };
        Ok(Identify { gallery, action })
    }
}
