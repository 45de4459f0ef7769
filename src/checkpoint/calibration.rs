//! `calibration.json` beside a model's weights, or within an exported model: from which cosine on two faces are the same person's, at
//! which rate of false accepts that was found, on which pairs and for which weights. It knows the file and its numbers; how they are
//! found is nobody's here.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;

/// Its name.
const CALIBRATION_FILE: &str = "calibration.json";
/// No calibration is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// What the file says. `calibrate` writes every field; a file written by hand needs the threshold alone, and what it does not say is
/// taken to fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calibration {
    /// Cosine from which two faces are the same person's.
    pub threshold: Option<f64>,
    /// Its 95 % interval: order statistics of the cosines of different people, the pairs taken as independent.
    pub interval: Option<[f64; 2]>,
    /// The rate of false accepts that was asked for.
    pub far: Option<f64>,
    /// The rate of false accepts of the pairs at the threshold, and Wilson's 95 % interval of it.
    pub far_measured: Option<f64>,
    pub far_interval: Option<[f64; 2]>,
    /// The rate of true accepts of the pairs at the threshold, and Wilson's 95 % interval of it.
    pub tar: Option<f64>,
    pub tar_interval: Option<[f64; 2]>,
    /// Pairs of one person and of two.
    pub pairs_same: Option<u64>,
    pub pairs_different: Option<u64>,
    /// SHA-256 of the list of pairs, as `sha256sum` prints it.
    pub pairs_sha256: Option<String>,
    /// `hr` or `lr`: what the recogniser got.
    pub input: Option<String>,
    /// Whether features were `[f(x), f(flip x)]`.
    pub mirror: Option<bool>,
    /// SHA-256 of the model's file.
    pub model_sha256: Option<String>,
}

impl Calibration {
    /// The calibration beside a weights file, where there is one.
    ///
    /// # Errors
    /// `Input` for a file that is none, `Io`.
    pub fn beside(weights: &Path) -> Result<Option<Calibration>> {
        let path = file(weights);
        let wrong =
            |what: String| Error::Input(format!("{}: {what}; calibrate again, or give --threshold", path.display()));
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("cannot read", &path)(error)),
        };
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(Error::io("cannot read", &path))?;
        let document = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("not JSON ({error})")))?;
        Calibration::from_json(document, &path.display().to_string()).map(Some)
    }

    /// What a document says that was found in `place`.
    ///
    /// # Errors
    /// `Input` for a document that is no calibration.
    pub fn from_json(document: serde_json::Value, place: &str) -> Result<Calibration> {
        let wrong = |what: String| Error::Input(format!("{place}: {what}; calibrate again, or give --threshold"));
        let calibration: Calibration =
            serde_json::from_value(document).map_err(|error| wrong(format!("not a calibration ({error})")))?;
        match calibration.threshold {
            Some(threshold) if !(-1.0..=1.0).contains(&threshold) => {
                Err(wrong(format!("its threshold is no cosine: {threshold}")))
            }
            _ => Ok(calibration),
        }
    }

    /// Writes it beside a weights file, whole; gives its path.
    ///
    /// # Errors
    /// `Io`, with an older one as it was.
    pub fn write(&self, weights: &Path) -> Result<PathBuf> {
        let path = file(weights);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::Output(format!("{}: cannot be written: {error}", path.display())))?;
        files::write(&path, (text + "\n").as_bytes())?;
        Ok(path)
    }

    /// The threshold for features that are mirrored or not, of pictures that go in as `inputs` say (`hr`, `lr`); nothing where there is
    /// none, and half a sentence of what it was made for where that is something else.
    pub fn threshold_for(&self, mirror: bool, inputs: &[&str]) -> std::result::Result<Option<f64>, String> {
        let other = self.input.as_deref().filter(|input| inputs.iter().any(|other| other != input));
        match (self.threshold, self.mirror, other) {
            (None, ..) => Ok(None),
            (_, Some(true), _) if !mirror => Err("[f(x), f(flip x)]; leave --no-mirror out".to_owned()),
            (_, Some(false), _) if mirror => Err("f(x) alone; give --no-mirror".to_owned()),
            (_, _, Some(input)) => Err(format!("--input {input}, and these pictures go in otherwise")),
            (threshold, ..) => Ok(threshold),
        }
    }
}

/// Where the calibration of a weights file lies.
fn file(weights: &Path) -> PathBuf {
    files::folder_of(weights).join(CALIBRATION_FILE)
}
