//! Pictures that a user gives to a network: which files they are, and how each becomes the 24x28 or 96x112 pixels that go in.
//! Knows files, sizes and a model's way of cutting faces; what comes out of the network is its callers' business.
//!
//! Every picture is read and prepared once before anything is computed, so that a broken one is found before anything is
//! written, and again, some at a time, when its turn comes: no more than [`CHUNK`] of them are in memory.

use crate::backend::Device;
use crate::data::align::{self, Alignment, CentreCuts, Crop, Landmarks};
use crate::data::folder::{self, Found};
use crate::data::image::{self, Picture};
pub use crate::engine::Prepared;
use crate::engine::network::Network;
use crate::engine::{Engine, picture};
use crate::error::{Error, Result};
use crate::model::config::Precision;
use crate::model::{Model, Source, config};
use crate::resample::Flavour;
use crate::tasks::Context;
use crate::tasks::train::beside;
use rayon::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pictures in memory at a time, and the most that run as one batch.
pub const CHUNK: usize = 32;

/// How faces are cut where the command line says so; otherwise the model does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cut {
    /// `[x, y, w, h]`
    pub crop: Option<[usize; 4]>,
    pub landmarks: Option<PathBuf>,
}

/// What the command line says about pictures, besides which they are, and about what is done with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ways {
    /// What goes into the network; by each picture's size where nothing is said.
    pub input: Option<Source>,
    /// The folder that relative landmark lists and the paths in them belong to.
    pub data: Option<PathBuf>,
    pub cut: Cut,
    /// In what the network is computed; f32 where nothing is said.
    pub precision: Option<Precision>,
}

/// How the pictures of one command are prepared for one model.
#[derive(Clone, Debug)]
pub struct Preparation {
    input: Option<Source>,
    /// `--data`, without links.
    data: Option<PathBuf>,
    /// Where there is none, the sentence that says why, for the first picture that needs one.
    alignment: std::result::Result<Alignment, String>,
    flavour: Flavour,
}

impl Preparation {
    /// Reads the lists that the command line or the model names.
    ///
    /// # Errors
    /// `Input` for lists that are wrong or not there.
    pub fn new(model: &Model, ways: &Ways) -> Result<Self> {
        let data = match &ways.data {
            Some(folder) => Some(folder.canonicalize().map_err(|error| {
                Error::Input(format!("--data {}: cannot be used ({error}); check the path", folder.display()))
            })?),
            None => None,
        };
        let alignment = alignment(&model.config.data, ways, data.as_deref())?;
        Ok(Preparation { input: ways.input, data, alignment, flavour: model.config.data.downsample.into() })
    }

    /// Reads a picture and prepares it.
    ///
    /// # Errors
    /// `Input`, naming the picture, where it is none, has no face where the lists say, or is too small for what was asked.
    pub fn prepare(&self, found: &Found) -> Result<Prepared> {
        let place = found.path.display().to_string();
        picture::prepare(image::read(&found.path)?, &place, self.input, self.flavour, |picture| {
            self.cut(picture, found)
        })
    }

    fn cut(&self, picture: &Picture, found: &Found) -> Result<(Picture, bool)> {
        let place = found.path.display();
        let alignment = self.alignment.as_ref().map_err(|reason| Error::Input(format!("{place}: {reason}")))?;
        align::prepare(picture, &self.key(found), alignment)
    }

    /// The name that lists know a picture by: its path under `--data`, or under the input it was found in.
    fn key(&self, found: &Found) -> String {
        let under_data = self.data.as_ref().and_then(|data| {
            let real = found.path.canonicalize().ok()?;
            let parts: Option<Vec<&str>> = real.strip_prefix(data).ok()?.iter().map(|part| part.to_str()).collect();
            parts.map(|parts| parts.join("/"))
        });
        under_data.unwrap_or_else(|| found.name.clone())
    }
}

/// The command line's cut, else the model's.
fn alignment(
    stored: &config::Data,
    ways: &Ways,
    data: Option<&Path>,
) -> Result<std::result::Result<Alignment, String>> {
    let crop = |rectangle: [usize; 4]| Alignment::Crop(Crop::from(rectangle));
    let (list, of_model) = match (&ways.cut, stored) {
        (Cut { crop: Some(rectangle), .. }, _) => return Ok(Ok(crop(*rectangle))),
        (Cut { landmarks: Some(list), .. }, _) => (list.as_path(), false),
        (_, config::Data { crop: Some(rectangle), .. }) => return Ok(Ok(crop(*rectangle))),
        (_, config::Data { landmarks: Some(list), .. }) => (Path::new(list), true),
        _ => return Ok(Ok(Alignment::None)),
    };
    let file = match data {
        Some(folder) => beside(folder, list),
        // A list on the command line may lie where the user is; where the model's was, nobody remembers.
        None if of_model && list.is_relative() => {
            return Ok(Err(format!(
                "the model cuts faces by the landmarks {}: say with --data in which folder they are, or give --crop",
                list.display()
            )));
        }
        None => list.to_owned(),
    };
    Ok(Ok(Alignment::Landmarks(Landmarks::read(&file)?)))
}

