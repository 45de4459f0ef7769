//! A trained model on a device, for programs that have one inside: pictures in memory to features, to sharper pictures, to an answer.
//!
//! ```no_run
//! use hallucinet::{Device, Engine, Image};
//! # fn main() -> hallucinet::Result<()> {
//! let engine = Engine::load("run")?.on(Device::best())?;
//! let rgb = vec![0; 3 * 96 * 112];
//! let face = Image::new(96, 112, &rgb)?;
//! let features = engine.embed(&[face, face])?; // two rows
//! let sharper = engine.hallucinate(&[face])?; // 96x112
//! let same = engine.verify(face, face)?.same; // needs a threshold
//! # Ok(())
//! # }
//! ```
//!
//! No global state and, from [`Engine::from_bytes`] on, no file. An engine is `Send + Sync`: any number of threads may share one by
//! reference; their calls take turns, each with the whole device, and give the same bits as from one thread. Whoever wants calls
//! side by side loads an engine a thread, with `Device::cpu().threads(1)`. The commands of the program run on this very code.

pub mod network;
pub mod picture;

pub use crate::model::config::Precision;
pub use picture::{Image, Prepared};

use crate::backend::{self, Choice};
use crate::checkpoint::{self, Calibration};
use crate::data::image::Picture;
use crate::error::{Error, Result};
use crate::formats::safetensors;
use crate::metrics::verification::cosine;
use crate::model::{Model, Source};
use crate::shape::HR;
use network::{Network, Outputs, Runners, Work, picture_bytes, to_pixels};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures that run together where there are many.
const BATCH: usize = 32;

/// Where to compute.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    choice: Choice,
    threads: Option<usize>,
}

impl Device {
    /// The first CUDA device, or the processor where there is none; [`Engine::device`] says which one it is and why.
    pub fn best() -> Self {
        Device { choice: Choice::Auto, threads: None }
    }

    /// The processor, with every core this process may use.
    pub fn cpu() -> Self {
        Device { choice: Choice::Cpu, threads: None }
    }

    /// The CUDA device of this number, never another one instead.
    pub fn cuda(ordinal: usize) -> Self {
        Device { choice: Choice::Cuda(ordinal), threads: None }
    }

    /// With so many threads, should it be the processor; results do not depend on it.
    pub fn threads(self, threads: usize) -> Self {
        Device { threads: Some(threads), ..self }
    }
}

/// A model in memory that is on no device yet.
#[derive(Clone, Debug)]
pub struct Loaded {
    network: Network,
    calibration: Calibrated,
    input: Option<Source>,
}

/// The calibration of a model, or why the one beside it cannot be used.
type Calibrated = std::result::Result<Calibration, String>;

impl Loaded {
    fn new(network: Network, weights: Option<&Path>) -> Self {
        // Only who asks for a verdict need be told that the calibration is another model's.
        let calibration =
            network.calibration(weights).map(Option::unwrap_or_default).map_err(|error| error.to_string());
        Loaded { network, calibration, input: None }
    }

    /// From which cosine on [`Engine::verify`] says that two faces are the same person's; wins over the model's calibration.
    pub fn with_threshold(self, threshold: f64) -> Self {
        Loaded { calibration: Ok(Calibration { threshold: Some(threshold), ..Calibration::default() }), ..self }
    }

    /// What goes into the networks. Where nothing is said 24x28 pictures are low resolution and all others are high.
    pub fn with_input(self, input: Source) -> Self {
        Loaded { input: Some(input), ..self }
    }

    /// In what to compute: f32 where nothing is said; bf16 is faster where the device has it, and less exact.
    pub fn with_precision(self, precision: Precision) -> Self {
        Loaded { network: self.network.in_precision(Some(precision)), ..self }
    }

    /// Opens the device. The networks get there with the first pictures.
    ///
    /// # Errors
    /// `Device` where the one asked for is not there.
    pub fn on(self, device: Device) -> Result<Engine> {
        let (opened, why) = backend::open(device.choice, device.threads)?;
        let Loaded { network, calibration, input } = self;
        Ok(Engine { why, calibration, input, ..Engine::new(network, opened) })
    }
}

/// A model on a device.
pub struct Engine {
    model: Model,
    device: Arc<dyn backend::Device>,
    why: String,
    calibration: Calibrated,
    input: Option<Source>,
    /// Whoever holds the lock has the device to itself.
    runners: Mutex<Runners>,
}

