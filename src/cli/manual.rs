//! What the command line says about itself, for shells and for `man`: made from the same description that reads it, so that neither
//! can lag behind.

use super::answer::Answer;
use super::args;
use crate::error::{Error, Result};
use crate::files;
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::json;
use std::path::Path;

/// The script that a shell reads to complete commands and flags.
pub fn completions(shell: Shell) -> Answer {
    let mut command = args::command();
    let (name, mut script) = (command.get_name().to_owned(), Vec::new());
    clap_complete::generate(shell, &mut command, name, &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    let json = json!({ "shell": shell.to_string(), "script": text });
    Answer { text, json, code: 0 }
}

/// Writes a page for the program and one for every command, `hallucinet-data-synth.1` for `data synth`.
///
/// # Errors
/// `Output` and `Io` for a place that cannot be written.
pub fn pages(out: &Path) -> Result<Answer> {
    files::check_folder(out)?;
    let mut command = args::command();
    // Gives the commands inside their full names.
    command.build();
    let mut pages = Vec::new();
    render(&command, &mut pages).map_err(Error::io("cannot write", out))?;
    files::make_folder(out)?;
    pages.iter().try_for_each(|(name, page)| files::write(&out.join(name), page))?;
    let (count, out) = (pages.len(), out.display().to_string());
    let names: Vec<&String> = pages.iter().map(|(name, _)| name).collect();
    let json = json!({ "out": out, "files": names });
    Ok(Answer { text: format!("wrote {count} pages -> {out}"), json, code: 0 })
}

fn render(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> std::io::Result<()> {
    let (page, mut text) = (Man::new(command.clone()), Vec::new());
    page.render(&mut text)?;
    pages.push((page.get_filename(), text));
    command.get_subcommands().try_for_each(|inner| render(inner, pages))
}
