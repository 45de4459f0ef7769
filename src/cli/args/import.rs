//! The arguments of `import`.

use super::{Cut, values};
use clap::Args;
use std::path::PathBuf;

/// `import`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Import {
    /// A .caffemodel, .safetensors of another program, a train.rec, or a verification pack (lfw.bin)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// New or empty folder; gets model.safetensors, or the pictures
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What weights were trained on: rgb or bgr [default: bgr for a caffemodel, else rgb]
    #[arg(long, value_name = "ORDER", value_parser = values::channels)]
    pub channels: Option<Channels>,
    #[command(flatten)]
    pub cut: Cut,
}

/// `--channels`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Rgb,
    Bgr,
}
