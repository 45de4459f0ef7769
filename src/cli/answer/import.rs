//! What `import` made of another program's file.

use super::Answer;
use crate::tasks::import::{Channels, Imported, Outcome, Unpacked};
use serde_json::json;

/// A model, or pictures.
pub fn import(outcome: &Outcome) -> Answer {
    match outcome {
        Outcome::Model(imported) => model(imported),
        Outcome::Pictures(unpacked) => pictures(unpacked),
    }
}

fn model(imported: &Imported) -> Answer {
    let Imported { recognizer_width, features, identities, .. } = imported;
    let out = imported.out.display().to_string();
    let channels = if imported.channels == Channels::Rgb { "rgb" } else { "bgr" };
    Answer {
        text: format!(
            "imported recogniser, width {recognizer_width}, {features} features, {identities} identities, {channels} \
             -> {out}"
        ),
        json: json!({
            "model": {
                "recognizer_width": recognizer_width,
                "features": features,
                "identities": identities,
                "channels": channels,
            },
            "pictures": null,
            "out": out,
        }),
        code: 0,
    }
}

fn pictures(unpacked: &Unpacked) -> Answer {
    let Unpacked { pictures, identities, .. } = unpacked;
    let out = unpacked.out.display().to_string();
    let whose = match unpacked.pairs {
        Some((folds, pairs)) => format!("{pairs} pairs in {folds} folds"),
        None => format!("{identities} identities"),
    };
    let list = unpacked.pairs.map(|(folds, pairs)| json!({ "folds": folds, "pairs": pairs }));
    Answer {
        text: format!("imported {pictures} pictures, {whose} -> {out}"),
        json: json!({
            "model": null,
            "pictures": { "images": pictures, "identities": identities, "list": list },
            "out": out,
        }),
        code: 0,
    }
}
