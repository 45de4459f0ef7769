//! The arguments of `data`: where pictures come from and where they go.

use super::{Command, Cut, values};
use crate::model::config::Downsample;
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
    /// Draw people who differ in eyes, brows, nose, mouth and moles alone: hard to tell apart at 28x24
    #[arg(long)]
    pub siblings: bool,
    /// Also write a sheet of the first pictures to this PNG file
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
}

/// `data pack`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Pack {
    /// Folder of identity folders, or InsightFace's train.rec
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The pack to write
    #[arg(long, value_name = "FILE.pack")]
    pub out: PathBuf,
    #[command(flatten)]
    pub cut: Cut,
}

/// `data info`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Info {
    /// A pack, a folder of identity folders, a train.rec, or a verification pack (lfw.bin)
    #[arg(value_name = "X")]
    pub input: PathBuf,
}

/// `data check`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Check {
    /// A pack, or a folder of identity folders
    #[arg(value_name = "X")]
    pub input: PathBuf,
    /// Pairs of a test (LFW's pairs.txt, YouTube Faces' splits.txt): people who are in both are wrong
    #[arg(long, value_name = "FILE")]
    pub pairs: Option<PathBuf>,
    /// A trained model (run, checkpoint or file) that finds pictures under the wrong name
    #[arg(long, value_name = "M")]
    pub model: Option<PathBuf>,
    /// New or empty folder for a report with pictures
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub cut: Cut,
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

#[derive(Debug, Subcommand)]
pub(super) enum DataVerb {
    /// Draw procedural faces, one folder per identity
    Synth(Synth),
    /// Cut faces from a folder of identity folders into one file
    Pack(Pack),
    /// Say what is in a pack or a folder
    Info(Info),
    /// Read every picture of a pack or a folder and say what is wrong: broken, tiny, twice, under the wrong name, also in a test
    Check(Check),
    /// Make pictures smaller by bicubic resampling
    Degrade(Degrade),
}

impl From<DataVerb> for Command {
    fn from(verb: DataVerb) -> Self {
        match verb {
            DataVerb::Synth(synth) => Self::Synth(synth),
            DataVerb::Pack(pack) => Self::Pack(pack),
            DataVerb::Info(info) => Self::Info(info),
            DataVerb::Check(check) => Self::Check(check),
            DataVerb::Degrade(degrade) => Self::Degrade(degrade),
        }
    }
}
