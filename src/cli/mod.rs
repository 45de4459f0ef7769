//! The command line: arguments to a typed command, and the only place that prints.

pub mod args;
pub mod console;
pub mod interrupt;
