//! Too little memory, through the real program on the stand-in driver: how much the plan needs, how much is free, and the largest batch
//! that fits, which is what `plan` says too. Nothing is left behind.

use crate::standin;
use hallucinet::data::synth::{self, World};
use std::path::Path;

const MIB: usize = 1 << 20;

const TINY: [&str; 8] = [
    "model.recognizer_width=0.0625",
    "model.features=8",
    "model.hallucinator=fast",
    "model.hallucinator_channels=4",
    "model.hallucinator_units=1",
    "train.mode=joint",
    "train.steps=1",
    "train.lr=0.01",
];

/// The folder of the stand-in driver; or nothing, said by name.
fn driver(test: &str) -> Option<&'static Path> {
    if standin::is_card() {
        println!("skipped: {test}: a real card cannot be told to fail");
        return None;
    }
    if hallucinet::backend::cuda::embedded().is_empty() {
        println!("skipped: {test}: built without nvcc");
        return None;
    }
    standin::library().map_err(|why| println!("skipped: {test}: {why}")).ok()
}

/// Runs the program in a folder, over the stand-in driver with settings of its own.
fn run(place: &Path, driver: &Path, settings: &[(&str, &str)], words: &[&str]) -> (i32, String, String) {
    let output = crate::program()
        .args(words)
        .current_dir(place)
        .env("LD_LIBRARY_PATH", driver)
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The number right before a phrase.
fn before(text: &str, phrase: &str) -> usize {
    let (head, _) = text.split_once(phrase).unwrap_or_else(|| panic!("no {phrase:?} in {text}"));
    head.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// The MiB that are free: `..., 36 of 60 MiB are free; ...`.
fn free(text: &str) -> usize {
    text.split(" MiB, ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse().unwrap()
}

fn last_number(text: &str) -> usize {
    text.trim_end().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"))
}

/// What the planner says that a batch takes, in bytes.
fn planned(place: &Path, driver: &Path, batch: usize, identities: &str, inference: bool) -> usize {
    let batch = batch.to_string();
    let mut words = vec!["plan", "--config", "tiny.toml", "--identities", identities, "--batch", &batch, "--json"];
    words.extend(if inference { vec!["--inference", "lr"] } else { vec![] });
    TINY.iter().for_each(|set| words.extend(["--set", set]));
    let (code, out, err) = run(place, driver, &[], &words);
    assert_eq!(code, 0, "{err}");
    let plan = &serde_json::from_str::<serde_json::Value>(&out).unwrap()["plans"][0];
    (plan["store_bytes"].as_u64().unwrap() + plan["arena_bytes"].as_u64().unwrap()) as usize
}

fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("tiny.toml"), "").unwrap();
    synth::write(&place.path().join("faces"), World::strangers(1), 3, 4, &|_| Ok(())).unwrap();
    place
}

#[test]
fn train_bench_and_eval_name_the_largest_batch_that_fits() {
    let Some(driver) = driver("train_bench_and_eval_name_the_largest_batch_that_fits") else { return };
    let place = place();
    let place = place.path();
    let train = |out: &str, device: &str, batch: &str, settings: &[(&str, &str)]| {
        let mut words = vec!["train", "--config", "tiny.toml", "--data", "faces", "--out", out, "--device", device];
        TINY.iter().chain([&batch]).for_each(|set| words.extend(["--set", set]));
        run(place, driver, settings, &words)
    };
    // The uploads take 24 MiB of it.
    let memory = (60 * MIB).to_string();
    let small = [("STANDIN_MEMORY", memory.as_str())];
    let said = |(code, out, err): (i32, String, String), batch: usize, identities: &str, inference: bool| {
        let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("error:")).collect();
        assert!(code == 4 && out.is_empty() && errors.len() == 1, "{code} {out}{err}");
        let (needed, free) = (before(errors[0], " MiB, "), free(errors[0]));
        let fits = last_number(errors[0]);
        assert_eq!(needed, planned(place, driver, batch, identities, inference).div_ceil(MIB), "{err}");
        // What is free is rounded up to whole MiB where it is printed.
        assert!(fits >= 1 && planned(place, driver, fits, identities, inference) <= free * MIB, "{err}");
        assert!(planned(place, driver, fits + 1, identities, inference) > (free - 1) * MIB, "{err}");
    };
    said(train("run", "cuda", "train.batch=64", &small), 64, "3", false);
    assert!(!place.join("run").exists(), "a run folder was left behind");
    let mut words = vec!["bench", "--config", "tiny.toml", "--batch", "200", "--device", "cuda", "--identities", "3"];
    TINY.iter().for_each(|set| words.extend(["--set", set]));
    // The first row, `hallucinate`, already is too large; its model is the hallucinator alone.
    let (code, _, err) = run(place, driver, &small, &words);
    assert!(code == 4 && err.contains("a batch of 200 needs") && err.contains("largest batch that fits is"), "{err}");

    let (code, _, err) = train("model", "cpu", "train.batch=4", &[]);
    assert_eq!(code, 0, "{err}");
    let memory = (26 * MIB).to_string();
    let words = ["eval", "--model", "model", "--data", "faces", "--device", "cuda"];
    let (code, out, err) = run(place, driver, &[("STANDIN_MEMORY", memory.as_str())], &words);
    assert!(code == 4 && out.is_empty() && err.contains("a batch of 12 needs"), "{code} {out}{err}");
    assert!(err.contains("largest batch that fits is") || err.contains("not even one picture"), "{err}");
}

