//! What the command line says, as the requests of tasks: tasks know nothing of flags.

use super::args::{self, Input};
use crate::model::Source;
use crate::tasks::pictures::{Cut, Ways};
use crate::tasks::{degrade, embed, hallucinate, pack, synth, verify};
use std::path::PathBuf;

/// The seed where the command line has none.
const SEED: u64 = 1;

pub fn synth(given: args::Synth, seed: Option<u64>) -> synth::Request {
    let args::Synth { out, identities, images, sheet } = given;
    synth::Request { out, identities, images, seed: seed.unwrap_or(SEED), sheet }
}

pub fn pack(given: args::Pack) -> pack::Request {
    pack::Request { input: given.input, out: given.out, cut: cut(given.cut) }
}

pub fn degrade(given: args::Degrade) -> degrade::Request {
    let args::Degrade { inputs, out, scale, flavour, sheet } = given;
    degrade::Request { inputs, out, scale, flavour: flavour.into(), sheet }
}

pub fn hallucinate(given: args::Hallucinate) -> hallucinate::Request {
    let args::Hallucinate { model, inputs, out, sheet, data, cut } = given;
    hallucinate::Request { model, inputs, out, sheet, ways: ways(None, data, cut) }
}

pub fn embed(given: args::Embed) -> embed::Request {
    let args::Embed { model, inputs, input, mirror, out, data, cut } = given;
    embed::Request { model, inputs, out, mirror, ways: ways(input, data, cut) }
}

pub fn verify(given: args::Verify) -> verify::Request {
    let args::Verify { model, first, second, threshold, input, no_mirror, data, cut } = given;
    verify::Request { model, first, second, threshold, mirror: !no_mirror, ways: ways(input, data, cut) }
}

fn ways(input: Option<Input>, data: Option<PathBuf>, given: args::Cut) -> Ways {
    let input = input.map(|input| match input {
        Input::Hr => Source::Hr,
        Input::Lr => Source::Lr,
    });
    Ways { input, data, cut: cut(given) }
}

fn cut(given: args::Cut) -> Cut {
    Cut { crop: given.crop, landmarks: given.landmarks }
}
