//! A disk that fills up while a checkpoint is written: the error says so, older checkpoints stay, nothing is left over.
//!
//! Two ways to run out: a limit on the size of files, which every user may set for a child process, and a small tmpfs,
//! which takes root. The child is this test program itself, asked for one test by name.

use std::path::Path;
use std::process::Command;

use hallucinet::checkpoint::{Origin, Run, State, latest};
use hallucinet::formats::safetensors::{Tensor, Tensors, to_bytes};

use crate::{names, save, some_bytes};

/// Where the child works; without it `child` has nothing to do.
const FOLDER: &str = "HALLUCINET_TEST_FULL_DISK";

/// Bytes of a model that fits neither.
fn large() -> Vec<u8> {
    let tensors = Tensors::from([("w".to_owned(), Tensor::new(&[1 << 18], vec![1.0; 1 << 18]).unwrap())]);
    to_bytes(&tensors, &serde_json::Value::Null).unwrap()
}

/// Fails to write a large checkpoint, model and run into a folder that has a small checkpoint already.
fn run_out_of_room(folder: &Path) {
    let run = Run::open(folder).unwrap();
    let state = State { step: 2, ..State::default() };
    let before = names(folder);
    let error = hallucinet::checkpoint::save(folder, &state, &large(), &some_bytes(1), 1).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("step-2") && error.to_string().contains("cannot write"), "{error}");
    assert_eq!(run.write_model(&large()).unwrap_err().exit_code(), 5);
    assert_eq!(run.write("report.html", &large()).unwrap_err().exit_code(), 5);
    assert_eq!(names(folder), before);
    assert_eq!(names(&folder.join("checkpoints")), ["step-1"]);
    assert_eq!(latest(folder).unwrap().checkpoint.unwrap().state.step, 1);
    let config = "#".repeat(1 << 20);
    assert_eq!(Run::create(&folder.join("another"), &config, &origin()).unwrap_err().exit_code(), 5);
    assert_eq!(names(folder), before);
}

fn origin() -> Origin {
    Origin { data: "pictures".into(), init: Vec::new() }
}

fn prepare(folder: &Path) {
    drop(Run::create(folder, "", &origin()).unwrap());
    save(folder, 1, 2);
}

#[test]
fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        run_out_of_room(Path::new(&folder));
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_survived() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("run");
    prepare(&folder);
    // The signal would kill the process; ignored, it becomes an error of the write, as a full disk is.
    let output = Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" full_disk::child --exact --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn a_full_disk_is_survived() {
    let place = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        Command::new("mount").args(arguments).arg(place.path()).output().is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"]) {
        println!("skipped: a_full_disk_is_survived: no right to mount a tmpfs");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let folder = place.path().join("run");
        prepare(&folder);
        run_out_of_room(&folder);
    });
    let unmounted = Command::new("umount").arg(place.path()).status();
    result.unwrap();
    assert!(unmounted.unwrap().success());
}
