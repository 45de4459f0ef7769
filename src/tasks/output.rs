//! Where the results of pictures go: a file for each, none of them among what is read. Knows paths and bytes, nothing of what they mean.

use crate::data::folder::Found;
use crate::error::{Error, Result};
use crate::files::{self, folder_of, make_folder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

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

/// Writes a file whole or not at all, with the folders it lies in.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    make_folder(folder_of(path))?;
    files::write(path, bytes)
}
