//! The folder of details that `eval --out` writes: scores, ROC, pictures, a report. Written whole, at the end.

use super::{Evaluation, Request, Restoration, Verification};
use crate::error::Result;
use crate::files;
use crate::report::charts::{self, Series};
use crate::report::html::Report;
use std::fmt::Write;
use std::path::Path;

/// Writes everything, or nothing.
pub fn write(out: &Path, request: &Request, evaluation: &Evaluation) -> Result<()> {
    let sheet = evaluation.sheet()?.png()?;
    let json = format!("{:#}\n", evaluation.to_json());
    let page = report(request, evaluation)?.render();
    let mut files: Vec<(&str, Vec<u8>)> =
        vec![("sheet.png", sheet), ("eval.json", json.into_bytes()), ("report.html", page.into_bytes())];
    if let Some(verification) = &evaluation.verification {
        let roc = charts::roc("ROC", &[Series::new(verification.input_word(), verification.curve())])?;
        files.push(("roc.svg", roc.svg().as_bytes().to_vec()));
        files.push(("scores.csv", scores(verification).into_bytes()));
    }
    files::check_new(out)?;
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    files::write_folder(out, &files)
}

/// A line a pair; the threshold is the one that answered this pair.
fn scores(verification: &Verification) -> String {
    let mut text = String::from("a,b,same,fold,score,threshold,right\n");
    for pair in &verification.scored {
        let (a, b) = (quoted(&pair.a), quoted(&pair.b));
        let (same, right) = (u8::from(pair.same), u8::from(pair.right()));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{a},{b},{same},{},{},{},{right}", pair.fold, pair.score, pair.threshold);
    }
    text
}

/// A field of CSV (RFC 4180).
fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// The page of an evaluation.
///
/// # Errors
/// `Output` where a chart or a picture cannot be drawn.
pub fn report(request: &Request, evaluation: &Evaluation) -> Result<Report> {
    let (model, data) = (request.model.display().to_string(), request.data.display().to_string());
    let mut page = Report::new("Evaluation");
    page.facts(&[("model", &model), ("data", &data), ("device", &evaluation.device)]);
    if let Some(verification) = &evaluation.verification {
        let rows = verification_rows(verification);
        page.section("Verification").table(&["number", "value"], &rows, &verification.recipe());
        let name = format!("{} pairs, input {}", verification.pairs_used, verification.input_word());
        let roc = charts::roc("ROC", &[Series::new(name, verification.curve())])?;
        page.chart(&roc, "Pairs with a cosine at or above the threshold are accepted; every threshold is a place.");
    }
    if let Some(restoration) = &evaluation.restoration {
        let caption = format!("Means over {} pictures, each rounded to 8 bits", restoration.pictures.len());
        let header = ["recipe", "bicubic", "hallucinated"];
        page.section("Restoration").table(&header, &restoration_rows(restoration), &caption);
    }
    page.section("Pictures").picture(&evaluation.sheet()?, "Pictures spread evenly over those that were scored")?;
    Ok(page)
}

fn verification_rows(verification: &Verification) -> Vec<Vec<String>> {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let known = |share: Option<f64>| share.map_or("-".to_owned(), percent);
    let roc = &verification.roc;
    [
        ("accuracy", percent(verification.accuracy)),
        ("standard error", percent(verification.stderr)),
        ("95 % interval over pairs, low", percent(verification.interval.low)),
        ("95 % interval over pairs, high", percent(verification.interval.high)),
        ("AUC", format!("{:.4}", roc.auc())),
        ("EER", percent(roc.eer())),
        ("TAR at FAR 1e-2", known(roc.tar(1e-2))),
        ("TAR at FAR 1e-3", known(roc.tar(1e-3))),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect()
}

fn restoration_rows(restoration: &Restoration) -> Vec<Vec<String>> {
    let row = |score: super::Score| {
        vec![score.name.to_owned(), fraction(score.mean.bicubic), fraction(score.mean.hallucinated)]
    };
    restoration.scores().into_iter().map(row).collect()
}

/// A number with the digits that mean something, or a dash.
pub fn fraction(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.is_infinite() => "infinite".to_owned(),
        Some(value) if value.abs() >= 2.0 => format!("{value:.3}"),
        Some(value) => format!("{value:.4}"),
    }
}
