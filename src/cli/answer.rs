//! What a command answers: text for a person and the JSON of the contract, made from what its task found.

use crate::tasks::train;
use serde_json::{Value, json};

/// One answer in both forms.
pub struct Answer {
    pub text: String,
    pub json: Value,
}

/// The end of a training run.
pub fn train(finished: &train::Finished) -> Answer {
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
    }
}
