//! `plan`: what a configuration costs at a batch, told from the plan alone. Opens no device, so it tells it for any; except to tell how
//! long training takes, which only the device at hand knows.

use crate::error::Result;
pub use crate::graph::Cost as Layer;
use crate::graph::Plan;
use crate::model::config::Config;
use crate::model::{self, Model, Source};
use crate::tasks::{Context, bench};

/// Which plan to look at.
#[derive(Clone, Debug)]
pub struct Request {
    pub config: Config,
    /// The batch of `[train]` where it is not given.
    pub batch: Option<usize>,
    /// Rows of fc6 and of the centers.
    pub identities: usize,
    /// Inference from such pictures, instead of the training step.
    pub inference: Option<Source>,
}

/// What a plan takes.
#[derive(Clone, Debug)]
pub struct Account {
    /// `train-step joint`, `inference lr`.
    pub what: String,
    pub precision: String,
    pub batch: usize,
    pub launches: usize,
    /// Weights, gradients, velocities and constants: what outlives a run.
    pub store_bytes: usize,
    /// Everything else.
    pub arena_bytes: usize,
    pub flop: u64,
    pub bytes: u64,
    /// In the order in which they first run.
    pub layers: Vec<Layer>,
}

/// How long training takes on a device.
#[derive(Clone, Debug)]
pub struct Time {
    pub device: String,
    /// Of each stage: mode, steps, pictures of a step, seconds.
    pub stages: Vec<(String, u64, usize, f64)>,
}

/// Measures a few training steps of every stage on the device at hand.
///
/// # Errors
/// As [`bench::training_seconds`].
pub fn time(context: &Context, request: &Request) -> Result<Time> {
    let device = context.open_device()?;
    let model = Model::trained_by(&request.config, request.identities)?;
    let seconds = bench::training_seconds(context, &device, &model)?;
    let stages = request.config.stages().into_iter().zip(seconds);
    let stages = stages.map(|(stage, seconds)| {
        let recipe = stage.recipe;
        (recipe.mode.to_string(), recipe.steps, recipe.batch, seconds)
    });
    Ok(Time { device: device.info().name, stages: stages.collect() })
}

/// The account of one plan per stage of the configuration (one in all for inference).
///
/// # Errors
/// As building the graph: `Shape`, `Input`.
pub fn plan(request: &Request) -> Result<Vec<Account>> {
    let model = Model::trained_by(&request.config, request.identities)?;
    let precision = request.config.train.precision.to_string();
    let account = |what: String, batch: usize, plan: Plan| Account {
        what,
        precision: precision.clone(),
        batch,
        launches: plan.launches.len(),
        store_bytes: plan.store_bytes,
        arena_bytes: plan.arena_bytes,
        flop: plan.flop(),
        bytes: plan.traffic(),
        layers: plan.costs(),
    };
    if let Some(source) = request.inference {
        let batch = request.batch.unwrap_or(request.config.train.recipe.batch);
        let word = source.word();
        let (graph, _) = model::inference(&model, source, batch)?;
        return Ok(vec![account(format!("inference {word}"), batch, graph.plan())]);
    }
    let each = request.config.stages().into_iter().map(|stage| {
        let batch = request.batch.unwrap_or(stage.recipe.batch);
        let (graph, _) = model::training(&model, &stage.recipe, &stage.loss, batch)?;
        Ok(account(format!("train-step {}", stage.recipe.mode), batch, graph.plan()))
    });
    each.collect()
}
