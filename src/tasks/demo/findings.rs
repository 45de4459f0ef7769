//! What the demo's numbers show: rows of scores, differences with intervals, and sentences that claim no more than the intervals
//! allow. Which of the three models is best is reported, never asserted.

use super::Request;
use crate::checkpoint::atomic;
use crate::error::{Error, Result};
use crate::metrics;
use crate::metrics::interval::{Interval, bootstrap_mean};
use crate::model::Source;
use crate::model::config::{Config, Mode, Word};
use crate::random::Random;
use crate::tasks::eval::{Evaluation, Verification};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::time::Instant;

/// Draws of a bootstrap.
const RESAMPLES: usize = 2000;

/// One model on one input.
#[derive(Clone, Debug)]
pub struct Row {
    pub mode: Mode,
    pub input: Source,
    pub evaluation: Evaluation,
}

/// A mean difference with its 95 % interval, from pairs or pictures that both sides were scored on.
#[derive(Clone, Debug)]
pub struct Difference {
    /// `joint - recognition-hr on bicubic`.
    pub name: String,
    pub mean: f64,
    pub interval: Interval,
}

impl Difference {
    /// Whether zero is inside the interval: then the numbers do not tell the two apart.
    pub fn is_inside(&self) -> bool {
        self.interval.low <= 0.0 && self.interval.high >= 0.0
    }
}

/// Everything the demo found out.
#[derive(Clone, Debug)]
pub struct Findings {
    pub out: PathBuf,
    pub seed: u64,
    pub device: String,
    pub steps: u64,
    pub batch: usize,
    /// People that were trained on, and that were tested on.
    pub people: (u32, u32),
    /// Recognition-hr, recognition-lr and joint on LR, and the ceiling.
    pub rows: Vec<Row>,
    /// Means of PSNR\[RGB\] over the test pictures, dB, with bootstrap intervals.
    pub bicubic: Difference,
    pub hallucinated: Difference,
    /// PSNR\[RGB\] of joint minus that of bicubic, picture by picture, dB.
    pub gain: Difference,
    /// Accuracies of the rows on LR, two by two.
    pub accuracies: Vec<Difference>,
    pub seconds: f64,
}

/// What a model is given.
pub fn what(mode: Mode, input: Source) -> &'static str {
    match (input, mode) {
        (Source::Hr, _) => "HR (ceiling)",
        (Source::Lr, Mode::Joint) => "its own hallucinated",
        (Source::Lr, _) => "bicubic",
    }
}

impl Row {
    /// `joint on its own hallucinated`.
    pub fn name(&self) -> String {
        format!("{} on {}", self.mode, what(self.mode, self.input))
    }

    /// The scores of the pairs, which every row of the demo has.
    pub fn verification(&self) -> Result<&Verification> {
        let lost = || Error::Shape("a row of the demo was scored without pairs".into());
        self.evaluation.verification.as_ref().ok_or_else(lost)
    }

    fn to_json(&self) -> Json {
        let Evaluation { verification, .. } = &self.evaluation;
        json!({
            "model": self.mode.word(),
            "input": what(self.mode, self.input),
            "verification": verification.as_ref().map(Verification::to_json),
        })
    }
}