/// An allocation that fails although the count says that it fits is told in the same words; only less is said to fit.
#[test]
fn every_allocation_of_a_training_may_fail() {
    let Some(driver) = driver("every_allocation_of_a_training_may_fail") else { return };
    let place = place();
    let mut words = vec!["train", "--config", "tiny.toml", "--data", "faces", "--out", "run", "--device", "cuda"];
    TINY.iter().chain([&"train.batch=4"]).for_each(|set| words.extend(["--set", set]));
    // Four buffers for uploads, when the device is opened; then the store and the arena of the plan.
    let expected =
        [(1, "48 MiB more"), (4, "48 MiB more"), (5, "largest batch that fits is 3"), (6, "batch that fits is 3")];
    for (number, phrase) in expected {
        let number = number.to_string();
        let (code, _, err) = run(place.path(), driver, &[("STANDIN_FAIL_ALLOCATION", &number)], &words);
        assert!(code == 4 && err.contains("out of memory") && err.contains(phrase), "{number}: {code} {err}");
        assert!(!place.path().join("run").exists(), "{number}: a run folder was left behind");
    }
    let (code, _, err) = run(place.path(), driver, &[], &words);
    assert_eq!(code, 0, "{err}");
}

/// A launch that the driver refuses: which layer, which kernel, which grid, how many bytes of what it reads and writes.
#[test]
fn a_refused_launch_of_a_training_is_told_with_its_layer_and_shapes() {
    let Some(driver) = driver("a_refused_launch_of_a_training_is_told_with_its_layer_and_shapes") else { return };
    let place = place();
    let mut words = vec!["train", "--config", "tiny.toml", "--data", "faces", "--out", "run", "--device", "cuda"];
    TINY.iter().chain([&"train.batch=4"]).for_each(|set| words.extend(["--set", set]));
    let (code, _, err) = run(place.path(), driver, &[("STANDIN_REFUSE_LAUNCH", "9")], &words);
    let line = err.lines().find(|line| line.starts_with("error:")).unwrap_or_default();
    assert!(code == 4, "{code} {err}");
    for word in ["cuda:0: hallucinator.", "kernel conv/", "grid ", "block ", "reads ", "writes "] {
        assert!(line.contains(word), "no {word:?} in {line}");
    }
}
