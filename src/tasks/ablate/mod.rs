//! `ablate`: the paper's table under one budget and one set of seeds. Every row is trained for every seed and every held-out fold, all
//! answer the same pairs of people whom none of them has seen, and the report says which differences are larger than chance.
//!
//! The folder of an experiment holds `experiment.json` (what it is), `seed-S/fold-K/` with a run folder for each training,
//! `scores.json` and `pictures.png`, and at the end `report.html`, `report.txt` and `ablate.json`. Folds outside the training sets have
//! their trainings in common, in `seed-S/all-sets/`. What is finished is never done again: the same command goes on where it was
//! stopped, and more seeds or folds may be asked for later.

mod protocol;
mod report;
mod rows;
mod score;
mod statistics;

pub use report::text;
pub use rows::{JOINT, ROWS, Row};
pub use score::{Cell, Cosines, Restored};
pub use statistics::{Difference, Scored, Share, Statistics, Verified};

use crate::backend::Device;
use crate::checkpoint::{self, Run};
use crate::error::{Error, Result};
use crate::files;
use crate::model::Model;
use crate::model::config::Config;
use crate::tasks::{Context, Listener, bench, train};
use protocol::{Fold, Protocol};
use rows::{Table, Training};
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub config: Config,
    /// A pack, or a folder of identity folders.
    pub data: PathBuf,
    /// Pairs in the format of LFW's `pairs.txt`; made here where there are none.
    pub pairs: Option<PathBuf>,
    /// A new folder, or one that the same experiment has begun.
    pub out: PathBuf,
    pub seeds: Vec<u64>,
    /// Folds to hold out in turn; where none is named, those that `data.sets` leaves out.
    pub folds: Vec<usize>,
    /// Rows to train, besides the baseline; all where none is named.
    pub rows: Vec<String>,
}

/// One training that an experiment needs.
#[derive(Clone, Debug)]
pub struct Planned {
    pub seed: u64,
    pub fold: usize,
    pub name: &'static str,
    /// `recognition-hr 1500 x 32, joint 900 x 32`: steps by pictures.
    pub stages: String,
    pub steps: u64,
    /// Steps that an earlier command has done.
    pub done: u64,
    /// Seconds that the other steps take on this device, by measuring a few.
    pub seconds: f64,
}

/// What an experiment would do.
#[derive(Clone, Debug)]
pub struct Plan {
    pub device: String,
    pub protocol: String,
    /// Recogniser samples of every row.
    pub budget: u64,
    pub trainings: Vec<Planned>,
}

/// What an experiment found out.
#[derive(Clone, Debug)]
pub struct Findings {
    pub out: PathBuf,
    pub device: String,
    pub data: PathBuf,
    pub protocol: String,
    pub seeds: Vec<u64>,
    pub folds: Vec<usize>,
    /// Identities and pictures that the first fold trains on.
    pub trained_on: (usize, usize),
    pub budget: u64,
    pub hallucinator_budget: u64,
    /// Each training in words: name, stages.
    pub trainings: Vec<(&'static str, String)>,
    pub statistics: Statistics,
    pub sentences: Vec<String>,
    /// Seconds of this session.
    pub seconds: f64,
}

/// An experiment whose configuration, device and lists are checked.
struct Experiment<'a> {
    request: &'a Request,
    table: Table,
    protocol: Protocol,
    device: Arc<dyn Device>,
}

impl<'a> Experiment<'a> {
    /// In the contract's order: usage, configuration, device, lists.
    fn open(context: &Context, request: &'a Request) -> Result<Self> {
        let table = Table::new(&request.config, &request.rows)?;
        let device = context.open_device()?;
        let Request { config, data, pairs, folds, out, .. } = request;
        let absolute = std::path::absolute(out).map_err(Error::io("cannot use for output", out))?;
        let protocol = Protocol::open(config, data, pairs.as_deref(), folds, &absolute)?;
        Ok(Experiment { request, table, protocol, device })
    }

