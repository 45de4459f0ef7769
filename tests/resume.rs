//! A run that was stopped and resumed, however and however often, ends with the same bytes as one that never stopped.

use hallucinet::backend::Choice;
use hallucinet::checkpoint::EVENTS_FILE;
use hallucinet::data::synth::{self, World};
use hallucinet::model::config::{Config, Overrides};
use hallucinet::tasks::{Context, Listener, train};
use hallucinet::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Two stages and checkpoints that do not fall on their border: 3 + 4 steps. The second learns from the recogniser of the first.
const CONFIG: &str = r#"
[model]
recognizer_width = 0.0625
features = 8
hallucinator = "fast"
hallucinator_channels = 4
hallucinator_units = 1
[train]
batch = 4
lr = 0.01
seed = 7
checkpoint_every = 2
eval_every = 3
[[train.stages]]
mode = "recognition-hr"
steps = 3
[[train.stages]]
mode = "joint"
steps = 4
batch = 3
[train.stages.loss]
distill = 3
"#;

struct Silent;

impl Listener for Silent {
    fn say(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn progress(&self, _: &str, _: u64, _: u64, _: u64, _: &str) {}
}

fn with_context<T>(stopping: bool, work: impl FnOnce(&Context) -> T) -> T {
    let stop = AtomicBool::new(stopping);
    work(&Context { device: Choice::Cpu, threads: Some(2), listener: &Silent, stop: &stop })
}

fn faces(folder: &Path) -> PathBuf {
    let data = folder.join("faces");
    synth::write(&data, World::strangers(1), 4, 3, &|_| Ok(())).unwrap();
    data
}

fn request(data: &Path, out: PathBuf) -> train::Request {
    let config = Config::parse("test", CONFIG, &Overrides::default()).unwrap();
    train::Request { config, data: data.to_owned(), out, init: vec![] }
}

fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn stopping_after_every_step_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let (whole, pieces) = (folder.path().join("whole"), folder.path().join("pieces"));
    with_context(false, |context| train::train(context, &request(&data, whole.clone()))).unwrap();
    let mut result: Result<_> = with_context(true, |context| train::train(context, &request(&data, pieces.clone())));
    let mut stops = 0;
    while let Err(error) = result {
        assert!(matches!(error, Error::Interrupted(_)), "{error}");
        assert_eq!(error.exit_code(), 130);
        stops += 1;
        result = with_context(true, |context| train::resume(context, &pieces));
    }
    assert_eq!(stops, 6, "one stop after each step but the last");
    assert!(model(&whole) == model(&pieces));
    for file in ["metrics.jsonl", EVENTS_FILE, "samples/step-7.png", "stages/1-recognition-hr/model.safetensors"] {
        assert!(std::fs::read(whole.join(file)).unwrap() == std::fs::read(pieces.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let run = folder.path().join("run");
    with_context(false, |context| train::train(context, &request(&data, run.clone()))).unwrap();
    let before = snapshot(&run);
    let finished = with_context(false, |context| train::resume(context, &run)).unwrap();
    assert_eq!(finished.steps, 7);
    assert!(finished.losses.pixel.is_some());
    assert_eq!(before, snapshot(&run));
}

/// A resumed run needs the recogniser that it learns from; a model is what it is without it.
#[test]
fn the_teacher_is_in_checkpoints_and_not_in_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let run = folder.path().join("run");
    let finished = with_context(false, |context| train::train(context, &request(&data, run.clone()))).unwrap();
    assert!(finished.losses.distill.is_some_and(|loss| loss > 0.0 && loss < 2.0), "{:?}", finished.losses);
    let tensors = |file: &str| hallucinet::formats::safetensors::read(&run.join(file)).unwrap().tensors;
    let (first, last) = (tensors("stages/1-recognition-hr/model.safetensors"), tensors("model.safetensors"));
    assert!(!last.keys().any(|name| name.starts_with("teacher")));
    let kept = tensors("checkpoints/step-7/optimizer.safetensors");
    let (teacher, ours) = ("teacher.conv2_1.weight", "recognizer.conv2_1.weight");
    assert!(kept[teacher].data == first[ours].data, "the teacher is the recogniser of the stage before");
    assert!(kept[teacher].data != last[ours].data);
}

/// Names, lengths and times of every file.
fn snapshot(folder: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = path.metadata().unwrap();
            if about.is_dir() {
                folders.push(path);
            } else {
                files.push((path, about.len(), about.modified().unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn threads_do_not_change_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let models: Vec<Vec<u8>> = [1, 2, 3]
        .iter()
        .map(|threads| {
            let run = folder.path().join(format!("run{threads}"));
            let stop = AtomicBool::new(false);
            let context = Context { device: Choice::Cpu, threads: Some(*threads), listener: &Silent, stop: &stop };
            train::train(&context, &request(&data, run.clone())).unwrap();
            model(&run)
        })
        .collect();
    assert!(models[0] == models[1] && models[1] == models[2]);
}

/// Where the last checkpoint is, the model is, whenever a process was killed: a run that finds its last step done changes nothing.
#[test]
fn a_checkpoint_is_never_ahead_of_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    with_context(false, |context| train::train(context, &request(&data, whole.clone()))).unwrap();
    with_context(true, |context| train::train(context, &request(&data, broken.clone()))).unwrap_err();
    // Every checkpoint but the last can be written; that one dies with the process, as it were.
    std::fs::write(broken.join("checkpoints/step-7"), "in the way").unwrap();
    with_context(false, |context| train::resume(context, &broken)).unwrap_err();
    assert!(model(&whole) == model(&broken), "the last model was there before the last checkpoint was tried");
    std::fs::remove_file(broken.join("checkpoints/step-7")).unwrap();
    with_context(false, |context| train::resume(context, &broken)).unwrap();
    assert!(model(&whole) == model(&broken));
}

#[test]
fn data_that_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let run = folder.path().join("run");
    with_context(true, |context| train::train(context, &request(&data, run.clone()))).unwrap_err();
    std::fs::remove_dir_all(data.join("id00003")).unwrap();
    let error = with_context(false, |context| train::resume(context, &run)).unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    assert!(error.to_string().contains("changed"), "{error}");
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallucinet"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// `kill -9` and Ctrl-C at whatever moments, then `--resume` until it is done.
#[test]
fn killed_and_interrupted_runs_end_with_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces(folder.path());
    let config = folder.path().join("config.toml");
    std::fs::write(&config, CONFIG.replace("steps = 4", "steps = 40").replace("steps = 3", "steps = 30")).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let start = |run: &Path| {
        program(&["train", "--config", &text(&config), "--data", &text(&data), "--out", &text(run), "--device", "cpu"])
    };
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    assert!(start(&whole).status().unwrap().success());
    let mut attempt = start(&broken);
    let mut codes = Vec::new();
    for round in 0..200u64 {
        let mut child = attempt.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(30 + 37 * (round % 7)));
        let signal = if round % 3 == 2 { "-INT" } else { "-KILL" };
        if child.try_wait().unwrap().is_none() {
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        }
        let status = child.wait().unwrap();
        codes.push(status.code());
        if status.success() {
            break;
        }
        assert!(matches!(status.code(), None | Some(130)), "round {round}: {status}");
        // A run that was killed before its folder was whole has to be started again.
        attempt = if broken.join("config.toml").is_file() {
            program(&["train", "--resume", &text(&broken), "--device", "cpu"])
        } else {
            let _ = std::fs::remove_dir_all(&broken);
            start(&broken)
        };
        // Slow machines get further with every round, because checkpoints are two steps apart; help them at the end.
        if round > 40 {
            codes.push(attempt.status().unwrap().code());
            break;
        }
    }
    assert_eq!(codes.last(), Some(&Some(0)), "{codes:?}");
    assert!(codes.len() > 2, "nothing was interrupted: {codes:?}");
    assert!(model(&whole) == model(&broken));
    let leftovers = std::fs::read_dir(&broken)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(leftovers.count(), 0, "temporaries are left behind");
}
