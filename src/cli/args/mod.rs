//! Arguments to a typed command, checked as far as they can be without looking at any file or device. What every command
//! is called, takes and prints is `CONTRACT.md`; what it does is no business of this module.

mod ablate;
mod data;
mod faces;
mod import;
mod measure;
mod models;
mod people;
mod train;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::error::{Error, Result};
pub use ablate::Ablate;
pub use data::{Check, Degrade, Info, Pack, Synth};
pub use faces::{Embed, Eval, Hallucinate, Verify};
pub use import::{Channels, Import};
pub use measure::{Network, Plan};
pub use models::Export;
pub use people::{Action, Calibrate, Identify, Way};
pub use train::{ConfigSource, NewRun, Train};
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
    Check(Check),
    Degrade(Degrade),
    Train(Train),
    Eval(Eval),
    Ablate(Box<Ablate>),
    Hallucinate(Hallucinate),
    Embed(Embed),
    Verify(Verify),
    Calibrate(Calibrate),
    Identify(Identify),
    Import(Import),
    Export(Export),
    Plan(Plan),
    Bench(Network),
    Doctor,
    Completions(Shell),
    Man(PathBuf),
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

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train on synthetic faces and write a report: a tour that needs no network and no GPU
    Demo(Demo),
    /// Make, pack, look at and degrade pictures
    #[command(subcommand)]
    Data(data::DataVerb),
    /// Train a model, or go on with a stopped run
    #[command(override_usage = train::TRAIN_USAGE)]
    Train(train::TrainArgs),
    /// Score a model: verification on pairs, restoration on pictures
    Eval(Eval),
    /// Train and score every row of the paper's table under one budget, and say which differences are larger than chance
    Ablate(ablate::AblateArgs),
    /// Turn low-resolution faces into 96x112 ones
    Hallucinate(Hallucinate),
    /// Write the features of faces
    Embed(Embed),
    /// Say whether two pictures show the same person; exit code 1 means no
    Verify(Verify),
    /// Find the cosine from which on two faces are the same person's, at a rate of false accepts, and keep it with the model
    Calibrate(Calibrate),
    /// Say who pictures show, from a gallery of people that is kept in one file
    #[command(override_usage = people::IDENTIFY_USAGE)]
    Identify(people::IdentifyArgs),
    /// Take another program's file: weights become a model, pictures a folder
    Import(Import),
    /// Write files that other programs read: a model as ONNX with a probe or safetensors, pairs as an InsightFace pack
    Export(models::ExportArgs),
    /// Say what a configuration costs: launches, memory, FLOP and bytes of every layer; needs no device
    Plan(measure::PlanArgs),
    /// Measure how fast this device hallucinates, embeds and trains
    Bench(measure::NetworkArgs),
    /// Report devices and kernels, and test them
    Doctor,
    /// Print what a shell needs to complete commands and flags
    Completions {
        /// bash, elvish, fish, powershell or zsh
        #[arg(value_name = "SHELL", value_parser = values::shell)]
        shell: Shell,
    },
    /// Write a manual page for every command
    Man {
        /// Folder, such as ~/.local/share/man/man1
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Every command with its arguments, as clap describes them: what completions and manual pages are made of.
pub fn command() -> clap::Command {
    Top::command()
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
        Verb::Data(data) => data.into(),
        Verb::Train(train) => Command::Train(train.checked(top.common.seed)?),
        Verb::Eval(eval) => Command::Eval(eval),
        Verb::Ablate(ablate) => Command::Ablate(Box::new(ablate.checked(top.common.seed)?)),
        Verb::Hallucinate(hallucinate) => Command::Hallucinate(hallucinate),
        Verb::Embed(embed) => Command::Embed(embed),
        Verb::Verify(verify) => Command::Verify(verify),
        Verb::Calibrate(calibrate) => Command::Calibrate(calibrate),
        Verb::Identify(identify) => Command::Identify(identify.checked()?),
        Verb::Import(import) => Command::Import(import),
        Verb::Export(export) => Command::Export(export.checked()?),
        Verb::Plan(plan) => Command::Plan(plan.checked(top.common.seed)?),
        Verb::Bench(network) => Command::Bench(network.checked(top.common.seed)?),
        Verb::Doctor => Command::Doctor,
        Verb::Completions { shell } => Command::Completions(shell),
        Verb::Man { out } => Command::Man(out),
    };
    Ok(Request::Run(top.common, Box::new(command)))
}
