//! The answer of `verify`: 0 the same person, 1 not, 3 where nothing says what is alike enough.

use super::Answer;
use crate::tasks::verify::Verified;
use serde_json::json;

/// The cosine, and what it means.
pub fn verify(verified: &Verified) -> Answer {
    let Verified { cosine, threshold, same } = *verified;
    let (verdict, code) = match same {
        Some(true) => ("same", 0),
        Some(false) => ("not the same", 1),
        None => ("no threshold to judge by", 3),
    };
    let against = threshold.map_or(String::new(), |threshold| format!(", threshold {threshold:.4}"));
    Answer {
        text: format!("{verdict}: cosine {cosine:.4}{against}"),
        json: json!({ "cosine": cosine, "threshold": threshold, "same": same }),
        code,
    }
}
