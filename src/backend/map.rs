//! The one memory map: a file's bytes as a slice, read-only. Knows nothing of what is in the file.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::error::{Error, Result};

/// The bytes of a file, paged in by the operating system as they are touched.
#[derive(Debug)]
pub struct Map {
    /// Nothing for an empty file, which cannot be mapped.
    bytes: Option<Mmap>,
}

impl Map {
    /// Maps a regular file; pipes, devices and folders are an [`Error::Input`].
    pub fn open(path: &Path) -> Result<Map> {
        let cannot = || Error::io("cannot map", path);
        if !std::fs::metadata(path).map_err(cannot())?.is_file() {
            return Err(Error::Input(format!("{} is not a file", path.display())));
        }
        let file = File::open(path).map_err(cannot())?;
        if file.metadata().map_err(cannot())?.len() == 0 {
            return Ok(Map { bytes: None });
        }
        // SAFETY: the map is private and read-only. Rust cannot rule out another process that cuts or rewrites the file
        // meanwhile; this program never does: its files get their names by renaming and are not written afterwards.
        let bytes = unsafe { Mmap::map(&file) }.map_err(cannot())?;
        Ok(Map { bytes: Some(bytes) })
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}