/// Pictures that have been read once and can be prepared.
#[derive(Clone, Debug)]
pub struct Pictures {
    found: Vec<Found>,
    sources: Vec<Source>,
    preparation: Preparation,
}

impl Pictures {
    /// Checks every picture; says once that some were cut in the centre.
    ///
    /// # Errors
    /// As [`Preparation::prepare`], for the first picture that is wrong.
    pub fn check(context: &Context, preparation: Preparation, found: Vec<Found>) -> Result<Self> {
        let mut sources = Vec::with_capacity(found.len());
        let mut cuts = CentreCuts::default();
        for chunk in found.chunks(CHUNK) {
            context.check_stopped()?;
            for prepared in prepare_all(&preparation, chunk)? {
                sources.push(prepared.source);
                cuts.add(&prepared.name, prepared.centre_cut);
            }
        }
        let total = found.len();
        let advice = |cut| {
            format!(
                "{cut} of {total} pictures are neither 96x112 nor 24x28 and were cut in the centre: --crop or --landmarks do better"
            )
        };
        cuts.warning(advice).iter().for_each(|warning| context.listener.warn(warning));
        Ok(Pictures { found, sources, preparation })
    }

    /// Which files they are.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// How each goes into the network, in order.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<String> {
        self.found.iter().map(|found| found.name.clone()).collect()
    }

    /// Ranges of pictures that go together, in order.
    pub fn chunks(&self) -> impl Iterator<Item = Range<usize>> {
        let count = self.found.len();
        (0..count).step_by(CHUNK).map(move |first| first..(first + CHUNK).min(count))
    }

    /// Prepares some of them.
    pub fn load(&self, range: Range<usize>) -> Result<Vec<Prepared>> {
        prepare_all(&self.preparation, self.found.get(range).unwrap_or_default())
    }
}

/// In parallel; the error is that of the first picture, whatever thread was first.
fn prepare_all(preparation: &Preparation, found: &[Found]) -> Result<Vec<Prepared>> {
    let all: Vec<Result<Prepared>> = found.par_iter().map(|found| preparation.prepare(found)).collect();
    all.into_iter().collect()
}

/// The pictures that a command's inputs stand for, checked.
///
/// # Errors
/// `Input` for what is not there or no picture, `Usage` for two of one name.
pub fn open(context: &Context, model: &Model, inputs: &[PathBuf], ways: &Ways) -> Result<Pictures> {
    let preparation = Preparation::new(model, ways)?;
    Pictures::check(context, preparation, folder::pictures(inputs)?)
}

/// Refuses a model without a recogniser.
pub fn needs_recognizer(network: &Network, place: &Path) -> Result<()> {
    match network.model.has_recognizer {
        true => Ok(()),
        false => Err(Error::Input(format!(
            "{}: this model has no recogniser, so it has no features to give: use one that was trained to recognise",
            place.display()
        ))),
    }
}

/// The features of all pictures in order, `[n, width]` and the width: f(x) not normalised, and with `mirror` f(flip x) after it,
/// where x is the picture that goes into the network. The network is taken, so that its weights are in memory once.
///
/// # Errors
/// `Numeric`, naming the picture, for a feature that is not finite; `Interrupted`.
pub fn features(
    context: &Context,
    device: &Arc<dyn Device>,
    network: Network,
    pictures: &Pictures,
    mirror: bool,
) -> Result<(Vec<f32>, usize)> {
    let engine = Engine::new(network, Arc::clone(device));
    let total = pictures.found.len() as u64;
    let (mut rows, mut width) = (Vec::new(), 0);
    context.listener.progress("embed", 0, total, 1, "");
    for range in pictures.chunks() {
        context.check_stopped()?;
        let found = engine.features(&pictures.load(range.clone())?, mirror)?;
        rows.extend(found.values);
        width = found.width;
        context.listener.progress("embed", range.end as u64, total, 1, "");
    }
    Ok((rows, width))
}
