//! Tests of the data room: what comes out of image files, lists and packs, and what hostile ones do.

mod align;
mod batch;
mod faces;
mod image;
mod landmarks;
mod likeness;
mod lists;
mod pack;
mod resample;
mod splits;

use std::path::{Path, PathBuf};

/// A folder that goes away with the test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The folder of real faces, or a line that says which test was skipped for want of it.
fn shared(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("HALLUCINET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    if path.join("lfw/images").is_dir() {
        return Some(path);
    }
    println!("skipped: {test}: no ../shared/data");
    None
}
