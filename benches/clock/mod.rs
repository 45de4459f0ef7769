//! One clock for every bench: which device, which format, how long, and which part of what the device could do at most.
//!
//! `HALLUCINET_BENCH_DEVICE=cpu|cuda` (cpu), `HALLUCINET_BENCH_PRECISION=f32|bf16` (f32 on the cpu, bf16 on a card) and
//! `HALLUCINET_BENCH_BATCH=N` choose. A card is timed by its own events, the cpu by the clock of the host.

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use hallucinet::backend::{self, Choice, Device};
use hallucinet::graph::{Program, Roofline};
use hallucinet::ops::Type;
use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub struct Clock {
    pub device: Arc<dyn Device>,
    /// Of activations and their gradients.
    pub precision: Type,
    roofline: OnceLock<Roofline>,
}

/// The device and the format of this run.
pub fn clock() -> &'static Clock {
    static CLOCK: OnceLock<Clock> = OnceLock::new();
    CLOCK.get_or_init(|| {
        let choice = if on_cuda() { Choice::Cuda(0) } else { Choice::Cpu };
        let (device, _) = backend::open(choice, None).unwrap();
        let precision = match chosen("HALLUCINET_BENCH_PRECISION").as_deref() {
            Some("f32") => Type::F32,
            Some("bf16") => Type::Bf16,
            None => {
                if on_cuda() {
                    Type::Bf16
                } else {
                    Type::F32
                }
            }
            Some(other) => panic!("HALLUCINET_BENCH_PRECISION is f32 or bf16, not {other}"),
        };
        Clock { device, precision, roofline: OnceLock::new() }
    })
}

fn on_cuda() -> bool {
    match chosen("HALLUCINET_BENCH_DEVICE").as_deref() {
        None | Some("cpu") => false,
        Some("cuda") => true,
        Some(other) => panic!("HALLUCINET_BENCH_DEVICE is cpu or cuda, not {other}"),
    }
}

/// Pictures of a batch: the given number on a cpu, what the recipe trains with on a card.
pub fn batch(on_cpu: usize) -> usize {
    let usual = if on_cuda() { 256 } else { on_cpu };
    chosen("HALLUCINET_BENCH_BATCH").map_or(usual, |number| number.parse().unwrap())
}

fn chosen(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prints the device; the first line of every run.
pub fn announce(_: &mut Criterion) {
    let info = clock().device.info();
    println!("device {} ({}), {:?}", info.name, info.detail, clock().precision);
}

/// Times a program of this group, name and parameter; `prepare` writes its inputs before every run, outside the time.
pub fn time(
    criterion: &mut Criterion,
    [group, name, parameter]: [&str; 3],
    program: &Program,
    prepare: impl Fn(&Program),
) {
    let line = format!("{group}/{name}/{parameter}");
    let (flop, bytes) = (program.plan().flop(), program.plan().traffic());
    let least = Cell::new(f64::INFINITY);
    let mut group = criterion.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::ElementsAndBytes { elements: flop, bytes });
    group.bench_function(BenchmarkId::new(name, parameter), |bencher| {
        bencher.iter_custom(|runs| {
            let seconds = (0..runs).map(|_| {
                prepare(program);
                let seconds = program.time().unwrap();
                least.set(least.get().min(seconds));
                seconds
            });
            Duration::from_secs_f64(seconds.sum())
        });
    });
    group.finish();
    if least.get().is_finite() {
        let clock = clock();
        let roofline = clock.roofline.get_or_init(|| Roofline::measure(&clock.device).unwrap());
        let part = roofline.fraction(clock.precision == Type::Bf16, flop, bytes, least.get());
        let (ms, mflop, mb) = (1e3 * least.get(), flop as f64 / 1e6, bytes as f64 / 1e6);
        println!("{line}: {ms:.4} ms at best, {mflop:.1} MFLOP, {mb:.2} MB, {:.1} % of the roofline", 100.0 * part);
    }
}
