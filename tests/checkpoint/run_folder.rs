//! The run folder: made once, opened by one process, its metrics cut back to where the run goes on.

use std::path::{Path, PathBuf};

use hallucinet::checkpoint::{Metrics, Origin, Run, resolve_model};
use hallucinet::files;

use crate::{names, save, some_bytes};

fn origin() -> Origin {
    Origin { data: PathBuf::from("pictures"), init: vec![PathBuf::from("/models/a")] }
}

#[test]
fn a_run_folder_keeps_what_a_resumed_run_needs() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("deep/run");
    let run = Run::create(&folder, "[train]\n", &origin()).unwrap();
    assert_eq!(names(&folder), ["config.toml", "run.json"]);
    drop(run);
    let run = Run::open(&folder).unwrap();
    assert_eq!(run.config().unwrap().1, "[train]\n");
    let kept = run.origin().unwrap();
    assert_eq!(kept.data, std::env::current_dir().unwrap().join("pictures"));
    assert_eq!(kept.init, [Path::new("/models/a")]);
    assert!(run.latest().unwrap().checkpoint.is_none());
}

#[test]
fn only_one_process_trains_in_a_folder() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let run = Run::create(&folder, "", &origin()).unwrap();
    let error = Run::open(&folder).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("another process"), "{error}");
    drop(run);
    Run::open(&folder).unwrap();
}

#[test]
fn output_that_is_in_the_way_is_refused_and_stays() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("precious"), b"x").unwrap();
    let error = Run::create(place.path(), "", &origin()).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("not empty"), "{error}");
    let error = Run::create(&place.path().join("precious"), "", &origin()).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("is a file"), "{error}");
    assert_eq!(names(place.path()), ["precious"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_input_output_error() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("file"), b"x").unwrap();
    // Root may write anywhere, but nobody may make a folder under a file, or in /proc.
    for path in [place.path().join("file/run"), PathBuf::from("/proc/run")] {
        let error = Run::create(&path, "", &origin()).unwrap_err();
        assert_eq!(error.exit_code(), 5, "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        let error = files::write(&path, b"x").unwrap_err();
        assert_eq!(error.exit_code(), 5, "{error}");
    }
    let empty = place.path().join("empty");
    files::create_empty_folder(&empty).unwrap();
    files::create_empty_folder(&empty).unwrap();
    assert_eq!(names(place.path()), ["empty", "file"]);
}

#[test]
fn a_folder_that_is_no_run_cannot_be_resumed() {
    let place = tempfile::tempdir().unwrap();
    for path in [place.path().to_owned(), place.path().join("absent")] {
        let error = Run::open(&path).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("not a run folder"), "{error}");
    }
}

#[test]
fn opening_a_run_removes_what_was_left_unfinished_and_nothing_else() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    drop(Run::create(&folder, "", &origin()).unwrap());
    save(&folder, 1, 2);
    std::fs::write(folder.join(".model.safetensors.tmp-x1"), b"").unwrap();
    std::fs::write(folder.join(".hidden"), b"").unwrap();
    std::fs::create_dir(folder.join("checkpoints/.step-2.tmp-x")).unwrap();
    std::fs::write(folder.join("checkpoints/.step-2.tmp-x/model.safetensors"), b"").unwrap();
    Run::open(&folder).unwrap();
    assert_eq!(names(&folder), [".hidden", "checkpoints", "config.toml", "run.json"]);
    assert_eq!(names(&folder.join("checkpoints")), ["step-1"]);
}

#[test]
fn metrics_are_cut_back_to_the_step_the_run_goes_on_from() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("metrics.jsonl");
    let mut metrics = Metrics::open(&path, 0).unwrap();
    for step in 1..=5 {
        metrics.append(&serde_json::json!({ "step": step, "loss": 0.5 })).unwrap();
    }
    metrics.sync().unwrap();
    drop(metrics);
    let whole = std::fs::read_to_string(&path).unwrap();
    let until = |step: usize| whole.lines().take(step).map(|line| format!("{line}\n")).collect::<String>();
    // However the file was cut, exactly the whole lines up to the step are left.
    for length in 0..=whole.len() {
        for step in [0, 3, 5, 9] {
            std::fs::write(&path, &whole[..length]).unwrap();
            drop(Metrics::open(&path, step).unwrap());
            let lines = whole[..length].matches('\n').count().min(step as usize);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), until(lines), "cut to {length}, step {step}");
        }
    }
    std::fs::write(&path, format!("{whole}not json\n\u{0}\u{0}\n{{\"step\": -1}}\n")).unwrap();
    let mut metrics = Metrics::open(&path, 2).unwrap();
    metrics.append(&serde_json::json!({ "loss": 0.5, "step": 3 })).unwrap();
    let lines = std::fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().count(), 3);
    assert!(lines.ends_with("}\n"));
}

#[test]
fn a_model_is_named_by_run_checkpoint_or_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    let run = Run::create(&folder, "", &origin()).unwrap();
    let refused = |path: &Path, part: &str| {
        let error = resolve_model(path).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(&folder, "--model takes");
    refused(&place.path().join("absent"), "no such run");
    let checkpoint = save(&folder, 3, 2);
    let within = checkpoint.join("model.safetensors");
    assert_eq!(resolve_model(&folder).unwrap(), within);
    assert_eq!(resolve_model(&checkpoint).unwrap(), within);
    assert_eq!(resolve_model(&within).unwrap(), within);
    run.write_model(&some_bytes(9)).unwrap();
    assert_eq!(resolve_model(&folder).unwrap(), folder.join("model.safetensors"));
}

#[test]
fn a_file_is_replaced_whole_and_others_may_read_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    let plain = place.path().join("plain");
    files::write(&path, b"first").unwrap();
    files::write(&path, b"second").unwrap();
    std::fs::write(&plain, b"").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(names(place.path()), ["file", "plain"]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions();
    assert_eq!(mode(&path), mode(&plain));
    // A writer that gives up half way leaves the older file, and no temporary.
    let give_up = files::Pending::create(&path).unwrap().fill(|file| {
        std::io::Write::write_all(file, b"half")?;
        Err(std::io::Error::other("gave up"))
    });
    assert_eq!(give_up.unwrap_err().exit_code(), 5);
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(names(place.path()), ["file", "plain"]);
}

#[test]
fn other_files_of_a_run_get_their_folder() {
    let place = tempfile::tempdir().unwrap();
    let run = Run::create(&place.path().join("run"), "", &origin()).unwrap();
    run.write("samples/step-1.png", b"x").unwrap();
    assert_eq!(std::fs::read(run.folder().join("samples/step-1.png")).unwrap(), b"x");
}
