//! `verify`: do two pictures show the same person? The cosine of their features against a threshold, where there is one.

use crate::checkpoint;
use crate::data::folder::Found;
use crate::error::{Error, Result};
use crate::metrics::verification::cosine;
use crate::tasks::Context;
use crate::tasks::network::Network;
use crate::tasks::pictures::{self, Pictures, Preparation, Ways};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The calibration beside a model's weights.
pub const CALIBRATION_FILE: &str = "calibration.json";
/// No calibration is larger, in bytes.
const LARGEST: u64 = 1 << 20;

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

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
    pub cosine: f64,
    pub threshold: Option<f64>,
    /// `cosine >= threshold`; nothing where there is no threshold.
    pub same: Option<bool>,
}

/// Compares two pictures; warns where nothing says what is alike enough.
///
/// # Errors
/// `Input` for pictures, lists, models and calibrations that are wrong, `Numeric` for features that have no cosine.
pub fn verify(context: &Context, request: &Request) -> Result<Verified> {
    let device = context.open_device()?;
    let network = Network::load(&request.model)?;
    pictures::needs_recognizer(&network, &request.model)?;
    let threshold = match request.threshold {
        Some(threshold) => Some(threshold),
        None => calibrated(&checkpoint::resolve_model(&request.model)?)?,
    };
    let preparation = Preparation::new(&network.model, &request.ways)?;
    let found = [&request.first, &request.second].map(|path| found(path));
    let pictures = Pictures::check(context, preparation, found.into())?;
    let (rows, width) = pictures::features(context, &device, &network, &pictures, request.mirror)?;
    let (first, second) = rows.split_at(width);
    let cosine = cosine(first, second)?;
    if threshold.is_none() {
        context.listener.warn(&format!(
            "{} is not calibrated, so nothing says from which cosine on it is the same person: give --threshold T",
            request.model.display()
        ));
    }
    Ok(Verified { cosine, threshold, same: threshold.map(|threshold| cosine >= threshold) })
}

fn found(path: &Path) -> Found {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Found { name, path: path.to_owned() }
}

/// The threshold of the calibration beside a weights file, where there is one.
fn calibrated(weights: &Path) -> Result<Option<f64>> {
    let path = checkpoint::atomic::folder_of(weights).join(CALIBRATION_FILE);
    let wrong =
        |what: String| Error::Input(format!("{}: {what}; calibrate again, or give --threshold", path.display()));
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("cannot read", &path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes).map_err(Error::io("cannot read", &path))?;
    let document: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("not a calibration ({error})")))?;
    match document.get("threshold") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(threshold) => match threshold.as_f64().filter(|threshold| (-1.0..=1.0).contains(threshold)) {
            Some(threshold) => Ok(Some(threshold)),
            None => Err(wrong(format!("its threshold is no cosine: {threshold}"))),
        },
    }
}
