//! How fast a plan runs, launch by launch, and how fast the device could be: its roofline, measured on the spot. Knows no network.

use super::{Graph, Program};
use crate::backend::{self, Device, Launch};
use crate::error::Result;
use crate::ops::roofline::{Chains, Copy, Tiles};
use crate::ops::{Desc, Type};
use crate::shape::Shape;
use std::sync::Arc;

impl Program {
    /// Seconds of one run of the whole plan, as [`Program::run`] runs it, without uploads.
    pub fn time(&self) -> Result<f64> {
        let seconds = backend::time(self.device.as_ref(), &[&self.plan.launches], &self.memory)?;
        Ok(seconds.iter().sum())
    }

    /// Seconds of every launch of one run, each by itself; one number per launch.
    pub fn time_launches(&self) -> Result<Vec<f64>> {
        let lists: Vec<&[Launch]> = self.plan.launches.chunks(1).collect();
        backend::time(self.device.as_ref(), &lists, &self.memory)
    }

    /// Fills the store with ones. Memory that nobody wrote is no memory yet: a system hands out the same page of zeros for all of it.
    fn fill(&self) -> Result<()> {
        let (ones, bytes) = (vec![1.0f32; PIECE / size_of::<f32>()], self.plan.store_bytes);
        let mut pieces = (0..bytes).step_by(PIECE);
        pieces.try_for_each(|at| self.write_store(at, &ones[..PIECE.min(bytes - at) / size_of::<f32>()]))
    }
}

/// The most that a device does, measured by loops that do nothing else (`ops::roofline`).
#[derive(Clone, Copy, Debug)]
pub struct Roofline {
    /// Multiply-adds of f32 in registers; a multiply-add is two.
    pub flop_per_second: f64,
    /// Products of bf16 with f32 sums: tensor cores by `mma.sync`; on a CPU as for f32, also where it multiplies pairs of 16
    /// bits in half the time, so that fractions are of the same peak in both precisions.
    pub bf16_flop_per_second: f64,
    /// Read and written by a copy that fits no cache.
    pub bytes_per_second: f64,
}

/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

/// A loop is made four times larger until it lasts this long: then its start and the first wave of blocks do not show.
const SECONDS: f64 = 0.01;

/// Not larger than this many times, and a copy not larger than 256 MiB on each side.
const RUNGS: u32 = 12;
const COPY_RUNGS: u32 = 5;

impl Roofline {
    /// Measures a device; a fraction of a second.
    ///
    /// # Errors
    /// As of running a plan.
    pub fn measure(device: &Arc<dyn Device>) -> Result<Self> {
        // Numbers up to what fills a device, then turns.
        let grown = |rung: u32, wide: u32| (1usize << (2 * rung.min(wide)), 1u32 << (2 * rung.saturating_sub(wide)));
        let chains = climb(device, RUNGS, |rung| {
            let (numbers, turns) = grown(rung, 4);
            let mut graph = Graph::new();
            let x = graph.stored(Desc::f32(Shape::vector(numbers << 14)), false);
            let y = graph.apply(Chains { turns: 128 * turns }, &[x])?;
            graph.fetch(y);
            Ok(graph)
        })?;
        let flop_per_second = chains.iter().map(|rung| rung.flop_per_second).fold(0.0, f64::max);
        let mut bf16_flop_per_second = flop_per_second;
        if device.info().name != "cpu" {
            let tiles = climb(device, RUNGS, |rung| {
                let (rows, turns) = grown(rung, 4);
                let bf16 = |rows| Desc { shape: Shape::matrix(rows, 16), dtype: Type::Bf16 };
                let mut graph = Graph::new();
                let operands = [graph.stored(bf16(rows << 10), false), graph.stored(bf16(64), false)];
                let y = graph.apply(Tiles { turns: 4 * turns }, &operands)?;
                graph.fetch(y);
                Ok(graph)
            })?;
            bf16_flop_per_second = tiles.iter().map(|rung| rung.flop_per_second).fold(0.0, f64::max);
        }
        let copies = climb(device, COPY_RUNGS, |rung| {
            let mut graph = Graph::new();
            let x = graph.stored(Desc::f32(Shape::vector(1 << (18 + 2 * rung))), false);
            let y = graph.apply(Copy, &[x])?;
            graph.fetch(y);
            Ok(graph)
        })?;
        // The largest copy: the others may be faster because a cache holds them.
        let bytes_per_second = copies.last().map_or(0.0, |rung| rung.bytes_per_second);
        Ok(Roofline { flop_per_second, bf16_flop_per_second, bytes_per_second })
    }

    /// FLOP per second at most, over activations in bf16 or in f32.
    pub fn peak(&self, bf16: bool) -> f64 {
        if bf16 { self.bf16_flop_per_second } else { self.flop_per_second }
    }

    /// Which part of what the device could do was done: the time that arithmetic or traffic must take, whichever is longer, over the
    /// time that it took. More than 1 where a cache spares traffic.
    pub fn fraction(&self, bf16: bool, flop: u64, bytes: u64, seconds: f64) -> f64 {
        let least = (flop as f64 / self.peak(bf16)).max(bytes as f64 / self.bytes_per_second);
        least / seconds
    }
}

struct Rung {
    flop_per_second: f64,
    bytes_per_second: f64,
}

/// Ever larger loops, the best of three runs of each.
fn climb(device: &Arc<dyn Device>, most: u32, build: impl Fn(u32) -> Result<Graph>) -> Result<Vec<Rung>> {
    let mut rungs = Vec::new();
    for rung in 0..most {
        let plan = build(rung)?.plan();
        if device.info().memory.is_some_and(|memory| plan.memory_bytes() > memory.free) {
            break;
        }
        let (flop, bytes) = (plan.flop() as f64, plan.traffic() as f64);
        let program = Program::new(Arc::clone(device), plan)?;
        if device.info().name == "cpu" {
            // The system gives pages to what is written for the first time, which takes longer than the copy.
            program.fill()?;
            program.run()?;
        }
        let first = program.time()?;
        let seconds = if first > 10.0 * SECONDS { first } else { program.time()?.min(program.time()?).min(first) };
        rungs.push(Rung { flop_per_second: flop / seconds, bytes_per_second: bytes / seconds });
        if seconds > SECONDS {
            break;
        }
    }
    Ok(rungs)
}