    /// The folder of a seed and a fold, for scores and pictures.
    fn folder(&self, seed: u64, fold: &Fold) -> PathBuf {
        self.request.out.join(format!("seed-{seed}")).join(format!("fold-{}", fold.number))
    }

    /// The folder of the trainings for a seed and a fold, which other folds may share.
    fn trainings(&self, seed: u64, fold: &Fold) -> PathBuf {
        self.request.out.join(format!("seed-{seed}")).join(&fold.training)
    }

    /// The configuration of a training for a seed and a fold.
    fn config(&self, training: &Training, seed: u64, fold: &Fold) -> Config {
        let mut config = training.config.clone();
        config.train.seed = seed;
        config.data = fold.data.clone();
        config
    }

    fn cells(&self) -> impl Iterator<Item = (u64, &Fold)> {
        self.request.seeds.iter().flat_map(|seed| self.protocol.folds.iter().map(|fold| (*seed, fold)))
    }

    /// What makes two commands the same experiment: everything but seeds, folds and rows, which may be added to.
    fn identity(&self) -> Json {
        let mut config = self.request.config.clone();
        config.train.seed = 1;
        json!({
            "config": config.to_toml(),
            "data": self.request.data.display().to_string(),
            "pairs": self.request.pairs.as_ref().map(|pairs| pairs.display().to_string()),
        })
    }

    /// Checks the folder of the experiment.
    fn check_out(&self) -> Result<()> {
        let (out, path) = (&self.request.out, self.request.out.join("experiment.json"));
        if !path.is_file() {
            return files::check_empty(out);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io("cannot read", &path))?;
        match serde_json::from_str::<Json>(&text).is_ok_and(|there| there == self.identity()) {
            true => Ok(()),
            false => Err(Error::Output(format!(
                "{}: holds another experiment (configuration, data or pairs differ, see {}): give a new folder to --out",
                out.display(),
                path.display()
            ))),
        }
    }

    /// Makes the folder, with the lists that the trainings need.
    fn begin(&self) -> Result<()> {
        files::make_folder(&self.request.out)?;
        files::write(&self.request.out.join("experiment.json"), format!("{:#}\n", self.identity()).as_bytes())?;
        let mut lists = self.protocol.folds.iter().filter_map(|fold| fold.list.as_ref());
        lists.try_for_each(|(path, text)| files::write(path, text.as_bytes()))
    }
}

/// Says what would be trained and how long that takes here, by measuring a few steps of each kind. Writes nothing.
///
/// # Errors
/// As [`ablate`], before anything is trained.
pub fn plan(context: &Context, request: &Request) -> Result<Plan> {
    let experiment = Experiment::open(context, request)?;
    experiment.check_out()?;
    let mut pace = Pace { context, device: &experiment.device, known: Vec::new() };
    let mut trainings = Vec::new();
    let mut folders = Vec::new();
    for (seed, fold) in experiment.cells() {
        let folder = experiment.trainings(seed, fold);
        if folders.contains(&folder) {
            continue;
        }
        for training in &experiment.table.trainings {
            let config = experiment.config(training, seed, fold);
            let done = checkpoint::latest(&folder.join(training.name))?
                .checkpoint
                .map_or(0, |checkpoint| checkpoint.state.step);
            let (steps, stages) = (config.steps(), rows::in_words(&config));
            let seconds =
                pace.seconds(&config, fold.identities)? * (steps - done.min(steps)) as f64 / steps.max(1) as f64;
            trainings.push(Planned { seed, fold: fold.number, name: training.name, stages, steps, done, seconds });
        }
        folders.push(folder);
    }
    Ok(Plan {
        device: experiment.device.info().name,
        protocol: experiment.protocol.about.clone(),
        budget: experiment.table.budget,
        trainings,
    })
}

/// Measured times of training, each kind measured once.
struct Pace<'a> {
    context: &'a Context<'a>,
    device: &'a Arc<dyn Device>,
    /// Configuration without seed and people, and its seconds.
    known: Vec<(Config, f64)>,
}

