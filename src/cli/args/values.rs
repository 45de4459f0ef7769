//! The values of flags: each parser takes a word to a checked value, or says in half a sentence what would be right.

use std::path::PathBuf;

use clap_complete::Shell;

use super::Channels;
use super::models::ExportFormat;
use crate::model::config::{PRESETS, Word};

/// `--device`: where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The best there is; what it is and why is said on the first line.
    #[default]
    Auto,
    Cpu,
    /// The GPU of this number, or the best one; absent is an error, never a fallback.
    Cuda(Option<usize>),
}

/// `--input`: what the recogniser gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The picture itself, 96x112.
    Hr,
    /// The picture at 24x28, through the hallucinator.
    Lr,
}

/// More threads than any machine has.
const MOST_THREADS: u64 = 1024;
/// More identities or pictures than any disk holds.
const MANY: u64 = 10_000_000;

type Parsed<T> = std::result::Result<T, String>;

pub fn device(text: &str) -> Parsed<Device> {
    match text {
        "auto" => Ok(Device::Auto),
        "cpu" => Ok(Device::Cpu),
        "cuda" => Ok(Device::Cuda(None)),
        _ => text
            .strip_prefix("cuda:")
            .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|number| number.parse().ok())
            .map(|number| Device::Cuda(Some(number)))
            .ok_or_else(|| "one of auto, cpu, cuda, cuda:N".to_owned()),
    }
}

pub fn channels(text: &str) -> Parsed<Channels> {
    match text {
        "rgb" => Ok(Channels::Rgb),
        "bgr" => Ok(Channels::Bgr),
        _ => Err("rgb or bgr".to_owned()),
    }
}

pub fn threads(text: &str) -> Parsed<usize> {
    whole(text, 1, MOST_THREADS)
}

pub fn many(text: &str) -> Parsed<usize> {
    whole(text, 1, MANY)
}

pub fn batch(text: &str) -> Parsed<usize> {
    whole(text, 1, 65536)
}

pub fn scale(text: &str) -> Parsed<usize> {
    whole(text, 1, 16)
}

pub fn fold(text: &str) -> Parsed<usize> {
    whole(text, 1, MANY)
}

/// A seed ends up in a TOML file, whose whole numbers are signed.
pub fn seed(text: &str) -> Parsed<u64> {
    text.parse()
        .ok()
        .filter(|seed| *seed <= i64::MAX as u64)
        .ok_or_else(|| format!("a whole number from 0 to {}", i64::MAX))
}

/// `--seeds`: how many, or which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeds {
    Count(usize),
    List(Vec<u64>),
}

pub fn seeds(text: &str) -> Parsed<Seeds> {
    if !text.contains(',') {
        return whole(text, 1, 1000).map(Seeds::Count);
    }
    text.split(',').map(|word| seed(word.trim())).collect::<Parsed<_>>().map(Seeds::List)
}

pub fn threshold(text: &str) -> Parsed<f64> {
    text.parse()
        .ok()
        .filter(|number| (-1.0..=1.0).contains(number))
        .ok_or_else(|| "a cosine, a number from -1 to 1".to_owned())
}

/// A share of something, neither none of it nor all.
pub fn rate(text: &str) -> Parsed<f64> {
    text.parse()
        .ok()
        .filter(|number| *number > 0.0 && *number < 1.0)
        .ok_or_else(|| "a share between 0 and 1, such as 1e-3".to_owned())
}

pub fn input(text: &str) -> Parsed<Input> {
    match text {
        "hr" => Ok(Input::Hr),
        "lr" => Ok(Input::Lr),
        _ => Err("hr or lr".to_owned()),
    }
}

pub fn word<W: Word>(text: &str) -> Parsed<W> {
    W::from_word(text).ok_or_else(|| {
        let choices: Vec<&str> = W::CHOICES.iter().map(|(spelling, _)| *spelling).collect();
        format!("one of {}", choices.join(", "))
    })
}

pub fn preset(text: &str) -> Parsed<String> {
    let names: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
    if names.contains(&text) { Ok(text.to_owned()) } else { Err(format!("one of {}", names.join(", "))) }
}

/// `x,y,w,h`, with or without the brackets a configuration file has around it.
pub fn crop(text: &str) -> Parsed<[usize; 4]> {
    let wrong = || "x,y,w,h in whole pixels, each at most 65535, width and height at least 1".to_owned();
    let numbers: Option<Vec<usize>> = text
        .trim_start_matches('[')
        .trim_end_matches(']')
        .split(',')
        .map(|number| number.trim().parse().ok().filter(|pixels| *pixels <= 65535))
        .collect();
    match numbers.as_deref() {
        Some(&[x, y, w, h]) if w > 0 && h > 0 => Ok([x, y, w, h]),
        _ => Err(wrong()),
    }
}

/// `key=value`; what is a key, and what is a value, the configuration decides.
pub fn assignment(text: &str) -> Parsed<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("key=value, such as train.steps=500".to_owned()),
    }
}

pub fn features_file(text: &str) -> Parsed<PathBuf> {
    let path = PathBuf::from(text);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy" | "jsonl" | "safetensors") => Ok(path),
        _ => Err("a file name ending in .npy, .jsonl or .safetensors".to_owned()),
    }
}

pub fn shell(text: &str) -> Parsed<Shell> {
    text.parse().map_err(|_| "one of bash, elvish, fish, powershell, zsh".to_owned())
}

pub fn export_format(text: &str) -> Parsed<ExportFormat> {
    match text {
        "onnx" => Ok(ExportFormat::Onnx),
        "safetensors" => Ok(ExportFormat::Safetensors),
        "bin" => Ok(ExportFormat::Bin),
        _ => Err("one of onnx, safetensors, bin".to_owned()),
    }
}

fn whole(text: &str, low: u64, high: u64) -> Parsed<usize> {
    text.parse::<u64>()
        .ok()
        .filter(|number| (low..=high).contains(number))
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| format!("a whole number from {low} to {high}"))
}

/// clap's report without its usage block, as one sentence: what is wrong, its tip, and where to read on.
pub fn sentence(error: &clap::Error) -> String {
    use clap::error::ErrorKind;
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        || error.kind() == ErrorKind::MissingSubcommand
    {
        return "no command given; 'hallucinet --help' lists them, 'hallucinet data --help' those for data".to_owned();
    }
    let text = error.to_string();
    let mut sentence = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        if line.is_empty() {
            continue;
        }
        let line = line.trim_start_matches("error: ");
        // A tip is a thought of its own; a listed argument goes on with the sentence.
        let joint = match (sentence.is_empty(), line.starts_with("tip: ")) {
            (true, _) => "",
            (false, true) => "; ",
            (false, false) => " ",
        };
        sentence.push_str(joint);
        sentence.push_str(line);
    }
    sentence + "; see --help"
}
