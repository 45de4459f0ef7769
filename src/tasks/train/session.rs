//! The networks of a run on a device: one step, one stage after the other, checkpoints, samples, the end.

use crate::backend::Device;
use crate::checkpoint::{self, Checkpoint, Metrics, Run, State};
use crate::data::batch::Batch;
use crate::engine::network::{Network, fitting, load};
use crate::error::{Error, Result};
use crate::formats::safetensors::{self, Tensor, Tensors};
use crate::graph::{Program, Times, Value};
use crate::model::config::{Config, Stage, Word};
use crate::model::{self, Model, Parameter, Parameters, Training};
use crate::tasks::Context;
use crate::tasks::train::start::Init;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Checkpoints that are kept beside the newest one's predecessor.
const KEEP: usize = 2;

/// Losses of a step, without their weights, where the mode has them.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    pub pixel: Option<f64>,
    pub softmax: Option<f64>,
    pub center: Option<f64>,
    pub distill: Option<f64>,
    /// Global L2 norm of the networks' gradients, before clipping.
    pub norm: f64,
}

impl Losses {
    fn named(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let all =
            [("pixel", self.pixel), ("softmax", self.softmax), ("center", self.center), ("distill", self.distill)];
        all.into_iter().filter_map(|(name, loss)| loss.map(|loss| (name, loss)))
    }

    /// As the contract's `losses {pixel, softmax, center}`, and `distill`; null where the mode has none.
    pub fn to_json(&self) -> Json {
        json!({ "pixel": self.pixel, "softmax": self.softmax, "center": self.center, "distill": self.distill })
    }
}

impl std::fmt::Display for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.named().map(|(name, loss)| format!("{name} {loss:.3}")).collect();
        f.write_str(&parts.join("  "))
    }
}

/// What `train` found out.
#[derive(Clone, Debug)]
pub struct Finished {
    pub steps: u64,
    pub seconds: f64,
    pub images_per_second: f64,
    pub losses: Losses,
    pub run: PathBuf,
}

/// Steps of a stage that are timed layer by layer, after the first one, in which caches fill and lists are recorded.
const TIMED: std::ops::Range<u64> = 1..4;

/// A stage on the device.
struct Live {
    stage: usize,
    program: Program,
    values: Training,
    /// Steps since the stage was entered in this process.
    steps: u64,
}

/// The networks of a run.
pub struct Session {
    device: Arc<dyn Device>,
    config: Config,
    stages: Vec<Stage>,
    /// Everything that any stage trains: the layout that all plans of the run share.
    model: Model,
    parameters: Parameters,
    /// Weights in memory order, one entry per parameter, as of the last time they left the device.
    weights: Vec<Vec<f32>>,
    /// Velocities to go on with, from a checkpoint within a stage.
    velocities: Tensors,
    /// The frozen recogniser that distillation learns from, in the order of the model's teacher: as the recogniser was when the
    /// first stage with such a loss began.
    teacher: Option<Vec<Vec<f32>>>,
    live: Option<Live>,
    /// Of some steps of each stage; none of a stage that was entered for too few.
    times: Vec<Times>,
    fingerprint: String,
}

impl Session {
    /// Weights from the seed, and from models to start from.
    pub fn begin(
        context: &Context,
        device: Arc<dyn Device>,
        config: Config,
        identities: usize,
        init: Init,
    ) -> Result<Self> {
        let model = Model::trained_by(&config, identities)?;
        let parameters = model.parameters();
        init.notes.iter().for_each(|note| context.listener.say(note));
        let first = |parameter: &Parameter| match init.tensors.get(&parameter.name) {
            Some(tensor) => parameter.to_memory(&tensor.data),
            None => parameter.initial(config.train.seed),
        };
        Ok(Session {
            device,
            stages: config.stages(),
            weights: parameters.iter().map(first).collect(),
            velocities: Tensors::new(),
            teacher: None,
            live: None,
            times: vec![Times::default(); config.stages().len()],
            fingerprint: init.fingerprint,
            config,
            model,
            parameters,
        })
    }

