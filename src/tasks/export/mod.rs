//! `export`: a model as files that other programs read. ONNX graphs come with a probe: pictures and what the model itself makes of
//! them, so that anyone can check that another runtime computes the same.

mod graphs;
mod probe;

use crate::backend::Device;
use crate::engine::network::Network;
use crate::error::Result;
use crate::files;
use crate::formats::safetensors::canonical_json;
use crate::tasks::{Context, output};
use graphs::Net;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A file and a probe for each network that the model has.
    Onnx,
    /// The weights, with all that is known about the model in their metadata.
    Safetensors,
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A run, a checkpoint or a model file.
    pub model: PathBuf,
    pub format: Format,
    pub out: PathBuf,
    /// Of the faces that the probe draws.
    pub seed: u64,
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

/// Exports a model; files of those names that are there already are replaced.
///
/// # Errors
/// `Input` for a model that is wrong, `Output` and `Io` for a place that cannot be written, `Numeric` for a model whose results are
/// not finite.
pub fn export(context: &Context, request: &Request) -> Result<Exported> {
    files::check_folder(&request.out)?;
    let (device, files) = match request.format {
        Format::Onnx => {
            let device = context.open_device()?;
            let network = Network::load(&request.model)?;
            (Some(device.info().name), onnx(context, &device, &network, request.seed)?)
        }
        Format::Safetensors => {
            let network = Network::load(&request.model)?;
            (None, vec![("model.safetensors".to_owned(), network.to_bytes()?)])
        }
    };
    write(&request.out, &files)?;
    let files = files.into_iter().map(|(name, _)| name).collect();
    Ok(Exported { device, out: request.out.clone(), files })
}

/// Each network and its probe.
fn onnx(context: &Context, device: &Arc<dyn Device>, network: &Network, seed: u64) -> Result<Vec<(String, Vec<u8>)>> {
    let metadata = canonical_json(&network.metadata());
    let mut files = Vec::new();
    for net in Net::of(&network.model) {
        context.check_stopped()?;
        let graph = graphs::graph(net, network)?;
        let bytes = graph.to_bytes(&description(net), &[("hallucinet", &metadata)]);
        files.push((format!("{}.onnx", net.name()), bytes));
        files.push((format!("{}.probe.npz", net.name()), probe::probe(device, network, net, seed)?));
    }
    Ok(files)
}

/// What a person has to know to use the file.
fn description(net: Net) -> String {
    let (height, width) = graphs::size(net.source());
    let mut text = format!("image: f32 [N, 3, {height}, {width}], RGB (not BGR), network units (u8 - 127.5) / 128.");
    if net.hallucinates() {
        text += " hallucinated: [N, 3, 112, 96] in the same units, unrounded; u8 = clamp(floor(128 v + 128), 0, 255).";
    }
    if net.recognizes() {
        text += " features: [N, features], not normalised; faces are compared by their cosine.";
    }
    text
}

/// Writes the files, each whole or not at all.
fn write(out: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    files.iter().try_for_each(|(name, bytes)| output::write(&out.join(name), bytes))
}
