//! `train`: data -> batches -> steps -> checkpoints -> model.
//!
//! A run is a sequence of stages; each has a plan of its own over the same parameters. Everything random is a function of the
//! seed and the step, so a run that was stopped and resumed writes the same bytes as one that never stopped.

pub mod report;
mod samples;
mod session;
mod start;

pub use session::{Finished, Losses};
pub use start::{alignment, beside};

use crate::backend::Device;
use crate::checkpoint::{Metrics, Origin, Run};
use crate::data::batch::{Batch, Batches, Sampling};
use crate::data::faces::Faces;
use crate::error::{Error, Result};
use crate::model::config::{Config, Recipe, Step};
use crate::random::Random;
use crate::tasks::Context;
use serde_json::json;
use session::Session;
use start::Init;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A run that is yet to start.
#[derive(Clone, Debug)]
pub struct Request {
    pub config: Config,
    pub data: PathBuf,
    pub out: PathBuf,
    /// Models to start from, later ones winning.
    pub init: Vec<PathBuf>,
}

/// Trains from the beginning.
///
/// # Errors
/// `Output` where `out` is not empty, `Input` for what is wrong with data, lists or models, `Numeric` where a loss is no longer
/// finite, `Interrupted` when the user stopped and everything is saved.
pub fn train(context: &Context, request: &Request) -> Result<Finished> {
    let (device, init, faces) = begin(context, request)?;
    let origin = Origin { data: request.data.clone(), init: request.init.clone() };
    let mut session = Session::begin(context, device, request.config.clone(), faces.identities(), init)?;
    // What does not fit into the device's memory leaves no folder behind.
    session.enter(0)?;
    let run = Run::create(&request.out, &request.config.to_toml(), &origin)?;
    go_on(context, session, faces, &run, 0)
}

/// What a run would train, as far as it is known before the first step.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    pub device: String,
    pub pictures: usize,
    pub identities: usize,
    pub stages: Vec<Recipe>,
}

/// Checks all that [`train`] checks before it writes or computes anything, pictures included.
///
/// # Errors
/// As [`train`].
pub fn rehearse(context: &Context, request: &Request) -> Result<Rehearsed> {
    let (device, _, faces) = begin(context, request)?;
    Ok(Rehearsed {
        device: device.info().name,
        pictures: faces.len(),
        identities: faces.identities(),
        stages: request.config.stages().into_iter().map(|stage| stage.recipe).collect(),
    })
}

/// Everything that can be wrong before there is a run.
fn begin(context: &Context, request: &Request) -> Result<(Arc<dyn Device>, Init, Arc<Faces>)> {
    start::check_out(&request.out)?;
    let device = context.open_device()?;
    let source = start::open_data(&request.config, &request.data)?;
    let init = start::open_init(&request.config, &request.init, &source)?;
    let faces = source.load(context)?;
    Ok((device, init, faces))
}

/// Goes on with the run in a folder; a finished one is left as it is.
///
/// # Errors
/// As [`train`], and `Input` where the folder is not a run's or its data has changed.
pub fn resume(context: &Context, folder: &Path) -> Result<Finished> {
    let run = Run::open(folder)?;
    let (path, text) = run.config()?;
    let config = Config::parse(&path.display().to_string(), &text, &Default::default())?;
    let origin = run.origin()?;
    let found = run.latest()?;
    found.warnings.iter().for_each(|warning| context.listener.warn(warning));
    if let Some(done) = found.checkpoint.as_ref().filter(|checkpoint| checkpoint.state.step >= config.steps()) {
        context.listener.say(&format!("{}: finished after {} steps, nothing to do", folder.display(), done.state.step));
        return Ok(session::finished_before(folder, done.state.step));
    }
    let device = context.open_device()?;
    let source = start::open_data(&config, &origin.data)?;
    let init = start::open_init(&config, &origin.init, &source)?;
    if let Some(checkpoint) = &found.checkpoint {
        start::check_same(context, &checkpoint.state, &source, device.as_ref())?;
    }
    let faces = source.load(context)?;
    let mut session = Session::begin(context, Arc::clone(&device), config, faces.identities(), init)?;
    let mut step = 0;
    if let Some(checkpoint) = found.checkpoint {
        step = checkpoint.state.step;
        session.restore(&checkpoint)?;
        context.listener.say(&format!("resume   after step {step} of {}", session.config().steps()));
    }
    go_on(context, session, faces, &run, step)
}

