//! Weights from elsewhere as a model of ours: the center-loss authors' caffemodel, or arrays in safetensors under the
//! same names. The configuration follows from the shapes; what does not fit is named.

use super::Request;
use crate::checkpoint::MODEL_FILE;
use crate::engine::network::{Network, fitting};
use crate::error::{Error, Result};
use crate::files::NewFolder;
use crate::formats::caffemodel;
use crate::formats::safetensors::{self, Tensor, Tensors};
use crate::model::config::Config;
use crate::model::{Model, Part};
use std::path::PathBuf;

/// The convolutions that widen, and their channels in the published net.
const WIDENING: [(&str, usize); 5] = [("conv1a", 32), ("conv1b", 64), ("conv2", 128), ("conv3", 256), ("conv4", 512)];
const CENTERS: &str = "center_loss.centers";
/// Identities of a classifier that is not there: the fewest that can be told apart.
const NOBODY: usize = 2;

/// The order of the channels that weights were trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    Rgb,
    Bgr,
}

/// The model that was written.
#[derive(Clone, Debug)]
pub struct Imported {
    pub out: PathBuf,
    pub recognizer_width: f64,
    pub features: usize,
    pub identities: usize,
    /// The order of the channels that the weights were trained on; the model's own is RGB.
    pub channels: Channels,
    /// What a user should know.
    pub notes: Vec<String>,
}

/// Imports a caffemodel, whose pictures are BGR unless the command line says otherwise.
pub fn of_caffemodel(request: &Request) -> Result<Imported> {
    let place = request.file.display();
    let mut tensors = Tensors::new();
    for layer in caffemodel::read(&request.file)? {
        for (index, blob) in layer.blobs.into_iter().enumerate() {
            let name = match (layer.name.as_str(), index) {
                ("center_loss", 0) => CENTERS.to_owned(),
                (name, 0) => format!("recognizer.{name}.weight"),
                (name, 1) => format!("recognizer.{name}.bias"),
                (name, _) => {
                    return Err(Error::Input(format!("{place}: layer {name} has more than weights and biases")));
                }
            };
            if tensors.insert(name, blob).is_some() {
                return Err(Error::Input(format!("{place}: it has two layers called {}", layer.name)));
            }
        }
    }
    write(request, tensors, Channels::Bgr)
}

/// Imports safetensors whose arrays have our names, with or without the prefix `recognizer.`, or PyTorch's `module.`.
pub fn of_safetensors(request: &Request) -> Result<Imported> {
    let place = request.file.display();
    let contents = safetensors::read(&request.file)?;
    if contents.metadata.is_some() {
        return Err(Error::Input(format!("{place} is a model of this program already: give it to --model as it is")));
    }
    let mut tensors = Tensors::new();
    for (name, tensor) in contents.tensors {
        let bare = name.strip_prefix("module.").unwrap_or(&name);
        let ours = match bare.starts_with("recognizer.") || bare == CENTERS {
            true => bare.to_owned(),
            false => format!("recognizer.{bare}"),
        };
        if tensors.insert(ours, tensor).is_some() {
            return Err(Error::Input(format!("{place}: it has two arrays called {bare}")));
        }
    }
    write(request, tensors, Channels::Rgb)
}

fn write(request: &Request, tensors: Tensors, usual: Channels) -> Result<Imported> {
    let channels = request.channels.unwrap_or(usual);
    let (network, notes) = network(request, tensors, channels)?;
    let folder = NewFolder::create(&request.out)?;
    folder.write(&folder.path().join(MODEL_FILE), &network.to_bytes()?)?;
    folder.publish()?;
    let Model { config, identities, .. } = network.model;
    Ok(Imported {
        out: request.out.clone(),
        recognizer_width: config.model.recognizer_width,
        features: config.model.features,
        identities,
        channels,
        notes,
    })
}

