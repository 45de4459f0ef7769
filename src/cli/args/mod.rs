//! Arguments to a typed command, checked as far as they can be without looking at any file or device. What every command
//! is called, takes and prints is `CONTRACT.md`; what it does is no business of this module.

mod measure;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::model::config::{Downsample, Mode, Overrides, Precision};
pub use measure::{Network, Plan};
pub use values::{Device, Input};

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Print this on stdout and leave with 0: `--help` or `--version`.
    Print(String),
    Run(Common, Box<Command>),
}

/// The flags of every command.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Common {
    /// Where to compute: auto, cpu, cuda or cuda:N; what is named must be there
    #[arg(long, global = true, value_name = "D", default_value = "auto", value_parser = values::device, help_heading = "Common options")]
    pub device: Device,
    /// CPU threads to use; the results are the same for any number [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = values::threads, allow_negative_numbers = true, help_heading = "Common options")]
    pub threads: Option<usize>,
    /// Seed of everything random; for train, the key train.seed
    #[arg(long, global = true, value_name = "S", value_parser = values::seed, allow_negative_numbers = true, help_heading = "Common options")]
    pub seed: Option<u64>,
    /// Print one JSON document on stdout
    #[arg(long, global = true, help_heading = "Common options")]
    pub json: bool,
    /// No progress and no notes on stderr; warnings and errors stay
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Common options")]
    pub quiet: bool,
    /// More notes on stderr
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Common options")]
    pub verbose: u8,
}

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Demo(Demo),
    Synth(Synth),
    Pack(Pack),
    Info(Info),
    Check(Info),
    Degrade(Degrade),
    Train(Train),
    Eval(Eval),
    Hallucinate(Hallucinate),
    Embed(Embed),
    Verify(Verify),
    Plan(Plan),
    Bench(Network),
    Doctor,
}

/// Where the faces of a picture are, where the command line says so; otherwise the model or the configuration does.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub struct Cut {
    /// Cut this rectangle from every picture, in pixels
    #[arg(long, value_name = "X,Y,W,H", value_parser = values::crop, conflicts_with = "landmarks")]
    pub crop: Option<[usize; 4]>,
    /// Align faces by this list of 5-point landmarks; relative to the data folder or its parent
    #[arg(long, value_name = "FILE")]
    pub landmarks: Option<PathBuf>,
}

/// `demo`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Demo {
    /// Folder for the report and everything it shows
    #[arg(long, value_name = "DIR", default_value = "demo")]
    pub out: PathBuf,
}

/// `data synth`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Synth {
    /// New or empty folder; gets one folder per identity
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many people to draw
    #[arg(long, value_name = "N", value_parser = values::many, allow_negative_numbers = true)]
    pub identities: usize,
    /// How many pictures of each
    #[arg(long, value_name = "M", value_parser = values::many, allow_negative_numbers = true)]
    pub images: usize,
    /// Also write a sheet of the first pictures to this PNG file
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
}

/// `data pack`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Pack {
    /// Folder of identity folders
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The pack to write
    #[arg(long, value_name = "FILE.pack")]
    pub out: PathBuf,
    #[command(flatten)]
    pub cut: Cut,
}

/// `data info` and `data check`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Info {
    /// A pack, or a folder of identity folders
    #[arg(value_name = "X")]
    pub input: PathBuf,
}

/// `data degrade`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Degrade {
    /// Pictures, or folders of pictures, of any size
    #[arg(value_name = "IN", required = true)]
    pub inputs: Vec<PathBuf>,
    /// New or empty folder; gets one PNG per picture
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many times smaller, from 1 to 16
    #[arg(long, value_name = "N", default_value = "4", value_parser = values::scale, allow_negative_numbers = true)]
    pub scale: usize,
    /// Whose bicubic: matlab, pillow or opencv
    #[arg(long, value_name = "NAME", default_value = "matlab", value_parser = values::word::<Downsample>)]
    pub flavour: Downsample,
    /// Also write a sheet of the pictures to this PNG file
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
}

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
}

/// Where the configuration of a run comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigSource {
    File(PathBuf),
    /// The name of an embedded `configs/*.toml`; known to exist.
    Preset(String),
}

