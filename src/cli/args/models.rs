//! The arguments of `export`: which of a model's or a protocol's files other programs want.

use super::{Cut, values};
use crate::error::{Error, Result};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A run, a checkpoint or a model file; for bin, the model whose way of cutting faces is meant
    #[arg(long, value_name = "M", required_if_eq_any([("format", "onnx"), ("format", "safetensors")]))]
    model: Option<PathBuf>,
    /// onnx: a graph and a probe of each network; safetensors: the weights; bin: an InsightFace verification pack
    #[arg(long, value_name = "F", value_parser = values::export_format)]
    format: ExportFormat,
    /// Folder; files of the same names in it are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// For bin: a pack, or a folder of pictures
    #[arg(long, value_name = "X", required_if_eq("format", "bin"))]
    data: Option<PathBuf>,
    /// For bin: pairs in the format of LFW's pairs.txt
    #[arg(long, value_name = "FILE", required_if_eq("format", "bin"))]
    pairs: Option<PathBuf>,
    #[command(flatten)]
    cut: Cut,
}

/// `--format` of `export`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    Onnx,
    Safetensors,
    Bin,
}

/// `export`
#[derive(Clone, Debug, PartialEq)]
pub enum Export {
    Onnx { model: PathBuf, out: PathBuf },
    Safetensors { model: PathBuf, out: PathBuf },
    Bin { model: Option<PathBuf>, data: PathBuf, pairs: PathBuf, cut: Cut, out: PathBuf },
}

impl ExportArgs {
    /// Refuses flags that the format has no use for.
    pub(super) fn checked(self) -> Result<Export> {
        let ExportArgs { model, format, out, data, pairs, cut } = self;
        let of_pairs = data.is_some() || pairs.is_some() || cut != Cut::default();
        match (format, model, data, pairs) {
            (ExportFormat::Bin, model, Some(data), Some(pairs)) => Ok(Export::Bin { model, data, pairs, cut, out }),
            (ExportFormat::Onnx, Some(model), ..) if !of_pairs => Ok(Export::Onnx { model, out }),
            (ExportFormat::Safetensors, Some(model), ..) if !of_pairs => Ok(Export::Safetensors { model, out }),
            _ => Err(Error::Usage(
                "--data, --pairs, --crop and --landmarks are for --format bin, which needs the first two; see --help"
                    .to_owned(),
            )),
        }
    }
}
