//! The paper's table at a tiny size: every row trained once and scored on strangers, under one budget; a stop loses nothing; wrong
//! input is refused before anything is trained.

mod protocol;
mod refused;
#[path = "../schema/mod.rs"]
mod schema;

use hallucinet::Error;
use hallucinet::backend::Choice;
use hallucinet::data::synth::{self, World};
use hallucinet::model::config::{Config, Overrides};
use hallucinet::tasks::ablate::{self, Cell, Findings, ROWS, Request};
use hallucinet::tasks::{Context, Listener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A start of HR, a hallucinator, then both together with distillation: what a table needs, two or three steps each.
pub const CONFIG: &str = r#"
[model]
recognizer_width = 0.05
features = 8
hallucinator = "fast"
hallucinator_channels = 4
hallucinator_units = 1
[train]
batch = 4
lr = 0.01
checkpoint_every = 0
eval_every = 0
[[train.stages]]
mode = "recognition-hr"
steps = 2
[[train.stages]]
mode = "hallucination"
steps = 2
[[train.stages]]
mode = "joint"
steps = 3
batch = 3
[train.stages.loss]
distill = 2
"#;

/// Raises the flag at the first step of a training, where there is one to stop.
struct Stopper<'a>(Option<(&'a AtomicBool, &'static str)>);

impl Listener for Stopper<'_> {
    fn say(&self, _: &str) {}
    fn warn(&self, warning: &str) {
        panic!("the experiment warns: {warning}");
    }
    fn progress(&self, what: &str, done: u64, _: u64, _: u64, _: &str) {
        if let Some((flag, _)) = self.0.filter(|(_, stop)| what.ends_with(stop) && done == 1) {
            flag.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `work` with a context that stops in the middle of a training of this mode.
pub fn with_context<T>(stop_in: Option<&'static str>, work: impl FnOnce(&Context) -> T) -> T {
    let stop = AtomicBool::new(false);
    let listener = Stopper(stop_in.map(|mode| (&stop, mode)));
    work(&Context { device: Choice::Cpu, threads: Some(2), listener: &listener, stop: &stop })
}

pub fn config(text: &str) -> Config {
    Config::parse("test", text, &Overrides::default()).unwrap()
}

/// 12 people of 3 pictures.
pub fn faces(folder: &Path) -> PathBuf {
    let data = folder.join("faces");
    synth::write(&data, World::strangers(1), 12, 3, &|_| Ok(())).unwrap();
    data
}

pub fn request(data: &Path, out: PathBuf, seeds: &[u64]) -> Request {
    let (seeds, folds, rows) = (seeds.to_vec(), Vec::new(), Vec::new());
    Request { config: config(CONFIG), data: data.to_owned(), pairs: None, out, seeds, folds, rows }
}

fn run(request: &Request) -> Findings {
    with_context(None, |context| ablate::ablate(context, request)).unwrap()
}

fn cell(out: &Path, seed: u64) -> Cell {
    let text = std::fs::read_to_string(out.join(format!("seed-{seed}/fold-1/scores.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// When each model was written.
fn written(out: &Path, seed: u64) -> Vec<std::time::SystemTime> {
    let folder = out.join(format!("seed-{seed}/fold-1"));
    let mut runs: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.retain(|path| path.is_dir());
    runs.sort();
    runs.iter().map(|run| run.join("model.safetensors").metadata().unwrap().modified().unwrap()).collect()
}

#[test]
fn every_row_is_trained_once_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (faces(folder.path()), folder.path().join("out"));
    let findings = run(&request(&data, out.clone(), &[1]));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("ablate.json")).unwrap()).unwrap();
    assert_eq!(json, findings.to_json());
    schema::check("ablate", &json);
    let names: Vec<&str> = json["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ROWS.map(|row| row.name));
    for row in json["rows"].as_array().unwrap() {
        for kind in ["hr_hr", "lr_lr", "hr_lr"] {
            let accuracy = row[kind]["accuracy"].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&accuracy) && row[kind]["auc"].is_f64() && row[kind]["eer"].is_f64(), "{row}");
        }
    }
    let restored: Vec<&str> =
        json["restorations"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(restored, ["bicubic", "SRCNN", "alone", "joint", "joint-staged"]);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    let text = std::fs::read_to_string(out.join("report.txt")).unwrap();
    assert!(!findings.sentences.is_empty());
    for sentence in &findings.sentences {
        assert!(page.contains(&hallucinet::report::html::escape(sentence)) && text.contains(sentence), "{sentence}");
    }
    // The same command again trains nothing, one more seed trains that seed alone.
    let before = written(&out, 1);
    assert_eq!(before.len(), 10);
    let again = run(&request(&data, out.clone(), &[1]));
    assert_eq!(again.statistics.to_json(), findings.statistics.to_json());
    let more = run(&request(&data, out.clone(), &[1, 2]));
    assert_eq!(written(&out, 1), before);
    assert_eq!(written(&out, 2).len(), 10);
    assert_eq!(more.statistics.cells, 2);
    assert!(more.statistics.differences.iter().all(|difference| difference.cells.is_some()));
    assert!(cell(&out, 1) != cell(&out, 2), "seeds make a difference");
    assert_eq!(cell(&out, 1).same, cell(&out, 2).same, "every seed answers the same pairs");
}

/// Every row's recogniser sees as many samples, those of what it starts from included.
#[test]
fn every_row_has_the_same_budget() {
    let folder = tempfile::tempdir().unwrap();
    let plan = with_context(None, |context| {
        ablate::plan(context, &request(&faces(folder.path()), folder.path().join("out"), &[1]))
    })
    .unwrap();
    assert!(!folder.path().join("out").exists(), "a plan writes nothing");
    let samples = |name: &str| -> u64 {
        let training = plan.trainings.iter().find(|training| training.name == name).unwrap();
        let stages = training.stages.split(", ").filter(|stage| !stage.starts_with("hallucination"));
        let numbers = stages.map(|stage| stage.rsplit(' ').collect::<Vec<_>>());
        numbers.map(|words| words[0].parse::<u64>().unwrap() * words[2].parse::<u64>().unwrap()).sum()
    };
    let start = samples("start");
    assert_eq!((start, plan.budget), (2 * 4, 2 * 4 + 3 * 3));
    for row in ROWS {
        let staged = row.name.ends_with("-staged") || row.recognizer == "recognition-hr";
        assert_eq!(samples(row.recognizer) + if staged { start } else { 0 }, plan.budget, "{}", row.name);
    }
    assert!(plan.trainings.iter().all(|training| training.done == 0 && training.seconds > 0.0));
}

#[test]
fn a_stopped_experiment_goes_on_to_the_same_scores() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    run(&request(&data, whole.clone(), &[3]));
    for stop_in in ["hallucination", "recognition-hr", "recognition-lr", "recognition-on-hallucinated", "joint"] {
        let stopped =
            with_context(Some(stop_in), |context| ablate::ablate(context, &request(&data, broken.clone(), &[3])));
        let error = stopped.map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Interrupted(_)), "{stop_in}: {error}");
        assert!(!broken.join("report.html").exists());
    }
    run(&request(&data, broken.clone(), &[3]));
    assert_eq!(cell(&whole, 3), cell(&broken, 3));
    for run in ["recognition-lr", "joint-staged"] {
        let model = |out: &Path| std::fs::read(out.join(format!("seed-3/fold-1/{run}/model.safetensors"))).unwrap();
        assert!(model(&whole) == model(&broken), "{run}");
    }
}

/// Rows that were chosen, the baseline, and nothing else; a configuration without a start of HR has no staged rows.
#[test]
fn rows_can_be_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let mut chosen = request(&data, folder.path().join("out"), &[1]);
    chosen.rows = vec!["joint-staged".into()];
    let findings = run(&chosen);
    let names: Vec<&str> = findings.statistics.rows.iter().map(|scored| scored.row.name).collect();
    assert_eq!(names, ["recognition-hr", "joint-staged"]);
    assert_eq!(written(&chosen.out, 1).len(), 5, "start, hallucinator, srcnn, and two rows");
    let unstaged =
        CONFIG.replace("mode = \"recognition-hr\"", "mode = \"joint\"").replace("distill = 2", "distill = 0");
    let plan = with_context(None, |context| {
        let request = Request { config: config(&unstaged), ..request(&data, folder.path().join("other"), &[1]) };
        ablate::plan(context, &request)
    })
    .unwrap();
    let names: Vec<&str> = plan.trainings.iter().map(|training| training.name).collect();
    assert_eq!(
        names,
        ["hallucinator", "srcnn", "recognition-hr", "recognition-lr", "recognition-on-hallucinated", "joint"]
    );
}
