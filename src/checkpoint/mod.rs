//! Everything a training run leaves on disk, written so that a machine that stops at any moment loses at most the last
//! checkpoint. It knows files and named arrays, and neither networks nor losses.
//!
//! * [`save`], [`latest`]: `checkpoints/step-N/{model,optimizer}.safetensors, state.json`.
//! * [`Run`]: the run folder: configuration, origin, metrics, last good model; one writer at a time.
//! * [`resolve_model`]: from what the user gives as `--model` to the weights file; [`Calibration`]: the threshold beside it.

mod calibration;
mod metrics;
mod run;
mod state;
mod steps;

pub use calibration::Calibration;
pub use metrics::{EVENTS_FILE, Metrics};
pub use run::{CONFIG_FILE, Origin, Run, resolve_model};
pub use state::{Stamp, State};
pub use steps::{Checkpoint, Found, latest, save};

/// Weights, centers and metadata of a model, in a checkpoint and in a run folder.
pub const MODEL_FILE: &str = "model.safetensors";
/// Momentum of every parameter.
pub const OPTIMIZER_FILE: &str = "optimizer.safetensors";
/// Where the run stood, and the checksums of the two files beside it.
pub const STATE_FILE: &str = "state.json";
/// The folder of checkpoints within a run folder.
pub const CHECKPOINTS: &str = "checkpoints";
