//! What a command answers: text for a person and the JSON of the contract, made from what its task found. One file per task.

mod demo;
mod eval;
mod train;

pub use demo::demo;
pub use eval::eval;
pub use train::train;

use serde_json::Value;

/// One answer in both forms.
pub struct Answer {
    pub text: String,
    pub json: Value,
    /// 0, or 1 where the answer is no.
    pub code: i32,
}
