//! Files that are whole or absent: a temporary with a dot name in the same folder, written, synced, renamed, folder synced.
//! Knows bytes and paths, nothing of what they mean.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};

/// Writes a whole file, or leaves what was there before.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// Writes a whole file piece by piece, or leaves what was there before.
pub fn write_atomic_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    Pending::create(path)?.fill(write)?.commit()
}

/// A file that is being written and does not have its name yet; dropped, it leaves nothing behind.
pub struct Pending {
    path: std::path::PathBuf,
    temporary: NamedTempFile,
    writer: BufWriter<File>,
}

impl Pending {
    /// Opens a temporary beside `path`.
    pub fn create(path: &Path) -> Result<Self> {
        let cannot = || Error::io("cannot write", path);
        let name = path.file_name().ok_or_else(|| Error::Output(format!("{} is not a file name", path.display())))?;
        let prefix = format!(".{}.", name.to_string_lossy());
        let mut builder = Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            // A temporary is private by default; the finished file is as readable as any other (the umask still cuts).
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let temporary = builder.tempfile_in(folder_of(path)).map_err(cannot())?;
        let writer = BufWriter::with_capacity(1 << 20, temporary.as_file().try_clone().map_err(cannot())?);
        Ok(Pending { path: path.to_owned(), temporary, writer })
    }

    /// Appends what `write` writes.
    pub fn fill(mut self, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<Self> {
        write(&mut self.writer).map_err(Error::io("cannot write", &self.path))?;
        Ok(self)
    }

    /// Syncs the bytes, gives the file its name, and syncs the folder so that the name survives a power cut too.
    pub fn commit(mut self) -> Result<()> {
        let cannot = || Error::io("cannot write", &self.path);
        self.writer.flush().map_err(cannot())?;
        self.temporary.as_file().sync_all().map_err(cannot())?;
        let folder = folder_of(&self.path);
        self.temporary.persist(&self.path).map_err(|failed| cannot()(failed.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("cannot sync", folder))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
