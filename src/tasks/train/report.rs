//! The report of a finished run: loss curves, the last samples, the effective configuration. Reads what the run wrote, computes
//! nothing.

use super::session::{Finished, Session};
use crate::checkpoint::Run;
use crate::data::image;
use crate::error::{Error, Result};
use crate::report::charts::{self, Axes, Chart, Scale, Series};
use crate::report::grid::Sheet;
use crate::report::html::Report;
use crate::tasks::times;
use serde_json::Value as Json;
use std::path::Path;

/// Points of a curve; more steps than that are averaged, since nobody sees them and everybody's browser draws them.
const POINTS: usize = 400;

/// Key in the metrics (and name of the file), title, and axis.
const CURVES: [(&str, &str, Scale); 4] = [
    ("pixel", "pixel loss (sum of squares / 2, network units)", Scale::Logarithmic),
    ("softmax", "softmax loss (nats)", Scale::Linear),
    ("center", "center loss", Scale::Linear),
    ("distill", "distillation loss (1 - cosine to the teacher's feature)", Scale::Linear),
];

/// Of the sample pictures: key, title, and axis.
const SAMPLES: [(&str, &str, &str); 2] = [
    ("samples_psnr_rgb", "PSNR[RGB] of the sample pictures", "dB"),
    ("samples_identity_cosine", "cosine of f(x) of the sample pictures to HR", "cosine"),
];

/// The metrics of a run.
pub struct History {
    lines: Vec<Json>,
}

impl History {
    /// Reads `metrics.jsonl` of a run folder; torn lines are left out.
    ///
    /// # Errors
    /// `Io`.
    pub fn read(run: &Path) -> Result<Self> {
        let path = run.join("metrics.jsonl");
        let text = std::fs::read_to_string(&path).map_err(Error::io("cannot read", &path))?;
        Ok(History { lines: text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect() })
    }

    /// A loss over the steps of the run, averaged over neighbours where there are many.
    pub fn curve(&self, key: &str) -> Vec<(f64, f64)> {
        let points: Vec<(f64, f64)> =
            self.lines.iter().filter_map(|line| Some((line["step"].as_f64()?, line[key].as_f64()?))).collect();
        let group = points.len().div_ceil(POINTS).max(1);
        let middle = |points: &[(f64, f64)]| {
            let count = points.len() as f64;
            (points.iter().map(|p| p.0).sum::<f64>() / count, points.iter().map(|p| p.1).sum::<f64>() / count)
        };
        points.chunks(group).map(middle).collect()
    }

    /// A mean of the sample pictures over steps; `key` is `samples_psnr_rgb` or `samples_identity_cosine`, `side` is `bicubic` or
    /// `hallucinated`.
    pub fn samples(&self, key: &str, side: &str) -> Vec<(f64, f64)> {
        let point = |line: &Json| Some((line["step"].as_f64()?, line[key][side].as_f64()?));
        self.lines.iter().filter_map(point).collect()
    }

    /// Every curve that has points: the name of its file, and the chart.
    fn charts(&self) -> Result<Vec<(String, Chart)>> {
        let mut list = Vec::new();
        for (key, title, y_scale) in CURVES {
            let points = self.curve(key);
            if !points.is_empty() {
                let axes = Axes { title, x: "step", y: "loss", y_scale };
                list.push((format!("curves/{key}.svg"), charts::curves(&axes, &[Series::new(key, points)])?));
            }
        }
        for (key, title, y) in SAMPLES {
            let sides = ["hallucinated", "bicubic"].map(|side| Series::new(side, self.samples(key, side)));
            if sides.iter().any(|series| !series.points.is_empty()) {
                let axes = Axes { title, x: "step", y, y_scale: Scale::Linear };
                list.push((format!("curves/{key}.svg"), charts::curves(&axes, &sides)?));
            }
        }
        Ok(list)
    }
}

/// Writes `report.html` and the curves beside it.
///
/// # Errors
/// `Io`, and `Output` where a chart cannot be drawn.
pub fn write(run: &Run, session: &Session, finished: &Finished) -> Result<()> {
    let config = session.config();
    let history = History::read(run.folder())?;
    let mut page = Report::new("Training run");
    let origin = run.origin()?;
    page.facts(&[
        ("device", &session.device().info().name),
        ("data", &origin.data.display().to_string()),
        ("seed", &config.train.seed.to_string()),
        ("steps", &finished.steps.to_string()),
        ("time of this session", &format!("{:.0} s", finished.seconds)),
        ("speed", &format!("{:.1} img/s", finished.images_per_second)),
        ("last losses", &finished.losses.to_string()),
    ]);
    let stages: Vec<Vec<String>> = config
        .stages()
        .iter()
        .enumerate()
        .map(|(index, stage)| {
            let recipe = &stage.recipe;
            let numbers = [recipe.steps.to_string(), recipe.batch.to_string(), recipe.lr.to_string()];
            [(index + 1).to_string(), recipe.mode.to_string()].into_iter().chain(numbers).collect()
        })
        .collect();
    page.section("Stages").table(&["stage", "mode", "steps", "batch", "base rate"], &stages, "");
    page.section("Curves");
    for (name, chart) in history.charts()? {
        run.write(&name, chart.svg().as_bytes())?;
        page.chart(&chart, &format!("{name}, over the steps of all stages; neighbouring steps are averaged"));
    }
    if let Some(sheet) = last_samples(run.folder(), finished.steps) {
        page.section("Samples").picture(&sheet, "Pictures of the training set after the last step; PSNR[RGB] and, with a recogniser, the cosine of f(x) to HR under the restored ones")?;
    }
    for (stage, times) in config.stages().iter().zip(session.times()) {
        times::add(&mut page, &format!("Time of each layer, {}", stage.recipe.mode), times);
    }
    page.section("Configuration").code(&config.to_toml());
    run.write("report.html", page.render().as_bytes())
}

/// The sheet after the last step; a run without a hallucinator has none.
fn last_samples(run: &Path, steps: u64) -> Option<Sheet> {
    let picture = image::read(&run.join(format!("samples/step-{steps}.png"))).ok()?;
    Some(Sheet { width: picture.width, height: picture.height, rgb: picture.rgb })
}
