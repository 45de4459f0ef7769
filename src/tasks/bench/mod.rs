//! `bench`: how fast this device hallucinates, embeds and trains, in all and layer by layer, beside the most that it could do. Pictures
//! are noise and weights are initial ones; neither changes the time.

pub mod precision;

use super::Context;
use crate::backend::Device;
use crate::engine::network::load;
use crate::error::Result;
pub use crate::graph::Roofline;
use crate::graph::{Cost, Graph, Program, Value};
use crate::model::config::{Config, Precision, Stage};
use crate::model::{self, Model, Parameters, Source};
use crate::random::Random;
use crate::shape::HR;
pub use precision::PrecisionCost;
use std::sync::Arc;
use std::time::Instant;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Request {
    pub config: Config,
    /// The batch of every row; by default 1 and 32, and for the training step 32, or 8 on a CPU.
    pub batch: Option<usize>,
    /// Rows of fc6 and of the centers.
    pub identities: usize,
}

/// Smallest, median and largest of the repeats.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

/// One measurement.
#[derive(Clone, Debug)]
pub struct Row {
    /// `hallucinate`, `embed`, `hallucinate+embed` or `train-step`.
    pub name: &'static str,
    pub device: String,
    pub precision: String,
    pub batch: usize,
    pub threads: usize,
    pub images_per_second: Spread,
    /// Of one batch.
    pub seconds: Spread,
    /// Of the mathematics of one batch; a multiply-add is two.
    pub flop: u64,
    /// That one batch must bring across the memory bus when nothing is cached.
    pub bytes: u64,
    /// In the order in which they first run; launched one by one, so that their sum is more than the whole.
    pub layers: Vec<Layer>,
}

/// One layer in one direction.
#[derive(Clone, Debug)]
pub struct Layer {
    pub cost: Cost,
    /// The median of the repeats.
    pub seconds: f64,
    /// Of the roofline: 1 is all that the device could do.
    pub fraction: f64,
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub struct Findings {
    pub roofline: Roofline,
    pub rows: Vec<Row>,
    /// What bf16 costs, where that was measured.
    pub cost: Option<PrecisionCost>,
}

/// A row repeats itself until it has taken this long, but not fewer and not more times than these.
const SECONDS: f64 = 2.0;
const FEWEST: usize = 5;
const MOST: usize = 200;

/// Pictures of a step that is measured to tell the time of a larger one on a CPU.
const FEW: usize = 16;

/// Of initial weights.
const SEED: u64 = 1;

/// The row of a training step.
const STEP: &str = "train-step";

/// Repeats of a run that is timed launch by launch.
const LAYER_REPEATS: usize = 3;

/// Measures every row that the configuration's networks have.
///
/// # Errors
/// `Memory`, with the largest batch that fits; `Device`; as building the graphs.
pub fn bench(context: &Context, request: &Request) -> Result<Findings> {
    let device = context.open_device()?;
    let whole = Model::trained_by(&request.config, request.identities)?;
    let on_cpu = device.info().name == "cpu";
    let batches = request.batch.map_or(vec![1, 32], |batch| vec![batch]);
    let step_batch = request.batch.unwrap_or(if on_cpu { 8 } else { 32 });
    let roofline = Roofline::measure(&device)?;
    let clock = Clock { context, device: &device };
    let bench = Bench { context, device: &device, precision: request.config.train.precision, roofline };
    let mut rows = Vec::new();
    for batch in batches {
        for (name, model, source) in inferences(&whole) {
            let (program, seconds) = clock.inference(name, &model, source, batch)?;
            rows.push(bench.row(name, batch, &program, seconds)?);
        }
    }
    if let Some(stage) = request.config.stages().pop() {
        let (program, seconds) = clock.step(&whole, &stage, step_batch)?;
        rows.push(bench.row(STEP, step_batch, &program, seconds)?);
    }
    let cost = match request.config.train.precision {
        Precision::Bf16 => Some(precision::cost(&device, &whole)?),
        Precision::F32 => None,
    };
    Ok(Findings { roofline, rows, cost })
}

/// Seconds that each stage of a model's configuration takes to train here, told from a few steps of each. On a CPU a large batch is
/// measured at [`FEW`] pictures and multiplied, since time grows with the pictures there.
///
/// # Errors
/// `Device` where the batch does not fit, `Interrupted`.
pub fn training_seconds(context: &Context, device: &Arc<dyn Device>, model: &Model) -> Result<Vec<f64>> {
    let on_cpu = device.info().name == "cpu";
    let clock = Clock { context, device };
    let each = model.config.stages().into_iter().map(|stage| {
        let batch = stage.recipe.batch;
        let measured = if on_cpu { batch.min(FEW) } else { batch };
        let (_, seconds) = clock.step(model, &stage, measured)?;
        Ok(seconds.median * batch as f64 / measured as f64 * stage.recipe.steps as f64)
    });
    each.collect()
}

/// The parts of a model that can be measured by themselves.
fn inferences(whole: &Model) -> Vec<(&'static str, Model, Source)> {
    let mut list = Vec::new();
    if whole.has_hallucinator {
        let model = Model { has_recognizer: false, identities: 0, ..whole.clone() };
        list.push(("hallucinate", model, Source::Lr));
    }
    if whole.has_recognizer {
        list.push(("embed", whole.clone(), Source::Hr));
    }
    if whole.has_hallucinator && whole.has_recognizer {
        list.push(("hallucinate+embed", whole.clone(), Source::Lr));
    }
    list
}

/// Times whole batches.
struct Clock<'a> {
    context: &'a Context<'a>,
    device: &'a Arc<dyn Device>,
}