impl Pace<'_> {
    fn seconds(&mut self, config: &Config, identities: usize) -> Result<f64> {
        let mut kind = config.clone();
        (kind.train.seed, kind.data) = (0, Default::default());
        if let Some((_, seconds)) = self.known.iter().find(|(known, _)| *known == kind) {
            return Ok(*seconds);
        }
        let model = Model::trained_by(config, identities)?;
        let seconds = bench::training_seconds(self.context, self.device, &model)?.iter().sum();
        self.known.push((kind, seconds));
        Ok(seconds)
    }
}

/// Hears the trainings: their progress passes under the name of seed and fold, their notes do not.
struct Inside<'a> {
    listener: &'a dyn Listener,
    cell: String,
}

impl Listener for Inside<'_> {
    fn say(&self, _: &str) {}

    fn warn(&self, warning: &str) {
        self.listener.warn(warning);
    }

    fn progress(&self, what: &str, done: u64, total: u64, images: u64, note: &str) {
        self.listener.progress(&format!("{} {what}", self.cell), done, total, images, note);
    }
}

/// Trains and scores whatever is not there yet, and writes the report.
///
/// # Errors
/// `Usage` for a configuration that makes no table, `Input` for lists or pictures that are wrong, `Output` where the folder holds
/// something else, `Interrupted` when the user stopped and everything is saved, and whatever training may say.
pub fn ablate(context: &Context, request: &Request) -> Result<Findings> {
    let started = Instant::now();
    let experiment = Experiment::open(context, request)?;
    experiment.check_out()?;
    experiment.begin()?;
    let cells = run(context, &experiment).map_err(|error| match error {
        Error::Interrupted(_) => Error::Interrupted(format!(
            "stopped; all is saved in {}, the same command goes on from there",
            request.out.display()
        )),
        other => other,
    })?;
    let Experiment { table, protocol, .. } = &experiment;
    let trainings: Vec<&str> = protocol.folds.iter().map(|fold| fold.training.as_str()).collect();
    let statistics = Statistics::new(table, &cells, &trainings)?;
    let sentences = statistics.sentences(table);
    let findings = Findings {
        out: request.out.clone(),
        device: experiment.device.info().name,
        data: request.data.clone(),
        protocol: protocol.about.clone(),
        seeds: request.seeds.clone(),
        folds: protocol.folds.iter().map(|fold| fold.number).collect(),
        trained_on: protocol.folds.first().map_or((0, 0), |fold| (fold.identities, fold.images)),
        budget: table.budget,
        hallucinator_budget: table.hallucinator_budget,
        trainings: table.trainings.iter().map(|training| (training.name, rows::in_words(&training.config))).collect(),
        statistics,
        sentences,
        seconds: started.elapsed().as_secs_f64(),
    };
    let first = experiment.cells().next();
    let first = first.map(|(seed, fold)| (experiment.folder(seed, fold), experiment.trainings(seed, fold)));
    report::write(&findings, &request.config, first.as_ref().map(|(scores, runs)| (scores.as_path(), runs.as_path())))?;
    Ok(findings)
}

/// Every cell, trained and scored.
fn run(context: &Context, experiment: &Experiment) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    let total = experiment.request.seeds.len() * experiment.protocol.folds.len();
    for (number, (seed, fold)) in experiment.cells().enumerate() {
        context.listener.say(&format!(
            "cell     {} of {total}: seed {seed}, fold {}, {} pictures of {} people to train on, {} pairs of {} pictures of others",
            number + 1,
            fold.number,
            fold.images,
            fold.identities,
            fold.pairs.len(),
            fold.rows.len()
        ));
        let listener = Inside { listener: context.listener, cell: format!("seed {seed}, fold {}:", fold.number) };
        let inside = Context { listener: &listener, ..*context };
        let folder = experiment.trainings(seed, fold);
        for training in &experiment.table.trainings {
            let config = experiment.config(training, seed, fold);
            let init = training.init.iter().map(|name| folder.join(name)).collect();
            let request =
                train::Request { config, data: experiment.request.data.clone(), out: folder.join(training.name), init };
            if !is_finished(&request)? {
                context.listener.say(&format!("train    {}: {}", training.name, rows::in_words(&request.config)));
                train_or_resume(&inside, &request)?;
            }
        }
        cells.push(scored(&inside, experiment, seed, fold)?);
    }
    Ok(cells)
}