impl Findings {
    pub(super) fn new(
        request: &Request,
        device: &str,
        config: &Config,
        rows: Vec<Row>,
        started: Instant,
    ) -> Result<Self> {
        let lost = || Error::Shape("the demo has no joint model with restored pictures".into());
        let joint = rows.iter().find(|row| row.mode == Mode::Joint).ok_or_else(lost)?;
        let pictures = &joint.evaluation.restoration.as_ref().ok_or_else(lost)?.pictures;
        let bicubic: Vec<f64> = pictures.iter().map(|(_, quality)| quality.pixels.bicubic.psnr_rgb).collect();
        let hallucinated: Option<Vec<f64>> =
            pictures.iter().map(|(_, quality)| quality.pixels.hallucinated.map(|scores| scores.psnr_rgb)).collect();
        let hallucinated = hallucinated.ok_or_else(lost)?;
        let gain: Vec<f64> = hallucinated.iter().zip(&bicubic).map(|(a, b)| a - b).collect();
        let difference = |name: &str, values: &[f64]| difference(name.to_owned(), values, request.seed);
        let on_low: Vec<&Row> = rows.iter().filter(|row| row.input == Source::Lr).collect();
        let mut accuracies = Vec::new();
        for (position, first) in on_low.iter().enumerate() {
            for second in &on_low[position + 1..] {
                let values = answers(second)?.iter().zip(answers(first)?).map(|(b, a)| b - a).collect::<Vec<f64>>();
                accuracies.push(difference(&format!("{} minus {}", second.mode, first.mode), &values)?);
            }
        }
        Ok(Findings {
            out: request.out.clone(),
            seed: request.seed,
            device: device.to_owned(),
            steps: config.steps(),
            batch: config.train.recipe.batch,
            people: (request.sizes.identities, request.sizes.strangers),
            bicubic: difference("bicubic", &bicubic)?,
            hallucinated: difference("joint", &hallucinated)?,
            gain: difference("joint minus bicubic", &gain)?,
            accuracies,
            rows,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Plain sentences: what is shown, and what is not.
    ///
    /// # Errors
    /// `Shape` where a row has no pairs.
    pub fn sentences(&self) -> Result<Vec<String>> {
        let Difference { mean, interval: Interval { low, high }, .. } = &self.gain;
        let range = format!("{mean:+.2} dB, 95 % interval {low:+.2} to {high:+.2} dB");
        let mut list = vec![match (*low > 0.0, *high < 0.0) {
            (true, _) => format!("Joint restores strangers better than bicubic by more than the interval: {range}."),
            (_, true) => format!("Joint restores strangers worse than bicubic by more than the interval: {range}."),
            _ => format!("Joint and bicubic restore strangers alike, zero is inside the interval: {range}."),
        }];
        for row in &self.rows {
            let found = row.verification()?;
            let (low, high) = (100.0 * found.interval.low, 100.0 * found.interval.high);
            let range = format!("{:.1} %, 95 % interval {low:.1} to {high:.1} %", 100.0 * found.accuracy);
            let verdict =
                if low > 50.0 { "above chance by more than the interval" } else { "not shown to be above chance" };
            list.push(format!("Verification by {} is {verdict}: {range}.", row.name()));
        }
        for difference in &self.accuracies {
            let Interval { low, high } = difference.interval;
            let verdict = if difference.is_inside() { "inside" } else { "outside" };
            list.push(format!(
                "Accuracy on LR, {}: {:+.1} points, 95 % interval {:+.1} to {:+.1}; the difference is {verdict} the interval.",
                difference.name,
                100.0 * difference.mean,
                100.0 * low,
                100.0 * high
            ));
        }
        Ok(list)
    }

    /// Commands to go on with.
    pub fn next(&self) -> Vec<String> {
        let out = self.out.display();
        vec![
            format!(
                "hallucinet eval --model {out}/runs/joint --data {out}/data/test --pairs {out}/pairs.txt --input lr"
            ),
            format!("hallucinet hallucinate --model {out}/runs/joint {out}/data/test --out {out}/faces"),
            format!(
                "hallucinet train --preset quick --set train.steps=3000 --data {out}/train.pack --out {out}/runs/longer"
            ),
        ]
    }

    /// The document of `--json` and of `demo.json`.
    pub fn to_json(&self) -> Json {
        let number = |found: &Difference| json!({ "name": found.name, "mean": found.mean, "interval95": [found.interval.low, found.interval.high] });
        let named = |found: &Difference| {
            let mut document = number(found);
            document["inside"] = json!(found.is_inside());
            document
        };
        json!({
            "out": self.out.display().to_string(),
            "report": self.out.join("report.html").display().to_string(),
            "device": self.device,
            "seed": self.seed,
            "steps": self.steps,
            "batch": self.batch,
            "seconds": self.seconds,
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "psnr_rgb": { "bicubic": number(&self.bicubic), "joint": number(&self.hallucinated), "gain": named(&self.gain) },
            "accuracy_differences": self.accuracies.iter().map(named).collect::<Vec<_>>(),
        })
    }
}

/// 1 for each pair that was answered rightly, else 0.
fn answers(row: &Row) -> Result<Vec<f64>> {
    Ok(row.verification()?.scored.iter().map(|pair| f64::from(u8::from(pair.right()))).collect())
}

fn difference(name: String, values: &[f64], seed: u64) -> Result<Difference> {
    let interval = bootstrap_mean(values, RESAMPLES, &mut Random::named(seed, &name))?;
    Ok(Difference { name, mean: metrics::mean(values).unwrap_or(0.0), interval })
}

/// Writes the report and the numbers.
pub(super) fn write(findings: &Findings, page: &str) -> Result<()> {
    let json = format!("{:#}\n", findings.to_json());
    atomic::write(&findings.out.join("demo.json"), json.as_bytes())?;
    atomic::write(&findings.out.join("report.html"), page.as_bytes())
}
