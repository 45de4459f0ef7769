//! `eval`: how well a model tells people apart on a list of pairs or finds them in a gallery, and how well it restores pictures.
//!
//! The order of work: model file, device, lists, pictures, and only then computing. Every picture goes through each network
//! once (twice where features are of the picture and its mirror image), however many pairs it is in.

mod features;
mod identification;
mod mistakes;
mod output;
mod pictures;
mod protocol;
mod restoration;
mod verification;

pub use identification::{Identification, Share};
pub use mistakes::Mistake;
pub use output::{fraction, report};
pub use restoration::{Quality, Restoration, Score, Sides};
pub use verification::{Scored, Transform, Verification};

use crate::backend::Device;
use crate::data::align::{Alignment, Crop, Landmarks};
use crate::data::faces;
use crate::data::splits::Splits;
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::files;
use crate::graph::Times;
use crate::metrics;
use crate::model::Source;
use crate::model::config::Precision;
use crate::report::grid::{self, Noted, Sheet, Tile};
use crate::shape::{HR, LR};
use crate::tasks::Context;
use crate::tasks::train::{alignment, beside};
use pictures::Pictures;
use protocol::Protocol;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a sheet, spread evenly over the pictures.
const SAMPLES: usize = 8;

/// What is to be scored, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A run, a checkpoint or a model file.
    pub model: PathBuf,
    /// In what it is computed; f32 where nothing is said.
    pub precision: Option<Precision>,
    /// A pack, a folder of pictures, or another program's file of them.
    pub data: PathBuf,
    /// Pairs in the format of LFW's `pairs.txt` or YouTube Faces' `splits.txt`; without them, those of a verification pack; without any
    /// only restoration is scored.
    pub pairs: Option<PathBuf>,
    /// One fold of the pairs, counted from 1, cross-fitted within itself.
    pub fold: Option<usize>,
    /// Score a gallery of so many pictures a person, instead of pairs and restoration.
    pub gallery: Option<usize>,
    /// What the recogniser gets; by the pictures' size where it is not said.
    pub input: Option<Source>,
    /// A new or empty folder for scores, curves and pictures.
    pub out: Option<PathBuf>,
    /// Whether features are `[f(x), f(flip x)]`.
    pub mirror: bool,
    /// What is done to features before they are compared.
    pub transform: Transform,
    /// Whether pairs that lack a picture are left out; otherwise they are an error.
    pub allow_missing: bool,
    /// Takes the place of the model's own cut.
    pub crop: Option<[usize; 4]>,
    /// Takes the place of the model's own landmarks; relative to the data folder or its parent.
    pub landmarks: Option<PathBuf>,
}

/// What `eval` found out.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The name of the device.
    pub device: String,
    /// Nothing where no pairs were given.
    pub verification: Option<Verification>,
    /// Nothing where no gallery was asked for.
    pub identification: Option<Identification>,
    /// Nothing where the pictures are of low resolution, so that there is nothing to compare with.
    pub restoration: Option<Restoration>,
    /// A few pictures for a sheet.
    pub samples: Vec<Sample>,
    /// The worst mistakes, where there is a report to show them.
    pub mistakes: Vec<Mistake>,
    /// Of one batch from 24x28, likewise.
    pub times: Times,
}

/// One picture in all its forms, RGB rows.
#[derive(Clone, Debug)]
pub struct Sample {
    /// 24x28.
    pub low: Vec<u8>,
    /// 96x112.
    pub bicubic: Vec<u8>,
    /// 96x112, by a model that has a hallucinator.
    pub hallucinated: Option<Vec<u8>>,
    /// 96x112, where there is an original.
    pub high: Option<Vec<u8>>,
    /// How near to the original, where that was asked.
    pub quality: Option<Quality>,
}

impl Sample {
    /// LR, bicubic, hallucinated and HR as tiles, those that there are, with PSNR and the cosine to HR under those that are restored.
    fn tiles(&self) -> Vec<Noted<'_>> {
        let tile = |(height, width): (usize, usize), rgb| Tile { width, height, rgb };
        let under = |pixels: Option<&metrics::Restoration>, identity: Option<f64>| {
            pixels.map_or(String::new(), |pixels| note(pixels.psnr_rgb, identity))
        };
        let quality = self.quality.as_ref();
        let bicubic = under(quality.map(|q| &q.pixels.bicubic), quality.and_then(|q| q.identity.bicubic));
        let hallucinated =
            under(quality.and_then(|q| q.pixels.hallucinated.as_ref()), quality.and_then(|q| q.identity.hallucinated));
        let mut tiles = vec![(tile(LR, &self.low), String::new()), (tile(HR, &self.bicubic), bicubic)];
        tiles.extend(self.hallucinated.iter().map(|rgb| (tile(HR, rgb), hallucinated.clone())));
        tiles.extend(self.high.iter().map(|rgb| (tile(HR, rgb), String::new())));
        tiles
    }
}

