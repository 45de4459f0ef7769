//! The run folder: `config.toml`, `run.json` (where the run came from), `metrics.jsonl`, `checkpoints/`, `samples/` and
//! `model.safetensors`, the last good one. It reads no configuration and no weights.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{CHECKPOINTS, Found, MODEL_FILE, Metrics};
use crate::error::{Error, Result};
use crate::files;

/// The effective configuration, which `--resume` reads.
pub const CONFIG_FILE: &str = "config.toml";
const ORIGIN_FILE: &str = "run.json";
const METRICS_FILE: &str = "metrics.jsonl";
/// No configuration or origin is larger, in bytes.
const LARGEST_TEXT: u64 = 1 << 20;

/// What the command line of a run named besides its configuration; paths are absolute, so that it can be resumed from
/// any folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub data: PathBuf,
    /// The models of `--init`, needed again where a run is resumed before its first checkpoint.
    pub init: Vec<PathBuf>,
}

/// A run folder in the hands of the one process that may write to it.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    /// Held, not used: the operating system lets go of the lock when the process ends, however it ends.
    _lock: File,
}

impl Run {
    /// Makes a run folder, which must be absent or empty.
    ///
    /// # Errors
    /// `Output` where something is in the way, `Usage` for a path that is not UTF-8, `Io`.
    pub fn create(folder: &Path, config: &str, origin: &Origin) -> Result<Run> {
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(Error::io("cannot resolve", path));
        let origin =
            Origin { data: absolute(&origin.data)?, init: origin.init.iter().map(absolute).collect::<Result<_>>()? };
        let origin = serde_json::to_string_pretty(&origin).map_err(|_| {
            Error::Usage("paths of --data and --init must be UTF-8 to be kept in a run folder".to_owned())
        })?;
        let was_there = folder.exists();
        files::create_empty_folder(folder)?;
        // The configuration comes last: a folder that has one has all it takes to be resumed.
        let written = files::write(&folder.join(ORIGIN_FILE), (origin + "\n").as_bytes())
            .and_then(|()| files::write(&folder.join(CONFIG_FILE), config.as_bytes()));
        if let Err(error) = written {
            // The folder goes back to what it was, so that the same command works once there is room.
            let _ = std::fs::remove_file(folder.join(ORIGIN_FILE));
            if !was_there {
                let _ = std::fs::remove_dir(folder);
            }
            return Err(error);
        }
        Ok(Run { _lock: lock(folder)?, folder: folder.to_owned() })
    }

    /// Whether a folder is that of a run.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(CONFIG_FILE).is_file()
    }

    /// Opens the folder of an earlier run to go on with it, and removes what that run left unfinished.
    ///
    /// # Errors
    /// `Input` where the folder is not that of a run, `Output` where another process is training in it, `Io`.
    pub fn open(folder: &Path) -> Result<Run> {
        if !Run::is_in(folder) {
            let place = folder.display();
            return Err(Error::Input(format!(
                "{place}: not a run folder (no {CONFIG_FILE} in it); give the --out of a train"
            )));
        }
        let run = Run { _lock: lock(folder)?, folder: folder.to_owned() };
        files::remove_temporaries(folder);
        files::remove_temporaries(&folder.join(CHECKPOINTS));
        Ok(run)
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path and the text of the effective configuration.
    ///
    /// # Errors
    /// `Input` where it is not text, `Io`.
    pub fn config(&self) -> Result<(PathBuf, String)> {
        let path = self.folder.join(CONFIG_FILE);
        let text = read_text(&path)?;
        Ok((path, text))
    }

    /// Where the run came from.
    ///
    /// # Errors
    /// `Input` where the file is damaged, `Io`.
    pub fn origin(&self) -> Result<Origin> {
        let path = self.folder.join(ORIGIN_FILE);
        serde_json::from_str(&read_text(&path)?)
            .map_err(|error| Error::Input(format!("{}: damaged: {error}", path.display())))
    }

    /// The newest undamaged checkpoint; see [`super::latest`].
    ///
    /// # Errors
    /// `Io`.
    pub fn latest(&self) -> Result<Found> {
        super::latest(&self.folder)
    }

    /// The metrics of a run that has done `step` steps; see [`Metrics::open`].
    ///
    /// # Errors
    /// `Io`.
    pub fn metrics(&self, step: u64) -> Result<Metrics> {
        Metrics::open(&self.folder.join(METRICS_FILE), step)
    }

    /// Replaces `model.safetensors` by a good one.
    ///
    /// # Errors
    /// `Io`, with the older one as it was.
    pub fn write_model(&self, bytes: &[u8]) -> Result<()> {
        files::write(&self.folder.join(MODEL_FILE), bytes)
    }

    /// Writes any other file of the run, such as `report.html` or `samples/step-100.png`, whole; folders are made.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let folder = files::folder_of(&path);
        std::fs::create_dir_all(folder).map_err(Error::io("cannot create the folder", folder))?;
        files::write(&path, bytes)
    }
}

/// The weights file that `--model` means: a file itself, the one of a checkpoint, or the last good one of a run.
///
/// # Errors
/// `Input`, naming the path, where there is none.
pub fn resolve_model(path: &Path) -> Result<PathBuf> {
    let place = path.display();
    if path.is_file() {
        return Ok(path.to_owned());
    }
    if !path.exists() {
        return Err(Error::Input(format!("{place}: there is no such run, checkpoint or model file")));
    }
    let direct = path.join(MODEL_FILE);
    if direct.is_file() {
        return Ok(direct);
    }
    // A run that was stopped before it wrote its model still has its checkpoints.
    if let Some(checkpoint) = super::latest(path)?.checkpoint {
        return Ok(checkpoint.folder.join(MODEL_FILE));
    }
    Err(Error::Input(format!("{place}: no {MODEL_FILE} in it; --model takes a run, a checkpoint or the file")))
}

/// Takes the run folder for this process. A file system without locks has to do without.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(CONFIG_FILE);
    let file = File::open(&path).map_err(Error::io("cannot open", &path))?;
    match file.try_lock() {
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::Output(format!("{}: another process is training in this run folder", folder.display())))
        }
        _ => Ok(file),
    }
}

fn read_text(path: &Path) -> Result<String> {
    let file = File::open(path).map_err(Error::io("cannot read", path))?;
    let mut text = String::new();
    match file.take(LARGEST_TEXT).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::Input(format!("{}: damaged: not text in UTF-8", path.display())))
        }
        Err(error) => Err(Error::io("cannot read", path)(error)),
    }
}
