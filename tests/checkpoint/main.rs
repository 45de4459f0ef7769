//! What a run leaves on disk: whole or absent whatever happens, read with suspicion, and going on from where it was.

mod checkpoints;
mod events;
mod full_disk;
mod gallery;
mod killed;
mod run_folder;
mod tensors;

use std::path::{Path, PathBuf};

use hallucinet::checkpoint::State;
use hallucinet::formats::safetensors::{Tensor, Tensors, to_bytes};

/// Arrays of a few odd shapes whose numbers depend on `salt`.
pub fn some_tensors(salt: u64) -> Tensors {
    let mut random = hallucinet::random::Random::keyed(salt, &[]);
    [("b.weight", vec![3, 1, 5]), ("a", vec![7]), ("empty", vec![0, 4]), ("scalar", vec![])]
        .into_iter()
        .map(|(name, shape)| {
            let count = shape.iter().product();
            let data = (0..count).map(|_| random.normal() as f32).collect();
            (name.to_owned(), Tensor::new(&shape, data).unwrap())
        })
        .collect()
}

/// The bytes of a small model file.
pub fn some_bytes(salt: u64) -> Vec<u8> {
    to_bytes(&some_tensors(salt), &serde_json::json!({ "salt": salt })).unwrap()
}

/// Writes checkpoint `step` of a run folder with content that depends on the step.
pub fn save(run: &Path, step: u64, keep: usize) -> PathBuf {
    let state = State { step, seed: 5, device: "cpu".to_owned(), ..State::default() };
    hallucinet::checkpoint::save(run, &state, &some_bytes(step), &some_bytes(step + 1000), keep).unwrap()
}

/// Every name in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
