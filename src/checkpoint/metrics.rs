//! `metrics.jsonl`: one JSON document a line, in the order of the steps, and the same numbers for TensorBoard in a file beside it. It
//! knows of a line only its `step`, and that numbers are numbers.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;
use crate::formats::tfevents;

/// The file for TensorBoard, which takes any name with `tfevents` in it. Others have a time and a host there; the same run has the same
/// files here.
pub const EVENTS_FILE: &str = "events.out.tfevents.0.hallucinet";

/// A longer line is not one of ours, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// The metrics of a run, open for appending.
#[derive(Debug)]
pub struct Metrics {
    lines: Appended,
    events: Appended,
}

#[derive(Debug)]
struct Appended {
    file: File,
    path: PathBuf,
}

impl Appended {
    /// Opens a file at its end; an absent one is made.
    fn open(path: PathBuf) -> Result<Self> {
        let file = File::options().create(true).append(true).open(&path).map_err(Error::io("cannot open", &path))?;
        Ok(Appended { file, path })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("cannot write", &self.path))
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("cannot write", &self.path))
    }
}

impl Metrics {
    /// Opens the file for a run that has done `step` steps: lines of later steps, which the run is about to repeat, are
    /// taken out, and so are torn ones. An absent file is made. The events beside it are brought to what the lines say.
    ///
    /// # Errors
    /// `Io`.
    pub fn open(path: &Path, step: u64) -> Result<Metrics> {
        let mut kept = Vec::new();
        if path.exists() {
            let dropped;
            (kept, dropped) = lines_until(path, step)?;
            if dropped {
                files::write(path, &kept)?;
            }
        }
        let mut events = tfevents::header();
        for line in kept.split(|byte| *byte == b'\n') {
            events.extend(serde_json::from_slice(line).ok().and_then(|line| event(&line)).unwrap_or_default());
        }
        let beside = path.with_file_name(EVENTS_FILE);
        if std::fs::read(&beside).ok().as_ref() != Some(&events) {
            files::write(&beside, &events)?;
        }
        Ok(Metrics { lines: Appended::open(path.to_owned())?, events: Appended::open(beside)? })
    }

    /// Appends one document. It is written in one piece, so a stopped process leaves at most its last line torn.
    ///
    /// # Errors
    /// `Io`.
    pub fn append(&mut self, document: &serde_json::Value) -> Result<()> {
        self.lines.append(format!("{document}\n").as_bytes())?;
        event(document).map_or(Ok(()), |event| self.events.append(&event))
    }

    /// Makes every line so far durable.
    ///
    /// # Errors
    /// `Io`.
    pub fn sync(&self) -> Result<()> {
        self.lines.sync().and_then(|()| self.events.sync())
    }
}

/// The record of a line's numbers at its step, those in objects under the names of both: `samples_psnr_rgb/bicubic`.
fn event(line: &serde_json::Value) -> Option<Vec<u8>> {
    let step = line.get("step")?.as_u64()?;
    let mut scalars = Vec::new();
    for (name, value) in line.as_object()?.iter().filter(|(name, _)| *name != "step") {
        collect(name, value, &mut scalars);
    }
    (!scalars.is_empty()).then(|| tfevents::scalars(step, &scalars))
}

fn collect(name: &str, value: &serde_json::Value, scalars: &mut Vec<(String, f64)>) {
    match value {
        serde_json::Value::Number(number) => scalars.extend(number.as_f64().map(|number| (name.to_owned(), number))),
        serde_json::Value::Object(entries) => {
            entries.iter().for_each(|(inner, value)| collect(&format!("{name}/{inner}"), value, scalars));
        }
        _ => (),
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
