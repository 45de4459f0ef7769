//! A model and its weights, and its networks on a device: what everything that uses a trained network shares. Knows batches of
//! pixels of the right size; how pictures become such is [`super::picture`]'s.

use crate::backend::Device;
use crate::checkpoint::{self, Calibration};
use crate::data::image::mirrored;
use crate::error::{Error, Result};
use crate::files;
use crate::formats::safetensors::{self, Contents, Tensor, Tensors};
use crate::graph::{Plan, Program, Times, largest_batch};
use crate::model::config::{Config, Precision};
use crate::model::{self, Inference, Model, Parameter, Source, hallucinator};
use crate::shape::HR;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model and its weights, in memory.
#[derive(Clone, Debug)]
pub struct Network {
    pub model: Model,
    /// Shared by clones, since they may be hundreds of MiB.
    tensors: Arc<Tensors>,
    /// Of an exported model, whose metadata has it.
    calibration: Option<Calibration>,
    /// Where it was read from.
    file: Option<PathBuf>,
}

impl Network {
    /// Reads what `--model` names: a run, a checkpoint or the file. Every tensor must be there and of the right shape.
    pub fn load(path: &Path) -> Result<Self> {
        let file = checkpoint::resolve_model(path)?;
        let place = file.display().to_string();
        let network = Network::from_contents(safetensors::read(&file)?, &place)?;
        Ok(Network { file: Some(file), ..network })
    }

    /// As [`Network::load`], from contents that were read already.
    pub fn from_contents(contents: Contents, place: &str) -> Result<Self> {
        let wrong = |what: String| Error::Input(format!("{place}: {what}"));
        let metadata = contents.metadata.ok_or_else(|| wrong("not a model of this program (no metadata)".into()))?;
        let config = Config::from_model_json(&metadata, place)?;
        let part = |name: &str| metadata["parts"][name].as_bool().unwrap_or(false);
        let identities = metadata["identities"].as_u64().unwrap_or(0);
        let model = Model {
            config,
            has_hallucinator: part("hallucinator"),
            has_recognizer: part("recognizer"),
            identities: usize::try_from(identities).unwrap_or(0),
        };
        if !model.has_hallucinator && !model.has_recognizer {
            return Err(wrong("the metadata names neither a hallucinator nor a recogniser".into()));
        }
        let rows = contents.tensors.get("center_loss.centers").map_or(0, |centers| centers.shape[0]);
        if model.has_recognizer && (model.identities < 2 || rows != model.identities) {
            return Err(wrong(format!("the metadata says {identities} identities, the centers are {rows}")));
        }
        let parameters = model.parameters();
        for parameter in parameters.iter() {
            fitting(&contents.tensors, parameter, place)?;
        }
        if let Some(extra) = contents.tensors.keys().find(|name| !parameters.iter().any(|p| p.name == **name)) {
            return Err(wrong(format!("it has a tensor that its networks do not: {extra}")));
        }
        let calibration = metadata.get("calibration").cloned();
        let calibration = calibration.map(|document| Calibration::from_json(document, place)).transpose()?;
        Ok(Network { calibration, ..Network::new(model, contents.tensors) })
    }

    /// From a model and its parameters as files order them.
    pub fn new(model: Model, tensors: Tensors) -> Self {
        Network { model, tensors: Arc::new(tensors), calibration: None, file: None }
    }

    /// This network, to be computed in a precision: what its filters and activations are rounded to on the device. Where nothing is
    /// said it stays as it is, which is f32 for one that was read.
    pub fn in_precision(mut self, precision: Option<Precision>) -> Self {
        let train = &mut self.model.config.train;
        train.precision = precision.unwrap_or(train.precision);
        self
    }

    /// What the model says about itself: a pure function of its configuration, its parts and their extents.
    pub fn metadata(&self) -> serde_json::Value {
        let mut metadata = self.model.config.model_json();
        metadata["parts"] =
            json!({ "hallucinator": self.model.has_hallucinator, "recognizer": self.model.has_recognizer });
        metadata["identities"] = json!(self.model.identities);
        metadata
    }

