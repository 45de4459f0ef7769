//! `verify`: do two pictures show the same person? The cosine of their features against a threshold, where there is one.

use crate::data::folder::Found;
pub use crate::engine::Verified;
use crate::engine::network::Network;
use crate::error::Result;
use crate::tasks::pictures::{self, Pictures, Preparation, Ways};
use crate::tasks::{Context, calibrate};
use std::path::{Path, PathBuf};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub model: PathBuf,
    pub first: PathBuf,
    pub second: PathBuf,
    /// Cosine from which two faces are the same person's; the model's calibration where nothing is said.
    pub threshold: Option<f64>,
    /// Compare [f(x), f(flip x)].
    pub mirror: bool,
    pub ways: Ways,
}

/// Compares two pictures; warns where nothing says what is alike enough.
///
/// # Errors
/// `Input` for pictures, lists, models and calibrations that are wrong, `Numeric` for features that have no cosine.
pub fn verify(context: &Context, request: &Request) -> Result<Verified> {
    let device = context.open_device()?;
    let network = Network::load(&request.model)?.in_precision(request.ways.precision);
    pictures::needs_recognizer(&network, &request.model)?;
    let preparation = Preparation::new(&network.model, &request.ways)?;
    let found = [&request.first, &request.second].map(|path| found(path));
    let pictures = Pictures::check(context, preparation, found.into())?;
    let Request { model, mirror, .. } = request;
    let threshold = calibrate::threshold(context, &network, model, request.threshold, *mirror, pictures.sources())?;
    let (rows, width) = pictures::features(context, &device, network, &pictures, request.mirror)?;
    let (first, second) = rows.split_at(width);
    Verified::new(first, second, threshold)
}

fn found(path: &Path) -> Found {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Found { name, path: path.to_owned() }
}
