//! `doctor`: which devices there are, which kernels, and whether they compute what they should.

mod lone_ops;
mod self_test;

pub use self_test::Check;

use crate::backend::cpu::simd::Level;
use crate::backend::{self, Choice, Info, libcuda};
use crate::error::Result;
use crate::graph::Plan;
use crate::model::config::{Config, Hallucinator, Mode, Overrides, Precision, Word};
use crate::model::{self, Model};
use crate::tasks::Context;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What was found.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The device that was tested.
    pub device: String,
    pub cpu: Processor,
    /// The CUDA driver's library, where there is one.
    pub cuda_driver: Option<PathBuf>,
    /// The first CUDA device, or why there is none that this program can use.
    pub cuda: std::result::Result<Info, String>,
    /// Rooms whose kernels this program has for a CUDA device.
    pub cuda_rooms: Vec<&'static str>,
    /// Every kernel that the self-test or the published networks launch, sorted.
    pub kernels: Vec<Kernel>,
    pub self_test: Vec<Check>,
}

impl Findings {
    /// Whether every check passed.
    pub fn is_well(&self) -> bool {
        self.self_test.iter().all(|check| check.pass)
    }
}

/// A kernel of this program.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub room: &'static str,
    pub entry: &'static str,
    /// Whether the self-test launched it.
    pub tested: bool,
}

/// Kernels by room and entry.
type Launched = BTreeSet<(&'static str, &'static str)>;

/// The processor.
#[derive(Clone, Debug)]
pub struct Processor {
    /// As the operating system calls it, where it does.
    pub model: Option<String>,
    /// The instruction set that is used, and all that could be.
    pub instruction_set: String,
    pub supported: Vec<String>,
    pub threads: usize,
    /// Bytes of memory: all of it, and what programs may still take; nothing where the system does not say.
    pub memory: Option<u64>,
    pub available: Option<u64>,
}

/// Examines the machine and tests the device that was asked for.
///
/// # Errors
/// `Device` where that device is not there; checks that fail are not errors here but findings.
pub fn doctor(context: &Context) -> Result<Findings> {
    let device = context.open_device()?;
    let info = device.info();
    let (self_test, tested) = self_test::run(context, &device)?;
    let all = tested.union(&published()?).copied().collect::<Launched>().into_iter();
    Ok(Findings {
        cpu: processor(info.threads)?,
        cuda_driver: libcuda::find(),
        cuda: backend::open(Choice::Cuda(0), None).map(|(cuda, _)| cuda.info()).map_err(|error| error.to_string()),
        cuda_rooms: backend::cuda_rooms(),
        kernels: all.map(|(room, entry)| Kernel { room, entry, tested: tested.contains(&(room, entry)) }).collect(),
        self_test,
        device: info.name,
    })
}

fn processor(threads: usize) -> Result<Processor> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (about, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let bytes = |name: &str| {
        let kibibytes: u64 = field(&memory, name)?.trim_end_matches(" kB").parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    Ok(Processor {
        model: field(&about, "model name"),
        instruction_set: Level::chosen()?.to_string(),
        supported: Level::supported().iter().map(Level::to_string).collect(),
        threads,
        memory: bytes("MemTotal"),
        available: bytes("MemAvailable"),
    })
}

/// A configuration of tiny networks that use every kernel.
fn tiny(settings: &[(&str, &str)]) -> Result<Config> {
    let small = [
        ("model.recognizer_width", "0.0625"),
        ("model.features", "8"),
        ("model.hallucinator_channels", "4"),
        ("model.hallucinator_units", "1"),
        ("model.residual_init", "he"),
        ("train.clip", "1"),
    ];
    let set = small.iter().chain(settings).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::parse("self-test", "", &Overrides { set, ..Overrides::default() })
}

/// The kernels of a plan.
fn launched(plan: &Plan) -> impl Iterator<Item = (&'static str, &'static str)> {
    plan.launches.iter().map(|launch| (launch.kernel.room, launch.kernel.entry))
}

/// Every kernel that training the published networks at full size launches, in any mode and both formats; inference launches no others.
fn published() -> Result<Launched> {
    let mut found = Launched::new();
    for (_, mode) in Mode::CHOICES {
        for (_, hallucinator) in Hallucinator::CHOICES {
            for (_, precision) in Precision::CHOICES {
                let set = [
                    ("train.mode", mode.word()),
                    ("model.hallucinator", hallucinator.word()),
                    ("train.precision", precision.word()),
                ];
                let set = set.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
                let config = Config::parse("self-test", "", &Overrides { set, ..Overrides::default() })?;
                let model = Model::trained_by(&config, 2)?;
                let (graph, _) = model::training(&model, &config.train.recipe, &config.loss, 2)?;
                found.extend(launched(&graph.plan()));
            }
        }
    }
    Ok(found)
}
