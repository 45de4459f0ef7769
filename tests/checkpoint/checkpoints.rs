//! A stopped machine loses at most the last checkpoint; a damaged one is noticed and passed over.

use std::path::Path;

use hallucinet::checkpoint::{MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, State, latest};

use crate::{names, save, some_bytes, some_tensors};

/// The step that a run would go on from, and how many checkpoints were passed over.
fn found(run: &Path) -> (Option<u64>, usize) {
    let found = latest(run).unwrap();
    (found.checkpoint.map(|checkpoint| checkpoint.state.step), found.warnings.len())
}

#[test]
fn the_newest_checkpoint_is_read_back() {
    let run = tempfile::tempdir().unwrap();
    for step in [5, 10, 100] {
        save(run.path(), step, 5);
    }
    let found = latest(run.path()).unwrap();
    let checkpoint = found.checkpoint.unwrap();
    assert!(found.warnings.is_empty());
    assert_eq!(checkpoint.folder, run.path().join("checkpoints/step-100"));
    assert_eq!((checkpoint.state.step, checkpoint.state.seed, checkpoint.state.device.as_str()), (100, 5, "cpu"));
    assert_eq!(checkpoint.model.tensors, some_tensors(100));
    assert_eq!(checkpoint.optimizer.tensors, some_tensors(1100));
    assert_eq!(names(&checkpoint.folder), [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE]);
}

#[test]
fn a_run_without_checkpoints_has_none() {
    let run = tempfile::tempdir().unwrap();
    assert_eq!(found(run.path()), (None, 0));
    std::fs::create_dir(run.path().join("checkpoints")).unwrap();
    assert_eq!(found(run.path()), (None, 0));
}

#[test]
fn the_last_ones_are_kept_by_number_and_not_by_name() {
    let run = tempfile::tempdir().unwrap();
    for step in [8, 9, 10, 11] {
        save(run.path(), step, 2);
    }
    assert_eq!(names(&run.path().join("checkpoints")), ["step-10", "step-11"]);
    save(run.path(), 12, 0);
    assert_eq!(names(&run.path().join("checkpoints")), ["step-12"]);
}

#[test]
fn whatever_file_is_cut_wherever_the_previous_one_is_used() {
    for file in [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE] {
        let run = tempfile::tempdir().unwrap();
        save(run.path(), 1, 5);
        let path = save(run.path(), 2, 5).join(file);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(found(run.path()), (Some(1), 1), "{file} cut to {length} of {}", whole.len());
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(found(run.path()), (Some(1), 1), "{file} removed");
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(found(run.path()), (Some(2), 0), "{file} restored");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for file in [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE] {
        let run = tempfile::tempdir().unwrap();
        save(run.path(), 1, 5);
        let path = save(run.path(), 2, 5).join(file);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(found(run.path()), (Some(1), 1), "{file}: bit {} of byte {at}", at % 8);
        }
    }
}

#[test]
fn files_of_another_checkpoint_are_noticed() {
    let run = tempfile::tempdir().unwrap();
    let first = save(run.path(), 1, 5);
    let second = save(run.path(), 2, 5);
    // Each file is whole, and each belongs to another moment.
    std::fs::copy(first.join(OPTIMIZER_FILE), second.join(OPTIMIZER_FILE)).unwrap();
    assert_eq!(found(run.path()), (Some(1), 1));
    std::fs::rename(&first, run.path().join("checkpoints/step-3")).unwrap();
    assert_eq!(found(run.path()), (None, 2));
}

#[test]
fn what_a_stopped_process_leaves_is_not_looked_at() {
    let run = tempfile::tempdir().unwrap();
    let folder = save(run.path(), 1, 5);
    let checkpoints = run.path().join("checkpoints");
    for name in [".step-2.tmp-abc", "step-", "step-x", "step-2.bak"] {
        std::fs::create_dir(checkpoints.join(name)).unwrap();
        std::fs::copy(folder.join(MODEL_FILE), checkpoints.join(name).join(MODEL_FILE)).unwrap();
    }
    assert_eq!(found(run.path()), (Some(1), 0));
}

#[test]
fn a_damaged_checkpoint_is_replaced_when_the_run_comes_by_again() {
    let run = tempfile::tempdir().unwrap();
    save(run.path(), 1, 5);
    let folder = save(run.path(), 2, 5);
    std::fs::write(folder.join(MODEL_FILE), b"torn").unwrap();
    std::fs::write(folder.join("stray"), b"").unwrap();
    assert_eq!(found(run.path()), (Some(1), 1));
    save(run.path(), 2, 5);
    assert_eq!(found(run.path()), (Some(2), 0));
    assert_eq!(names(&run.path().join("checkpoints")), ["step-1", "step-2"]);
    assert_eq!(names(&folder), [MODEL_FILE, OPTIMIZER_FILE, STATE_FILE]);
}

#[test]
fn the_same_checkpoint_twice_is_written_once() {
    let run = tempfile::tempdir().unwrap();
    let state = save(run.path(), 2, 5).join(STATE_FILE);
    let before = std::fs::metadata(&state).unwrap().modified().unwrap();
    save(run.path(), 2, 5);
    assert_eq!(std::fs::metadata(&state).unwrap().modified().unwrap(), before);
}

#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_older_ones_alone() {
    let run = tempfile::tempdir().unwrap();
    std::fs::write(run.path().join("checkpoints"), b"a file in the way").unwrap();
    let state = State { step: 1, ..State::default() };
    let error = hallucinet::checkpoint::save(run.path(), &state, &some_bytes(1), &some_bytes(2), 2).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    assert_eq!(names(run.path()), ["checkpoints"]);
}
