//! Files and folders that appear whole or not at all: a temporary with a dot name in the same folder, write, fsync,
//! rename, fsync of the folder. A leaf: it knows bytes and paths only.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// What stands between the name and the random end of every temporary of ours: `.NAME.tmp-XXXXXX`.
const MARK: &str = ".tmp-";

/// Writes a file whole. An older file of that name stays as it was until the new one is durable.
///
/// # Errors
/// `Io`, with nothing left behind.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Pending::create(path)?.fill(|file| file.write_all(bytes))?.commit()
}

/// A file that is being written, piece by piece, and does not have its name yet; dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Pending {
    /// Opens a temporary beside `path`.
    ///
    /// # Errors
    /// `Io`.
    pub fn create(path: &Path) -> Result<Self> {
        let mut temporary = tempfile::Builder::new();
        let prefix = temporary_prefix(path);
        temporary.prefix(&prefix);
        // The library's default would hide the file from everyone else; this leaves it to the umask, as for any other file.
        #[cfg(unix)]
        temporary.permissions(<std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
        let temporary = temporary.tempfile_in(folder_of(path)).map_err(Error::io("cannot create", path))?;
        Ok(Pending { path: path.to_owned(), file: BufWriter::with_capacity(1 << 20, temporary) })
    }

    /// Appends what `write` writes.
    ///
    /// # Errors
    /// `Io`, with nothing left behind.
    pub fn fill(mut self, write: impl FnOnce(&mut BufWriter<NamedTempFile>) -> std::io::Result<()>) -> Result<Self> {
        write(&mut self.file).map_err(Error::io("cannot write", &self.path))?;
        Ok(self)
    }

    /// Makes the bytes durable, gives the file its name, and makes the name durable.
    ///
    /// # Errors
    /// `Io`, with an older file of that name as it was.
    pub fn commit(self) -> Result<()> {
        let Pending { path, file } = self;
        let temporary = file.into_inner().map_err(|error| Error::io("cannot write", &path)(error.into_error()))?;
        temporary.as_file().sync_all().map_err(Error::io("cannot write", &path))?;
        temporary.persist(&path).map_err(|error| Error::io("cannot write", &path)(error.error))?;
        sync_folder(folder_of(&path))
    }
}

/// Writes a folder of files whole, replacing a folder of that name. The moment between setting the old one aside and
/// putting the new one in its place is the only one in which a stopped machine leaves neither.
///
/// # Errors
/// As [`write`].
pub fn write_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let parent = folder_of(path);
    let temporary = |role: &str| {
        let prefix = format!("{}{role}", temporary_prefix(path).to_string_lossy());
        tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).map_err(Error::io("cannot create", path))
    };
    let folder = temporary("")?;
    for (name, bytes) in files {
        let file = folder.path().join(name);
        let mut open = File::create_new(&file).map_err(Error::io("cannot create", &path.join(name)))?;
        let written = open.write_all(bytes).and_then(|()| open.sync_all());
        written.map_err(Error::io("cannot write", &path.join(name)))?;
    }
    sync_folder(folder.path())?;
    let aside = if path.exists() {
        let aside = temporary("old-")?;
        std::fs::rename(path, aside.path()).map_err(Error::io("cannot replace", path))?;
        Some(aside)
    } else {
        None
    };
    if let Err(error) = std::fs::rename(folder.path(), path) {
        if let Some(aside) = &aside {
            // Best effort: the error that is reported is the first one.
            let _ = std::fs::rename(aside.path(), path);
        }
        return Err(Error::io("cannot write", path)(error));
    }
    // The temporary has a new name now, so there is nothing for its owner to remove.
    let _ = folder.keep();
    sync_folder(parent)?;
    drop(aside);
    Ok(())
}

/// Makes a folder for output: it must be absent or empty.
///
/// # Errors
/// `Output` where something is in the way, `Io` where the operating system refuses.
pub fn create_empty_folder(path: &Path) -> Result<()> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::Output(format!(
                "{}: the output folder is not empty; give another, or remove what is in it",
                path.display()
            ))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(path).map_err(Error::io("cannot create the folder", path))
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory && path.exists() => {
            Err(Error::Output(format!("{}: the output must be a folder, and a file is in its place", path.display())))
        }
        Err(error) => Err(Error::io("cannot create the folder", path)(error)),
    }
}

/// Removes what a stopped process left unfinished in a folder: every `.NAME.tmp-*`. What cannot be removed stays.
pub fn remove_temporaries(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.contains(MARK) {
            let path = entry.path();
            let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        }
    }
}

/// Makes the names in a folder durable.
///
/// # Errors
/// `Io`; a file system that has no such operation is no error.
pub fn sync_folder(folder: &Path) -> Result<()> {
    match File::open(folder).and_then(|open| open.sync_all()) {
        Err(error) if !matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            Err(Error::io("cannot sync the folder", folder)(error))
        }
        _ => Ok(()),
    }
}

/// The folder a path lies in; a bare name lies in the current one.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_prefix(path: &Path) -> std::ffi::OsString {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(MARK);
    prefix
}
