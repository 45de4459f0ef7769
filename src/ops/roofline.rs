//! What a device can do at most: a copy, multiply-adds in registers, tensor-core products in registers. No network uses these ops; how
//! fast others are is measured by them.

use crate::backend::cpu::{HostArgs, chains, team};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Io, Op, Type, bf16, elementwise, flat, mismatch};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// `y = x`. Input: x, f32; output: y.
#[derive(Clone, Debug)]
pub struct Copy;

/// `v = v * 0.75 + 0.5`, `turns` times, for every number. Input: x, f32; output: y.
#[derive(Clone, Debug)]
pub struct Chains {
    pub turns: u32,
}

/// `y = turns * x w^T`, added one product after the other. Inputs: x `[rows, 16]`, rows a multiple of 16, and w `[64, 16]`, both bf16;
/// output: y `[rows, 64]`, f32.
#[derive(Clone, Debug)]
pub struct Tiles {
    pub turns: u32,
}

/// What a chain multiplies by and adds: it tends to 2 and stays a normal number.
pub const FACTOR: f32 = 0.75;
pub const TERM: f32 = 0.5;

const DEPTH: usize = 16;
const COLUMNS: usize = 64;

/// Rows of a block of the card.
const BLOCK_ROWS: usize = 128;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct ChainParams {
    elements: u64,
    turns: u32,
    factor: f32,
    term: f32,
    reserved: u32,
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct TileParams {
    rows: u32,
    turns: u32,
}

static COPY: Kernel = Kernel { room: "roofline", entry: "roofline_copy", host: copy_host };
static CHAINS: Kernel = Kernel { room: "roofline", entry: "roofline_chains", host: chains_host };
static TILES: Kernel = Kernel { room: "roofline", entry: "roofline_tiles", host: tiles_host };

impl Op for Copy {
    fn name(&self) -> &'static str {
        "roofline_copy"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        one_f32(self, inputs)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let elements = io.output(0).elements();
        let launch = flat(&COPY, elements, vec![io.read(0)], vec![io.write(0)], elements as u64);
        vec![Launch { flop: 0, ..launch }]
    }
}

impl Op for Chains {
    fn name(&self) -> &'static str {
        "roofline_chains"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        one_f32(self, inputs)
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let elements = io.output(0).elements();
        let params =
            ChainParams { elements: elements as u64, turns: self.turns, factor: FACTOR, term: TERM, reserved: 0 };
        let launch = flat(&CHAINS, elements, vec![io.read(0)], vec![io.write(0)], params);
        vec![Launch { flop: 2 * elements as u64 * u64::from(self.turns), ..launch }]
    }
}

impl Op for Tiles {
    fn name(&self) -> &'static str {
        "roofline_tiles"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let w = Desc { shape: Shape::matrix(COLUMNS, DEPTH), dtype: Type::Bf16 };
        match inputs {
            [x, given] if *given == w && x.dtype == Type::Bf16 && x.shape == Shape::matrix(x.shape.n, DEPTH) => {
                match x.shape.n.is_multiple_of(DEPTH) && x.shape.n <= u32::MAX as usize {
                    true => Ok(vec![Desc::f32(Shape::matrix(x.shape.n, COLUMNS))]),
                    false => Err(mismatch(self, inputs, "rows in whole tiles of 16")),
                }
            }
            _ => Err(mismatch(self, inputs, "bf16 [rows, 16] and [64, 16]")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let rows = io.output(0).n;
        let params = TileParams { rows: rows as u32, turns: self.turns };
        // A block's 256 threads are 8 warps, each of which takes 16 rows.
        let threads = rows.div_ceil(BLOCK_ROWS) * 256;
        let launch = elementwise(&TILES, threads, vec![io.read(0), io.read(1)], vec![io.write(0)], params);
        vec![Launch { flop: 2 * (DEPTH * COLUMNS * rows) as u64 * u64::from(self.turns), ..launch }]
    }
}

fn one_f32(op: &dyn Op, inputs: &[Desc]) -> Result<Vec<Desc>> {
    match inputs {
        [x] if x.dtype == Type::F32 => Ok(vec![*x]),
        _ => Err(mismatch(op, inputs, "one tensor of f32")),
    }
}

/// Numbers of a task: whole blocks of chains on every instruction set.
const PIECE: usize = 3 << 14;

fn copy_host(mut args: HostArgs) {
    let (x, y) = (args.input::<f32>(0), args.output::<f32>(0));
    team::each(y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)), |(y, x)| y.copy_from_slice(x));
}

fn chains_host(mut args: HostArgs) {
    let ChainParams { turns, factor, term, .. } = args.params();
    let (x, y, level) = (args.input::<f32>(0), args.output::<f32>(0), args.level);
    // Short pieces: few numbers with many turns are to occupy every core.
    let piece = PIECE / 16;
    team::each(y.par_chunks_mut(piece).zip(x.par_chunks(piece)), |(y, x)| {
        y.copy_from_slice(x);
        chains::run(level, y, turns, factor, term);
    });
}

fn tiles_host(mut args: HostArgs) {
    let TileParams { turns, .. } = args.params();
    let (x, w) = (args.input::<bf16>(0), args.input::<bf16>(1));
    let y = args.output::<f32>(0);
    team::each(y.par_chunks_mut(COLUMNS).zip(x.par_chunks(DEPTH)), |(y, x)| {
        for (y, w) in y.iter_mut().zip(w.chunks_exact(DEPTH)) {
            let product = |sum: f32| x.iter().zip(w).fold(sum, |sum, (x, w)| sum + x.to_f32() * w.to_f32());
            *y = (0..turns).fold(0.0, |sum, _| product(sum));
        }
    });
}
