//! One error type, grouped by whose fault it is; each group has the exit code of the contract.

use std::path::{Path, PathBuf};

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, in a sentence that says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line or a configuration is wrong (exit 2).
    #[error("{0}")]
    Usage(String),
    /// A file's content is wrong: not an image, a list naming absent pictures, a checkpoint of another shape (exit 3).
    #[error("{0}")]
    Input(String),
    /// The device asked for is not there or cannot run the plan (exit 4).
    #[error("{0}")]
    Device(String),
    /// The device has too little memory for what was asked of it (exit 4).
    #[error("{0}")]
    Memory(String),
    /// The operating system refused (exit 5).
    #[error("{}: {action}: {source}", .path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// The output place is in the way (exit 5).
    #[error("{0}")]
    Output(String),
    /// A loss or a gradient is no longer finite (exit 6).
    #[error("{0}")]
    Numeric(String),
    /// The user stopped the run and everything is saved (exit 130).
    #[error("{0}")]
    Interrupted(String),
    /// A graph was built from shapes that do not fit: a mistake of the caller's program, found before computing (exit 2).
    #[error("{0}")]
    Shape(String),
}

/// A word of a file, for a sentence: in quotes, control characters escaped, cut where it is long. A file may hold a word of megabytes.
pub fn excerpt(word: &str) -> String {
    const MOST: usize = 60;
    let shown: String = word.chars().take(MOST).flat_map(char::escape_debug).collect();
    let dots = if word.chars().nth(MOST).is_some() { "..." } else { "" };
    format!("\"{shown}{dots}\"")
}

impl Error {
    /// The process exit code of the contract.
    pub fn exit_code(&self) -> i32 {
        match self {
            Error::Usage(_) | Error::Shape(_) => 2,
            Error::Input(_) => 3,
            Error::Device(_) | Error::Memory(_) => 4,
            Error::Io { .. } | Error::Output(_) => 5,
            Error::Numeric(_) => 6,
            Error::Interrupted(_) => 130,
        }
    }

    /// Attaches the path and what was being done ("cannot read") to an operating-system error.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }

    /// As [`Error::io`] for a file or folder that the user named to be read: one that is not there is bad input.
    pub fn reading(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.to_owned();
        move |source| match source.kind() {
            // A device or a pipe, which is there, where a folder was looked for.
            std::io::ErrorKind::NotADirectory if path.exists() => {
                Error::Input(format!("{}: neither a file nor a folder", path.display()))
            }
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Error::Input(format!("{}: there is no such file or folder", path.display()))
            }
            _ => Error::Io { action: "cannot read", path, source },
        }
    }
}
