//! The files that `export` wrote.

use super::Answer;
use crate::tasks::export::Exported;
use serde_json::json;

/// Which, and where.
pub fn export(exported: &Exported) -> Answer {
    let out = exported.out.display().to_string();
    let text = format!("exported {} -> {out}", exported.files.join(", "));
    Answer { text, json: json!({ "device": exported.device, "out": out, "files": exported.files }), code: 0 }
}
