//! Scratch memory that a device keeps, so that host twins need not ask the system for it at every launch, whose fresh pages would
//! cost more than the work on them. Knows nothing of what it is used for.

use super::pages::Pages;
use std::sync::{Mutex, TryLockError};

/// One growing piece of memory per worker thread, and one for a whole launch.
pub struct Scratch {
    workers: Vec<Mutex<Pages>>,
    launch: Mutex<Pages>,
}

impl Scratch {
    /// For a pool of so many threads; takes nothing yet.
    pub(super) fn new(threads: usize) -> Self {
        Scratch { workers: (0..threads).map(|_| Mutex::default()).collect(), launch: Mutex::default() }
    }

    /// Runs `work` over `floats` numbers of this worker thread. They begin at a cache line and hold anything, which must not reach a
    /// result.
    pub fn of_worker<R>(&self, floats: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
        let worker = rayon::current_thread_index().and_then(|index| self.workers.get(index));
        hold(worker, floats, work)
    }

    /// As [`Scratch::of_worker`], over numbers of which there is one piece for all: what the tasks of a launch hand to each other.
    pub fn of_launch<R>(&self, floats: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
        hold(Some(&self.launch), floats, work)
    }
}

fn hold<R>(memory: Option<&Mutex<Pages>>, floats: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    // Whoever finds it taken (a worker that stole a task while it waited inside one, a second program on the same device) takes
    // memory of its own.
    let mut held = memory.and_then(|memory| match memory.try_lock() {
        Ok(memory) => Some(memory),
        // A panicking host twin leaves plain numbers behind.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    });
    let mut own = Pages::default();
    let memory = held.as_deref_mut().unwrap_or(&mut own);
    let bytes = floats * size_of::<f32>();
    if memory.bytes().len() < bytes.max(1) {
        // The old piece is given back first: what it held is not wanted.
        *memory = Pages::default();
        *memory = Pages::grown(bytes.max(1));
    }
    work(bytemuck::cast_slice_mut(&mut memory.bytes_mut()[..bytes]))
}
