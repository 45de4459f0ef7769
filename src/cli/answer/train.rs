//! The end of a training run.

use super::Answer;
use crate::tasks::train::Finished;
use serde_json::json;

/// Steps, time, speed and last losses.
pub fn train(finished: &Finished) -> Answer {
    let run = finished.run.display().to_string();
    Answer {
        text: format!(
            "trained  {} steps in {:.0} s ({:.1} img/s): {}\nmodel    {run}/model.safetensors",
            finished.steps, finished.seconds, finished.images_per_second, finished.losses
        ),
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
