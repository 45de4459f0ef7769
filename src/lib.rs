//! **hallucinet**: joint face hallucination and recognition (Wu, Ding, Xu, Chao, arXiv 1611.08091) on hand-written kernels.
//!
//! A face seen from far away (28x24) goes through a hallucination network to 112x96 and on through a recognition
//! network to a feature; both are trained together on pixel L2 + softmax + center loss.
//!
//! The crate reads from the top layer to the bottom, and imports point down only (`tests/house.rs` holds them to it):
//!
//! ```text
//! cli -> tasks -> engine -> model -> graph -> ops -> backend
//! ffi ------------^    \-> data, metrics, checkpoint, formats (tasks: report as well)
//! ```
//!
//! * [`cli`]: arguments to a typed command; the only place that prints.
//! * [`tasks`]: one file per verb the user types.
//! * [`engine`]: a trained model on a device, for programs that have one inside; the commands use it too. `ffi`: the same for C.
//! * [`model`]: the networks' layer tables, their configuration and initial values; no kernels.
//! * [`graph`]: values and nodes, reverse mode, the planner, the one loop over launches; no arithmetic.
//! * [`ops`]: one room per op: shapes, launches, gradient, host arithmetic.
//! * [`backend`]: a device knows bytes and launches, and has never heard of a convolution.
//! * [`data`]: image files to aligned crops to batches. [`metrics`]: pure functions of slices.
//! * [`checkpoint`], [`formats`]: files, written atomically, read with suspicion. [`report`]: pictures and curves in one HTML file.
//! * [`error`], [`files`], [`shape`], [`random`], [`resample`]: leaves that everyone may import and that import nothing of the crate.
//!
//! Activations live in memory as NHWC, filters as OHWI; files hold the world's NCHW and OIHW.

pub mod backend;
pub mod checkpoint;
pub mod cli;
pub mod data;
pub mod engine;
pub mod error;
pub mod ffi;
pub mod files;
pub mod formats;
pub mod graph;
pub mod metrics;
pub mod model;
pub mod ops;
pub mod random;
pub mod report;
pub mod resample;
pub mod shape;
pub mod tasks;

pub use engine::{Device, Engine, Image};
pub use error::{Error, Result};
