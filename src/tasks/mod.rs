//! One file per verb the user types; each is a straight story over the layers below. Tasks compute, read and write files, and
//! return what they found; they never print: whoever runs them listens.

pub mod bench;
pub mod degrade;
pub mod demo;
pub mod doctor;
pub mod embed;
pub mod eval;
pub mod hallucinate;
pub mod inspect;
pub mod network;
pub mod output;
pub mod pack;
pub mod pictures;
pub mod plan;
pub mod synth;
pub mod train;
pub mod verify;

use crate::backend::{self, Choice, Device};
use crate::error::{Error, Result};
use crate::graph::{Plan, Program, largest_batch};
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

/// Takes memory for the plan of `batch` pictures. Where the device's own memory is too small, says how much is needed, how much is free
/// and which batch fits; that one is computed from plans (`bytes` tells what the plan of a batch takes), not by trying.
///
/// # Errors
/// `Memory`, `Device`.
fn load(device: &Arc<dyn Device>, plan: Plan, batch: usize, bytes: impl Fn(usize) -> Result<usize>) -> Result<Program> {
    let needed = plan.memory_bytes();
    let fits = device.info().memory.is_none_or(|memory| needed <= memory.free);
    if fits {
        match Program::new(Arc::clone(device), plan) {
            Err(Error::Memory(_)) => {}
            loaded => return loaded,
        }
    }
    let info = device.info();
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    // What was refused although it should have fitted does not fit: only less than it may.
    let (free, total) = info.memory.map_or((0, 0), |memory| (memory.free, memory.total));
    let advice = match largest_batch(batch.saturating_sub(1), free.min(needed), bytes)? {
        0 => "not even one picture fits".to_owned(),
        fits => format!("the largest batch that fits is {fits}"),
    };
    Err(Error::Memory(format!(
        "{}: out of memory: a batch of {batch} needs {} MiB, {} of {} MiB are free; {advice}",
        info.name,
        mib(needed),
        mib(free),
        mib(total)
    )))
}
