//! Ctrl-C: the first one asks the work to stop at the next step and save; the second one leaves at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// The exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Listens for Ctrl-C and returns the flag that the first one raises. Called once, by the program; a library user brings
/// a flag of their own.
///
/// # Errors
/// `Usage` where something else in the process listens already.
pub fn listen() -> Result<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    let raise = Arc::clone(&raised);
    ctrlc::set_handler(move || {
        if raise.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    })
    .map_err(|error| Error::Usage(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(raised)
}