/// Features of pictures, row after row; not normalised.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// Numbers of a row.
    pub width: usize,
    /// `[n, width]`.
    pub values: Vec<f32>,
}

impl Features {
    /// The feature of each picture, in the order of the pictures.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

/// Whether two pictures show the same person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    pub cosine: f64,
    pub threshold: Option<f64>,
    /// `cosine >= threshold`; nothing where there is no threshold.
    pub same: Option<bool>,
}

impl Verified {
    /// Compares two features.
    ///
    /// # Errors
    /// `Numeric` for features that have no cosine, `Shape` for two lengths.
    pub fn new(first: &[f32], second: &[f32], threshold: Option<f64>) -> Result<Self> {
        let cosine = cosine(first, second)?;
        Ok(Verified { cosine, threshold, same: threshold.map(|threshold| cosine >= threshold) })
    }
}

impl Engine {
    /// Reads a run, a checkpoint or a model file, and the calibration beside it.
    ///
    /// # Errors
    /// `Input` for what is not there or no model, `Io`.
    pub fn load(path: impl AsRef<Path>) -> Result<Loaded> {
        let file = checkpoint::resolve_model(path.as_ref())?;
        let network = Network::load(&file)?;
        Ok(Loaded::new(network, Some(&file)))
    }

    /// As [`Engine::load`], from the bytes of a model file; the calibration is the one that an export has in its metadata.
    ///
    /// # Errors
    /// `Input` for bytes that are no model.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Loaded> {
        const PLACE: &str = "the model in memory";
        let contents = safetensors::read_from(PLACE, bytes.len() as u64, &mut bytes)?;
        let network = Network::from_contents(contents, PLACE)?;
        Ok(Loaded::new(network, None))
    }

    /// A model on a device that is open already.
    pub fn new(network: Network, device: Arc<dyn backend::Device>) -> Self {
        let why = "given".to_owned();
        let calibration = Ok(Calibration::default());
        let model = network.model.clone();
        let runners = Mutex::new(Runners::new(network, Arc::clone(&device)));
        Engine { model, device, why, calibration, input: None, runners }
    }

    /// The device's name, what it is, and why it is this one: `cpu (AVX-512, 2 threads): asked for`.
    pub fn device(&self) -> String {
        let info = self.device.info();
        format!("{} ({}): {}", info.name, info.detail, self.why)
    }

    /// Numbers of a feature; nothing without a recogniser.
    pub fn feature_width(&self) -> Option<usize> {
        self.model.has_recognizer.then_some(self.model.config.model.features)
    }

    /// The feature f(x) of each picture.
    ///
    /// # Errors
    /// `Input` for pictures that cannot be prepared and a model without a recogniser, `Numeric` for a feature that is not finite, `Device`.
    pub fn embed(&self, images: &[Image]) -> Result<Features> {
        self.features(&self.prepared(images, self.input)?, false)
    }

    /// The features `[f(x), f(flip x)]` of each picture and its mirror image: what is compared where it matters.
    ///
    /// # Errors
    /// As [`Engine::embed`].
    pub fn embed_mirrored(&self, images: &[Image]) -> Result<Features> {
        self.features(&self.prepared(images, self.input)?, true)
    }

    /// Sharper pictures, 96x112: 24x28 ones as they are, others brought to 24x28 first.
    ///
    /// # Errors
    /// `Input` for pictures that cannot be prepared and a model without a hallucinator, `Numeric`, `Device`.
    pub fn hallucinate(&self, images: &[Image]) -> Result<Vec<Picture>> {
        let prepared = self.prepared(images, Some(Source::Lr))?;
        let units = self.restore(&prepared)?;
        units.chunks_exact(3 * HR.0 * HR.1).map(|units| Picture::new(HR.1, HR.0, to_pixels(units))).collect()
    }

    /// Whether two pictures show the same person, by the cosine of `[f(x), f(flip x)]` and the threshold of
    /// [`Loaded::with_threshold`] or of the model's calibration, where that was made for pictures of this kind.
    ///
    /// # Errors
    /// As [`Engine::embed`], and `Input` where the calibration beside the model is another model's.
    pub fn verify(&self, first: Image, second: Image) -> Result<Verified> {
        let prepared = self.prepared(&[first, second], self.input)?;
        let calibration = self.calibration.as_ref().map_err(|other| Error::Input(other.clone()))?;
        let inputs: Vec<&str> = prepared.iter().map(|picture| picture.source.word()).collect();
        let threshold = calibration.threshold_for(true, &inputs).unwrap_or(None);
        self.compare(&prepared, threshold)
    }

    /// As [`Engine::verify`] with a threshold of the caller's.
    ///
    /// # Errors
    /// As [`Engine::embed`].
    pub fn verify_at(&self, first: Image, second: Image, threshold: f64) -> Result<Verified> {
        self.compare(&self.prepared(&[first, second], self.input)?, Some(threshold))
    }

    fn compare(&self, two: &[Prepared], threshold: Option<f64>) -> Result<Verified> {
        let features = self.features(two, true)?;
        let (first, second) = features.values.split_at(features.width);
        Verified::new(first, second, threshold)
    }

    /// The features of prepared pictures, with those of their mirror images behind them where `mirror` says so.
    ///
    /// # Errors
    /// As [`Engine::embed`].
    pub fn features(&self, prepared: &[Prepared], mirror: bool) -> Result<Features> {
        let single = self
            .feature_width()
            .ok_or_else(|| Error::Input("this model has no recogniser, so it has no features to give".to_owned()))?;
        let width = if mirror { 2 * single } else { single };
        let mut values = vec![0.0; prepared.len() * width];
        for source in [Source::Hr, Source::Lr] {
            let chosen: Vec<usize> = (0..prepared.len()).filter(|i| prepared[*i].source == source).collect();
            for half in 0..width / single {
                let rgb = |i: &usize| match half {
                    0 => prepared[*i].pixels.rgb.clone(),
                    _ => prepared[*i].pixels.mirror().rgb,
                };
                let pixels: Vec<u8> = chosen.iter().flat_map(rgb).collect();
                let features = self.run(Work::Whole(source), &pixels)?.features;
                for (i, feature) in chosen.iter().zip(features.chunks_exact(single)) {
                    let at = i * width + half * single;
                    values[at..at + single].copy_from_slice(feature);
                }
            }
        }
        check_finite(prepared, &values, "its feature is not finite")?;
        Ok(Features { width, values })
    }

    /// What the hallucinator makes of prepared 24x28 pictures: `[n, 112, 96, 3]` in network units, unrounded.
    ///
    /// # Errors
    /// As [`Engine::hallucinate`].
    pub fn restore(&self, prepared: &[Prepared]) -> Result<Vec<f32>> {
        if !self.model.has_hallucinator {
            return Err(Error::Input("this model has no hallucinator: use one that was trained to hallucinate".into()));
        }
        let low: Vec<u8> = prepared.iter().flat_map(|picture| picture.pixels.rgb.iter().copied()).collect();
        let units = self.run(Work::Hallucination, &low)?.pictures;
        check_finite(prepared, &units, "what the model makes of it is not finite")?;
        Ok(units)
    }

    fn prepared(&self, images: &[Image], input: Option<Source>) -> Result<Vec<Prepared>> {
        let data = &self.model.config.data;
        let numbered = images.iter().enumerate();
        numbered.map(|(i, image)| picture::prepare_image(image, &format!("picture {i}"), input, data)).collect()
    }

    /// Runs pictures of one kind: many together, few one by one, since a batch that is mostly empty costs as much as a full one.
    /// A picture's numbers do not depend on the others, but their last bits may on which it was: algorithms are chosen by the batch.
    fn run(&self, work: Work, pixels: &[u8]) -> Result<Outputs> {
        let size = picture_bytes(work.source());
        let mut outputs = Outputs::default();
        // A panic inside a run leaves plain numbers behind, which the next run overwrites.
        let mut runners = self.runners.lock().unwrap_or_else(PoisonError::into_inner);
        for pixels in pixels.chunks(BATCH * size) {
            let batch = if pixels.len() > BATCH / 2 * size { BATCH } else { 1 };
            let found = runners.get(work, batch)?.run(pixels)?;
            outputs.pictures.extend(found.pictures);
            outputs.features.extend(found.features);
        }
        Ok(outputs)
    }
}

/// Refuses numbers that are not finite, by the name of the picture whose they are.
fn check_finite(prepared: &[Prepared], values: &[f32], what: &str) -> Result<()> {
    let width = (values.len() / prepared.len().max(1)).max(1);
    let finite = |row: &[f32]| row.iter().all(|number| number.is_finite());
    match prepared.iter().zip(values.chunks_exact(width)).find(|(_, row)| !finite(row)) {
        Some((Prepared { name, .. }, _)) => {
            Err(Error::Numeric(format!("{name}: {what}: the model's weights are out of range")))
        }
        None => Ok(()),
    }
}
