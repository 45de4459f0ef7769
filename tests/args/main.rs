//! Command lines to typed commands or one sentence; what the console says, and how it takes an interruption.

mod commands;
mod console;
mod refused;

use hallucinet::cli::args::{Command, Common, Request, parse};

/// Parses the words of a line after the program's name.
pub fn request(line: &str) -> hallucinet::Result<Request> {
    parse(std::iter::once("hallucinet").chain(line.split_whitespace()))
}

/// The command of a line that is right.
pub fn command(line: &str) -> (Common, Command) {
    match request(line) {
        Ok(Request::Run(common, command)) => (common, *command),
        other => panic!("{line}: {other:?}"),
    }
}
