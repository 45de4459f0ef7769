//! File formats of the outside world, each read and written by its own definition, read with suspicion.

pub mod caffemodel;
pub mod gallery;
pub mod lfw_bin;
pub mod npy;
pub mod npz;
pub mod onnx;
pub mod recordio;
pub mod safetensors;
pub mod tfevents;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Reads a regular file of at most `limit` bytes; pipes and devices, which may never end, are refused.
fn read_whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let place = path.display();
    let about = std::fs::metadata(path).map_err(Error::reading(path))?;
    if !about.is_file() {
        return Err(Error::Input(format!("{place}: not a file")));
    }
    if about.len() > limit {
        return Err(Error::Input(format!("{place}: {} bytes are more than the {limit} allowed", about.len())));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(Error::reading(path))?;
    Ok(bytes)
}