/// What stands under a restored picture: PSNR[RGB], and the cosine to the original, `27.4dB cos 0.83`.
pub fn note(psnr: f64, identity: Option<f64>) -> String {
    match identity {
        Some(cosine) => format!("{psnr:.1}dB cos {cosine:.2}"),
        None => format!("{psnr:.2} dB"),
    }
}

impl Evaluation {
    /// The document of the contract, and `identification` where a gallery was asked for.
    pub fn to_json(&self) -> Json {
        let mut document = json!({
            "device": self.device,
            "verification": self.verification.as_ref().map(Verification::to_json),
            "restoration": self.restoration.as_ref().map(Restoration::to_json),
        });
        if let Some(identification) = &self.identification {
            document["identification"] = identification.to_json();
        }
        document
    }

    /// LR, bicubic, hallucinated and HR side by side, without the columns that this evaluation does not have; PSNR[RGB] and the cosine to
    /// HR are under the tiles.
    ///
    /// # Errors
    /// Those of [`grid::sheet`].
    pub fn sheet(&self) -> Result<Sheet> {
        let rows: Vec<Vec<Noted>> = self.samples.iter().map(Sample::tiles).collect();
        let mut captions = vec!["LR", "bicubic"];
        captions.extend(self.samples.iter().any(|sample| sample.hallucinated.is_some()).then_some("hallucinated"));
        captions.extend(self.samples.iter().any(|sample| sample.high.is_some()).then_some("HR"));
        grid::noted(&captions, &rows)
    }
}

/// Scores a model and writes the details where the request names a folder for them.
///
/// # Errors
/// `Input` for what is wrong with model, lists or pictures, `Output` where the folder is not empty, `Numeric` where a feature is
/// not finite, `Interrupted` when the user stopped; nothing is written then.
pub fn eval(context: &Context, request: &Request) -> Result<Evaluation> {
    request.out.iter().try_for_each(|out| files::check_new(out))?;
    let network = Network::load(&request.model)?.in_precision(request.precision);
    let device = context.open_device()?;
    let evaluation = score(context, &device, &network, request)?;
    if let Some(out) = &request.out {
        output::write(out, request, &evaluation)?;
    }
    Ok(evaluation)
}

/// As [`eval`], with a model and a device that are there already; writes nothing.
///
/// # Errors
/// As [`eval`].
pub fn score(context: &Context, device: &Arc<dyn Device>, network: &Network, request: &Request) -> Result<Evaluation> {
    if request.pairs.is_some() && !network.model.has_recognizer {
        return Err(Error::Input(format!(
            "{}: this model has no recogniser, so it cannot verify pairs; leave --pairs out to score restoration",
            request.model.display()
        )));
    }
    if let Some(images) = request.gallery {
        return find(context, device, network, request, images);
    }
    let source = faces::Source::open_plain(&request.data)?;
    let protocol = match (&request.pairs, source.pairs()) {
        (Some(path), _) => Some(Protocol::open(path, request, source.listing())?),
        (None, Some(pairs)) if network.model.has_recognizer => {
            Some(Protocol::within(pairs, &request.data, source.listing())?)
        }
        (None, _) => None,
    };
    if let Some(protocol) = &protocol {
        verification::check(protocol, request.transform, width(network, request.mirror))?;
    }
    let rows = protocol.as_ref().map_or_else(|| (0..source.listing().len()).collect(), |pairs| pairs.rows());
    let pictures = pictures::open(context, source, &rows, request, || cut(network, request))?;
    let input = input(request, &pictures, protocol.is_some())?;
    let shown = request.out.is_some();
    let plan = features::Plan { network, device, mirror: request.mirror, samples: SAMPLES, timed: shown };
    let found = plan.run(context, &pictures)?;
    let verification = match protocol {
        Some(protocol) => {
            let features = protocol.pool(found.features(input))?;
            Some(verification::score(&protocol, &features, request.transform, input, request.mirror)?)
        }
        None => None,
    };
    let mistakes = match verification.as_ref().filter(|_| shown) {
        Some(verification) => mistakes::worst(&plan, &pictures, verification)?,
        None => Vec::new(),
    };
    Ok(Evaluation {
        device: device.info().name,
        verification,
        identification: None,
        restoration: Restoration::new(&pictures, found.qualities, request.mirror),
        samples: found.samples,
        mistakes,
        times: found.times,
    })
}

/// Looks for everybody's other pictures in a gallery of `images` of each.
fn find(
    context: &Context,
    device: &Arc<dyn Device>,
    network: &Network,
    request: &Request,
    images: usize,
) -> Result<Evaluation> {
    crate::tasks::pictures::needs_recognizer(network, &request.model)?;
    let listing = faces::Source::open(&request.data)?.listing().clone();
    let plan = identification::Plan::new(&request.data, &listing, images)?;
    let rows: Vec<usize> = (0..listing.len()).collect();
    let (input, features) = embed_rows(context, device, network, request, &rows)?;
    Ok(Evaluation {
        device: device.info().name,
        verification: None,
        identification: Some(plan.score(&listing, &features, input, request.mirror)?),
        restoration: None,
        samples: Vec::new(),
        mistakes: Vec::new(),
        times: Times::default(),
    })
}