    /// The bytes of `model.safetensors`: a pure function of the weights and the model's configuration.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        safetensors::to_bytes(&self.tensors, &self.metadata())
    }

    /// What tells this model from every other: the SHA-256 of its file.
    pub fn fingerprint(&self) -> Result<String> {
        Ok(files::sha256(&self.to_bytes()?))
    }

    /// Whether [`Network::fingerprint`] is this one. The file that the network was read from usually has it, and need not be made again
    /// in memory to find out.
    pub fn is(&self, fingerprint: &str) -> Result<bool> {
        let of_file = self.file.as_deref().map(files::sha256_of_file).transpose()?;
        Ok(of_file.as_deref() == Some(fingerprint) || self.fingerprint()? == fingerprint)
    }

    /// The calibration of this network: the one beside the weights' file it was read from, else the one in its metadata.
    ///
    /// # Errors
    /// `Input` for a calibration that is wrong or was made for other weights, `Io`.
    pub fn calibration(&self, weights: Option<&Path>) -> Result<Option<Calibration>> {
        let beside = weights.map(Calibration::beside).transpose()?.flatten();
        let found = beside.or_else(|| self.calibration.clone());
        if let Some(other) = found.as_ref().and_then(|found| found.model_sha256.as_deref())
            && !self.is(other)?
        {
            return Err(Error::Input(format!(
                "{}: its calibration was made for other weights; calibrate again, or give --threshold",
                weights.unwrap_or(Path::new("the model in memory")).display()
            )));
        }
        Ok(found)
    }

    /// This network's recogniser behind another network's hallucinator, or behind bicubic.
    pub fn behind(&self, hallucinator: Option<&Network>) -> Network {
        let mut model = Model { has_hallucinator: hallucinator.is_some(), ..self.model.clone() };
        let mut tensors = Tensors::clone(&self.tensors);
        tensors.retain(|name, _| !name.starts_with(hallucinator::PREFIX));
        if let Some(other) = hallucinator {
            let (ours, theirs) = (&mut model.config.model, &other.model.config.model);
            ours.hallucinator = theirs.hallucinator;
            ours.hallucinator_channels = theirs.hallucinator_channels;
            ours.hallucinator_units = theirs.hallucinator_units;
            let front = other.tensors.iter().filter(|(name, _)| name.starts_with(hallucinator::PREFIX));
            tensors.extend(front.map(|(name, tensor)| (name.clone(), tensor.clone())));
        }
        Network::new(model, tensors)
    }

    /// The parameters by name, in the order of files.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// Puts the networks on a device for batches of up to `batch` pictures.
    pub fn on(&self, device: &Arc<dyn Device>, source: Source, batch: usize) -> Result<Runner> {
        let runner = Runner::new(device, &self.model, source, batch)?;
        self.write(&self.model, &runner)?;
        Ok(runner)
    }

    /// Copies the weights that a model of this network's parts has to a runner of that model.
    fn write(&self, model: &Model, runner: &Runner) -> Result<()> {
        let numbers = |parameter: &Parameter| parameter.to_memory(&self.tensors[&parameter.name].data);
        model.inference_parameters().write(&runner.program, numbers)
    }

    /// Gives the weights to a runner of this network. Each array is dropped once the device has it, so that the weights are never
    /// in memory twice; where a clone of this network has them as well, they stay.
    fn give(mut self, runner: &Runner) -> Result<()> {
        let model = self.model.clone();
        let Some(own) = Arc::get_mut(&mut self.tensors) else { return self.write(&model, runner) };
        let parameters = model.inference_parameters();
        own.retain(|name, _| parameters.iter().any(|parameter| parameter.name == *name));
        parameters.placed().try_for_each(|placed @ (parameter, _)| match own.remove(&parameter.name) {
            Some(tensor) => parameters.write_one(&runner.program, placed, parameter.to_memory(&tensor.data)),
            None => Err(Error::Shape(format!("the model has no parameter {}", parameter.name))),
        })
    }
}

/// A network on a device for as many kinds of pictures and batches as are asked for. Once its whole graph is there, its weights are
/// there alone.
pub struct Runners {
    device: Arc<dyn Device>,
    model: Model,
    /// Until the device has all of it.
    waiting: Option<Network>,
    list: Vec<Runner>,
}

