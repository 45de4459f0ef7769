//! The cuda executor over the stand-in driver: whole training steps as on the cpu, recordings, uploads, and everything that can go
//! wrong with a device. Kernels one by one are the business of `tests/ops`, which runs over the same driver.

mod absent;
mod doctor;
mod executor;
mod faults;
mod memory;
mod nvtx;
mod plans;
#[path = "../standin/mod.rs"]
mod standin;
mod steps;

use hallucinet::model::Model;
use hallucinet::model::config::{Config, Overrides};
use std::path::Path;
use std::process::Command;

const IDENTITIES: usize = 3;
const BATCH: usize = 2;

/// Every layer of the published networks, a few channels wide.
fn small(mode: &str, hallucinator: &str, precision: &str) -> (Config, Model) {
    let settings = [
        ("model.recognizer_width", "0.0625"),
        ("model.features", "8"),
        ("model.hallucinator", hallucinator),
        ("model.hallucinator_channels", "4"),
        ("model.hallucinator_units", "1"),
        ("model.residual_init", "he"),
        ("train.mode", mode),
        ("train.clip", "1"),
        ("train.precision", precision),
    ];
    let set = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let config = Config::parse("small", "", &Overrides { set, ..Overrides::default() }).unwrap();
    let model = Model::trained_by(&config, IDENTITIES).unwrap();
    (config, model)
}

/// The real program: of this build, or in the GPU bundle the one beside this test.
fn program() -> Command {
    let beside = std::env::current_exe().unwrap().with_file_name("hallucinet");
    let built = Path::new(env!("CARGO_BIN_EXE_hallucinet"));
    Command::new(if built.exists() { built } else { &beside })
}
