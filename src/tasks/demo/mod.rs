//! `demo`: a tour on faces that arithmetic draws: train three models alike, score them on people none of them has seen, and say
//! what the numbers show and what they do not. Needs no network, no GPU and no photographs.
//!
//! Everything stays under one folder, so that the user can go on with it: `data/`, `train.pack`, `pairs.txt`, `runs/`,
//! `report.html`, `demo.json`.

mod findings;
mod people;
mod report;

pub use findings::{Difference, Findings, Row};

use crate::data::align::Alignment;
use crate::data::faces::Source;
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::files;
use crate::model;
use crate::model::config::{Config, Mode, Overrides, Word};
use crate::tasks::{Context, Listener, eval, train};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The preset that all three models are trained by.
pub const PRESET: &str = "quick";
/// What is trained, each at the same steps, batch and seed.
const MODES: [Mode; 3] = [Mode::RecognitionHr, Mode::RecognitionLr, Mode::Joint];

/// How large the demo is.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// People to train on, and pictures of each.
    pub identities: u32,
    pub images: u32,
    /// People to test on, whom training never sees, and pictures of each.
    pub strangers: u32,
    pub strangers_images: u32,
    /// Folds of the pairs, and pairs of one person (and as many of two) in each.
    pub folds: usize,
    pub pairs: usize,
    /// Keys laid over the preset.
    pub config: Vec<(String, String)>,
}

impl Default for Sizes {
    /// About a minute on two cores.
    fn default() -> Self {
        Sizes {
            identities: 80,
            images: 12,
            strangers: 60,
            strangers_images: 5,
            folds: 10,
            pairs: 50,
            config: Vec::new(),
        }
    }
}

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// A new or empty folder.
    pub out: PathBuf,
    pub seed: u64,
    pub sizes: Sizes,
}

/// Hears the tasks inside the demo: their progress and warnings pass, their notes do not, since the demo has its own.
struct Inside<'a>(&'a dyn Listener);

impl Listener for Inside<'_> {
    fn say(&self, _: &str) {}

    fn warn(&self, warning: &str) {
        self.0.warn(warning);
    }

    fn progress(&self, what: &str, done: u64, total: u64, images: u64, note: &str) {
        self.0.progress(what, done, total, images, note);
    }
}

/// Runs the whole tour.
///
/// # Errors
/// `Output` where the folder is not empty, `Interrupted` when the user stopped (no report is written then), and whatever
/// training and scoring may say.
pub fn demo(context: &Context, request: &Request) -> Result<Findings> {
    tour(context, request).map_err(|error| match error {
        Error::Interrupted(what) => {
            let out = request.out.display();
            Error::Interrupted(format!("{what} (the demo wrote no report; remove {out} to run it again)"))
        }
        other => other,
    })
}

fn tour(context: &Context, request: &Request) -> Result<Findings> {
    let started = Instant::now();
    let Request { out, seed, sizes } = request;
    let pairs = people::pairs(sizes, *seed)?;
    let overrides = Overrides { set: sizes.config.clone(), seed: Some(*seed), mode: None };
    let config = Config::preset(PRESET, &overrides)?;
    // The device comes before the first file.
    let device = context.open_device()?;
    files::create_empty_folder(out)?;
    let listener = Inside(context.listener);
    let inside = Context { listener: &listener, ..*context };
    prepare(&inside, request, &pairs)?;
    context.listener.say(&format!(
        "data     {} pictures of {} people to train on, {} of {} others to test on",
        u64::from(sizes.identities) * u64::from(sizes.images),
        sizes.identities,
        u64::from(sizes.strangers) * u64::from(sizes.strangers_images),
        sizes.strangers
    ));
    for mode in MODES {
        let steps = format!("{} steps of {} pictures", config.train.recipe.steps, config.train.recipe.batch);
        context.listener.say(&format!("train    {mode}, {steps}"));
        let overrides = Overrides { mode: Some(mode), ..overrides.clone() };
        let config = Config::preset(PRESET, &overrides)?;
        let run = train::Request { config, data: out.join(PACK), out: run(out, mode), init: Vec::new() };
        train::train(&inside, &run)?;
    }
    let mut rows = Vec::new();
    for (mode, input) in TRIALS {
        context.listener.say(&format!("score    {mode} on {}", findings::what(mode, input)));
        let scoring = scoring(out, mode, input);
        let network = Network::load(&scoring.model)?;
        rows.push(Row { mode, input, evaluation: eval::score(&inside, &device, &network, &scoring)? });
    }
    let findings = Findings::new(request, &device.info().name, &config, rows, started)?;
    findings::write(&findings, &report::page(&findings, &config)?)?;
    Ok(findings)
}

/// What is scored, the ceiling last: the recogniser of HR on the originals.
const TRIALS: [(Mode, model::Source); 4] = [
    (Mode::RecognitionHr, model::Source::Lr),
    (Mode::RecognitionLr, model::Source::Lr),
    (Mode::Joint, model::Source::Lr),
    (Mode::RecognitionHr, model::Source::Hr),
];

const PACK: &str = "train.pack";
const PAIRS: &str = "pairs.txt";

/// Where a model is trained.
fn run(out: &Path, mode: Mode) -> PathBuf {
    out.join("runs").join(mode.word())
}

/// Where the pictures of the test people are.
fn test(out: &Path) -> PathBuf {
    out.join("data").join("test")
}

fn scoring(out: &Path, mode: Mode, input: model::Source) -> eval::Request {
    eval::Request {
        model: run(out, mode),
        data: test(out),
        pairs: Some(out.join(PAIRS)),
        input: Some(input),
        mirror: true,
        ..Default::default()
    }
}

/// Draws the faces, packs the training pictures, writes the pairs.
fn prepare(context: &Context, request: &Request, pairs: &str) -> Result<()> {
    let Request { out, seed, sizes } = request;
    let train = out.join("data").join("train");
    people::draw(context, &train, *seed, (0, sizes.identities), sizes.images)?;
    people::draw(context, &test(out), *seed, (sizes.identities, sizes.strangers), sizes.strangers_images)?;
    Source::open(&train)?.pack(&Alignment::None, &out.join(PACK), &mut |_, _| Ok(()))?;
    files::write(&out.join(PAIRS), pairs.as_bytes())?;
    match context.stopped() {
        true => Err(Error::Interrupted("stopped after drawing faces".into())),
        false => Ok(()),
    }
}
