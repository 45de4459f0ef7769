//! Configurations: what is read, what is refused and with which sentence, how stages and `--set` work together.

mod refused;
mod round_trip;
mod stages;

use hallucinet::model::config::{Config, Overrides};

/// Overrides of `--set` alone.
pub fn set(pairs: &[(&str, &str)]) -> Overrides {
    let set = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Overrides { set, ..Overrides::default() }
}

/// The configuration of a text that is right.
pub fn read(text: &str) -> Config {
    Config::parse("test.toml", text, &Overrides::default()).unwrap()
}
