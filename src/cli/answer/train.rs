//! The end of a training run.

use super::Answer;
use crate::tasks::train::{Finished, Rehearsed};
use serde_json::json;

/// Steps, time, speed and last losses.
pub fn train(finished: &Finished) -> Answer {
    let run = finished.run.display().to_string();
    // A run that was finished already is found so in no time.
    let how = match finished.images_per_second > 0.0 {
        true => format!(" in {:.0} s ({:.1} img/s)", finished.seconds, finished.images_per_second),
        false => ", all of them before".to_owned(),
    };
    Answer {
        text: format!("trained  {} steps{how}: {}\nmodel    {run}/model.safetensors", finished.steps, finished.losses),
        json: json!({
            "steps": finished.steps,
            "seconds": finished.seconds,
            "images_per_second": finished.images_per_second,
            "losses": finished.losses.to_json(),
            "run": run,
        }),
        code: 0,
    }
}

/// What a run would train.
pub fn rehearsed(rehearsed: &Rehearsed) -> Answer {
    let Rehearsed { device, pictures, identities, stages } = rehearsed;
    let steps: u64 = stages.iter().map(|stage| stage.steps).sum();
    let each: Vec<String> =
        stages.iter().map(|stage| format!("{} {} of {} pictures", stage.mode, stage.steps, stage.batch)).collect();
    let stages: Vec<serde_json::Value> = stages
        .iter()
        .map(|stage| json!({ "mode": stage.mode.to_string(), "steps": stage.steps, "batch": stage.batch }))
        .collect();
    Answer {
        text: format!(
            "dry run  {pictures} pictures of {identities} identities, {steps} steps: {}; nothing was trained or written",
            each.join(", ")
        ),
        json: json!({
            "dry_run": true,
            "device": device,
            "pictures": pictures,
            "identities": identities,
            "steps": steps,
            "stages": stages,
        }),
        code: 0,
    }
}
