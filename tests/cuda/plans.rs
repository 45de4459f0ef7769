//! What plans promise about the device: the paper's step at batch 256 in bf16 fits into 24 GB by the planner's own count, and that
//! count is what `alloc` is asked for.

use crate::{BATCH, small};
use hallucinet::Result;
use hallucinet::backend::cpu::Cpu;
use hallucinet::backend::{Buffer, Device, Info, Launch, Memory};
use hallucinet::graph::{Program, largest_batch};
use hallucinet::model::config::{Config, Overrides};
use hallucinet::model::{self, Model};
use std::sync::{Arc, Mutex};

const GB: usize = 1_000_000_000;

fn paper(precision: &str) -> impl Fn(usize) -> Result<usize> {
    let set = vec![("train.precision".to_owned(), precision.to_owned())];
    let config = Config::preset("paper", &Overrides { set, ..Overrides::default() }).unwrap();
    let model = Model::trained_by(&config, 10_572).unwrap();
    let stage = config.stages().pop().unwrap();
    move |batch| Ok(model::training(&model, &stage.recipe, &stage.loss, batch)?.0.plan().memory_bytes())
}

#[test]
fn the_paper_at_batch_256_in_bf16_fits_into_24_gb() {
    let bf16 = paper("bf16");
    let bytes = bf16(256).unwrap();
    assert!(bytes < 24 * GB, "{bytes}");
    let most = largest_batch(4096, 24 * GB, &bf16).unwrap();
    assert!(most >= 256 && bf16(most).unwrap() <= 24 * GB && bf16(most + 1).unwrap() > 24 * GB, "{most}");
    // f32 needs nearly twice as much.
    assert!(paper("f32")(256).unwrap() as f64 > 1.5 * bytes as f64);
}

#[test]
fn the_largest_batch_is_found_by_halving() {
    for (most, memory, expected) in [(100, 37, 37), (100, 1000, 100), (100, 0, 0), (1, 1, 1), (0, 9, 0)] {
        assert_eq!(largest_batch(most, memory, Ok).unwrap(), expected);
    }
}

/// A cpu that remembers what was taken.
struct Counting(Cpu, Mutex<Vec<usize>>);

impl Device for Counting {
    fn alloc(&self, bytes: usize) -> Result<Buffer> {
        self.1.lock().unwrap().push(bytes);
        self.0.alloc(bytes)
    }
    fn write(&self, to: &Buffer, offset: usize, from: &[u8]) -> Result<()> {
        self.0.write(to, offset, from)
    }
    fn read(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()> {
        self.0.read(from, offset, to)
    }
    fn copy(&self, from: (&Buffer, usize), to: (&Buffer, usize), bytes: usize) -> Result<()> {
        self.0.copy(from, to, bytes)
    }
    fn launch(&self, list: &[Launch], memory: &Memory) -> Result<()> {
        self.0.launch(list, memory)
    }
    fn sync(&self) -> Result<()> {
        self.0.sync()
    }
    fn info(&self) -> Info {
        self.0.info()
    }
}

#[test]
fn alloc_is_asked_for_what_the_planner_counts() {
    for precision in ["f32", "bf16"] {
        let (config, model) = small("joint", "fast", precision);
        let stage = config.stages().remove(0);
        let plan = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap().0.plan();
        let (bytes, parts) = (plan.memory_bytes(), [plan.store_bytes, plan.arena_bytes]);
        let device = Arc::new(Counting(Cpu::new(Some(1)).unwrap(), Mutex::default()));
        let program = Program::new(Arc::clone(&device) as Arc<dyn Device>, plan).unwrap();
        let taken = device.1.lock().unwrap().clone();
        assert_eq!((taken.iter().sum::<usize>(), taken), (bytes, parts.to_vec()), "{precision}");
        drop(program);
    }
}

/// Costs add up to the plan's, layer by layer, forward and backward apart.
#[test]
fn costs_cover_the_plan() {
    let (config, model) = small("joint", "residual", "bf16");
    let stage = config.stages().remove(0);
    let plan = model::training(&model, &stage.recipe, &stage.loss, BATCH).unwrap().0.plan();
    let costs = plan.costs();
    assert_eq!(costs.iter().map(|cost| cost.flop).sum::<u64>(), plan.flop());
    assert_eq!(costs.iter().map(|cost| cost.bytes).sum::<u64>(), plan.traffic());
    assert_eq!(costs.iter().map(|cost| cost.launches).sum::<usize>(), plan.launches.len());
    let layer = |name: &str| costs.iter().filter(|cost| cost.layer == name).count();
    for name in
        ["hallucinator.unit1.conv1", "hallucinator.unit1.conv1 backward", "recognizer.fc5", "softmax_loss", "sgd"]
    {
        assert_eq!(layer(name), 1, "{name}");
    }
}
