//! A process that is killed while it writes checkpoints: whenever that is, the run goes on from an undamaged one that is
//! no older than the last one it had finished. The child is this test program itself, asked for one test by name.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use hallucinet::checkpoint::{EVENTS_FILE, Origin, Run};

use crate::{names, save, some_bytes};

/// Where the child works; without it `child` has nothing to do.
const FOLDER: &str = "HALLUCINET_TEST_KILLED";

#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let run = Run::open(folder).unwrap();
    let step = run.latest().unwrap().checkpoint.map_or(0, |checkpoint| checkpoint.state.step);
    let mut metrics = run.metrics(step).unwrap();
    for step in step + 1..step + 10_000 {
        metrics.append(&serde_json::json!({ "step": step })).unwrap();
        save(folder, step, 2);
        run.write_model(&some_bytes(step)).unwrap();
        println!("saved {step}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    drop(Run::create(&folder, "", &Origin { data: "pictures".into(), init: Vec::new() }).unwrap());
    let mut before = 0;
    for round in 0..20u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::child", "--exact", "--nocapture"])
            .env(FOLDER, &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let step_of = |line: &str| line.rsplit_once("saved ").and_then(|(_, step)| step.parse::<u64>().ok());
        let mut saved = lines.find_map(|line| step_of(&line)).unwrap();
        // Not a multiple of anything the child does, so that the rounds hit it in different places.
        std::thread::sleep(Duration::from_micros(997 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        saved = lines.filter_map(|line| step_of(&line)).last().unwrap_or(saved);
        let found = hallucinet::checkpoint::latest(&folder).unwrap();
        assert_eq!(found.warnings, [""; 0], "round {round}");
        let step = found.checkpoint.unwrap().state.step;
        assert!(step >= saved && step > before, "round {round}: saved {saved}, found {step}, before {before}");
        hallucinet::formats::safetensors::read(&folder.join("model.safetensors")).unwrap();
        before = step;
    }
    let run = Run::open(&folder).unwrap();
    assert_eq!(
        names(run.folder()),
        ["checkpoints", "config.toml", EVENTS_FILE, "metrics.jsonl", "model.safetensors", "run.json"]
    );
    drop(run.metrics(before).unwrap());
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let steps: Vec<String> = (1..=before).map(|step| format!("{{\"step\":{step}}}")).collect();
    assert_eq!(metrics.lines().collect::<Vec<_>>(), steps);
}
