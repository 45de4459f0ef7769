//! `embed`: the features of pictures, in sorted path order, as one array of f32 that is not normalised.

use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::files;
use crate::formats::npy;
use crate::formats::safetensors::{self, Tensor, Tensors};
use crate::tasks::pictures::{self, Ways};
use crate::tasks::{Context, output};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub model: PathBuf,
    pub inputs: Vec<PathBuf>,
    /// Its ending decides the format: `.npy`, `.jsonl`, `.safetensors`.
    pub out: PathBuf,
    /// Write [f(x), f(flip x)].
    pub mirror: bool,
    pub ways: Ways,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Embedded {
    pub device: String,
    /// Rows and columns.
    pub features: [usize; 2],
    /// Of each row.
    pub names: Vec<String>,
    pub out: PathBuf,
}

/// Embeds every input.
///
/// # Errors
/// `Input` for pictures, lists and models that are wrong (also a model without a recogniser), `Usage` for two pictures of one
/// name, `Output` and `Io` for a place that cannot be written, `Numeric` for a feature that is not finite.
pub fn embed(context: &Context, request: &Request) -> Result<Embedded> {
    files::check_file(&request.out)?;
    let device = context.open_device()?;
    let network = Network::load(&request.model)?.in_precision(request.ways.precision);
    pictures::needs_recognizer(&network, &request.model)?;
    let pictures = pictures::open(context, &network.model, &request.inputs, &request.ways)?;
    output::spare_inputs(pictures.found(), std::iter::once(request.out.as_path()))?;
    let (rows, width) = pictures::features(context, &device, network, &pictures, request.mirror)?;
    let names = pictures.names();
    write(&request.out, &names, &rows, width, request.mirror)?;
    Ok(Embedded { device: device.info().name, features: [names.len(), width], names, out: request.out.clone() })
}

/// A line of `.jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    feature: &'a [f32],
}

fn write(path: &Path, names: &[String], rows: &[f32], width: usize, mirror: bool) -> Result<()> {
    files::make_folder(files::folder_of(path))?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => npy::write(path, names.len(), width, rows),
        Some("jsonl") => {
            let mut text = String::new();
            for (name, feature) in names.iter().zip(rows.chunks_exact(width)) {
                let line = serde_json::to_string(&Line { name, feature });
                text += &line.map_err(|error| Error::Output(format!("{}: {error}", path.display())))?;
                text.push('\n');
            }
            output::write(path, text.as_bytes())
        }
        _ => {
            let tensor = Tensor::new(&[names.len(), width], rows.to_vec())?;
            let metadata = serde_json::json!({ "names": names, "mirror": mirror });
            let tensors = Tensors::from([("features".to_owned(), tensor)]);
            output::write(path, &safetensors::to_bytes(&tensors, &metadata)?)
        }
    }
}
