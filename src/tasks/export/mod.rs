//! `export`: models and protocols as files that other programs read. ONNX graphs come with a probe: pictures and what the model itself
//! makes of them, so that anyone can check that another runtime computes the same.

mod graphs;
mod probe;
mod protocol;

pub use protocol::Protocol;

use crate::backend::Device;
use crate::checkpoint::{self, MODEL_FILE};
use crate::engine::network::Network;
use crate::error::Result;
use crate::files;
use crate::formats::lfw_bin;
use crate::formats::safetensors::{canonical_json, to_bytes};
use crate::tasks::{Context, output};
use graphs::Net;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub what: What,
    pub out: PathBuf,
}

/// What is written. A model is a run, a checkpoint or a model file.
#[derive(Clone, Debug)]
pub enum What {
    /// A graph and a probe of each network that the model has; the seed is that of the probe's faces.
    Onnx { model: PathBuf, seed: u64 },
    /// The weights, with all that is known about the model in their metadata.
    Safetensors { model: PathBuf },
    /// Pairs and their faces as a verification pack.
    Bin(Protocol),
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Exported {
    /// What computed the probes; none were computed where there is none.
    pub device: Option<String>,
    pub out: PathBuf,
    /// Names of the files in `out`.
    pub files: Vec<String>,
}

/// Exports a model or a protocol; files of those names that are there already are replaced.
///
/// # Errors
/// `Input` for models, lists and pictures that are wrong, `Output` and `Io` for a place that cannot be written, `Numeric` for a model
/// whose results are not finite.
pub fn export(context: &Context, request: &Request) -> Result<Exported> {
    let out = &request.out;
    files::check_folder(out)?;
    let (device, files) = match &request.what {
        What::Onnx { model, seed } => {
            let device = context.open_device()?;
            (Some(device.info().name), onnx(context, &device, model, *seed)?)
        }
        What::Safetensors { model } => (None, safetensors(model)?),
        What::Bin(protocol) => {
            let (name, pack) = protocol.read(context)?;
            files::make_folder(out)?;
            lfw_bin::write(&out.join(&name), &pack)?;
            return Ok(Exported { device: None, out: out.clone(), files: vec![name] });
        }
    };
    files.iter().try_for_each(|(name, bytes)| output::write(&out.join(name), bytes))?;
    let files = files.into_iter().map(|(name, _)| name).collect();
    Ok(Exported { device, out: out.clone(), files })
}

/// A file's name and its bytes.
type Named = (String, Vec<u8>);

/// A model with its metadata: what its own file says, and the calibration beside it.
fn load(model: &Path) -> Result<(Network, Json)> {
    let network = Network::load(model)?;
    let weights = checkpoint::resolve_model(model)?;
    let mut metadata = network.metadata();
    if let Some(calibration) = network.calibration(Some(&weights))? {
        metadata["calibration"] = json!(calibration);
    }
    Ok((network, metadata))
}

/// The weights.
fn safetensors(model: &Path) -> Result<Vec<Named>> {
    let (network, metadata) = load(model)?;
    Ok(vec![(MODEL_FILE.to_owned(), to_bytes(network.tensors(), &metadata)?)])
}

/// Each network and its probe.
fn onnx(context: &Context, device: &Arc<dyn Device>, model: &Path, seed: u64) -> Result<Vec<Named>> {
    let (network, metadata) = load(model)?;
    let metadata = canonical_json(&metadata);
    let mut files = Vec::new();
    for net in Net::of(&network.model) {
        context.check_stopped()?;
        let graph = graphs::graph(net, &network)?;
        let bytes = graph.to_bytes(&description(net), &[("hallucinet", &metadata)]);
        files.push((format!("{}.onnx", net.name()), bytes));
        files.push((format!("{}.probe.npz", net.name()), probe::probe(device, &network, net, seed)?));
    }
    Ok(files)
}

/// What a person has to know to use the file.
fn description(net: Net) -> String {
    let (height, width) = net.source().size();
    let mut text = format!("image: f32 [N, 3, {height}, {width}], RGB (not BGR), network units (u8 - 127.5) / 128.");
    if net.hallucinates() {
        text += " hallucinated: [N, 3, 112, 96] in the same units, unrounded; u8 = clamp(floor(128 v + 128), 0, 255).";
    }
    if net.recognizes() {
        text += " features: [N, features], not normalised; faces are compared by their cosine.";
    }
    text
}
