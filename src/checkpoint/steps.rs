//! The checkpoints of a run: `checkpoints/step-N`, each whole or absent; the newest undamaged one is where a run goes on.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{CHECKPOINTS, MODEL_FILE, OPTIMIZER_FILE, STATE_FILE, Stamp, State};
use crate::error::{Error, Result};
use crate::files;
use crate::formats::safetensors::{self, Contents};

/// No state is larger, in bytes.
const LARGEST_STATE: u64 = 1 << 20;

/// An undamaged checkpoint, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its folder, `checkpoints/step-N`.
    pub folder: PathBuf,
    pub state: State,
    pub model: Contents,
    pub optimizer: Contents,
}

/// What [`latest`] found.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest undamaged checkpoint; none where a run has not come that far.
    pub checkpoint: Option<Checkpoint>,
    /// One sentence for every newer checkpoint that had to be passed over.
    pub warnings: Vec<String>,
}

/// Writes `checkpoints/step-N` of the run folder `run`, N being `state.step`; once that is durable, the oldest
/// checkpoints are removed until `keep` are left (at least one is). A checkpoint of that step which is already there,
/// undamaged and of the same content, is left alone. Returns the folder.
///
/// # Errors
/// `Io`, with older checkpoints as they were and nothing half-written.
pub fn save(run: &Path, state: &State, model: &[u8], optimizer: &[u8], keep: usize) -> Result<PathBuf> {
    let mut state = state.clone();
    state.files = [(MODEL_FILE, model), (OPTIMIZER_FILE, optimizer)]
        .map(|(name, bytes)| (name.to_owned(), Stamp::of(bytes)))
        .into_iter()
        .collect();
    let checkpoints = run.join(CHECKPOINTS);
    std::fs::create_dir_all(&checkpoints).map_err(Error::io("cannot create the folder", &checkpoints))?;
    let folder = checkpoints.join(format!("step-{}", state.step));
    let already = load(&folder).is_ok_and(|there| there.state.files == state.files);
    if !already {
        let state = state.to_bytes()?;
        files::write_folder(&folder, &[(MODEL_FILE, model), (OPTIMIZER_FILE, optimizer), (STATE_FILE, &state)])?;
    }
    prune(&checkpoints, state.step, keep.max(1));
    Ok(folder)
}

/// The newest undamaged checkpoint of a run folder. Damaged and incomplete ones are passed over with a warning;
/// temporaries are not looked at.
///
/// # Errors
/// `Io` where the folder of checkpoints is there and cannot be read.
pub fn latest(run: &Path) -> Result<Found> {
    let mut found = Found::default();
    let checkpoints = run.join(CHECKPOINTS);
    if !checkpoints.exists() {
        return Ok(found);
    }
    for (_, folder) in steps(&checkpoints)?.into_iter().rev() {
        match load(&folder) {
            Ok(checkpoint) => {
                found.checkpoint = Some(checkpoint);
                break;
            }
            Err(error) => found.warnings.push(format!("passing over a damaged checkpoint: {error}")),
        }
    }
    Ok(found)
}

/// Reads one checkpoint, checking lengths and checksums.
fn load(folder: &Path) -> Result<Checkpoint> {
    let path = folder.join(STATE_FILE);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).map_err(Error::io("cannot read", &path))?;
    file.take(LARGEST_STATE).read_to_end(&mut bytes).map_err(Error::io("cannot read", &path))?;
    let state = State::from_bytes(&path.display().to_string(), &bytes)?;
    if folder.file_name().is_none_or(|name| name.to_string_lossy() != format!("step-{}", state.step)) {
        return Err(Error::Input(format!("{}: its state is that of step {}", folder.display(), state.step)));
    }
    let model = load_checked(&folder.join(MODEL_FILE), state.files.get(MODEL_FILE))?;
    let optimizer = load_checked(&folder.join(OPTIMIZER_FILE), state.files.get(OPTIMIZER_FILE))?;
    Ok(Checkpoint { folder: folder.to_owned(), state, model, optimizer })
}

fn load_checked(path: &Path, stamp: Option<&Stamp>) -> Result<Contents> {
    let damaged =
        || Error::Input(format!("{}: not the file that the state of the checkpoint describes", path.display()));
    let file = std::fs::File::open(path).map_err(Error::io("cannot read", path))?;
    let length = file.metadata().map_err(Error::io("cannot read", path))?.len();
    let stamp = stamp.filter(|stamp| stamp.length == length).ok_or_else(damaged)?;
    let source = std::io::BufReader::with_capacity(1 << 20, file);
    let mut source = Summing { source, checksum: crc32fast::Hasher::new() };
    let contents = safetensors::read_from(&path.display().to_string(), length, &mut source)?;
    if source.checksum.finalize() != stamp.crc32 {
        return Err(damaged());
    }
    Ok(contents)
}

/// Passes bytes on and keeps their checksum.
struct Summing<R> {
    source: R,
    checksum: crc32fast::Hasher,
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.checksum.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Every `step-N`, by growing N.
fn steps(checkpoints: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut steps = Vec::new();
    for entry in std::fs::read_dir(checkpoints).map_err(Error::io("cannot read the folder", checkpoints))? {
        let entry = entry.map_err(Error::io("cannot read the folder", checkpoints))?;
        let step = entry.file_name().to_string_lossy().strip_prefix("step-").and_then(|step| step.parse().ok());
        steps.extend(step.map(|step| (step, entry.path())));
    }
    steps.sort();
    Ok(steps)
}

/// Removes checkpoints older than `newest` until `keep` are left, it included. What cannot be removed stays: the new
/// checkpoint is safe, and the next one tries again. A checkpoint first gets a dot name, so that one that is half
/// removed when the machine stops is not taken for a damaged one.
fn prune(checkpoints: &Path, newest: u64, keep: usize) {
    let older: Vec<_> = steps(checkpoints).into_iter().flatten().filter(|(step, _)| *step < newest).collect();
    let surplus = older.len().saturating_sub(keep - 1);
    for (step, folder) in older.into_iter().take(surplus) {
        let removed = checkpoints.join(format!(".step-{step}.tmp-removed"));
        if std::fs::rename(&folder, &removed).is_ok() {
            let _ = std::fs::remove_dir_all(&removed);
        }
    }
}