/// The loop over steps, from `first` to the end of the last stage.
fn go_on(context: &Context, mut session: Session, faces: Arc<Faces>, run: &Run, first: u64) -> Result<Finished> {
    let total = session.config().steps();
    let mut metrics = run.metrics(first)?;
    let started = Instant::now();
    let (mut images, mut newest) = (0, Losses::default());
    let mut batches: Option<Batches> = None;
    for step in first..total {
        let Some(Step { stage, step: stage_step }) = session.config().locate(step) else { break };
        if batches.is_none() || stage_step == 0 {
            if !session.is_in(stage) {
                session.enter(stage)?;
            }
            batches = Some(Batches::new(Arc::clone(&faces), sampling(session.config(), stage), stage_step)?);
            context.listener.say(&session.stage_line(stage));
        }
        let Some(batches) = &mut batches else { break };
        let batch = batches.take()?;
        newest = match session.step(&batch, stage_step) {
            Err(Error::Numeric(what)) => return Err(numeric(&mut session, run, &faces, &batch, step, &what)),
            other => other?,
        };
        let pictures = batch.labels.len() as u64;
        images += pictures;
        batches.recycle(batch);
        metrics.append(&session.metrics_line(step + 1, stage, stage_step, &newest))?;
        context.listener.progress(session.mode_name(), step + 1, total, pictures, &newest.to_string());
        after_step(context, &mut session, &faces, run, &mut metrics, step + 1)?;
    }
    let finished = session.finish(run, &metrics, started.elapsed().as_secs_f64(), images, &newest)?;
    report::write(run, &session, &finished)?;
    Ok(finished)
}

/// What is due after a step: samples, checkpoint, the end of a stage, and stopping when the user asked for it.
fn after_step(
    context: &Context,
    session: &mut Session,
    faces: &Faces,
    run: &Run,
    metrics: &mut Metrics,
    done: u64,
) -> Result<()> {
    let train = &session.config().train;
    let (checkpoint_every, eval_every, total) = (train.checkpoint_every, train.eval_every, session.config().steps());
    let due = |every: u64| every > 0 && done.is_multiple_of(every);
    let ends_stage = session.config().locate(done).is_none_or(|next| next.step == 0);
    if (due(eval_every) || done == total)
        && let Some(line) = samples::write(session, run, faces, done)?
    {
        metrics.append(&line)?;
    }
    let stopping = context.stopped() && done < total;
    if due(checkpoint_every) || ends_stage || stopping {
        metrics.sync()?;
        session.save(run, done)?;
    }
    if stopping {
        let folder = run.folder().display();
        return Err(Error::Interrupted(format!(
            "stopped after step {done} of {total}; all is saved, go on with: hallucinet train --resume {folder}"
        )));
    }
    Ok(())
}

/// Samples of a stage: its own stream of the seed, counted from its own first step.
fn sampling(config: &Config, stage: usize) -> Sampling {
    let seed = config.train.seed;
    Sampling {
        seed: if stage == 0 { seed } else { Random::keyed(seed, &[stage as u64]).bits() },
        batch: config.stages()[stage].recipe.batch,
        shuffle: config.data.shuffle,
        mirror: config.data.mirror,
        shift: config.data.shift,
    }
}

/// The error of a step that is not finite: the weights before it are saved, the pictures of its batch are named.
fn numeric(session: &mut Session, run: &Run, faces: &Faces, batch: &Batch, step: u64, what: &str) -> Error {
    let saved = session.save(run, step);
    let names: Vec<&str> = batch.faces.iter().take(4).map(|face| faces.name(*face)).collect();
    let kept = match saved {
        Ok(()) => format!("the weights before it are in {}", run.folder().display()),
        Err(error) => format!("and the weights before it could not be saved ({error})"),
    };
    let line = json!({ "step": step + 1, "error": what });
    // The error itself is what matters; a metrics file that cannot be written must not hide it.
    let _ = run.metrics(step).and_then(|mut metrics| metrics.append(&line));
    Error::Numeric(format!(
        "step {}: {what}; the batch began with {}; {kept}; a lower rate, a longer warm-up or train.clip may help",
        step + 1,
        names.join(", ")
    ))
}
