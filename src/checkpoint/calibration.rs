//! `calibration.json` beside a model's weights: from which cosine on two faces are the same person's. It reads that one number.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::files;

/// Its name.
pub const CALIBRATION_FILE: &str = "calibration.json";
/// No calibration is larger, in bytes.
const LARGEST: u64 = 1 << 20;

/// The threshold of the calibration beside a weights file, where there is one.
///
/// # Errors
/// `Input` for a calibration that is none, `Io`.
pub fn threshold(weights: &Path) -> Result<Option<f64>> {
    let path = files::folder_of(weights).join(CALIBRATION_FILE);
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