#[derive(Debug, Args)]
struct TrainArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// An embedded configuration: quick, lfw or paper
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
    /// Go on with a stopped run; configuration, seed and data come from it
    #[arg(long, value_name = "RUN")]
    resume: Option<PathBuf>,
}

/// `eval`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Eval {
    /// A run, a checkpoint or a model file
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// A pack, or a folder of pictures
    #[arg(long, value_name = "X")]
    pub data: PathBuf,
    /// Pairs to verify, in the format of LFW's pairs.txt; without it only restoration is scored
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
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
    /// Score the pairs whose pictures are there; otherwise a missing picture is an error
    #[arg(long)]
    pub allow_missing: bool,
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
    /// Folder to look for landmarks in
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
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
    #[command(flatten)]
    pub cut: Cut,
}

/// Joint face hallucination and recognition: train it, score it, use it.
#[derive(Debug, Parser)]
#[command(name = "hallucinet", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
struct Top {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 the answer is no (verify), 2 usage or configuration, 3 bad input,
4 no such device, 5 input/output, 6 numeric failure, 130 interrupted after saving";

const TRAIN_USAGE: &str = "hallucinet train --config FILE | --preset NAME --data X --out RUN [OPTIONS]
       hallucinet train --resume RUN [COMMON OPTIONS]";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train on synthetic faces and write a report: a tour that needs no network and no GPU
    Demo(Demo),
    /// Make, pack, look at and degrade pictures
    #[command(subcommand)]
    Data(DataVerb),
    /// Train a model, or go on with a stopped run
    #[command(override_usage = TRAIN_USAGE)]
    Train(TrainArgs),
    /// Score a model: verification on pairs, restoration on pictures
    Eval(Eval),
    /// Turn low-resolution faces into 96x112 ones
    Hallucinate(Hallucinate),
    /// Write the features of faces
    Embed(Embed),
    /// Say whether two pictures show the same person; exit code 1 means no
    Verify(Verify),
    /// Say what a configuration costs: launches, memory, FLOP and bytes of every layer; needs no device
    Plan(measure::PlanArgs),
    /// Measure how fast this device hallucinates, embeds and trains
    Bench(measure::NetworkArgs),
    /// Report devices and kernels, and test them
    Doctor,
}

#[derive(Debug, Subcommand)]
enum DataVerb {
    /// Draw procedural faces, one folder per identity
    Synth(Synth),
    /// Cut faces from a folder of identity folders into one file
    Pack(Pack),
    /// Say what is in a pack or a folder
    Info(Info),
    /// Read every picture of a pack or a folder and say what is wrong
    Check(Info),
    /// Make pictures smaller by bicubic resampling
    Degrade(Degrade),
}

/// Reads a command line, the program's own name first.
///
/// # Errors
/// `Usage`, in one sentence.
pub fn parse<I>(arguments: I) -> Result<Request>
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let top = match Top::try_parse_from(arguments) {
        Ok(top) => top,
        Err(error) if !error.use_stderr() => return Ok(Request::Print(error.to_string())),
        Err(error) => return Err(Error::Usage(values::sentence(&error))),
    };
    let command = match top.verb {
        Verb::Demo(demo) => Command::Demo(demo),
        Verb::Data(DataVerb::Synth(synth)) => Command::Synth(synth),
        Verb::Data(DataVerb::Pack(pack)) => Command::Pack(pack),
        Verb::Data(DataVerb::Info(info)) => Command::Info(info),
        Verb::Data(DataVerb::Check(check)) => Command::Check(check),
        Verb::Data(DataVerb::Degrade(degrade)) => Command::Degrade(degrade),
        Verb::Train(train) => Command::Train(train.checked(top.common.seed)?),
        Verb::Eval(eval) => Command::Eval(eval),
        Verb::Hallucinate(hallucinate) => Command::Hallucinate(hallucinate),
        Verb::Embed(embed) => Command::Embed(embed),
        Verb::Verify(verify) => Command::Verify(verify),
        Verb::Plan(plan) => Command::Plan(plan.checked(top.common.seed)?),
        Verb::Bench(network) => Command::Bench(network.checked(top.common.seed)?),
        Verb::Doctor => Command::Doctor,
    };
    Ok(Request::Run(top.common, Box::new(command)))
}

impl TrainArgs {
    fn checked(self, seed: Option<u64>) -> Result<Train> {
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
        })))
    }
}
