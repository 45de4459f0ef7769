//! `verify`: the cosine, where the threshold comes from, and the exit code that is the answer.

use crate::{folder, rows, run, shared, word};
use std::path::PathBuf;

fn pair() -> (PathBuf, PathBuf) {
    (shared().faces.join("id00000/0000.png"), shared().faces.join("id00001/0000.png"))
}

#[test]
fn the_cosine_is_that_of_the_features_that_embed_writes() {
    let (a, b) = pair();
    for (mirror, flag) in [("--mirror", None), ("-q", Some("--no-mirror"))] {
        let more = if mirror == "--mirror" { vec![mirror] } else { vec![] };
        let (x, y) = (rows(&shared().joint, &[&a], &more).concat(), rows(&shared().joint, &[&b], &more).concat());
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let wanted = dot(&x, &y) / (dot(&x, &x) * dot(&y, &y)).sqrt();
        let mut words =
            vec!["verify", "--model", word(&shared().joint), word(&a), word(&b), "--threshold", "-1", "--json", "-q"];
        words.extend(flag);
        let ran = run(folder().path(), &words).ok();
        assert_eq!(ran.stderr, "");
        let cosine = ran.json()["cosine"].as_f64().unwrap();
        assert!((cosine - wanted).abs() < 1e-12, "{cosine} {wanted}");
    }
}

#[test]
fn a_picture_is_itself_and_nothing_is_beyond_one() {
    let (a, b) = pair();
    let verify = |second: &PathBuf, threshold: &str| {
        let words =
            ["verify", "--model", word(&shared().joint), word(&a), word(second), "--threshold", threshold, "--json"];
        run(folder().path(), &words)
    };
    let same = verify(&a, "0.999999");
    assert_eq!((same.code, &same.json()["same"]), (0, &true.into()));
    let other = verify(&b, "1");
    assert_eq!((other.code, &other.json()["same"], &other.json()["threshold"]), (1, &false.into(), &1.0.into()));
}

#[test]
fn without_a_threshold_there_is_a_cosine_and_no_answer() {
    let (a, b) = pair();
    let ran = run(folder().path(), &["verify", "--model", word(&shared().joint), word(&a), word(&b), "--json", "-q"]);
    assert_eq!(ran.code, 3);
    let json = ran.json();
    assert!(json["cosine"].is_f64());
    assert!(json["same"].is_null() && json["threshold"].is_null(), "{json}");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("--threshold"), "{}", ran.stderr);
}

#[test]
fn the_calibration_beside_the_weights_has_the_threshold() {
    let temp = folder();
    std::fs::copy(shared().joint.join("model.safetensors"), temp.path().join("model.safetensors")).unwrap();
    let (a, b) = pair();
    let verify = |more: &[&str]| {
        let mut words = vec!["verify", "--model", "model.safetensors", word(&a), word(&b), "--json", "-q"];
        words.extend(more);
        run(temp.path(), &words)
    };
    let calibrate = |text: &str| std::fs::write(temp.path().join("calibration.json"), text).unwrap();
    calibrate(r#"{"threshold": -1.0, "far": 0.001}"#);
    let ran = verify(&[]).ok();
    assert_eq!(ran.json()["threshold"], -1.0);
    assert_eq!(verify(&["--threshold", "1"]).code, 1, "the command line wins");
    calibrate(r#"{"threshold": null}"#);
    assert_eq!(verify(&[]).code, 3);
    for broken in ["", "{", r#"{"threshold": "0.5"}"#, r#"{"threshold": 7}"#] {
        calibrate(broken);
        verify(&[]).refused(3, "calibration.json");
    }
}
