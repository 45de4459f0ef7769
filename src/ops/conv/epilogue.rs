//! What is done with finished sums before they are written, forward and backward, on the host and in the launches of a card.
//!
//! Forward: `v = sum + bias; before = v; v = PReLU(v); y = v + residual`.
//! Backward ([`GradientTail`]): `v = sum + skip; before = v; dz = v PReLU'(z); dslope[c] = sum of v min(z, 0); dbias[c] = sum of dz`.
//!
//! Sums over pixels are made piece by piece and added in the order of the pieces. Does not know how the sums came about.

use super::{EPILOGUE_ADD, EPILOGUE_BIAS_SUMS, EPILOGUE_KEEP, EPILOGUE_PRELU_GRADIENT};
use crate::backend::cpu::{HostArgs, team};
use crate::backend::{Dim, Kernel, Launch, Region};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Io, Op, mismatch, part, whole};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

/// The end of a gradient to the input of a convolution, which is the gradient to the output of the layer before: what that layer's
/// PReLU and bias want is had while the numbers are in registers. The inputs that it takes come last, in the order of the fields;
/// outputs: dx (with `prelu` dz), then as far as the flags say the value before PReLU's gradient, dslope, dbias.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GradientTail {
    /// A tensor of dx's shape is added first: the gradient of a skip.
    pub add: bool,
    /// Then comes the gradient of a PReLU; two inputs: z, which the PReLU took, of dx's shape and type, and its slopes.
    pub prelu: bool,
    /// With `prelu`: the gradient before it is written as well.
    pub keep: bool,
    /// With `prelu`: the sums of dz over all pixels, which are the gradient of a bias.
    pub bias: bool,
}

impl GradientTail {
    /// Checks the inputs of the tail, which come behind the first `own` of the op, and says what comes out for a gradient like `dx`.
    pub(super) fn infer(&self, op: &dyn Op, inputs: &[Desc], own: usize, dx: Desc) -> Result<Vec<Desc>> {
        let slope = Desc::f32(Shape::vector(dx.shape.c));
        let wanted: Vec<Desc> =
            self.add.then_some(dx).into_iter().chain(self.prelu.then_some([dx, slope]).into_iter().flatten()).collect();
        if inputs[own..] != wanted || (self.keep || self.bias) && !self.prelu {
            return Err(mismatch(
                op,
                inputs,
                "skip and z are like dx, and one f32 slope per channel, as far as the flags say",
            ));
        }
        let outputs = [Some(dx), self.keep.then_some(dx), self.prelu.then_some(slope), self.bias.then_some(slope)];
        Ok(outputs.into_iter().flatten().collect())
    }

    /// This tail with one more link, where that comes next.
    pub(super) fn absorb(&self, tail: Epilogue, keep: bool) -> Option<GradientTail> {
        match tail {
            Epilogue::Add if !self.add && !self.prelu && !keep => Some(GradientTail { add: true, ..*self }),
            Epilogue::PreluGradient if !self.prelu => Some(GradientTail { prelu: true, keep, ..*self }),
            Epilogue::Sums if self.prelu && !self.bias => Some(GradientTail { bias: true, ..*self }),
            _ => None,
        }
    }

    pub(super) fn flags(&self) -> u32 {
        let bits = [
            (self.add, EPILOGUE_ADD),
            (self.prelu, EPILOGUE_PRELU_GRADIENT),
            (self.keep, EPILOGUE_KEEP),
            (self.bias, EPILOGUE_BIAS_SUMS),
        ];
        bits.iter().map(|(on, bit)| if *on { *bit } else { 0 }).sum()
    }

    /// Where everything lies that the tail reads and writes.
    pub(super) fn regions(&self, io: &Io, own: usize) -> Operands {
        let when = |present: bool, region: Region| if present { region } else { Region::ABSENT };
        let (z, dslope) = (own + usize::from(self.add), 1 + usize::from(self.keep));
        Operands {
            residual: when(self.add, io.read(own)),
            z: when(self.prelu, io.read(z)),
            slope: when(self.prelu, io.read(z + 1)),
            before: when(self.keep, io.write(1)),
            dslope: when(self.prelu, io.write(dslope)),
            dbias: when(self.bias, io.write(dslope + 1)),
        }
    }
}

/// What an epilogue reads and writes besides y; absent where it does not.
pub(super) struct Operands {
    pub residual: Region,
    pub z: Region,
    pub slope: Region,
    pub before: Region,
    pub dslope: Region,
    pub dbias: Region,
}

