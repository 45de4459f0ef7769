//! The features that `embed` wrote.

use super::Answer;
use crate::tasks::embed::Embedded;
use serde_json::json;

/// How many, how wide, where.
pub fn embed(embedded: &Embedded) -> Answer {
    let ([rows, columns], out) = (embedded.features, embedded.out.display().to_string());
    Answer {
        text: format!("embedded {rows} pictures, {columns} numbers each -> {out}"),
        json: json!({
            "device": embedded.device,
            "features": embedded.features,
            "names": embedded.names,
            "out": out,
        }),
        code: 0,
    }
}
