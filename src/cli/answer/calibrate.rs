//! The threshold that `calibrate` found, with how far it may be trusted.

use super::Answer;
use crate::tasks::calibrate::Calibrated;
use serde_json::json;

/// The calibration as it was written, and where.
pub fn calibrate(calibrated: &Calibrated) -> Answer {
    let Calibrated { device, calibration, pairs_used, pairs_total, out } = calibrated;
    let mut json = json!(calibration);
    json["device"] = json!(device);
    json["pairs_used"] = json!(pairs_used);
    json["pairs_total"] = json!(pairs_total);
    json["out"] = json!(out.display().to_string());
    // `calibrate` fills every field.
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let ends = |interval: Option<[f64; 2]>| interval.unwrap_or([f64::NAN; 2]);
    let percent = |share: Option<f64>, interval: Option<[f64; 2]>| {
        let [low, high] = ends(interval).map(|share| 100.0 * share);
        format!("{:.3} %, 95 % interval {low:.3} to {high:.3} %", 100.0 * number(share))
    };
    let [low, high] = ends(calibration.interval);
    let features = if calibration.mirror == Some(true) { "[f(x), f(flip x)]" } else { "f(x)" };
    Answer {
        text: format!(
            "calibrated  the same person from cosine {:.4} on, 95 % interval {low:.4} to {high:.4}\n  \
             at FAR      {}, input {}, cosine of {features}\n  \
             pairs       {pairs_used} of {pairs_total}: {} of one person, {} of two\n  \
             FAR         {}\n  TAR         {}\n  kept in     {}",
            number(calibration.threshold),
            number(calibration.far),
            calibration.input.as_deref().unwrap_or("-"),
            calibration.pairs_same.unwrap_or(0),
            calibration.pairs_different.unwrap_or(0),
            percent(calibration.far_measured, calibration.far_interval),
            percent(calibration.tar, calibration.tar_interval),
            out.display()
        ),
        json,
        code: 0,
    }
}
