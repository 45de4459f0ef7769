//! `doctor` on the card of the stand-in driver: what it is, which code was chosen, and a known-answer test of every kernel.

use crate::standin;
use hallucinet::backend::cuda::{code_for, embedded};

/// Kernels that no step of any network launches; each with the reason why it is there.
const UNTESTED: [(&str, &str); 0] = [];

#[test]
fn doctor_tests_every_kernel_on_the_device() {
    if embedded().is_empty() {
        return println!("skipped: doctor_tests_every_kernel_on_the_device: built without nvcc");
    }
    let mut program = crate::program();
    if !standin::is_card() {
        match standin::library() {
            Ok(folder) => program.env("LD_LIBRARY_PATH", folder),
            Err(why) => return println!("skipped: doctor_tests_every_kernel_on_the_device: {why}"),
        };
    }
    let output = program.args(["doctor", "--device", "cuda", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let failed = json["self_test"]["checks"].as_array().unwrap().iter().filter(|check| check["pass"] != true);
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<&serde_json::Value>::new());
    assert_eq!(output.status.code(), Some(0), "{said}");
    let tested = |entry: &str| {
        json["kernels"].as_array().unwrap().iter().any(|kernel| kernel["entry"] == entry && kernel["tested"] == true)
    };
    let known = json["kernels"].as_array().unwrap().iter().map(|kernel| kernel["entry"].as_str().unwrap().to_owned());
    let missing: Vec<String> = standin::exported()
        .into_iter()
        .chain(known)
        .filter(|entry| !tested(entry) && !UNTESTED.iter().any(|(known, _)| known == entry))
        .collect();
    assert!(missing.is_empty(), "in the fatbins, but not tested on the device: {missing:?}");
    let cuda = json["devices"].as_array().unwrap().iter().find(|device| device["name"] == "cuda:0").unwrap();
    assert!(cuda["available"] == true && cuda["model"].is_string() && cuda["driver"].is_string(), "{cuda}");
    assert!(cuda["free_bytes"].as_u64().unwrap() <= cuda["memory_bytes"].as_u64().unwrap(), "{cuda}");
    let code = cuda["code"].as_str().unwrap();
    assert!(code.starts_with("sm_") || code.starts_with("compute_"), "{cuda}");
}

#[test]
fn the_nearest_code_below_is_chosen() {
    if std::env::var_os("HALLUCINET_CUDA_ARCHS").is_some() {
        return println!("skipped: the_nearest_code_below_is_chosen: built for a shorter list");
    }
    for (capability, code) in [
        ((8, 0), "sm_80"),
        ((8, 6), "sm_86"),
        ((8, 7), "sm_86"),
        ((8, 9), "sm_89"),
        ((9, 0), "sm_90a"),
        ((10, 3), "sm_100"),
        ((12, 1), "sm_120"),
        ((11, 0), "compute_80, compiled by the driver"),
    ] {
        assert_eq!(code_for(capability), code);
    }
}