/// What was timed, and how long a batch takes.
type Timed = (Program, Spread);

impl Clock<'_> {
    fn inference(&self, name: &'static str, model: &Model, source: Source, batch: usize) -> Result<Timed> {
        let build = |batch| model::inference(model, source, batch);
        let values = build(batch)?.1;
        let (height, width) = source.size();
        let pixels = noise(batch * 3 * height * width);
        let graph = |batch| Ok(build(batch)?.0);
        self.measure(
            name,
            batch,
            &model.inference_parameters(),
            graph,
            values.features.unwrap_or(values.pictures),
            |program| program.write(values.pixels, &pixels),
        )
    }

    fn step(&self, model: &Model, stage: &Stage, batch: usize) -> Result<Timed> {
        let build = |batch| model::training(model, &stage.recipe, &stage.loss, batch);
        let values = build(batch)?.1;
        let pixels = noise(batch * 3 * HR.0 * HR.1);
        let labels: Vec<i32> = (0..batch).map(|index| (index % model.identities.max(1)) as i32).collect();
        let graph = |batch| Ok(build(batch)?.0);
        self.measure(STEP, batch, &model.parameters(), graph, values.norm, |program| {
            program.write(values.pixels, &pixels)?;
            program.write(values.moves, &vec![[0i32; 3]; batch])?;
            if values.features.is_some() {
                program.write(values.labels, &labels)?;
            }
            // Rates of 0: the weights stay what they are, however often the step is repeated.
            program.write(values.rates, &[0f32, 0.0])
        })
    }

    /// Times batches from the first byte written to `result` read back.
    fn measure(
        &self,
        name: &'static str,
        batch: usize,
        parameters: &Parameters,
        graph: impl Fn(usize) -> Result<Graph>,
        result: Value,
        write: impl Fn(&Program) -> Result<()>,
    ) -> Result<Timed> {
        let bytes = |batch| Ok(graph(batch)?.plan().memory_bytes());
        let program = load(self.device, graph(batch)?.plan(), batch, bytes)?;
        parameters.write(&program, |parameter| parameter.initial(SEED))?;
        let once = || -> Result<f64> {
            self.context.check_stopped()?;
            let started = Instant::now();
            write(&program)?;
            program.run()?;
            program.read::<f32>(result)?;
            Ok(started.elapsed().as_secs_f64())
        };
        // Caches fill, clocks rise and the list is recorded before anything counts.
        once()?;
        let mut seconds = Vec::new();
        while seconds.len() < FEWEST || seconds.iter().sum::<f64>() < SECONDS && seconds.len() < MOST {
            seconds.push(once()?);
            self.context.listener.progress(name, seconds.len() as u64, FEWEST as u64, batch as u64, "");
        }
        Ok((program, Spread::of(seconds)))
    }
}

/// Rows of a table: times beside the most that the device could do.
struct Bench<'a> {
    context: &'a Context<'a>,
    device: &'a Arc<dyn Device>,
    precision: Precision,
    roofline: Roofline,
}

impl Bench<'_> {
    /// The row of what was timed, with each layer by itself.
    fn row(&self, name: &'static str, batch: usize, program: &Program, seconds: Spread) -> Result<Row> {
        let info = self.device.info();
        let speed = |seconds: f64| batch as f64 / seconds;
        Ok(Row {
            name,
            device: info.name,
            precision: self.precision.to_string(),
            batch,
            threads: info.threads,
            images_per_second: Spread {
                min: speed(seconds.max),
                median: speed(seconds.median),
                max: speed(seconds.min),
            },
            seconds,
            flop: program.plan().flop(),
            bytes: program.plan().traffic(),
            layers: self.layers(program)?,
        })
    }

    fn layers(&self, program: &Program) -> Result<Vec<Layer>> {
        let mut repeats = Vec::new();
        for _ in 0..LAYER_REPEATS {
            self.context.check_stopped()?;
            repeats.push(program.plan().by_layer(&program.time_launches()?));
        }
        let layers = program.plan().costs().into_iter().enumerate().map(|(index, cost)| {
            let of_layer = repeats.iter().filter_map(|repeat| repeat.get(index).copied()).collect();
            let seconds = Spread::of(of_layer).median;
            let fraction = self.roofline.fraction(self.precision == Precision::Bf16, cost.flop, cost.bytes, seconds);
            Layer { cost, seconds, fraction }
        });
        Ok(layers.collect())
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Spread { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::named(1, "bench");
    (0..length).map(|_| random.below(256) as u8).collect()
}