/// The sums over pixels: every block of a card leaves a row of sums of its own, and two launches add the rows, 128 to one and then the
/// rest. On the host the first launch adds all of them itself and leaves them in row 0, which the other two pass on.
pub(super) struct Sums {
    blocks: usize,
    channels: usize,
    /// 0, 1 (slopes) or 2 (slopes and biases).
    kinds: usize,
}

static SUMS: Kernel = Kernel { room: "conv", entry: "conv_sums", host: sums_host };

/// Rows that one block adds.
const ROWS: usize = 128;

/// What `conv_sums` takes by value.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct SumsParams {
    rows: u32,
    channels: u32,
}

impl Sums {
    pub fn new(tail: &GradientTail, grid: Dim, channels: usize) -> Self {
        let kinds = usize::from(tail.prelu) + usize::from(tail.bias);
        Sums { blocks: grid[0] as usize * grid[2] as usize, channels, kinds }
    }

    /// Bytes of one matrix of partial sums.
    fn bytes(&self, rows: usize) -> usize {
        whole(4 * rows * self.channels)
    }

    /// Rows that the first of the two launches leaves.
    fn rows(&self) -> usize {
        self.blocks.div_ceil(ROWS)
    }

    /// What the workspace must hold, behind `offset` bytes of the op itself.
    pub fn workspace(&self, offset: usize) -> usize {
        if self.kinds == 0 {
            offset
        } else {
            whole(offset) + self.kinds * (self.bytes(self.blocks) + self.bytes(self.rows()))
        }
    }

    /// A matrix for each of slopes and biases; absent ones where there is nothing to add.
    fn matrices(&self, workspace: Region, offset: usize, rows: usize) -> [Region; 2] {
        let bytes = self.bytes(rows);
        [0, 1].map(|kind| {
            if kind < self.kinds {
                part(workspace, offset + kind * bytes, 4 * rows * self.channels)
            } else {
                Region::ABSENT
            }
        })
    }

    /// Where the blocks leave their sums.
    pub fn partials(&self, workspace: Region, offset: usize) -> [Region; 2] {
        self.matrices(workspace, whole(offset), self.blocks)
    }

    /// The launches that add them.
    pub fn launches(&self, workspace: Region, offset: usize, operands: &Operands) -> Vec<Launch> {
        if self.kinds == 0 {
            return Vec::new();
        }
        let behind = whole(offset) + self.kinds * self.bytes(self.blocks);
        let between = self.matrices(workspace, behind, self.rows());
        let launch = |rows: usize, reads: [Region; 2], writes: [Region; 2]| Launch {
            kernel: &SUMS,
            grid: [self.channels.div_ceil(32) as u32, rows.div_ceil(ROWS) as u32, self.kinds as u32],
            block: [32, 8, 1],
            shared: 0,
            reads: reads.to_vec(),
            writes: writes.to_vec(),
            params: bytemuck::bytes_of(&SumsParams { rows: rows as u32, channels: self.channels as u32 }).to_vec(),
            flop: (rows * self.channels * self.kinds) as u64,
            label: Default::default(),
            shapes: Default::default(),
        };
        let first = launch(self.blocks, self.partials(workspace, offset), between);
        let last = launch(self.rows(), between, [operands.dslope, operands.dbias]);
        // The last one takes all rows that are left.
        vec![first, Launch { grid: [last.grid[0], 1, last.grid[2]], ..last }]
    }
}

/// Row 0, which on the host is the whole sum.
fn sums_host(mut args: HostArgs) {
    let channels = args.params::<SumsParams>().channels as usize;
    for kind in 0..2 {
        let (from, to) = (args.input::<f32>(kind), args.output::<f32>(kind));
        if !to.is_empty() {
            to[..channels].copy_from_slice(&from[..channels]);
        }
    }
}

/// What the epilogue reads on the host; absent slices are empty.
#[derive(Clone, Copy)]
pub(super) struct Tail<'a, T = f32> {
    pub bias: &'a [f32],
    pub slope: &'a [f32],
    pub residual: &'a [T],
    /// PReLU's input. Where it is there, PReLU's gradient is taken instead of PReLU.
    pub z: &'a [T],
}

/// What the epilogue writes on the host: a piece of y and of the value kept, and sums over the pixels of the piece. Absent slices are
/// empty.
#[derive(Default)]
pub(super) struct Written<'a, T = f32> {
    pub y: &'a mut [T],
    pub before: &'a mut [T],
    pub slopes: &'a mut [f32],
    pub biases: &'a mut [f32],
}