/// Whether a run folder holds this training, finished. A run of another configuration is an error, not a result.
fn is_finished(request: &train::Request) -> Result<bool> {
    if !Run::is_in(&request.out) {
        return Ok(false);
    }
    let path = request.out.join(checkpoint::CONFIG_FILE);
    let text = std::fs::read_to_string(&path).map_err(Error::io("cannot read", &path))?;
    if text != request.config.to_toml() {
        return Err(Error::Output(format!(
            "{}: not the configuration of this experiment: remove that run, or give a new folder to --out",
            path.display()
        )));
    }
    let done = checkpoint::latest(&request.out)?.checkpoint.map_or(0, |checkpoint| checkpoint.state.step);
    Ok(done >= request.config.steps() && request.out.join(checkpoint::MODEL_FILE).is_file())
}

fn train_or_resume(context: &Context, request: &train::Request) -> Result<train::Finished> {
    if Run::is_in(&request.out) {
        return train::resume(context, &request.out);
    }
    if request.out.exists() {
        // A folder without a configuration is one that a stopped process had no time to fill.
        std::fs::remove_dir_all(&request.out).map_err(Error::io("cannot remove", &request.out))?;
    }
    train::train(context, request)
}

/// The scores of a cell: those that are there, where they are of the rows in question.
fn scored(context: &Context, experiment: &Experiment, seed: u64, fold: &Fold) -> Result<Cell> {
    let folder = experiment.folder(seed, fold);
    let path = folder.join("scores.json");
    let there = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Cell>(&text).ok());
    let wanted: Vec<&str> = experiment.table.rows.iter().map(|row| row.name).collect();
    if let Some(cell) = there.filter(|cell| cell.rows.iter().map(|row| row.name.as_str()).eq(wanted.iter().copied())) {
        return Ok(cell);
    }
    let of = (&experiment.protocol, fold);
    let trained = experiment.trainings(seed, fold);
    let (cell, sheet) = score::score(context, &experiment.device, &experiment.table, of, (seed, &trained))?;
    files::make_folder(&folder)?;
    files::write(&folder.join("pictures.png"), &sheet.png()?)?;
    let text = serde_json::to_string(&cell).map_err(|error| Error::Numeric(format!("scores: {error}")))?;
    files::write(&path, (text + "\n").as_bytes())?;
    Ok(cell)
}

impl Findings {
    /// The document of `--json` and of `ablate.json`.
    pub fn to_json(&self) -> Json {
        let mut document = self.statistics.to_json();
        let trainings: Vec<Json> =
            self.trainings.iter().map(|(name, stages)| json!({ "name": name, "stages": stages })).collect();
        let more = json!({
            "out": self.out.display().to_string(),
            "report": self.out.join("report.html").display().to_string(),
            "device": self.device,
            "data": self.data.display().to_string(),
            "protocol": self.protocol,
            "seeds": self.seeds,
            "folds": self.folds,
            "pairs": [self.statistics.pairs.0, self.statistics.pairs.1],
            "trained_on": { "identities": self.trained_on.0, "pictures": self.trained_on.1 },
            "budget": { "recognizer_samples": self.budget, "hallucinator_samples": self.hallucinator_budget },
            "trainings": trainings,
            "sentences": self.sentences,
            "seconds": self.seconds,
        });
        if let (Some(document), Json::Object(more)) = (document.as_object_mut(), more) {
            document.extend(more);
        }
        document
    }
}
