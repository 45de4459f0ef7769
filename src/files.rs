//! Files and folders that appear whole or not at all: a temporary with a dot name in the same folder, write, fsync,
//! rename, fsync of the folder. A leaf: it knows bytes and paths only.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

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
        temporary.permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
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

/// Writes a folder of files whole, replacing a folder of that name.
///
/// # Errors
/// As [`write`].
pub fn write_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    let folder = NewFolder::create(path)?;
    files.iter().try_for_each(|(name, bytes)| folder.write(&folder.path().join(name), bytes))?;
    folder.replace()
}

/// Makes a folder for output: it must be absent or empty.
///
/// # Errors
/// `Output` where something is in the way, `Io` where the operating system refuses.
pub fn create_empty_folder(path: &Path) -> Result<()> {
    check_empty(path)?;
    make_folder(path)
}

/// Checks that a folder can be where `out` says: it is there, or can be made, and a file can be written, which is tried with one that
/// has no name: what takes an hour to compute should not find out then that the disk is read-only.
pub fn check_folder(out: &Path) -> Result<()> {
    for folder in out.ancestors() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        match fs::metadata(folder) {
            Ok(about) if about.is_dir() => {
                return tempfile::tempfile_in(folder).map(drop).map_err(Error::io("cannot write", out));
            }
            Ok(_) => {
                return Err(Error::Output(format!(
                    "{}: cannot be a folder for output, {} is a file: choose another place",
                    out.display(),
                    folder.display()
                )));
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => (),
            Err(error) => return Err(Error::io("cannot use for output", folder)(error)),
        }
    }
    Ok(())
}

/// Checks that a file can be where `out` says.
pub fn check_file(out: &Path) -> Result<()> {
    if out.is_dir() || out.file_name().is_none() {
        return Err(Error::Output(format!("{}: a file is to be written, and this is a folder", out.display())));
    }
    check_folder(folder_of(out))
}

/// Checks that a folder is absent or empty.
pub fn check_empty(out: &Path) -> Result<()> {
    check_folder(out)?;
    match fs::read_dir(out).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(Error::Output(format!("{} is not empty: name a new folder, or empty this one", out.display()))),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("cannot use for output", out)(error)),
    }
}

/// Makes a folder and those it lies in.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("cannot create the folder", folder))
}

/// Checks that a [`NewFolder`] can be published: nothing is there, or an empty folder that nobody stands in, who would not notice that
/// it was replaced.
pub fn check_new(out: &Path) -> Result<()> {
    check_empty(out)?;
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    match here.is_some() && here == out.canonicalize().ok() {
        true => Err(Error::Output(format!("{} is the current folder: name another one", out.display()))),
        false => Ok(()),
    }
}

/// A folder that is being filled under a name with a dot, beside the place it is for; dropped, it leaves nothing behind.
pub struct NewFolder {
    temporary: TempDir,
    out: PathBuf,
}

impl NewFolder {
    /// Begins a folder that will be `out`, with the folders that lies in.
    ///
    /// # Errors
    /// `Io`.
    pub fn create(out: &Path) -> Result<NewFolder> {
        let out = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        let parent = folder_of(&out);
        make_folder(parent)?;
        Ok(NewFolder { temporary: temporary_folder(&out)?, out })
    }

    /// Where its files go until it is published.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Writes a file into it, with the folders inside that it needs.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        make_folder(folder_of(path))?;
        File::create_new(path)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .map_err(Error::io("cannot write", path))
    }

    /// Gives it its name where nothing has it; a rename replaces an empty folder in one step, and fails on one that filled up meanwhile.
    pub fn publish(self) -> Result<()> {
        sync_all(self.path())?;
        fs::rename(self.path(), &self.out).map_err(Error::io("cannot rename the finished folder to", &self.out))?;
        // Its old name is gone, so there is nothing left to clean up.
        let _ = self.temporary.keep();
        sync_folder(folder_of(&self.out))
    }

    /// Gives it its name, and removes a folder that had it. The moment between setting the old one aside and putting the new one in its
    /// place is the only one in which a stopped machine leaves neither.
    pub fn replace(self) -> Result<()> {
        if !self.out.exists() {
            return self.publish();
        }
        let (aside, out) = (temporary_folder(&self.out)?, self.out.clone());
        fs::rename(&out, aside.path()).map_err(Error::io("cannot replace", &out))?;
        self.publish().inspect_err(|_| {
            // Best effort: the error that is reported is the first one.
            let _ = fs::rename(aside.path(), &out);
        })
    }
}

/// An empty folder with a dot name beside the place of another.
fn temporary_folder(beside: &Path) -> Result<TempDir> {
    let parent = folder_of(beside);
    let folder = tempfile::Builder::new().prefix(&temporary_prefix(beside)).tempdir_in(parent);
    folder.map_err(Error::io("cannot create a folder in", parent))
}

/// Makes the names in a folder and in all folders inside durable.
fn sync_all(folder: &Path) -> Result<()> {
    let cannot = || Error::io("cannot read", folder);
    for entry in fs::read_dir(folder).map_err(cannot())? {
        let entry = entry.map_err(cannot())?;
        if entry.file_type().map_err(cannot())?.is_dir() {
            sync_all(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Removes what a stopped process left unfinished in a folder: every `.NAME.tmp-*`. What cannot be removed stays.
pub fn remove_temporaries(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.contains(MARK) {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// The SHA-256 of some bytes in hexadecimal, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// As [`sha256`], of a file that need not fit into memory.
///
/// # Errors
/// `Io`.
pub fn sha256_of_file(path: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(Error::io("cannot read", path))?);
    loop {
        let piece = file.fill_buf().map_err(Error::io("cannot read", path))?;
        let length = piece.len();
        if length == 0 {
            return Ok(hexadecimal(&digest.finalize()));
        }
        digest.update(piece);
        file.consume(length);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
