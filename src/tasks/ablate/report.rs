//! The report of an experiment: a page, a text and a document with the same numbers, each with its recipe.

use super::statistics::{Difference, Scored, Verified};
use super::{Findings, JOINT};
use crate::data::image;
use crate::error::Result;
use crate::files;
use crate::metrics::interval::Interval;
use crate::model::config::Config;
use crate::report::charts::{self, Axes, Scale, Series};
use crate::report::grid::Sheet;
use crate::report::html::Report;
use crate::tasks::train::report::History;
use std::fmt::Write;
use std::path::Path;

/// What a table of the report shows: a header, rows, and the recipe of its numbers.
struct Numbers {
    title: &'static str,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    caption: String,
}

/// Writes `report.html`, `report.txt` and `ablate.json`. `cell` are the folders of the first seed and fold: that of
/// the pictures, and that of the trainings, for curves.
pub fn write(findings: &Findings, config: &Config, cell: Option<(&Path, &Path)>) -> Result<()> {
    let out = &findings.out;
    files::write(&out.join("ablate.json"), format!("{:#}\n", findings.to_json()).as_bytes())?;
    files::write(&out.join("report.txt"), text(findings).as_bytes())?;
    files::write(&out.join("report.html"), page(findings, config, cell)?.as_bytes())
}

/// What was done, in sentences.
fn story(findings: &Findings) -> Vec<String> {
    let list = |numbers: Vec<String>| numbers.join(", ");
    let (identities, pictures) = findings.trained_on;
    vec![
        format!(
            "Seeds {}; folds {}: {}. The first fold trains on {pictures} pictures of {identities} people and is scored on people whom no \
             training has seen.",
            list(findings.seeds.iter().map(u64::to_string).collect()),
            list(findings.folds.iter().map(usize::to_string).collect()),
            findings.protocol
        ),
        format!(
            "Budget: the recogniser of every row sees {} samples, those of its start included, under the same schedule and rates; nothing \
             was tuned for one row alone. A hallucinator trained alone has {} samples of its own on top; joint rows go on training theirs \
             with their recogniser's samples. Staged rows begin with the same recogniser of HR and have the same distillation loss.",
            findings.budget, findings.hallucinator_budget
        ),
    ]
}

/// The sections of numbers, the same in the page and in the text.
fn tables(findings: &Findings) -> Vec<Numbers> {
    let statistics = &findings.statistics;
    let (fewest, most) = statistics.pairs;
    let pairs = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
    let over = match statistics.cells {
        1 => "one cell (seed x fold); the standard error is over its ten cross-fitted blocks".to_owned(),
        cells => format!("means over {cells} cells (seed x fold); the standard error is over cells"),
    };
    let recipe =
        format!("{pairs} pairs a cell, cosine of [f(x), f(flip x)], thresholds cross-fitted in ten blocks; {over}");
    let verification = Numbers {
        title: "Verification of people not seen in training",
        header: vec!["row", "LR-LR", "HR-HR", "HR-LR", "share of the gap", "95 % interval"],
        rows: statistics.rows.iter().map(verification).collect(),
        caption: format!("Accuracy; the share is (row - baseline) / (baseline on HR - baseline) on LR-LR. {recipe}"),
    };
    let details = Numbers {
        title: "More of the same pairs, LR-LR",
        header: vec!["row", "AUC", "EER", "TAR at FAR 1e-2", "TAR at FAR 1e-3", "cosine of LR to HR"],
        rows: statistics.rows.iter().map(details).collect(),
        caption: "The last column is between the row's own features of a picture at LR and at HR, mean over pictures; a TAR that \
                  needs more pairs than there are is a dash"
            .to_owned(),
    };
    let differences = Numbers {
        title: "Differences of accuracy, in points, on LR pairs where HR is not named",
        header: vec!["first", "minus second", "mean", "low", "high", "low, cells", "high, cells", "decided"],
        rows: statistics.differences.iter().map(difference).collect(),
        caption: "Paired: same seed, fold and pairs. low, high: 95 % bootstrap over seeds, folds and pairs, each drawn with replacement, \
                  2000 draws. Cells: mean -+ t(n - 1) sd / sqrt(n) over the n differences of cells, folds that share their trainings \
                  being one cell. Decided: both leave zero out; not corrected for the number of comparisons"
            .to_owned(),
    };
    let restoration = Numbers {
        title: "Restoration",
        header: vec!["picture", "PSNR[RGB]", "PSNR[Y]", "PSNR[Y, 4 px cropped]", "SSIM[RGB]", "identity cosine"],
        rows: statistics
            .restorations
            .iter()
            .map(|found| {
                let decibels = [found.psnr_rgb, found.psnr_y, found.psnr_y_crop4].map(|value| format!("{value:.2}"));
                let shares = [found.ssim, found.identity_cosine].map(|value| format!("{value:.4}"));
                [found.name.clone()].into_iter().chain(decibels).chain(shares).collect()
            })
            .collect(),
        caption: "dB; pictures rounded to 8 bits, means over pictures, then cells. Identity cosine: between the restored picture and HR, \
                  by the recogniser trained on HR"
            .to_owned(),
    };
    vec![verification, details, differences, restoration]
}

fn verification(scored: &Scored) -> Vec<String> {
    let accuracy = |found: &Verified| format!("{:.2} ± {:.2} %", 100.0 * found.accuracy, 100.0 * found.stderr);
    let (share, interval) = match scored.share {
        None => ("0".to_owned(), "-".to_owned()),
        Some(share) => {
            let range = |interval: Interval| format!("{:.2} to {:.2}", interval.low, interval.high);
            (format!("{:.2}", share.mean), share.interval.map_or("-".to_owned(), range))
        }
    };
    let name = scored.row.name.to_owned();
    vec![name, accuracy(&scored.lr_lr), accuracy(&scored.hr_hr), accuracy(&scored.hr_lr), share, interval]
}