/// The features of some pictures of a pack or a folder of identity folders (rows of its listing, ascending), and nothing else.
///
/// # Errors
/// As [`eval`].
pub fn embed(
    context: &Context,
    device: &Arc<dyn Device>,
    network: &Network,
    request: &Request,
    rows: &[usize],
) -> Result<Vec<Vec<f32>>> {
    embed_rows(context, device, network, request, rows).map(|(_, features)| features)
}

fn embed_rows(
    context: &Context,
    device: &Arc<dyn Device>,
    network: &Network,
    request: &Request,
    rows: &[usize],
) -> Result<(Source, Vec<Vec<f32>>)> {
    let source = faces::Source::open(&request.data)?;
    let pictures = pictures::open(context, source, rows, request, || cut(network, request))?;
    let input = input(request, &pictures, true)?;
    let plan = features::Plan { network, device, mirror: request.mirror, samples: 0, timed: false };
    Ok((input, plan.embed(context, &pictures, input)?))
}

/// Scored pairs, before anybody asks for a threshold.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub input: Source,
    /// Cosine of each pair, and whether it is one person.
    pub scores: Vec<f64>,
    pub same: Vec<bool>,
    /// Pairs in question, also those that lack a picture.
    pub total: usize,
    /// The list of the pairs, see [`Protocol::text`].
    pub listed: String,
}

/// Compares the pairs of a list of pictures, or those that come with the data, or every two pictures; nothing else of the request is
/// scored. `demand` may refuse the pairs, of which it sees whether they are one person, before anything is computed.
///
/// # Errors
/// As [`eval`], and those of `demand`.
pub fn compare(
    context: &Context,
    device: &Arc<dyn Device>,
    network: &Network,
    request: &Request,
    demand: impl FnOnce(&[bool]) -> Result<()>,
) -> Result<Comparison> {
    let (source, protocol) = match &request.pairs {
        Some(path) => {
            let source = faces::Source::open_plain(&request.data)?;
            if Splits::recognises(path)? {
                return Err(Error::Usage(format!(
                    "{}: pairs of clips, and what is asked for is of single pictures; give a list as LFW's pairs.txt",
                    path.display()
                )));
            }
            let protocol = Protocol::open(path, request, source.listing())?;
            (source, protocol)
        }
        None => everybody(&request.data)?,
    };
    let same = protocol.same();
    demand(&same)?;
    let pictures = pictures::open(context, source, &protocol.rows(), request, || cut(network, request))?;
    let input = input(request, &pictures, true)?;
    let plan = features::Plan { network, device, mirror: request.mirror, samples: 0, timed: false };
    let features = protocol.pool(&plan.embed(context, &pictures, input)?)?;
    Ok(Comparison { input, scores: protocol.cosines(&features)?, same, total: protocol.total, listed: protocol.text() })
}

/// The pairs that come with a verification pack, else every two pictures of a pack or a folder of identity folders.
fn everybody(data: &Path) -> Result<(faces::Source, Protocol)> {
    let source = faces::Source::open_any(data)?;
    let protocol = match source.pairs() {
        Some(pairs) => Protocol::within(pairs, data, source.listing())?,
        None => Protocol::of_everybody(data, source.listing())?,
    };
    Ok((source, protocol))
}

/// Numbers of a feature that is compared.
fn width(network: &Network, mirror: bool) -> usize {
    network.model.config.model.features * if mirror { 2 } else { 1 }
}

/// How faces are cut: as the command line says, else as the model does.
fn cut(network: &Network, request: &Request) -> Result<Alignment> {
    let find = |list: &Path| Landmarks::read(&beside(&request.data, list)).map(Alignment::Landmarks);
    match (request.crop, &request.landmarks) {
        (Some(crop), _) => Ok(Alignment::Crop(Crop::from(crop))),
        (None, Some(list)) => find(list),
        (None, None) => alignment(&network.model.config.data, &request.data),
    }
}

/// What the recogniser gets, by what was asked for and the pictures' size; `compared` says whether there are pairs to compare.
fn input(request: &Request, pictures: &Pictures, compared: bool) -> Result<Source> {
    let low = matches!(pictures, Pictures::Low { .. });
    let place = request.data.display();
    match (low, request.input) {
        (true, Some(Source::Hr)) => Err(Error::Input(format!(
            "{place}: pictures of 24x28 have no high resolution; leave --input hr out, or give the originals"
        ))),
        (true, _) if !compared => Err(Error::Input(format!(
            "{place}: there is nothing to compare pictures of 24x28 with; give --pairs, or the originals"
        ))),
        (true, _) => Ok(Source::Lr),
        (false, input) => Ok(input.unwrap_or(Source::Hr)),
    }
}
