//! Where results go: places that are checked before anything is computed, files and folders that appear whole or not at all.
//! Knows paths and bytes, nothing of what they mean.

use crate::checkpoint::atomic::{folder_of, sync_folder};
use crate::data::folder::Found;
use crate::data::write::write_atomic;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where the PNG of each picture goes: `out`, the same relative path, the same stem. A sheet is one more file to write.
///
/// # Errors
/// `Usage` where two pictures (or one and the sheet) would share a file, `Output` where a picture itself would be overwritten.
pub fn targets(found: &[Found], out: &Path, sheet: Option<&Path>) -> Result<Vec<PathBuf>> {
    let targets: Vec<PathBuf> = found.iter().map(|found| out.join(&found.name).with_extension("png")).collect();
    let mut taken: HashMap<&Path, &Found> = HashMap::new();
    for (target, found) in targets.iter().zip(found) {
        if let Some(other) = taken.insert(target, found) {
            return Err(Error::Usage(format!(
                "{} and {} would both be written to {}: give them in two runs",
                other.path.display(),
                found.path.display(),
                target.display()
            )));
        }
    }
    for target in &targets {
        // A file cannot have others inside.
        let above = target.ancestors().skip(1).find_map(|folder| taken.get(folder));
        if let Some(other) = above {
            return Err(Error::Usage(format!(
                "the output of {} would be in the way of {}: give them in two runs",
                other.path.display(),
                target.display()
            )));
        }
    }
    if let Some((sheet, found)) = sheet.and_then(|sheet| Some((sheet, taken.get(sheet)?))) {
        return Err(Error::Usage(format!(
            "--sheet {} is where the output of {} goes: give it another name",
            sheet.display(),
            found.path.display()
        )));
    }
    spare_inputs(found, targets.iter().map(PathBuf::as_path).chain(sheet))?;
    Ok(targets)
}

/// Refuses files to write that are among the pictures to read.
pub fn spare_inputs<'a>(found: &[Found], targets: impl Iterator<Item = &'a Path>) -> Result<()> {
    let present: Vec<(PathBuf, &Path)> =
        targets.filter_map(|target| target.canonicalize().ok().map(|real| (real, target))).collect();
    if present.is_empty() {
        return Ok(());
    }
    let inputs: HashMap<PathBuf, &Found> =
        found.iter().filter_map(|found| found.path.canonicalize().ok().map(|real| (real, found))).collect();
    match present.iter().find_map(|(real, target)| inputs.get(real).map(|found| (found, target))) {
        Some((found, target)) => Err(Error::Output(format!(
            "{} would overwrite the picture {}: choose another place",
            target.display(),
            found.path.display()
        ))),
        None => Ok(()),
    }
}

/// Checks that a folder can be where `out` says: it is there, or can be made.
pub fn check_folder(out: &Path) -> Result<()> {
    for folder in out.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
        match fs::metadata(folder) {
            Ok(about) if about.is_dir() => return Ok(()),
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

/// Writes a file whole or not at all, with the folders it lies in.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    make_folder(folder_of(path))?;
    write_atomic(path, bytes)
}

/// Makes a folder and those it lies in.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io("cannot create the folder", folder))
}

/// A folder that is being filled under a name with a dot, beside the place it is for; dropped, it leaves nothing behind.
pub struct NewFolder {
    temporary: TempDir,
    out: PathBuf,
}

impl NewFolder {
    /// Begins a folder that will be `out`, which is absent or empty ([`check_empty`]).
    pub fn create(out: &Path) -> Result<NewFolder> {
        // An empty folder is replaced, which whoever stands in it would not notice.
        let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
        let out = out.canonicalize().unwrap_or_else(|_| out.to_owned());
        if here.as_ref() == Some(&out) {
            return Err(Error::Output(format!("{} is the current folder: name another one", out.display())));
        }
        let parent = folder_of(&out);
        make_folder(parent)?;
        let prefix = format!(".{}.tmp-", out.file_name().unwrap_or_default().to_string_lossy());
        let temporary = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(parent)
            .map_err(Error::io("cannot create a folder in", parent))?;
        Ok(NewFolder { temporary, out })
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

    /// Gives it its name; a rename replaces an empty folder in one step, and fails on one that filled up meanwhile.
    pub fn publish(self) -> Result<()> {
        sync_all(self.path())?;
        fs::rename(self.path(), &self.out).map_err(Error::io("cannot rename the finished folder to", &self.out))?;
        // Its old name is gone, so there is nothing left to clean up.
        let _ = self.temporary.keep();
        sync_folder(folder_of(&self.out))
    }
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
