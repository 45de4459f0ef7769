//! What the user sees: notes, warnings and progress on stderr, answers on stdout, errors in a line. It knows nothing of
//! what the program computes. A reader that goes away (`hallucinet ... | head`) is no error.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Common;
use crate::error::{Error, Result};

/// Seconds between two plain lines of progress, where there is no terminal to draw a bar on.
const PLAIN: Duration = Duration::from_secs(5);

/// How much is said on stderr.
#[derive(Debug)]
pub struct Console {
    quiet: bool,
    verbose: bool,
    /// Whether there is a terminal to draw bars on.
    terminal: bool,
    /// Keeps notes from being written into a bar.
    bars: MultiProgress,
}

impl Console {
    /// A console as loud as the flags say.
    pub fn new(common: &Common) -> Console {
        let terminal = std::io::stderr().is_terminal() && !common.quiet;
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        Console { quiet: common.quiet, verbose: common.verbose > 0, terminal, bars }
    }

    /// A note: the device and why, what a command is about to do.
    pub fn say(&self, note: &str) {
        if !self.quiet {
            self.line(note);
        }
    }

    /// A note for `-v`.
    pub fn detail(&self, note: &str) {
        if self.verbose {
            self.line(note);
        }
    }

    /// Something the user should know, said even with `-q`.
    pub fn warn(&self, warning: &str) {
        self.line(&format!("warning: {}", printable(warning)));
    }

    /// Starts the progress of `total` steps of which `done` are done, each of `images` pictures.
    pub fn progress(&self, what: &str, done: u64, total: u64, images: u64) -> Progress {
        let bar = self.terminal.then(|| {
            let bar = self.bars.add(ProgressBar::new(total).with_position(done));
            // A wrong template would be a mistake of ours; the plain bar is better than none.
            bar.set_style(
                ProgressStyle::with_template("{msg} {wide_bar}").unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar
        });
        let now = Instant::now();
        let pace = Pace { what: what.to_owned(), start: done, total, images };
        Progress { pace, bar, plain: !self.terminal && !self.quiet, started: now, said: now }
    }

    /// Prints the answer of a command on stdout.
    ///
    /// # Errors
    /// `Io`, except where the reader has gone away.
    pub fn print(&self, text: &str) -> Result<()> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        self.bars.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(Error::io("cannot write", Path::new("stdout"))(error))
                }
                _ => Ok(()),
            }
        })
    }

    /// Prints the one JSON document of `--json`.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub fn json(&self, document: &serde_json::Value) -> Result<()> {
        self.print(&format!("{document:#}"))
    }

    /// Reports an error in one line and returns the exit code of the contract.
    pub fn fail(&self, error: &Error) -> i32 {
        // A sentence about an interruption begins with `stopped` and is no error.
        let severity = if matches!(error, Error::Interrupted(_)) { "" } else { "error: " };
        self.line(&format!("{severity}{}", printable(&error.to_string())));
        error.exit_code()
    }

    fn line(&self, text: &str) {
        // Nobody is left to be told when stderr is closed.
        self.bars.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    }
}

/// The progress of a long piece of work: a bar on a terminal, else a line every few seconds, nothing with `-q`.
#[derive(Debug)]
pub struct Progress {
    pace: Pace,
    bar: Option<ProgressBar>,
    plain: bool,
    started: Instant,
    /// When the last plain line was written.
    said: Instant,
}

impl Progress {
    /// Says that `done` steps are done; `note` is the newest thing worth knowing, such as the loss.
    pub fn set(&mut self, done: u64, note: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(self.pace.line(done, self.started.elapsed(), note));
        } else if self.plain && self.said.elapsed() >= PLAIN {
            self.said = Instant::now();
            self.write(done, note);
        }
    }

    /// Ends the progress; off a terminal the last line is written whatever the clock says.
    pub fn finish(self, done: u64, note: &str) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.plain => self.write(done, note),
            None => (),
        }
    }

    fn write(&self, done: u64, note: &str) {
        let line = self.pace.line(done, self.started.elapsed(), note);
        drop(writeln!(std::io::stderr(), "{line}"));
    }
}

/// The numbers of a line of progress.
#[derive(Clone, Debug)]
pub struct Pace {
    pub what: String,
    /// Steps done when the clock was started: a resumed run is no faster for what was done before.
    pub start: u64,
    pub total: u64,
    /// Pictures of a step.
    pub images: u64,
}

impl Pace {
    /// `train 120/300 · 55.3 img/s · 1m 20s left · loss 3.21`; rate and time left once there is something to tell.
    pub fn line(&self, done: u64, elapsed: Duration, note: &str) -> String {
        let mut line = format!("{} {done}/{}", self.what, self.total);
        let (steps, seconds) = (done.saturating_sub(self.start), elapsed.as_secs_f64());
        if steps > 0 && seconds > 0.0 {
            let rate = steps as f64 * self.images as f64 / seconds;
            let left = seconds / steps as f64 * self.total.saturating_sub(done) as f64;
            line += &format!(" · {rate:.1} img/s");
            if done < self.total {
                line += &format!(" · {} left", duration(left));
            }
        }
        if !note.is_empty() {
            line += &format!(" · {}", printable(note));
        }
        line
    }
}

/// `45s`, `1m 20s`, `2h 05m`.
pub fn duration(seconds: f64) -> String {
    // A negative or absurd number of seconds becomes the nearest one that can be written.
    let seconds = seconds.round() as u64;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// One line without control characters: a file name with a newline or an escape sequence in it stays a name.
pub fn printable(text: &str) -> String {
    let escape = |letter: char| {
        if letter.is_control() { letter.escape_default().collect::<String>() } else { letter.to_string() }
    };
    text.chars().map(escape).collect()
}
