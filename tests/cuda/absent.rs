//! `--device cuda` where there is none: exit code 4, one sentence, within a second, through the real program.

use crate::standin;
use std::process::Output;
use std::time::{Duration, Instant};

fn hallucinet(arguments: &str, environment: &[(&str, &str)]) -> (Output, Duration) {
    let started = Instant::now();
    let mut program = crate::program();
    program.args(arguments.split(' ')).env("LD_LIBRARY_PATH", "").envs(environment.iter().copied());
    (program.output().unwrap(), started.elapsed())
}

fn refused((output, took): (Output, Duration)) -> String {
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.trim_end().lines().count() == 1 && said.contains("cuda:"), "{said}");
    // A loaded machine may take longer than the second that is promised on a free one.
    assert!(took < Duration::from_secs(5), "{took:?}");
    said
}

#[test]
fn no_driver_is_exit_4() {
    if hallucinet::backend::libcuda::find().is_some() {
        println!("skipped: no_driver_is_exit_4: there is a driver");
        return;
    }
    for device in ["cuda", "cuda:0", "cuda:3"] {
        refused(hallucinet(&format!("doctor --device {device}"), &[]));
    }
}

#[test]
fn no_device_an_old_driver_and_a_wrong_number_are_exit_4() {
    let folder = match standin::library() {
        Ok(folder) => folder.to_str().unwrap(),
        Err(why) => return println!("skipped: no_device_an_old_driver_and_a_wrong_number_are_exit_4: {why}"),
    };
    if hallucinet::backend::cuda::embedded().is_empty() {
        return println!("skipped: no_device_an_old_driver_and_a_wrong_number_are_exit_4: built without nvcc");
    }
    let with = |name, value| [("LD_LIBRARY_PATH", folder), (name, value)];
    refused(hallucinet("doctor --device cuda", &with("STANDIN_DEVICE", "none")));
    let old = refused(hallucinet("doctor --device cuda", &with("STANDIN_DRIVER", "12080")));
    assert!(old.contains("12.8"), "{old}");
    let wrong = refused(hallucinet("doctor --device cuda:1", &with("STANDIN_DEVICE", "present")));
    assert!(wrong.contains("cuda:1"), "{wrong}");
}
