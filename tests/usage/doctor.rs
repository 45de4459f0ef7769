//! `doctor`, and devices that are not there.

use crate::{folder, run, run_on, shared, word};
use std::time::{Duration, Instant};

#[test]
fn doctor_reports_devices_kernels_and_a_self_test() {
    let ran = run(folder().path(), &["doctor", "--json", "-q"]).ok();
    assert_eq!(ran.stderr, "");
    let json = ran.json();
    let devices = json["devices"].as_array().unwrap();
    assert_eq!(devices[0]["name"], "cpu");
    assert!(devices[0]["threads"].as_u64().unwrap() > 0);
    assert!(devices.iter().any(|device| device["name"] == "cuda" && device["available"] == false));
    let entries: Vec<&str> =
        json["kernels"].as_array().unwrap().iter().map(|kernel| kernel["entry"].as_str().unwrap()).collect();
    for entry in ["conv_forward", "conv_data", "conv_filter", "sgd", "softmax_loss", "center_update", "center_gradient"]
    {
        assert!(entries.contains(&entry), "{entry} is not in {entries:?}");
    }
    let test = &json["self_test"];
    assert_eq!(test["pass"], true, "{test}");
    assert!(test["checks"].as_array().unwrap().len() >= 10);
    assert!(test["checks"].as_array().unwrap().iter().all(|check| check["error"].as_f64().unwrap() <= 1.0));
}

#[test]
fn a_device_that_is_not_there_is_refused_at_once() {
    let temp = folder();
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    let started = Instant::now();
    for device in ["cuda", "cuda:3"] {
        run(temp.path(), &["doctor", "--device", device]).refused(4, device);
        let words = ["embed", "--model", model, faces, "--out", "f.npy", "--device", device];
        run(temp.path(), &words).refused(4, "--device cpu");
    }
    assert!(started.elapsed() < Duration::from_secs(4), "a second for each of the four");
    assert!(!temp.path().join("f.npy").exists());
}

#[test]
fn an_instruction_set_that_nobody_knows_is_refused() {
    run_on("sse9", folder().path(), &["doctor", "--device", "cpu"]).refused(2, "portable, avx2, avx512 or avx512-bf16");
}
