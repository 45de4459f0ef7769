//! Which kernel of `kernels/conv/` does a job, with which grid. Knows shapes and the kernels' tiles, not what is computed.
//!
//! f32 has one kernel per job. bf16 has four, by the channels that are read and written:
//!
//! | entry | reads | writes |
//! | --- | --- | --- |
//! | `_bf16` | a multiple of 8, so that 16 bytes are copied at a time | any |
//! | `_bf16_thin_input` | fewer than 8 (a first layer) | any |
//! | `_bf16_thin_output` | a multiple of 8 | at most 8 (a last layer) |
//! | `_bf16_any` | any | any |

use super::Geometry;
use crate::backend::cpu::HostArgs;
use crate::backend::{Dim, Kernel};
use crate::ops::Type;

/// Dynamic shared memory of `fma.cu`, in bytes.
const FMA_SHARED: u32 = 9_728;
/// Dynamic shared memory of `mma.cu`.
const MMA_SHARED: u32 = 37_376;
/// What a block may have on every card without asking for more.
const SHARED: usize = 48 << 10;
/// Pixels of a tile of `thin.cu`.
const TILE: (usize, usize) = (8, 16);

/// The kernels of one job.
pub(super) struct Entries {
    pub f32: Kernel,
    pub bf16: Kernel,
    pub thin_input: Kernel,
    pub thin_output: Kernel,
    pub any: Kernel,
}

impl Entries {
    /// Kernels by their names, in the order of the fields; the host twin is written once for any number.
    pub const fn new(names: [&'static str; 5], f32_host: fn(HostArgs), bf16_host: fn(HostArgs)) -> Self {
        let [f32, bf16, thin_input, thin_output, any] = names;
        Entries {
            f32: Kernel { room: "conv", entry: f32, host: f32_host },
            bf16: Kernel { room: "conv", entry: bf16, host: bf16_host },
            thin_input: Kernel { room: "conv", entry: thin_input, host: bf16_host },
            thin_output: Kernel { room: "conv", entry: thin_output, host: bf16_host },
            any: Kernel { room: "conv", entry: any, host: bf16_host },
        }
    }
}

/// A kernel with its geometry.
pub(super) struct Choice {
    pub kernel: &'static Kernel,
    pub grid: Dim,
    pub block: Dim,
    pub shared: u32,
}

/// An implicit GEMM as `kernels/conv/gather.cuh` walks it: what is read, what is written.
pub(super) struct Walk {
    batch: usize,
    /// Pixels of an image that one phase writes; the largest phase's.
    rows: (usize, usize),
    /// Taps of one phase; the largest phase's.
    taps: (usize, usize),
    /// Distance read from one row to the next.
    step: usize,
    phases: usize,
    channels: usize,
    results: usize,
}

impl Walk {
    pub fn forward(g: &Geometry) -> Self {
        Walk {
            batch: g.n as usize,
            rows: (g.oh as usize, g.ow as usize),
            taps: (g.kh as usize, g.kw as usize),
            step: g.stride as usize,
            phases: 1,
            channels: g.c as usize,
            results: g.o as usize,
        }
    }

    /// The gradient to x, which has a phase for every position modulo the stride.
    pub fn data(g: &Geometry) -> Self {
        let stride = g.stride as usize;
        let phase =
            |extents: (u32, u32)| ((extents.0 as usize).div_ceil(stride), (extents.1 as usize).div_ceil(stride));
        Walk {
            batch: g.n as usize,
            rows: phase((g.h, g.w)),
            taps: phase((g.kh, g.kw)),
            step: 1,
            phases: stride * stride,
            channels: g.o as usize,
            results: g.c as usize,
        }
    }

    /// Cells of the patch that a tile of `thin.cu` reads.
    fn patch(&self) -> usize {
        ((TILE.0 - 1) * self.step + self.taps.0) * ((TILE.1 - 1) * self.step + self.taps.1)
    }

    /// Shared memory of `thin_input`: filter or staged sums, pixels, offsets, patch.
    fn thin_input(&self) -> Option<usize> {
        let depth = (self.taps.0 * self.taps.1 * self.channels).next_multiple_of(16);
        let bytes = (64 * (depth + 8) * 2).max(128 * 72 * 4) + 128 * 4 + depth * 4 + self.patch() * self.channels * 2;
        (self.channels < 8 && bytes <= SHARED).then_some(bytes)
    }

    /// Shared memory of `thin_output`: patch and filter for a slice of 32 channels, twice where there are several slices.
    fn thin_output(&self) -> Option<usize> {
        let slices = self.channels.div_ceil(32);
        let bytes = (self.patch() + self.taps.0 * self.taps.1 * 8) * 64 * slices.min(2);
        (self.results <= 8 && self.channels.is_multiple_of(8) && bytes <= SHARED).then_some(bytes)
    }

    fn thin(&self, kernel: &'static Kernel, columns: usize, shared: usize) -> Choice {
        let tiles = self.batch * self.rows.0.div_ceil(TILE.0) * self.rows.1.div_ceil(TILE.1);
        let grid = [tiles as u32, columns as u32, self.phases as u32];
        Choice { kernel, grid, block: [256, 1, 1], shared: shared as u32 }
    }

    /// The kernel for numbers of this type.
    pub fn choose(&self, entries: &'static Entries, dtype: Type) -> Choice {
        let columns = self.results.div_ceil(64);
        let rows = self.batch * self.rows.0 * self.rows.1;
        let grid = |tile: usize| [rows.div_ceil(tile) as u32, columns as u32, self.phases as u32];
        if dtype != Type::Bf16 {
            return Choice { kernel: &entries.f32, grid: grid(64), block: [128, 1, 1], shared: FMA_SHARED };
        }
        if let Some(shared) = self.thin_input() {
            return self.thin(&entries.thin_input, columns, shared);
        }
        if let Some(shared) = self.thin_output() {
            return self.thin(&entries.thin_output, 1, shared);
        }
        let kernel = if self.channels.is_multiple_of(8) { &entries.bf16 } else { &entries.any };
        Choice { kernel, grid: grid(128), block: [256, 1, 1], shared: MMA_SHARED }
    }
}
