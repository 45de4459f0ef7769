//! What `data synth`, `pack`, `info`, `check` and `degrade` found or made.

use super::Answer;
use crate::cli::console::printable;
use crate::tasks::check::{Checked, Near, Suspect};
use crate::tasks::inspect::{Contents, PackInfo};
use crate::tasks::{degrade, synth};
use serde_json::{Value, json};
use std::path::Path;

/// Findings listed in the text; the JSON has them all.
const LISTED: usize = 20;

/// What was drawn.
pub fn synth(request: &synth::Request) -> Answer {
    let (identities, images) = (request.identities, request.images);
    Answer {
        text: format!("drew     {identities} people, {images} pictures each -> {}", request.out.display()),
        json: json!({
            "out": request.out.display().to_string(),
            "identities": identities,
            "pictures": identities.saturating_mul(images),
            "seed": request.seed,
            "siblings": request.siblings,
            "sheet": request.sheet.as_ref().map(|sheet| sheet.display().to_string()),
        }),
        code: 0,
    }
}

/// What was packed.
pub fn pack(info: &PackInfo, out: &Path) -> Answer {
    let mut json = of_pack(info);
    json["out"] = json!(out.display().to_string());
    Answer {
        text: format!("packed   {} faces of {} identities -> {}", info.faces, info.identities, out.display()),
        json,
        code: 0,
    }
}

/// What is there.
pub fn info(contents: &Contents) -> Answer {
    Answer { text: describe(contents), json: of_contents(contents), code: 0 }
}

/// What is there, what is wrong with it (exit code 3), and what is suspicious.
pub fn check(checked: &Checked) -> Answer {
    let wrong = &checked.wrong;
    let mut json = of_contents(&checked.contents);
    if let (Value::Object(all), Value::Object(found)) = (&mut json, checked.to_json()) {
        all.extend(found);
    }
    let verdict = match wrong.len() {
        0 => "all of it was read, nothing is wrong".to_owned(),
        1 => "1 thing is wrong".to_owned(),
        many => format!("{many} things are wrong"),
    };
    let mut lines = vec![describe(&checked.contents), format!("checked  {verdict}")];
    list(&mut lines, "wrong   ", wrong.iter().map(|what| printable(what)));
    let tiny = checked.tiny.iter();
    list(
        &mut lines,
        "tiny    ",
        tiny.map(|tiny| format!("{} is {}x{}", printable(&tiny.picture), tiny.width, tiny.height)),
    );
    let same = checked.duplicates.iter();
    list(&mut lines, "same    ", same.map(|names| printable(&names.join(", "))));
    let near = checked.near.iter();
    let alike = |near: &Near| {
        let names = if near.two_names { ", under two names" } else { "" };
        format!("{}, {}: {} of 256 bits differ{names}", printable(&near.a), printable(&near.b), near.bits)
    };
    list(&mut lines, "alike   ", near.map(alike));
    let label = |suspect: &Suspect| {
        let Suspect { picture, cosine, nearer_to, nearer_cosine, .. } = suspect;
        let (picture, nearer_to) = (printable(picture), printable(nearer_to));
        format!("{picture}: cosine {cosine:.4} to its own, {nearer_cosine:.4} to {nearer_to}")
    };
    match &checked.suspects {
        Some(suspects) => list(&mut lines, "label?  ", suspects.iter().map(label)),
        None => lines.push("labels   not judged: that takes --model and a folder for every person".to_owned()),
    }
    lines.extend(checked.out.as_ref().map(|out| format!("report   {}", out.join("report.html").display())));
    Answer { text: lines.join("\n"), json, code: if wrong.is_empty() { 0 } else { 3 } }
}

/// A line a finding, the first [`LISTED`] of a kind.
fn list(lines: &mut Vec<String>, kind: &str, findings: impl ExactSizeIterator<Item = String>) {
    let total = findings.len();
    lines.extend(findings.take(LISTED).map(|what| format!("{kind} {what}")));
    if total > LISTED {
        lines.push(format!("         and {} more, see --json", total - LISTED));
    }
}

/// What was degraded.
pub fn degrade(images: usize, request: &degrade::Request) -> Answer {
    let flavour = format!("{:?}", request.flavour).to_lowercase();
    let scale = request.scale;
    Answer {
        text: format!("degraded {images} pictures by {scale} ({flavour}) -> {}", request.out.display()),
        json: json!({
            "images": images,
            "out": request.out.display().to_string(),
            "scale": scale,
            "flavour": flavour,
            "sheet": request.sheet.as_ref().map(|sheet| sheet.display().to_string()),
        }),
        code: 0,
    }
}

fn describe(contents: &Contents) -> String {
    let Contents { pictures, identities, .. } = contents;
    let mut text = match contents.of_identity {
        Some((fewest, most)) => format!("pictures {pictures} of {identities} identities, {fewest} to {most} each"),
        None => format!("pictures {pictures} of nobody in particular"),
    };
    if let Some((same, different)) = contents.pairs {
        text += &format!("\npairs    {same} of one person, {different} of two");
    }
    if let Some(PackInfo { version, bytes, origin, .. }) = &contents.pack {
        text += &format!("\npack     version {version}, {bytes} bytes, faces cut by {}", origin.alignment);
        text += &format!("\ndecoders {}", origin.decoders);
        if origin.centre_cuts > 0 {
            text += &format!(
                "\ncentre   {} of them were cut in the centre for want of anything better",
                origin.centre_cuts
            );
        }
    }
    text
}

fn of_contents(contents: &Contents) -> Value {
    let (fewest, most) = contents.of_identity.unzip();
    json!({
        "pictures": contents.pictures,
        "identities": contents.identities,
        "pictures_per_identity": { "min": fewest, "max": most },
        "pack": contents.pack.as_ref().map(of_pack),
        "pairs": contents.pairs.map(|(same, different)| json!({ "same": same, "different": different })),
    })
}

fn of_pack(info: &PackInfo) -> Value {
    json!({
        "version": info.version,
        "faces": info.faces,
        "identities": info.identities,
        "bytes": info.bytes,
        "alignment": info.origin.alignment,
        "decoders": info.origin.decoders,
        "sources": info.origin.sources,
        "centre_cuts": info.origin.centre_cuts,
    })
}