impl Written<'_> {
    /// What belongs to one pixel of the piece.
    pub fn pixel(&mut self, pixel: usize, channels: usize) -> Written<'_> {
        let at = pixel * channels..(pixel + 1) * channels;
        let before = if self.before.is_empty() { &mut [] } else { &mut self.before[at.clone()] };
        Written { y: &mut self.y[at], before, slopes: self.slopes, biases: self.biases }
    }
}

impl Tail<'_> {
    /// Finishes one pixel: `sums` is the product, `first` the position of its first channel in the tensor.
    pub fn finish(&self, sums: &[f32], first: usize, to: Written) {
        let y = to.y;
        y.copy_from_slice(&sums[..y.len()]);
        let at = first..first + y.len();
        if !self.bias.is_empty() {
            y.iter_mut().zip(self.bias).for_each(|(y, bias)| *y += bias);
        }
        if !self.z.is_empty() {
            self.add_residual(y, at.clone());
            to.before.copy_from_slice(&y[..to.before.len()]);
            prelu_gradient(y, &self.z[at], self.slope, to.slopes, to.biases);
            return;
        }
        to.before.copy_from_slice(&y[..to.before.len()]);
        if !self.slope.is_empty() {
            y.iter_mut().zip(self.slope).for_each(|(y, slope)| *y = if *y > 0.0 { *y } else { slope * *y });
        }
        self.add_residual(y, at);
    }

    fn add_residual(&self, y: &mut [f32], at: std::ops::Range<usize>) {
        if !self.residual.is_empty() {
            y.iter_mut().zip(&self.residual[at]).for_each(|(y, residual)| *y += residual);
        }
    }
}

/// dy of one pixel becomes dz; the sums grow by it.
fn prelu_gradient(dy: &mut [f32], z: &[f32], slope: &[f32], slopes: &mut [f32], biases: &mut [f32]) {
    for (((dy, z), slope), sum) in dy.iter_mut().zip(z).zip(slope).zip(slopes) {
        // A choice by masks: random signs would mispredict a branch half the time, and the compiler makes one of an `if`.
        let positive = if *z > 0.0 { u32::MAX } else { 0 };
        *sum += *dy * f32::from_bits(z.to_bits() & !positive);
        *dy = f32::from_bits(dy.to_bits() & positive | (slope * *dy).to_bits() & !positive);
    }
    biases.iter_mut().zip(dy).for_each(|(sum, dz)| *sum += *dz);
}

/// Cuts what an epilogue writes into pieces of the same pixels and works on them in any order. `whole` holds y and the value kept;
/// sums, where there are any, are made piece by piece, added in order and left in the first row of its partial sums.
pub(super) fn for_pieces(
    whole: Written,
    (pixels, channels): (usize, usize),
    work: impl Fn(usize, &mut Written) + Sync,
) {
    let count = whole.y.len().div_ceil(pixels * channels);
    let [mut slopes, mut biases] =
        [&whole.slopes, &whole.biases].map(|sums| vec![0.0; if sums.is_empty() { 0 } else { count * channels }]);
    let pieces = cut(whole.y, pixels * channels, count).into_iter().zip(cut(whole.before, pixels * channels, count));
    let sums = cut(&mut slopes, channels, count).into_iter().zip(cut(&mut biases, channels, count));
    let pieces: Vec<Written> =
        pieces.zip(sums).map(|((y, before), (slopes, biases))| Written { y, before, slopes, biases }).collect();
    team::each(pieces.into_par_iter().enumerate(), |(index, mut piece)| work(index, &mut piece));
    add_parts(&slopes, channels, whole.slopes);
    add_parts(&biases, channels, whole.biases);
}

/// Adds the sums of all pieces, one row of `channels` for each, in their order into the first row of `sums`.
pub(super) fn add_parts(parts: &[f32], channels: usize, sums: &mut [f32]) {
    sums.iter_mut().take(channels).for_each(|sum| *sum = 0.0);
    for part in parts.chunks_exact(channels) {
        sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

/// As many pieces as were asked for; of nothing, empty ones.
pub(super) fn cut<T>(numbers: &mut [T], piece: usize, count: usize) -> Vec<&mut [T]> {
    let mut pieces: Vec<&mut [T]> = numbers.chunks_mut(piece).collect();
    pieces.resize_with(count, Default::default);
    pieces
}
