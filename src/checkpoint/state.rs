//! `state.json`: where a run stood when a checkpoint was written, and how to tell that the files beside it are whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::formats::safetensors::canonical_json;

/// The place of a checkpoint in its run. Everything else that a resumed run needs is in the run folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Steps done, over all stages.
    pub step: u64,
    /// The stage of the next step, from 0.
    pub stage: usize,
    /// Steps done within that stage.
    pub stage_step: u64,
    pub seed: u64,
    /// Instruction set or GPU architecture; resuming on another gives other bits, and warns.
    pub instruction_set: String,
    pub device: String,
    /// Fingerprint of the training data.
    pub data: String,
    /// Hash of the effective configuration.
    pub config: String,
    /// Anything else worth knowing (host, time, version); never read back for computing.
    pub notes: BTreeMap<String, String>,
    /// Length and checksum of the files of the checkpoint; filled in by [`super::save`].
    pub files: BTreeMap<String, Stamp>,
}

/// How to tell that a file is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// In bytes.
    pub length: u64,
    pub crc32: u32,
}

impl Stamp {
    /// The stamp of these bytes.
    pub fn of(bytes: &[u8]) -> Stamp {
        Stamp { length: bytes.len() as u64, crc32: crc32fast::hash(bytes) }
    }
}

/// The document around a state: the checksum is over the canonical JSON of `state`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    crc32: u32,
    state: State,
}

impl State {
    /// The bytes of `state.json`; equal states have equal bytes.
    ///
    /// # Errors
    /// `Usage` for a state that JSON cannot hold, which no state built from its fields is.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let unwritable = |error: serde_json::Error| Error::Usage(format!("cannot write the state of the run: {error}"));
        let state = serde_json::to_value(self).map_err(unwritable)?;
        let crc32 = crc32fast::hash(canonical_json(&state).as_bytes());
        let mut text = canonical_json(&serde_json::json!({ "crc32": crc32, "state": state }));
        text.push('\n');
        Ok(text.into_bytes())
    }

    /// Reads what [`State::to_bytes`] wrote. Any other bytes are refused, be they as good as JSON goes: a flipped bit in
    /// a step number is no better than one in a bracket.
    ///
    /// # Errors
    /// `Input`, with `place` as the file's name.
    pub fn from_bytes(place: &str, bytes: &[u8]) -> Result<State> {
        let damaged = || Error::Input(format!("{place}: the state of the checkpoint is damaged"));
        let document: Document = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        if document.state.to_bytes()? != bytes {
            return Err(damaged());
        }
        Ok(document.state)
    }
}