/// What is run: everything, or the hallucinator alone on LR, which is half the work where no features are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Whole(Source),
    Hallucination,
}

impl Work {
    /// The pictures that go in.
    pub fn source(self) -> Source {
        match self {
            Work::Whole(source) => source,
            Work::Hallucination => Source::Lr,
        }
    }
}

impl Runners {
    /// Of a network that gets to the device with the first pictures.
    pub fn new(network: Network, device: Arc<dyn Device>) -> Self {
        Runners { device, model: network.model.clone(), waiting: Some(network), list: Vec::new() }
    }

    /// The one for some work and a batch.
    ///
    /// # Errors
    /// `Memory`, `Device`.
    pub fn get(&mut self, work: Work, batch: usize) -> Result<&Runner> {
        let source = work.source();
        let has_recognizer = self.model.has_recognizer && work != Work::Hallucination;
        let model = Model { has_recognizer, ..self.model.clone() };
        let wanted = (source, batch, model.has_recognizer);
        let known = self.list.iter().position(|runner| (runner.source, runner.batch, runner.features > 0) == wanted);
        let index = match known {
            Some(index) => index,
            None => {
                let runner = self.another(&model, source, batch)?;
                self.list.push(runner);
                self.list.len() - 1
            }
        };
        self.list.get(index).ok_or_else(|| Error::Shape("no such runner".into()))
    }

    fn another(&mut self, model: &Model, source: Source, batch: usize) -> Result<Runner> {
        let whole = model.has_recognizer == self.model.has_recognizer;
        let lost = || Error::Device("the weights did not get to the device: load the model again".into());
        match self.waiting.as_ref() {
            Some(network) => {
                // Given away only once there is memory for them: after a refusal a smaller batch may be tried.
                let runner = Runner::new(&self.device, model, source, batch)?;
                match whole {
                    true => self.waiting.take().ok_or_else(lost)?.give(&runner)?,
                    false => network.write(model, &runner)?,
                }
                Ok(runner)
            }
            None => {
                let mut there = self.list.iter().filter(|there| (there.features > 0) == self.model.has_recognizer);
                there.next().ok_or_else(lost)?.beside(model, source, batch)
            }
        }
    }
}

/// Numbers of a feature, 0 without a recogniser.
fn features(model: &Model) -> usize {
    if model.has_recognizer { model.config.model.features } else { 0 }
}

/// Takes memory for the plan of `batch` pictures. Where the device's own memory is too small, says how much is needed, how much is free
/// and which batch fits; that one is computed from plans (`bytes` tells what the plan of a batch takes), not by trying.
///
/// # Errors
/// `Memory`, `Device`.
pub fn load(
    device: &Arc<dyn Device>,
    plan: Plan,
    batch: usize,
    bytes: impl Fn(usize) -> Result<usize>,
) -> Result<Program> {
    let needed = plan.memory_bytes();
    let fits = device.info().memory.is_none_or(|memory| needed <= memory.free);
    if fits {
        match Program::new(Arc::clone(device), plan) {
            Err(Error::Memory(_)) => {}
            loaded => return loaded,
        }
    }
    let info = device.info();
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    // What was refused although it should have fitted does not fit: only less than it may.
    let (free, total) = info.memory.map_or((0, 0), |memory| (memory.free, memory.total));
    let advice = match largest_batch(batch.saturating_sub(1), free.min(needed), bytes)? {
        0 => "not even one picture fits".to_owned(),
        fits => format!("the largest batch that fits is {fits}"),
    };
    Err(Error::Memory(format!(
        "{}: out of memory: a batch of {batch} needs {} MiB, {} of {} MiB are free; {advice}",
        info.name,
        mib(needed),
        mib(free),
        mib(total)
    )))
}

/// The tensor of a parameter, if it is there and of its shape.
pub fn fitting<'a>(tensors: &'a Tensors, parameter: &Parameter, place: &str) -> Result<&'a Tensor> {
    let name = &parameter.name;
    let tensor = tensors.get(name).ok_or_else(|| Error::Input(format!("{place}: it has no {name}")))?;
    if tensor.shape != parameter.file_shape {
        let (there, wanted) = (&tensor.shape, &parameter.file_shape);
        return Err(Error::Input(format!("{place}: {name} is {there:?}, the configuration makes it {wanted:?}")));
    }
    Ok(tensor)
}