fn details(scored: &Scored) -> Vec<String> {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let known = |share: Option<f64>| share.map_or("-".to_owned(), percent);
    let found = &scored.lr_lr;
    vec![
        scored.row.name.to_owned(),
        format!("{:.4}", found.auc),
        percent(found.eer),
        known(found.tar[0]),
        known(found.tar[1]),
        format!("{:.4}", scored.identity_cosine),
    ]
}

fn difference(found: &Difference) -> Vec<String> {
    let points = |value: f64| format!("{:+.2}", 100.0 * value);
    let cells = found.cells.map_or(["-".to_owned(), "-".to_owned()], |cells| [points(cells.low), points(cells.high)]);
    let decided = if found.is_decided() { "yes" } else { "no" };
    let mut row = vec![found.first.clone(), found.second.clone(), points(found.mean)];
    row.extend([points(found.pairs.low), points(found.pairs.high)].into_iter().chain(cells));
    row.push(decided.to_owned());
    row
}

/// The report for a terminal.
pub fn text(findings: &Findings) -> String {
    let mut text = story(findings).join("\n") + "\n\n";
    for sentence in &findings.sentences {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "* {sentence}");
    }
    for Numbers { title, header, rows, caption } in tables(findings) {
        let header: Vec<String> = header.into_iter().map(str::to_owned).collect();
        let all: Vec<&Vec<String>> = [&header].into_iter().chain(&rows).collect();
        let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let _ = writeln!(text, "\n{title}");
        for row in &all {
            let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column).unwrap_or(0)));
            let _ = writeln!(text, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        let _ = writeln!(text, "  {caption}.");
    }
    text
}

/// The page.
fn page(findings: &Findings, config: &Config, cell: Option<(&Path, &Path)>) -> Result<String> {
    let mut page = Report::new("The paper's table under one budget");
    page.facts(&[
        ("device", &findings.device),
        ("data", &findings.data.display().to_string()),
        ("time of this session", &format!("{:.0} s", findings.seconds)),
        ("everything is in", &findings.out.display().to_string()),
    ]);
    story(findings).iter().for_each(|paragraph| {
        page.paragraph(paragraph);
    });
    page.section("What the numbers show");
    findings.sentences.iter().for_each(|sentence| {
        page.paragraph(sentence);
    });
    for Numbers { title, header, rows, caption } in tables(findings) {
        page.section(title).table(&header, &rows, &caption);
    }
    if let Some((scores, trainings)) = cell {
        pictures(&mut page, scores)?;
        curves(&mut page, findings, trainings)?;
    }
    let rows: Vec<Vec<String>> = findings
        .statistics
        .rows
        .iter()
        .map(|scored| vec![scored.row.name.to_owned(), scored.row.about.to_owned()])
        .collect();
    page.section("Rows").table(&["row", "what it is"], &rows, "");
    let trainings: Vec<Vec<String>> =
        findings.trainings.iter().map(|(name, stages)| vec![(*name).to_owned(), stages.clone()]).collect();
    page.section("Trainings").table(
        &["training", "stages: mode, steps x pictures"],
        &trainings,
        "Each once for a seed and a fold; folds that are outside the training sets share theirs",
    );
    page.section("Configuration").code(&config.to_toml());
    Ok(page.render())
}

fn pictures(page: &mut Report, cell: &Path) -> Result<()> {
    let picture = image::read(&cell.join("pictures.png"))?;
    let sheet = Sheet { width: picture.width, height: picture.height, rgb: picture.rgb };
    let caption = "People who were not trained on, first seed and fold. Under each tile: PSNR[RGB] and the identity cosine to HR by the \
                   recogniser trained on HR";
    page.section("Pictures").picture(&sheet, caption)?;
    Ok(())
}

fn curves(page: &mut Report, findings: &Findings, trainings: &Path) -> Result<()> {
    let statistics = &findings.statistics;
    page.section("Curves of the first seed and fold");
    let roc = statistics.rows.iter().map(|scored| Series::new(scored.row.name, scored.lr_lr.curve.clone()));
    page.chart(&charts::roc("ROC on LR pairs", &roc.collect::<Vec<_>>())?, "Every threshold is a place on its curve");
    let read = |key: &str, names: &[&'static str]| -> Result<Vec<Series>> {
        let mut series = Vec::new();
        for name in names {
            let points = History::read(&trainings.join(name))?.curve(key);
            series.extend((!points.is_empty()).then(|| Series::new(*name, points)));
        }
        Ok(series)
    };
    let names: Vec<&'static str> = findings.trainings.iter().map(|(name, _)| *name).collect();
    let joint: Vec<&'static str> = JOINT.into_iter().filter(|name| names.contains(name)).collect();
    let charts = [
        ("softmax", "softmax loss", Scale::Linear, &names),
        ("pixel", "pixel loss", Scale::Logarithmic, &names),
        ("distill", "distillation loss", Scale::Linear, &joint),
    ];
    for (key, title, y_scale, names) in charts {
        let series = read(key, names)?;
        if !series.is_empty() {
            let axes = Axes { title, x: "step of the training", y: "loss", y_scale };
            page.chart(&charts::curves(&axes, &series)?, "On the training batches; neighbouring steps are averaged");
        }
    }
    Ok(())
}
