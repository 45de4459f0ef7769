//! The demo, small: everything it promises is in its folder, the report says what the numbers say, and a stop makes no claim.

mod schema;

use hallucinet::Error;
use hallucinet::backend::Choice;
use hallucinet::tasks::demo::{Findings, Request, Sizes, demo};
use hallucinet::tasks::{Context, Listener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raises the flag once a model is being trained.
struct Stopper<'a>(Option<&'a AtomicBool>);

impl Listener for Stopper<'_> {
    fn say(&self, _: &str) {}
    fn warn(&self, warning: &str) {
        panic!("the demo warns: {warning}");
    }
    fn progress(&self, what: &str, done: u64, _: u64, _: u64, _: &str) {
        if let Some(flag) = self.0.filter(|_| what == "recognition-lr" && done == 1) {
            flag.store(true, Ordering::Relaxed);
        }
    }
}

fn sizes() -> Sizes {
    let config = [
        ("train.steps", "4"),
        ("train.batch", "4"),
        ("train.warmup", "0"),
        ("model.recognizer_width", "0.05"),
        ("model.features", "8"),
        ("model.hallucinator_channels", "4"),
        ("model.hallucinator_units", "1"),
    ];
    let config = config.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Sizes { identities: 4, images: 3, strangers: 8, strangers_images: 3, folds: 2, pairs: 3, config }
}

fn run(out: &Path, sizes: Sizes, stop_while_training: bool) -> hallucinet::Result<Findings> {
    let stop = AtomicBool::new(false);
    let listener = Stopper(stop_while_training.then_some(&stop));
    let context = Context { device: Choice::Cpu, threads: Some(2), listener: &listener, stop: &stop };
    demo(&context, &Request { out: out.to_owned(), seed: 5, sizes })
}

#[test]
fn the_report_says_what_the_numbers_say_and_the_folder_can_be_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo");
    let findings = run(&out, sizes(), false).unwrap();
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for address in ["http://", "https://", "src=\"/", "<script"] {
        let outside = page.match_indices(address).filter(|(at, _)| !page[*at..].starts_with("http://www.w3.org/"));
        assert_eq!(outside.count(), 0, "the page does not open offline: {address}");
    }
    for sentence in findings.sentences().unwrap() {
        assert!(page.contains(&hallucinet::report::html::escape(&sentence)), "{sentence}");
    }
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("demo.json")).unwrap()).unwrap();
    assert_eq!(json, findings.to_json());
    schema::check("demo", &json);
    let rows: Vec<(&str, &str)> = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["model"].as_str().unwrap(), row["input"].as_str().unwrap()))
        .collect();
    let expected = [
        ("recognition-hr", "bicubic"),
        ("recognition-lr", "bicubic"),
        ("joint", "its own hallucinated"),
        ("recognition-hr", "HR (ceiling)"),
    ];
    assert_eq!(rows, expected);
    for row in &findings.rows {
        let found = row.verification().unwrap();
        assert_eq!((found.pairs_used, found.pairs_total, found.folds), (12, 12, 2));
        assert!(page.contains(&row.name()), "{}", row.name());
        assert!(page.contains(&format!("{:.1} %", 100.0 * found.accuracy)));
    }
    let mean = findings.hallucinated.mean - findings.bicubic.mean;
    assert!((findings.gain.mean - mean).abs() < 1e-9);
    assert!(page.contains(&format!("{:.2}", findings.hallucinated.mean)));
    for file in ["train.pack", "pairs.txt", "data/test/id00004/id00004_0001.png", "runs/joint/model.safetensors"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    for file in ["report.html", "curves/pixel.svg", "curves/softmax.svg", "samples/step-4.png"] {
        assert!(out.join("runs/joint").join(file).is_file(), "{file}");
    }
    // Nobody is both trained and tested on, and the three runs had the same steps, batch and seed.
    assert!(!out.join("data/train/id00004").exists() && !out.join("data/test/id00003").exists());
    let recipe = |mode: &str| {
        let text = std::fs::read_to_string(out.join("runs").join(mode).join("config.toml")).unwrap();
        text.lines().filter(|line| !line.starts_with("mode")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(recipe("recognition-hr"), recipe("recognition-lr"));
    assert_eq!(recipe("recognition-hr"), recipe("joint"));
    let again = run(&out, sizes(), false).unwrap_err();
    assert_eq!(again.exit_code(), 5, "{again}");
    assert_eq!(std::fs::read_to_string(out.join("report.html")).unwrap(), page);
}

#[test]
fn a_stop_while_training_leaves_no_report() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo");
    let stopped = run(&out, sizes(), true).unwrap_err();
    assert!(matches!(stopped, Error::Interrupted(_)), "{stopped}");
    assert_eq!(stopped.exit_code(), 130);
    assert!(!out.join("report.html").exists() && !out.join("demo.json").exists());
}

#[test]
fn too_few_strangers_are_refused_before_anything_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo");
    let refused = run(&out, Sizes { strangers: 3, ..sizes() }, false).unwrap_err();
    assert_eq!(refused.exit_code(), 2, "{refused}");
    assert!(!out.exists());
}
