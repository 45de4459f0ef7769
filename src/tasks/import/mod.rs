//! `import`: what other programs wrote, in this program's form: weights become a model folder, files of many pictures a
//! folder of identity folders. The content of a file says what it is, never its name.

mod pictures;
mod weights;

pub use pictures::Unpacked;
pub use weights::{Channels, Imported};

use crate::data::archive::Archive;
use crate::error::{Error, Result};
use crate::files;
use crate::tasks::Context;
use crate::tasks::pictures::Cut;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub file: PathBuf,
    /// A new or empty folder.
    pub out: PathBuf,
    /// The order that weights expect; where nothing is said, BGR for a caffemodel and RGB for safetensors.
    pub channels: Option<Channels>,
    /// How faces are cut for these weights, to be stored in the model.
    pub cut: Cut,
}

/// What became of the file.
#[derive(Clone, Debug)]
pub enum Outcome {
    Model(Imported),
    Pictures(Unpacked),
}

/// Imports a file; the folder is there only when all of it is in it.
///
/// # Errors
/// `Output` where `out` is not empty, `Input`, naming the file, for what is in none of the known forms or broken,
/// `Usage` for flags that mean nothing here, `Io`, `Interrupted`.
pub fn import(context: &Context, request: &Request) -> Result<Outcome> {
    files::check_new(&request.out)?;
    let start = beginning(&request.file)?;
    if let Some(archive) = Archive::open(&request.file)? {
        if request.channels.is_some() || request.cut != Cut::default() {
            return Err(Error::Usage(format!(
                "{}: these are pictures, which come as they are: --channels, --crop and --landmarks are for weights",
                request.file.display()
            )));
        }
        return pictures::unpack(context, &archive, &request.out).map(Outcome::Pictures);
    }
    let imported = match start.get(8) {
        // Safetensors have a length of eight bytes and then JSON.
        Some(b'{') => weights::of_safetensors(request)?,
        _ => weights::of_caffemodel(request).map_err(|error| unknown(&request.file, error))?,
    };
    imported.notes.iter().for_each(|note| context.listener.say(note));
    Ok(Outcome::Model(imported))
}

/// A caffemodel has no mark of its own, so whatever is nothing else was read as one; a file of another name is more likely damaged.
fn unknown(file: &Path, error: Error) -> Error {
    match error {
        Error::Input(why) if file.extension().is_none_or(|extension| extension != "caffemodel") => {
            Error::Input(format!(
                "{why}; nor are they weights in safetensors, a train.rec or a verification pack: is the file whole?"
            ))
        }
        other => other,
    }
}

/// The first bytes of a regular file.
fn beginning(path: &Path) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path).map_err(Error::reading(path))?;
    if !about.is_file() {
        return Err(Error::Input(format!("{}: not a file: give weights or a file of pictures", path.display())));
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(16).read_to_end(&mut start)).map_err(Error::reading(path))?;
    Ok(start)
}
