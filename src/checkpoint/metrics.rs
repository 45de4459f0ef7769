//! `metrics.jsonl`: one JSON document a line, in the order of the steps. It knows of a line only its `step`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;

/// A longer line is not one of ours, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// The metrics of a run, open for appending.
#[derive(Debug)]
pub struct Metrics {
    file: File,
    path: PathBuf,
}

impl Metrics {
    /// Opens the file for a run that has done `step` steps: lines of later steps, which the run is about to repeat, are
    /// taken out, and so are torn ones. An absent file is made.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(path: &Path, step: u64) -> Result<Metrics> {
        if path.exists() {
            let (kept, dropped) = lines_until(path, step)?;
            if dropped {
                files::write(path, &kept)?;
            }
        }
        let mut options = File::options();
        let file = options.create(true).append(true).open(path).map_err(Error::io("cannot open", path))?;
        Ok(Metrics { file, path: path.to_owned() })
    }

    /// Appends one document. It is written in one piece, so a stopped process leaves at most its last line torn.
    ///
    /// # Errors
    /// `Io`.
    pub fn append(&mut self, document: &serde_json::Value) -> Result<()> {
        let line = format!("{document}\n");
        self.file.write_all(line.as_bytes()).map_err(Error::io("cannot write", &self.path))
    }

    /// Makes every line so far durable.
    ///
    /// # Errors
    /// `Io`.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("cannot write", &self.path))
    }
}

/// The lines of a file up to a step, and whether there are any others.
fn lines_until(path: &Path, last: u64) -> Result<(Vec<u8>, bool)> {
    let mut source = BufReader::new(File::open(path).map_err(Error::io("cannot read", path))?);
    let mut kept = Vec::new();
    let mut dropped = false;
    loop {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut source, LONGEST_LINE);
        if limited.read_until(b'\n', &mut line).map_err(Error::io("cannot read", path))? == 0 {
            return Ok((kept, dropped));
        }
        if line.ends_with(b"\n") && belongs(&line, last) {
            kept.extend_from_slice(&line);
        } else {
            dropped = true;
        }
    }
}

fn belongs(line: &[u8], last: u64) -> bool {
    match serde_json::from_slice::<serde_json::Value>(line) {
        Ok(serde_json::Value::Object(entries)) => {
            entries.get("step").is_none_or(|step| step.as_u64().is_some_and(|step| step <= last))
        }
        _ => false,
    }
}
