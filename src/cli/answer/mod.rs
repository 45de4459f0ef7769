//! What a command answers: text for a person and the JSON of the contract, made from what its task found. One file per task.

mod ablate;
mod calibrate;
mod data;
mod demo;
mod doctor;
mod embed;
mod eval;
mod export;
mod hallucinate;
mod identify;
mod import;
mod measure;
mod train;
mod verify;

pub use ablate::{ablate, ablation_plan};
pub use calibrate::calibrate;
pub use data::{check, degrade, info, pack, synth};
pub use demo::demo;
pub use doctor::doctor;
pub use embed::embed;
pub use eval::eval;
pub use export::export;
pub use hallucinate::hallucinate;
pub use identify::identify;
pub use import::import;
pub use measure::{bench, plan};
pub use train::{rehearsed, train};
pub use verify::verify;

use serde_json::Value;

/// One answer in both forms.
pub struct Answer {
    pub text: String,
    pub json: Value,
    /// 0; 1 where the answer is no, 3 where there is none or what was looked at is wrong, 6 where a self-test failed.
    pub code: i32,
}