/// A network on a device.
pub struct Runner {
    program: Program,
    values: Inference,
    source: Source,
    batch: usize,
    features: usize,
}

/// Bytes of one picture that goes in.
pub fn picture_bytes(source: Source) -> usize {
    let (height, width) = source.size();
    3 * height * width
}

/// What comes out for some pictures.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// `[n, 112, 96, 3]` in network units, unrounded.
    pub pictures: Vec<f32>,
    /// `[n, features]`; empty without a recogniser.
    pub features: Vec<f32>,
}

impl Runner {
    /// Memory and launches, without the weights.
    fn new(device: &Arc<dyn Device>, model: &Model, source: Source, batch: usize) -> Result<Self> {
        let (graph, values) = model::inference(model, source, batch)?;
        let bytes = |batch| Ok(model::inference(model, source, batch)?.0.plan().memory_bytes());
        let program = load(device, graph.plan(), batch, bytes)?;
        Ok(Runner { program, values, source, batch, features: features(model) })
    }

    /// Another runner with the weights of this one, for a model of the same parts or without its recogniser.
    fn beside(&self, model: &Model, source: Source, batch: usize) -> Result<Self> {
        let (graph, values) = model::inference(model, source, batch)?;
        let program = Program::beside(&self.program, graph.plan(), model.inference_parameters().bytes())?;
        Ok(Runner { program, values, source, batch, features: features(model) })
    }

    /// Features of each picture (none without a recogniser), with `mirror` those of the picture and of its mirror image one after the
    /// other; and what the recogniser saw of the pictures themselves, as in [`Outputs`].
    pub fn embed(&self, pixels: &[u8], mirror: bool) -> Result<(Vec<Vec<f32>>, Vec<f32>)> {
        let outputs = self.run(pixels)?;
        if self.features == 0 {
            return Ok((Vec::new(), outputs.pictures));
        }
        let mut features: Vec<Vec<f32>> = outputs.features.chunks_exact(self.features).map(<[f32]>::to_vec).collect();
        if mirror {
            let second = self.run(&mirrored(pixels, self.source.size().1))?.features;
            let rows = features.iter_mut().zip(second.chunks_exact(self.features));
            rows.for_each(|(row, second)| row.extend_from_slice(second));
        }
        Ok((features, outputs.pictures))
    }

    /// Runs any number of pictures, rows of RGB pixels one after the other, batch by batch. A picture's result does not depend
    /// on the others in its batch.
    pub fn run(&self, pixels: &[u8]) -> Result<Outputs> {
        let mut outputs = Outputs::default();
        let size = picture_bytes(self.source);
        for pixels in pixels.chunks(self.batch * size) {
            let count = pixels.len() / size;
            self.write(pixels)?;
            self.program.run()?;
            let pictures: Vec<f32> = self.program.read(self.values.pictures)?;
            outputs.pictures.extend_from_slice(&pictures[..count * 3 * HR.0 * HR.1]);
            if let Some(features) = self.values.features {
                let features: Vec<f32> = self.program.read(features)?;
                outputs.features.extend_from_slice(&features[..count * self.features]);
            }
        }
        Ok(outputs)
    }

    /// Runs one batch of pictures, or less, and adds the time of every layer.
    pub fn run_timed(&self, pixels: &[u8], times: &mut Times) -> Result<()> {
        self.write(pixels)?;
        self.program.run_timed(times)
    }

    /// Brings pictures to the device; what they leave of the batch is black.
    fn write(&self, pixels: &[u8]) -> Result<()> {
        let mut whole = pixels.to_vec();
        whole.resize(self.batch * picture_bytes(self.source), 0);
        self.program.write(self.values.pixels, &whole)
    }
}

/// Network units back to u8: `128 v + 127.5`, rounded half up, clamped.
pub fn to_pixels(units: &[f32]) -> Vec<u8> {
    units.iter().map(|v| (f64::from(*v) * 128.0 + 128.0).floor().clamp(0.0, 255.0) as u8).collect()
}
