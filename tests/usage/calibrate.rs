//! `calibrate`: the threshold it keeps beside the weights, and who may use it.

use crate::{Ran, folder, run, shared, train, word};
use hallucinet::files::sha256;
use std::path::Path;

/// A folder with a model of its own, which may be calibrated.
fn with_model() -> tempfile::TempDir {
    let temp = folder();
    std::fs::copy(shared().joint.join("model.safetensors"), temp.path().join("m.safetensors")).unwrap();
    temp
}

fn calibrate(place: &Path, far: &str, more: &[&str]) -> Ran {
    let mut words = vec!["calibrate", "--model", "m.safetensors", "--data", word(&shared().faces), "--json", "-q"];
    words.extend(["--far", far]);
    words.extend(more);
    run(place, &words)
}

fn verify(place: &Path, more: &[&str]) -> Ran {
    let (a, b) = (shared().faces.join("id00000/0000.png"), shared().faces.join("id00001/0000.png"));
    let mut words = vec!["verify", "--model", "m.safetensors", word(&a), word(&b), "--json", "-q"];
    words.extend(more);
    run(place, &words)
}

#[test]
fn the_threshold_accepts_no_more_strangers_than_it_was_asked_for() {
    let temp = with_model();
    let answer = calibrate(temp.path(), "0.2", &["--input", "hr"]).ok().json();
    // Two pictures of each of three people: 3 pairs of one person, 12 of two, of which 2 may be accepted.
    let counts =
        ["pairs_used", "pairs_total", "pairs_same", "pairs_different"].map(|key| answer[key].as_u64().unwrap());
    assert_eq!(counts, [15, 15, 3, 12]);
    let text = std::fs::read(temp.path().join("calibration.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&text).unwrap();
    for (key, value) in kept.as_object().unwrap() {
        assert_eq!(&answer[key], value, "{key}");
        assert!(!value.is_null(), "{key}");
    }
    assert_eq!((&kept["input"], &kept["mirror"], &kept["far"]), (&"hr".into(), &true.into(), &0.2.into()));
    assert_eq!(kept["model_sha256"], sha256(&std::fs::read(temp.path().join("m.safetensors")).unwrap()));
    let threshold = kept["threshold"].as_f64().unwrap();
    let ends = [0, 1].map(|end| kept["interval"][end].as_f64().unwrap());
    assert!(ends[0] <= threshold && threshold <= ends[1] && ends[0] >= -1.0 && ends[1] <= 1.0, "{kept}");
    // Every cosine is asked for again, one by one.
    let pictures: Vec<_> = (0..6).map(|i| shared().faces.join(format!("id{:05}/{:04}.png", i / 2, i % 2))).collect();
    let mut accepted = 0;
    for (a, b) in (0..6).flat_map(|a| (a + 1..6).map(move |b| (a, b))).filter(|(a, b)| a / 2 != b / 2) {
        let words = ["verify", "--model", "m.safetensors", word(&pictures[a]), word(&pictures[b]), "--json", "-q"];
        let answer = run(temp.path(), &words).json();
        assert_eq!(answer["threshold"].as_f64(), Some(threshold));
        accepted += u32::from(answer["same"] == true);
    }
    assert!(accepted <= 2, "{accepted}");
    assert_eq!(kept["far_measured"].as_f64().unwrap(), f64::from(accepted) / 12.0);
}

#[test]
fn a_rate_that_the_pairs_cannot_show_is_refused() {
    let temp = with_model();
    calibrate(temp.path(), "0.08", &[]).refused(2, "13 are needed");
    calibrate(temp.path(), "1e-3", &[]).refused(2, "1000 are needed");
    assert!(!temp.path().join("calibration.json").exists());
    for far in ["0", "1", "-1", "nan", "x"] {
        calibrate(temp.path(), far, &[]).refused(2, "share between 0 and 1");
    }
}

#[test]
fn a_list_of_pairs_is_known_by_its_hash() {
    let temp = with_model();
    let root = temp.path();
    for i in 0..6 {
        let to = root.join(format!("lfw/id{:05}/id{:05}_{:04}.png", i / 2, i / 2, i % 2 + 1));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(shared().faces.join(format!("id{:05}/{:04}.png", i / 2, i % 2)), to).unwrap();
    }
    let fold = |a: u32, b: u32| format!("id{a:05}\t1\t2\nid{a:05}\t1\tid{b:05}\t2\n");
    std::fs::write(root.join("pairs.txt"), format!("2\t1\n{}{}", fold(0, 1), fold(1, 2))).unwrap();
    let words =
        ["calibrate", "--model", "m.safetensors", "--data", "lfw", "--pairs", "pairs.txt", "--far", "0.5", "--json"];
    let answer = run(root, &words).ok().json();
    assert_eq!(answer["pairs_sha256"], sha256(&std::fs::read(root.join("pairs.txt")).unwrap()));
    assert_eq!(answer["pairs_different"], 2);
    std::fs::remove_file(root.join("lfw/id00002/id00002_0002.png")).unwrap();
    run(root, &words).refused(3, "id00002_0002");
    let mut missing = words.to_vec();
    missing.push("--allow-missing");
    std::fs::write(root.join("clips.txt"), "1, 1, a/0, a/1, 1\n2, 1, b/0, a/1, 0\n").unwrap();
    let clips = ["calibrate", "--model", "m.safetensors", "--data", "lfw", "--pairs", "clips.txt", "--far", "0.5"];
    run(root, &clips).refused(2, "single pictures");
    // One pair of different people is left, which cannot show one in two.
    run(root, &missing).refused(2, "2 are needed");
}

#[test]
fn a_calibration_answers_only_what_it_was_made_for() {
    let temp = with_model();
    let root = temp.path();
    calibrate(root, "0.2", &["--input", "hr"]).ok();
    assert!(verify(root, &[]).json()["same"].is_boolean());
    for (more, words) in [(&["--input", "lr"][..], "--input hr"), (&["--no-mirror"], "--no-mirror")] {
        let ran = verify(root, more);
        assert_eq!((ran.code, ran.stderr.lines().count()), (3, 1), "{}", ran.stderr);
        assert!(ran.json()["same"].is_null() && ran.json()["cosine"].is_f64());
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    // Other weights under the same name.
    let other = train(shared().faces.parent().unwrap(), "other", "joint", &["train.seed=9"]);
    std::fs::copy(other.join("model.safetensors"), root.join("m.safetensors")).unwrap();
    verify(root, &[]).refused(3, "other weights");
    assert!(verify(root, &["--threshold", "0.5"]).json()["same"].is_boolean());
    calibrate(root, "0.2", &[]).ok();
    assert!(verify(root, &[]).json()["same"].is_boolean());
    let engine = hallucinet::Engine::load(root.join("m.safetensors")).unwrap().on(hallucinet::Device::cpu()).unwrap();
    let grey = vec![90; 3 * 96 * 112];
    let face = hallucinet::Image::new(96, 112, &grey).unwrap();
    assert_eq!(engine.verify(face, face).unwrap().same, Some(true));
}
