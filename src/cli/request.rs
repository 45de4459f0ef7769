//! What the command line says, as the requests of tasks: tasks know nothing of flags.

use super::args::{self, ConfigSource, Input};
use crate::error::Result;
use crate::model::Source;
use crate::model::config::{Config, Overrides, Precision};
use crate::tasks::pictures::{Cut, Ways};
use crate::tasks::{
    ablate, bench, calibrate, check, degrade, demo, embed, eval, export, hallucinate, identify, import, pack, plan,
    synth, verify,
};
use std::path::PathBuf;

/// The seed where the command line has none.
const SEED: u64 = 1;

pub fn demo(given: args::Demo, seed: Option<u64>) -> demo::Request {
    demo::Request { out: given.out, seed: seed.unwrap_or(SEED), sizes: Default::default() }
}

pub fn eval(given: args::Eval) -> eval::Request {
    let args::Eval { model, data, pairs, gallery, gallery_images, fold, input, out, no_mirror, allow_missing, .. } =
        given;
    let args::Eval { mean_subtraction, pca, precision, cut, .. } = given;
    let transform = match pca {
        Some(count) => eval::Transform::Components(count),
        None if mean_subtraction => eval::Transform::MeanSubtraction,
        None => eval::Transform::Plain,
    };
    let input = input.map(source);
    let args::Cut { crop, landmarks } = cut;
    eval::Request {
        model,
        precision,
        data,
        pairs,
        gallery: gallery.then_some(gallery_images),
        fold,
        input,
        out,
        mirror: !no_mirror,
        transform,
        allow_missing,
        crop,
        landmarks,
    }
}

pub fn ablate(given: args::Ablate) -> Result<ablate::Request> {
    let args::Ablate { config: source_of, overrides, data, pairs, out, seeds, folds, rows, dry_run: _ } = given;
    Ok(ablate::Request { config: config(&source_of, &overrides)?, data, pairs, out, seeds, folds, rows })
}

pub fn synth(given: args::Synth, seed: Option<u64>) -> synth::Request {
    let args::Synth { out, identities, images, siblings, sheet } = given;
    synth::Request { out, identities, images, seed: seed.unwrap_or(SEED), siblings, sheet }
}

pub fn pack(given: args::Pack) -> pack::Request {
    pack::Request { input: given.input, out: given.out, cut: cut(given.cut) }
}

pub fn check(given: args::Check) -> check::Request {
    let args::Check { input, pairs, model, out, cut } = given;
    let args::Cut { crop, landmarks } = cut;
    let judge = model.is_some();
    let model = model.unwrap_or_default();
    let scoring = eval::Request { model, data: input, pairs, mirror: true, crop, landmarks, ..Default::default() };
    check::Request { scoring, judge, out }
}

pub fn degrade(given: args::Degrade) -> degrade::Request {
    let args::Degrade { inputs, out, scale, flavour, sheet } = given;
    degrade::Request { inputs, out, scale, flavour: flavour.into(), sheet }
}

pub fn hallucinate(given: args::Hallucinate) -> hallucinate::Request {
    let args::Hallucinate { model, inputs, out, sheet, skip_existing, data, precision, cut } = given;
    hallucinate::Request { model, inputs, out, sheet, skip_existing, ways: ways(None, data, precision, cut) }
}

pub fn embed(given: args::Embed) -> embed::Request {
    let args::Embed { model, inputs, input, mirror, out, data, precision, cut } = given;
    embed::Request { model, inputs, out, mirror, ways: ways(input, data, precision, cut) }
}

pub fn verify(given: args::Verify) -> verify::Request {
    let args::Verify { model, first, second, threshold, input, no_mirror, data, precision, cut } = given;
    verify::Request { model, first, second, threshold, mirror: !no_mirror, ways: ways(input, data, precision, cut) }
}

pub fn calibrate(given: args::Calibrate) -> calibrate::Request {
    let args::Calibrate { model, data, pairs, far, input, no_mirror, allow_missing, cut } = given;
    let args::Cut { crop, landmarks } = cut;
    let input = input.map(source);
    let mirror = !no_mirror;
    let scoring =
        eval::Request { model, data, pairs, input, mirror, allow_missing, crop, landmarks, ..Default::default() };
    calibrate::Request { scoring, far }
}

pub fn identify(given: args::Identify) -> identify::Request {
    let way = |given: args::Way| {
        let args::Way { model, input, no_mirror, data, precision, cut } = given;
        identify::Way { model, mirror: !no_mirror, ways: ways(input, data, precision, cut) }
    };
    let action = match given.action {
        args::Action::Add { inputs, name, way: given } => {
            identify::Action::Add { inputs, person: name, way: way(given) }
        }
        args::Action::Remove(people) => identify::Action::Remove(people),
        args::Action::List => identify::Action::List,
        args::Action::Search { inputs, top, threshold, way: given } => {
            identify::Action::Search { inputs, count: top, threshold, way: way(given) }
        }
    };
    identify::Request { gallery: given.gallery, action }
}

pub fn import(given: args::Import) -> import::Request {
    let args::Import { file, out, channels, cut: given } = given;
    let channels = channels.map(|channels| match channels {
        args::Channels::Rgb => import::Channels::Rgb,
        args::Channels::Bgr => import::Channels::Bgr,
    });
    import::Request { file, out, channels, cut: cut(given) }
}

pub fn export(given: args::Export, seed: Option<u64>) -> export::Request {
    let seed = seed.unwrap_or(SEED);
    match given {
        args::Export::Onnx { model, out } => export::Request { what: export::What::Onnx { model, seed }, out },
        args::Export::Safetensors { model, out } => export::Request { what: export::What::Safetensors { model }, out },
        args::Export::Bin { model, data, pairs, cut: given, out } => {
            export::Request { what: export::What::Bin(export::Protocol { model, data, pairs, cut: cut(given) }), out }
        }
    }
}

/// The configuration that a command names.
pub fn config(source: &ConfigSource, overrides: &Overrides) -> Result<Config> {
    match source {
        ConfigSource::File(path) => Config::load(path, overrides),
        ConfigSource::Preset(name) => Config::preset(name, overrides),
    }
}

pub fn plan(given: args::Plan) -> Result<plan::Request> {
    let args::Network { config: source_of, overrides, batch, identities } = given.network;
    let inference = given.inference.map(source);
    Ok(plan::Request { config: config(&source_of, &overrides)?, batch, identities, inference })
}

pub fn bench(given: args::Network) -> Result<bench::Request> {
    let args::Network { config: source_of, overrides, batch, identities } = given;
    Ok(bench::Request { config: config(&source_of, &overrides)?, batch, identities })
}

fn ways(input: Option<Input>, data: Option<PathBuf>, precision: Option<Precision>, given: args::Cut) -> Ways {
    Ways { input: input.map(source), data, precision, cut: cut(given) }
}

fn source(input: Input) -> Source {
    match input {
        Input::Hr => Source::Hr,
        Input::Lr => Source::Lr,
    }
}

fn cut(given: args::Cut) -> Cut {
    Cut { crop: given.crop, landmarks: given.landmarks }
}
