//! The arguments of the commands that take models and lists to other programs' files and back: `export`.

use super::values;
use clap::Args;
use std::path::PathBuf;

/// `export`
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Export {
    /// A run, a checkpoint or a model file
    #[arg(long, value_name = "M")]
    pub model: PathBuf,
    /// onnx: a graph and a probe of each network; safetensors: the weights
    #[arg(long, value_name = "F", value_parser = values::export_format)]
    pub format: ExportFormat,
    /// Folder; files of the same names in it are replaced
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `--format` of `export`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Onnx,
    Safetensors,
}