    /// The run's configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Takes weights and velocities from a checkpoint; what later stages bring keeps its initial values.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let place = checkpoint.folder.display().to_string();
        for (parameter, weights) in self.parameters.iter().zip(&mut self.weights) {
            if checkpoint.model.tensors.contains_key(&parameter.name) {
                *weights = parameter_in(&checkpoint.model.tensors, parameter, &place)?;
            }
        }
        if checkpoint.state.stage_step > 0 {
            self.velocities = checkpoint.optimizer.tensors.clone();
        }
        let (teacher, kept) = (self.model.teacher(), &checkpoint.optimizer.tensors);
        if teacher.iter().any(|parameter| kept.contains_key(&parameter.name)) {
            let weights = |parameter| parameter_in(kept, parameter, &place);
            self.teacher = Some(teacher.iter().map(weights).collect::<Result<_>>()?);
        }
        Ok(())
    }

    /// Builds the plan of a stage and brings the weights over; velocities start at zero, or where a checkpoint left them.
    pub fn enter(&mut self, stage: usize) -> Result<()> {
        self.collect()?;
        let Stage { recipe, loss } = &self.stages[stage];
        let (graph, values) = model::training(&self.model, recipe, loss, recipe.batch)?;
        let bytes = |batch| Ok(model::training(&self.model, recipe, loss, batch)?.0.plan().memory_bytes());
        let program = load(&self.device, graph.plan(), recipe.batch, bytes)?;
        for ((_, offset), weights) in self.parameters.placed().zip(&self.weights) {
            program.write_store(offset, weights)?;
        }
        for parameter in self.parameters.iter() {
            if let Some(velocity) = values.velocities.get(&parameter.name)
                && let Some(tensor) = self.velocities.get(&parameter.name)
            {
                program.write(*velocity, &parameter.to_memory(&tensor.data))?;
            }
        }
        self.velocities.clear();
        if !values.teacher.is_empty() {
            let weights = self.teacher.take().unwrap_or_else(|| self.recognizer());
            for (parameter, weights) in self.model.teacher().iter().zip(&weights) {
                if let Some(value) = values.teacher.get(&parameter.name) {
                    program.write(*value, weights)?;
                }
            }
            self.teacher = Some(weights);
        }
        self.live = Some(Live { stage, program, values, steps: 0 });
        Ok(())
    }

    /// Whether a stage is on the device.
    pub fn is_in(&self, stage: usize) -> bool {
        self.live.as_ref().is_some_and(|live| live.stage == stage)
    }

    /// The recogniser as it is now, as a teacher.
    fn recognizer(&self) -> Vec<Vec<f32>> {
        let teacher = self.model.teacher();
        let weights = |name: String| {
            let of_name = self.parameters.iter().zip(&self.weights).find(|(parameter, _)| parameter.name == name);
            of_name.map(|(_, weights)| weights.clone()).unwrap_or_default()
        };
        teacher.iter().map(|parameter| weights(model::taught_by(&parameter.name))).collect()
    }

    /// One step of the current stage.
    ///
    /// # Errors
    /// `Numeric` when a loss or the gradient is not finite; weights and centers are then as before the step.
    pub fn step(&mut self, batch: &Batch, stage_step: u64) -> Result<Losses> {
        let Some(Live { stage, program, values, steps }) = &mut self.live else {
            return Err(Error::Shape("a step outside any stage".into()));
        };
        let recipe = &self.stages[*stage].recipe;
        let rate = recipe.rate(stage_step);
        program.write(values.pixels, &batch.pixels)?;
        program.write(values.moves, &batch.moves)?;
        if values.features.is_some() {
            let labels: Vec<i32> = batch.labels.iter().map(|label| *label as i32).collect();
            program.write(values.labels, &labels)?;
        }
        program.write(values.rates, &[(recipe.lr * rate) as f32, (recipe.hallucinator_lr * rate) as f32])?;
        match TIMED.contains(steps) {
            true => program.run_timed(&mut self.times[*stage])?,
            false => program.run()?,
        }
        *steps += 1;
        let number = |value: Value| program.read::<f32>(value).map(|read| f64::from(read[0]));
        let losses = Losses {
            pixel: values.pixel.map(number).transpose()?,
            softmax: values.softmax.map(number).transpose()?,
            center: values.center.map(number).transpose()?,
            distill: values.distill.map(number).transpose()?,
            norm: number(values.norm)?,
        };
        if let Some((name, loss)) = losses.named().find(|(_, loss)| !loss.is_finite()) {
            return Err(Error::Numeric(format!("the {name} loss is {loss}")));
        }
        if !losses.norm.is_finite() {
            return Err(Error::Numeric(format!("the norm of the gradients is {}", losses.norm)));
        }
        Ok(losses)
    }

    /// The mode that is being trained, as the configuration spells it.
    pub fn mode_name(&self) -> &'static str {
        let stage = self.live.as_ref().map_or(0, |live| live.stage);
        self.stages[stage].recipe.mode.word()
    }

    /// What is said when a stage begins.
    pub fn stage_line(&self, stage: usize) -> String {
        let recipe = &self.stages[stage].recipe;
        let steps = recipe.steps;
        format!(
            "stage    {} of {}: {}, {steps} steps of {} pictures",
            stage + 1,
            self.stages.len(),
            recipe.mode,
            recipe.batch
        )
    }

    /// A line of `metrics.jsonl`.
    pub fn metrics_line(&self, done: u64, stage: usize, stage_step: u64, losses: &Losses) -> Json {
        let recipe = &self.stages[stage].recipe;
        let mut line = losses.to_json();
        line["step"] = json!(done);
        line["stage"] = json!(stage + 1);
        line["mode"] = json!(recipe.mode.word());
        line["lr"] = json!(recipe.lr * recipe.rate(stage_step));
        line["norm"] = json!(losses.norm);
        line
    }

    /// Fetches the weights from the device.
    fn collect(&mut self) -> Result<()> {
        if let Some(Live { program, .. }) = &self.live {
            for ((parameter, offset), weights) in self.parameters.placed().zip(&mut self.weights) {
                *weights = program.read_store(offset, parameter.shape.elements())?;
            }
        }
        Ok(())
    }

    /// The model that the stages so far have trained, with the weights as they are now.
    pub fn network(&mut self) -> Result<Network> {
        self.collect()?;
        let stages = self.live.as_ref().map_or(0, |live| live.stage) + 1;
        let model = Model::after(&self.config, stages, self.model.identities)?;
        let names: Vec<String> = model.parameters().iter().map(|parameter| parameter.name.clone()).collect();
        let tensors =
            self.parameters.iter().zip(&self.weights).filter(|(parameter, _)| names.contains(&parameter.name));
        let file = |(parameter, weights): (&Parameter, &Vec<f32>)| {
            let tensor = Tensor { shape: parameter.file_shape.clone(), data: parameter.to_file(weights) };
            (parameter.name.clone(), tensor)
        };
        let tensors = tensors.map(file).collect();
        Ok(Network::new(model, tensors))
    }

    /// What a resumed run needs besides the model: velocities by the parameters' names, and the teacher.
    fn optimizer(&self) -> Result<Vec<u8>> {
        let mut tensors = Tensors::new();
        if let Some(Live { program, values, .. }) = &self.live {
            for parameter in self.parameters.iter() {
                if let Some(velocity) = values.velocities.get(&parameter.name) {
                    let data = parameter.to_file(&program.read::<f32>(*velocity)?);
                    tensors.insert(parameter.name.clone(), Tensor { shape: parameter.file_shape.clone(), data });
                }
            }
        }
        for (parameter, weights) in self.model.teacher().iter().zip(self.teacher.iter().flatten()) {
            let tensor = Tensor { shape: parameter.file_shape.clone(), data: parameter.to_file(weights) };
            tensors.insert(parameter.name.clone(), tensor);
        }
        safetensors::to_bytes(&tensors, &json!({ "velocity": true }))
    }

    /// Writes the run's model, at the end of a stage also `stages/N-MODE/model.safetensors`, and a checkpoint.
    pub fn save(&mut self, run: &Run, done: u64) -> Result<()> {
        let model = self.network()?.to_bytes()?;
        let info = self.device.info();
        let next = self.config.locate(done);
        let state = State {
            step: done,
            stage: next.map_or(self.stages.len(), |next| next.stage),
            stage_step: next.map_or(0, |next| next.step),
            seed: self.config.train.seed,
            instruction_set: info.architecture,
            device: info.name,
            data: self.fingerprint.clone(),
            config: self.config.hash(),
            notes: BTreeMap::from([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            ..State::default()
        };
        // The checkpoint comes last: a run is gone on with from it, and whoever is killed before makes the models once more. The other
        // way round the last checkpoint could be there and the model that belongs to it never.
        run.write_model(&model)?;
        if self.stages.len() > 1 && next.is_none_or(|next| next.step == 0) {
            let stage = self.live.as_ref().map_or(0, |live| live.stage);
            let folder = format!("stages/{}-{}", stage + 1, self.stages[stage].recipe.mode);
            run.write(&format!("{folder}/{}", checkpoint::MODEL_FILE), &model)?;
        }
        checkpoint::save(run.folder(), &state, &model, &self.optimizer()?, KEEP)?;
        Ok(())
    }

    /// How long each layer of a step took, for each stage.
    pub fn times(&self) -> &[Times] {
        &self.times
    }

    /// The device the run is on.
    pub fn device(&self) -> &Arc<dyn Device> {
        &self.device
    }

    /// Ends a run whose last step is done.
    pub fn finish(&self, run: &Run, metrics: &Metrics, seconds: f64, images: u64, losses: &Losses) -> Result<Finished> {
        metrics.sync()?;
        Ok(Finished {
            steps: self.config.steps(),
            seconds,
            images_per_second: if seconds > 0.0 { images as f64 / seconds } else { 0.0 },
            losses: losses.clone(),
            run: run.folder().to_owned(),
        })
    }
}

/// A parameter of a checkpoint, in memory order.
fn parameter_in(tensors: &Tensors, parameter: &Parameter, place: &str) -> Result<Vec<f32>> {
    Ok(parameter.to_memory(&fitting(tensors, parameter, place)?.data))
}

/// What a run that was finished earlier found out, as far as its metrics tell: it takes no time now.
pub fn finished_before(folder: &Path, steps: u64) -> Finished {
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default();
    let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let last = lines.into_iter().find(|line| line.get("norm").is_some()).unwrap_or(Json::Null);
    let losses = Losses {
        pixel: last["pixel"].as_f64(),
        softmax: last["softmax"].as_f64(),
        center: last["center"].as_f64(),
        distill: last["distill"].as_f64(),
        norm: last["norm"].as_f64().unwrap_or(0.0),
    };
    Finished { steps, seconds: 0.0, images_per_second: 0.0, losses, run: folder.to_owned() }
}
