//! One file per verb the user types; each is a straight story over the layers below. Tasks compute, read and write files, and
//! return what they found; they never print: whoever runs them listens.

pub mod ablate;
pub mod bench;
pub mod calibrate;
pub mod check;
pub mod degrade;
pub mod demo;
pub mod doctor;
pub mod embed;
pub mod eval;
pub mod export;
pub mod hallucinate;
pub mod identify;
pub mod import;
pub mod inspect;
pub mod output;
pub mod pack;
pub mod pictures;
pub mod plan;
pub mod synth;
mod times;
pub mod train;
pub mod verify;

use crate::backend::{self, Choice, Device};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Hears what a task has to say while it works.
pub trait Listener: Sync {
    /// A note, such as the device and why.
    fn say(&self, note: &str);
    /// Something the user should know.
    fn warn(&self, warning: &str);
    /// `done` of `total` steps of `what` are done, each of `images` pictures; `note` is the newest thing worth knowing.
    fn progress(&self, what: &str, done: u64, total: u64, images: u64, note: &str);
}

/// What every task is given.
pub struct Context<'a> {
    pub device: Choice,
    pub threads: Option<usize>,
    pub listener: &'a dyn Listener,
    /// Set when the user wants the program to stop.
    pub stop: &'a AtomicBool,
}

impl Context<'_> {
    /// Opens the device and says which one it is and why.
    pub fn open_device(&self) -> Result<Arc<dyn Device>> {
        let (device, why) = backend::open(self.device, self.threads)?;
        let info = device.info();
        self.listener.say(&format!("device   {} ({}): {why}", info.name, info.detail));
        Ok(device)
    }

    /// Whether the user wants the program to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// An error when the user wants the program to stop, for tasks that have nothing to save.
    pub fn check_stopped(&self) -> Result<()> {
        match self.stopped() {
            true => Err(Error::Interrupted("stopped; nothing was written".into())),
            false => Ok(()),
        }
    }
}
