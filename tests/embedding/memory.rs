//! Memory of inference: weights are on the device and nowhere else. The peak resident set is a process's, so a process of its own
//! measures it: this very program with one test and the model's file named in the environment.

use crate::{face, model};
use hallucinet::{Device, Engine, Image};
use std::process::Command;

const MODEL: &str = "HALLUCINET_TEST_MODEL";
/// The two largest activations of a 64-channel hallucinator at 112x96, in KiB.
const ACTIVATIONS: u64 = 2 * 64 * 112 * 96 * 4 / 1024;

/// A number of `/proc/self/status`, in KiB.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn an_engine_has_its_weights_once() {
    if let Some(path) = std::env::var_os(MODEL) {
        let before = status("VmHWM");
        let engine = Engine::load(path).unwrap().on(Device::cpu().threads(1)).unwrap();
        let face = face(0, 0);
        engine.hallucinate(&[Image::from(&face)]).unwrap();
        engine.embed(&[Image::from(&face)]).unwrap();
        println!("peak {} KiB", status("VmHWM") - before);
        return;
    }
    if !cfg!(target_os = "linux") {
        println!("skipped: an_engine_has_its_weights_once reads /proc");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    let published = [("model.recognizer_width", "1"), ("model.features", "512"), ("model.hallucinator_channels", "64")];
    std::fs::write(&file, model(true, true, &published)).unwrap();
    let weights = file.metadata().unwrap().len() / 1024;
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "memory::an_engine_has_its_weights_once", "--nocapture"]).env(MODEL, &file);
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "peak").unwrap();
    let peak: u64 = words[at + 1].parse().unwrap();
    assert!(
        peak < 3 * (weights + ACTIVATIONS) / 2,
        "{peak} KiB for {weights} KiB of weights and {ACTIVATIONS} KiB beside"
    );
}