/// The recogniser that arrays of our names make.
fn network(request: &Request, mut given: Tensors, channels: Channels) -> Result<(Network, Vec<String>)> {
    let place = request.file.display().to_string();
    let wrong = |what: String| Error::Input(format!("{place}: {what}"));
    let rows = |name: &str| -> Result<usize> {
        let shape = given.get(name).map(|tensor| tensor.shape.as_slice());
        let shape = shape.ok_or_else(|| wrong(format!("it has no {name}, so it is not the center-loss network")))?;
        let rows = if shape.len() == 4 && shape.starts_with(&[1, 1]) { shape.get(2) } else { shape.first() };
        rows.copied().filter(|rows| *rows > 0).ok_or_else(|| wrong(format!("{name} is {shape:?}")))
    };
    let mut config = Config::default();
    let channels_of = WIDENING.map(|(layer, published)| Ok((rows(&format!("recognizer.{layer}.weight"))?, published)));
    config.model.recognizer_width = width(&channels_of.into_iter().collect::<Result<Vec<_>>>()?);
    config.model.features = rows("recognizer.fc5.weight")?;
    config.data.crop = request.cut.crop;
    config.data.landmarks = request.cut.landmarks.as_ref().map(|list| list.to_string_lossy().into_owned());
    let config = Config::from_model_json(&config.model_json(), &place)?;
    let identities = rows("recognizer.fc6.weight").or_else(|_| rows(CENTERS)).unwrap_or(NOBODY);
    let model = Model { config, has_hallucinator: false, has_recognizer: true, identities };
    let mut notes = Vec::new();
    let mut tensors = Tensors::new();
    for parameter in model.parameters().iter() {
        let optional = parameter.part == Part::Centers || parameter.name.starts_with("recognizer.fc6.");
        if optional && !given.contains_key(&parameter.name) {
            notes.push(format!(
                "note     {place} has no {}: it is 0 in the model, and train --init has to begin it afresh",
                parameter.name
            ));
            let tensor = Tensor { shape: parameter.file_shape.clone(), data: vec![0.0; parameter.shape.elements()] };
            tensors.insert(parameter.name.clone(), tensor);
            continue;
        }
        if let Some(tensor) = given.get_mut(&parameter.name) {
            drop_leading_ones(&mut tensor.shape, parameter.file_shape.len());
        }
        fitting(&given, parameter, &place)?;
        tensors.extend(given.remove_entry(&parameter.name));
    }
    check_rest(&given).map_err(wrong)?;
    if channels == Channels::Bgr
        && let Some(first) = tensors.get_mut("recognizer.conv1a.weight")
    {
        reverse_inputs(first);
    }
    Ok((Network::new(model, tensors), notes))
}

/// What is left must say nothing: the recipe has biases on the convolutions of residual units, which never learn
/// and stay 0.
fn check_rest(given: &Tensors) -> std::result::Result<(), String> {
    for (name, tensor) in given {
        let residual = name.starts_with("recognizer.conv") && name.contains('_') && name.ends_with(".bias");
        if !residual {
            return Err(format!("it has {name}, and this network has no such layer"));
        }
        if tensor.data.iter().any(|bias| *bias != 0.0) {
            return Err(format!("{name} is not 0, and this network has no bias there"));
        }
    }
    Ok(())
}

/// Caffe's old files give every array four extents, the first ones 1.
fn drop_leading_ones(shape: &mut Vec<usize>, wanted: usize) {
    let spare = shape.len().saturating_sub(wanted);
    let ones = shape.iter().take(spare).take_while(|extent| **extent == 1).count();
    shape.drain(..ones);
}

/// OIHW with the input channels the other way round.
fn reverse_inputs(filter: &mut Tensor) {
    let [_, inputs, height, width] = filter.shape[..] else { return };
    for filter in filter.data.chunks_exact_mut((inputs * height * width).max(1)) {
        let channels: Vec<f32> = filter.rchunks_exact((height * width).max(1)).flatten().copied().collect();
        filter.copy_from_slice(&channels);
    }
}

/// The number that scales the published channels to these: the ratio that all layers have, else the shortest decimal
/// number that rounds to each of them; where there is none, the ratio of the widest layer.
fn width(channels: &[(usize, usize)]) -> f64 {
    let ratio = channels.last().map_or(1.0, |(there, published)| *there as f64 / *published as f64);
    if channels.iter().all(|(there, published)| *published as f64 * ratio == *there as f64) {
        return ratio;
    }
    let low = |(there, published): &(usize, usize)| match there {
        1 => 0.0,
        _ => (*there as f64 - 0.5) / *published as f64,
    };
    let high = |(there, published): &(usize, usize)| (*there as f64 + 0.5) / *published as f64;
    let low = channels.iter().map(low).fold(0.0, f64::max);
    let high = channels.iter().map(high).fold(f64::INFINITY, f64::min);
    let mut decimals = (0..=6).map(|digits| {
        let unit = 10f64.powi(digits);
        ((low + high) / 2.0 * unit).round() / unit
    });
    decimals.find(|width| (low..high).contains(width) && *width > 0.0).unwrap_or(ratio)
}
