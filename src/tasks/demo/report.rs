//! The page of the demo: what was done, pictures, numbers with intervals, curves, and what they show.

use super::findings::{Difference, Findings};
use super::{MODES, run};
use crate::error::Result;
use crate::model::Source;
use crate::model::config::{Config, Mode};
use crate::report::charts::{self, Axes, Scale, Series};
use crate::report::html::Report;
use crate::tasks::eval::Verification;
use crate::tasks::train::report::History;

/// The whole page.
pub fn page(findings: &Findings, config: &Config) -> Result<String> {
    let mut page = Report::new("Joint face hallucination and recognition: the demo");
    let (trained, tested) = findings.people;
    page.paragraph(&format!(
        "Three models were trained alike, {} steps of {} pictures each from seed {}, on {trained} synthetic people, and scored on {tested} \
         people that none of them has seen. Low resolution is 24x28, a quarter of 96x112 a side. Two models only recognise: one trained on HR, \
         one on LR enlarged by bicubic. The joint one enlarges LR by its own hallucinator, trained together with its recogniser.",
        findings.steps, findings.batch, findings.seed
    ));
    page.facts(&[
        ("device", &findings.device),
        ("seed", &findings.seed.to_string()),
        ("time", &format!("{:.0} s", findings.seconds)),
        ("everything is in", &findings.out.display().to_string()),
    ]);
    page.section("What the numbers show");
    for sentence in findings.sentences()? {
        page.paragraph(&sentence);
    }
    page.paragraph(
        "The data are drawn by arithmetic and the training is short: the order of the three models here says little about photographs.",
    );
    pictures(&mut page, findings)?;
    numbers(&mut page, findings)?;
    curves(&mut page, findings)?;
    page.section("Go on").code(&findings.next().join("\n"));
    page.section("Configuration").code(&config.to_toml());
    Ok(page.render())
}

fn pictures(page: &mut Report, findings: &Findings) -> Result<()> {
    if let Some(joint) = findings.rows.iter().find(|row| row.mode == Mode::Joint) {
        page.section("Pictures")
            .picture(&joint.evaluation.sheet()?, "People who were not trained on; hallucinated by joint")?;
    }
    Ok(())
}

fn numbers(page: &mut Report, findings: &Findings) -> Result<()> {
    let mut rows = Vec::new();
    let mut series = Vec::new();
    for row in &findings.rows {
        let found = row.verification()?;
        let interval = format!("{:.1} to {:.1} %", 100.0 * found.interval.low, 100.0 * found.interval.high);
        let restored = match (row.input, row.mode) {
            (Source::Hr, _) => "-".to_owned(),
            (Source::Lr, Mode::Joint) => format!("{:.2}", findings.hallucinated.mean),
            (Source::Lr, _) => format!("{:.2}", findings.bicubic.mean),
        };
        let accuracy = format!("{:.1} %", 100.0 * found.accuracy);
        rows.push(vec![row.name(), accuracy, interval, format!("{:.4}", found.roc.auc()), restored]);
        series.push(Series::new(row.name(), found.curve()));
    }
    let recipe = findings.rows.first().map(|row| row.verification().map(Verification::recipe)).transpose()?;
    let caption = format!(
        "{}, cosine of [f(x), f(flip x)]; Wilson's interval over pairs, which takes pairs as independent although some share a picture",
        recipe.unwrap_or_default()
    );
    let header = ["model on input", "accuracy", "95 % interval", "AUC", "PSNR[RGB] of its input, dB"];
    page.section("Verification of people not seen in training").table(&header, &rows, &caption);
    page.chart(&charts::roc("ROC", &series)?, "Every threshold is a place on its curve");
    let restoration: Vec<Vec<String>> =
        [&findings.bicubic, &findings.hallucinated, &findings.gain].into_iter().map(decibels).collect();
    page.section("Restoration of people not seen in training").table(
        &["PSNR[RGB]", "mean, dB", "low", "high"],
        &restoration,
        "Means over pictures rounded to 8 bits; 95 % bootstrap over pictures; the difference is taken picture by picture",
    );
    Ok(())
}

fn decibels(found: &Difference) -> Vec<String> {
    let number = |value: f64| format!("{value:.2}");
    vec![found.name.clone(), number(found.mean), number(found.interval.low), number(found.interval.high)]
}

fn curves(page: &mut Report, findings: &Findings) -> Result<()> {
    page.section("Training");
    for (key, title, y_scale) in
        [("softmax", "softmax loss", Scale::Linear), ("pixel", "pixel loss of joint", Scale::Logarithmic)]
    {
        let mut series = Vec::new();
        for mode in MODES {
            let points = History::read(&run(&findings.out, mode))?.curve(key);
            series.extend((!points.is_empty()).then(|| Series::new(mode.to_string(), points)));
        }
        let chart = charts::curves(&Axes { title, x: "step", y: "loss", y_scale }, &series)?;
        page.chart(&chart, "On the training batches; neighbouring steps are averaged");
    }
    Ok(())
}
