//! The folder of details that `eval --out` writes: scores, ROC, pictures, a report. Written whole, at the end.

use super::{Evaluation, Identification, Mistake, Request, Restoration, Sample, Share, Verification};
use crate::error::Result;
use crate::files;
use crate::report::charts::{self, Series};
use crate::report::grid::{self, Tile};
use crate::report::html::Report;
use crate::shape::{HR, LR};
use crate::tasks::times;
use std::fmt::Write;
use std::path::Path;

/// Writes everything, or nothing.
pub fn write(out: &Path, request: &Request, evaluation: &Evaluation) -> Result<()> {
    let json = format!("{:#}\n", evaluation.to_json());
    let page = report(request, evaluation)?.render();
    let mut files: Vec<(&str, Vec<u8>)> = vec![("eval.json", json.into_bytes()), ("report.html", page.into_bytes())];
    if !evaluation.samples.is_empty() {
        files.push(("sheet.png", evaluation.sheet()?.png()?));
    }
    if let Some(identification) = &evaluation.identification {
        files.push(("probes.csv", probes(identification).into_bytes()));
    }
    if let Some(verification) = &evaluation.verification {
        let roc = charts::roc("ROC", &[Series::new(verification.input_word(), verification.curve())])?;
        files.push(("roc.svg", roc.svg().as_bytes().to_vec()));
        let det = charts::det("DET", &[Series::new(verification.input_word(), verification.curve())])?;
        files.push(("det.svg", det.svg().as_bytes().to_vec()));
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

/// A line a probe; an impostor has no person, and a place is given where it is among the first 20.
fn probes(identification: &Identification) -> String {
    let mut text = String::from("picture,person,nearest,cosine,place\n");
    for answer in &identification.answers {
        let person = quoted(answer.person.as_deref().unwrap_or_default());
        let place = answer.place.map_or(String::new(), |place| place.to_string());
        let (picture, nearest) = (quoted(&answer.picture), quoted(&answer.nearest));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{picture},{person},{nearest},{},{place}", answer.cosine);
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
        let series = [Series::new(name, verification.curve())];
        let accepted = "Pairs with a cosine at or above the threshold are accepted; every threshold is a place.";
        page.chart(&charts::roc("ROC", &series)?, accepted);
        page.chart(&charts::det("DET", &series)?, "The same places as errors of both kinds; lower is better.");
    }
    if let Some(identification) = &evaluation.identification {
        let header = ["number", "share", "95 % interval"];
        page.section("Identification").table(&header, &identification_rows(identification), &identification.recipe());
    }
    if let Some(restoration) = &evaluation.restoration {
        let caption = format!("Means over {} pictures, each rounded to 8 bits", restoration.pictures.len());
        let header = ["recipe", "bicubic", "hallucinated"];
        page.section("Restoration").table(&header, &restoration_rows(restoration), &caption);
    }
    let caption =
        "Pictures spread evenly over those that were scored; PSNR[RGB] and the cosine to HR under the restored ones";
    if !evaluation.samples.is_empty() {
        page.section("Pictures").picture(&evaluation.sheet()?, caption)?;
    }
    for (same, heading) in [(false, "Different people, accepted"), (true, "One person, rejected")] {
        let kind: Vec<&Mistake> = evaluation.mistakes.iter().filter(|mistake| mistake.pair.same == same).collect();
        if !kind.is_empty() {
            mistakes(page.section(heading), &kind)?;
        }
    }
    times::add(&mut page, "Time of each layer, 24x28 to features", &evaluation.times);
    Ok(page)
}

/// The worst mistakes of one kind: a row of pictures a pair, and their names.
fn mistakes(page: &mut Report, mistakes: &[&Mistake]) -> Result<()> {
    let (mut captions, mut sheet, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (number, Mistake { pair, pictures }) in mistakes.iter().enumerate() {
        let columns = |side: &'static str, sample| {
            tiles(sample).into_iter().map(move |(name, tile)| (format!("{side} {name}"), tile))
        };
        let (names, tiles): (Vec<String>, Vec<Tile>) =
            columns("A", &pictures[0]).chain(columns("B", &pictures[1])).unzip();
        captions = names;
        sheet.push(tiles);
        let place = |number: f64| format!("{number:.4}");
        rows.push(vec![
            (number + 1).to_string(),
            pair.a.clone(),
            pair.b.clone(),
            place(pair.score),
            place(pair.threshold),
        ]);
    }
    let captions: Vec<&str> = captions.iter().map(String::as_str).collect();
    page.picture(&grid::sheet(&captions, &sheet)?, "A row a pair, in the order of the table")?;
    page.table(
        &["row", "A", "B", "cosine", "threshold"],
        &rows,
        "The furthest from the threshold that answered it comes first",
    );
    Ok(())
}

/// The forms that tell why a pair was mistaken: LR, what the recogniser saw of it, HR.
fn tiles(sample: &Sample) -> Vec<(&'static str, Tile<'_>)> {
    let tile = |(height, width): (usize, usize), rgb| Tile { width, height, rgb };
    let enlarged = match &sample.hallucinated {
        Some(hallucinated) => ("halluc.", tile(HR, hallucinated)),
        None => ("bicubic", tile(HR, &sample.bicubic)),
    };
    let high = sample.high.iter().map(|high| ("HR", tile(HR, high)));
    [("LR", tile(LR, &sample.low)), enlarged].into_iter().chain(high).collect()
}

fn verification_rows(verification: &Verification) -> Vec<Vec<String>> {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let roc = &verification.roc;
    let known =
        |far: f64| roc.tar(far).map_or_else(|| format!("- (takes {:.0} pairs of two people)", 1.0 / far), percent);
    [
        ("accuracy", percent(verification.accuracy)),
        ("standard error", percent(verification.stderr)),
        ("95 % interval over pairs, low", percent(verification.interval.low)),
        ("95 % interval over pairs, high", percent(verification.interval.high)),
        ("AUC", format!("{:.4}", roc.auc())),
        ("EER", percent(roc.eer())),
        ("TAR at FAR 1e-2", known(1e-2)),
        ("TAR at FAR 1e-3", known(1e-3)),
    ]
    .into_iter()
    .map(|(name, value)| vec![name.to_owned(), value])
    .collect()
}

fn identification_rows(identification: &Identification) -> Vec<Vec<String>> {
    let row = |name: String, found: Option<Share>| match found {
        Some(Share { share, interval }) => vec![
            name,
            format!("{:.2} %", 100.0 * share),
            format!("{:.2} to {:.2} %", 100.0 * interval.low, 100.0 * interval.high),
        ],
        None => vec![name, "-".to_owned(), "-".to_owned()],
    };
    let ranks = identification.ranks.iter().map(|rank| row(format!("rank-{}", rank.k), Some(rank.found)));
    let rates = identification.rates.iter();
    ranks
        .chain(rates.map(|rate| row(format!("DIR at FAR {}", rate.name), rate.detected.map(|found| found.1))))
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
