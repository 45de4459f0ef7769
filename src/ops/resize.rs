//! Bicubic resampling inside a network: f32 arithmetic, separable, height then width, unrounded until it is stored, with its
//! transpose as the gradient; and the exact u8 down-sampling that makes low-resolution pictures. Taps and border rules are those
//! of [`crate::resample`].
//!
//! A kernel cannot call the resampler, so the first launch writes the table of taps into the workspace (f64, in the resampler's own
//! order of operations) and the next ones read it; a transposed op turns the table around in between. The host twins share it.

use crate::backend::cpu::HostArgs;
use crate::backend::cpu::gemm::PANEL;
use crate::backend::cpu::lanes::{self, Job, Lanes, Simd, Stored, transpose};
use crate::backend::cpu::simd::Vector;
use crate::backend::cpu::team;
use crate::backend::{Kernel, Launch, Region};
use crate::error::Result;
use crate::ops::{Desc, Formats, Gradient, Io, Number, Op, Operand, Type, elementwise, formats, mismatch, part, whole};
use crate::resample::{self, Flavour, Resampler, Taps};
use crate::shape::Shape;
use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use std::sync::Arc;

/// Input: x, f32 or bf16; output: x resampled to `height` x `width`, of x's type.
#[derive(Clone, Debug)]
pub struct Resize {
    pub flavour: Flavour,
    pub height: usize,
    pub width: usize,
}

/// The transpose of [`Resize`], which is its gradient. Inputs: dy, x (for its shape alone); output: dx.
#[derive(Clone, Debug)]
pub struct ResizeTransposed {
    pub flavour: Flavour,
}

/// u8 pictures down-sampled by a whole factor, rounded to u8 exactly as the contract says. Input and output: u8, 3 channels.
#[derive(Clone, Debug)]
pub struct Degrade {
    pub flavour: Flavour,
    pub scale: usize,
}

static TAPS: Kernel = Kernel { room: "resize", entry: "resize_taps", host: taps_host };
static TRANSPOSE: Kernel = Kernel { room: "resize", entry: "resize_transpose", host: transpose_host };
static RESIZE: Formats = formats!("resize", "resize", resize_host);
static DEGRADE: Kernel = Kernel { room: "resize", entry: "degrade", host: degrade_host };

/// One direction of a resampling: extents before and after, entries of an output, entries dropped in front of them.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Axis {
    inputs: u32,
    outputs: u32,
    width: u32,
    skipped: u32,
}

/// Both directions, batch, channels, flavour, and whether integers compute MATLAB's sums exactly.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Params {
    rows: Axis,
    columns: Axis,
    n: u32,
    c: u32,
    flavour: u32,
    dyadic: u32,
}

/// The table of taps before and after it is turned around.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
struct Turn {
    from: Params,
    to: Params,
}

const _: () = assert!(size_of::<Params>() == 48 && size_of::<Turn>() == 96);

const FLAVOURS: [Flavour; 3] = [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv];

impl Axis {
    fn new(inputs: usize, taps: &Taps) -> Self {
        let [inputs, outputs, width, skipped] =
            [inputs, taps.outputs(), taps.width, taps.skipped].map(|extent| extent as u32);
        Axis { inputs, outputs, width, skipped }
    }

    /// The same taps seen from the other side: every input with the outputs it goes into.
    fn turned(self, taps: &Taps) -> Self {
        let mut uses = vec![0u32; self.inputs as usize];
        taps.index.iter().for_each(|index| uses[*index as usize] += 1);
        let width = uses.iter().copied().max().unwrap_or(0).max(1);
        Axis { inputs: self.outputs, outputs: self.inputs, width, skipped: 0 }
    }

    fn entries(&self) -> usize {
        self.outputs as usize * self.width as usize
    }
}

impl Params {
    fn new(x: Shape, y: Shape, flavour: Flavour) -> Self {
        let (rows, columns) = (resample::taps(flavour, x.h, y.h), resample::taps(flavour, x.w, y.w));
        Params {
            rows: Axis::new(x.h, &rows),
            columns: Axis::new(x.w, &columns),
            n: x.n as u32,
            c: x.c as u32,
            flavour: FLAVOURS.iter().position(|known| *known == flavour).unwrap_or_default() as u32,
            dyadic: u32::from(rows.is_dyadic() && columns.is_dyadic()),
        }
    }

    fn taps(&self) -> [Taps; 2] {
        let flavour = FLAVOURS[self.flavour as usize];
        [self.rows, self.columns].map(|axis| resample::taps(flavour, axis.inputs as usize, axis.outputs as usize))
    }

    fn turned(&self) -> Self {
        let [rows, columns] = self.taps();
        Params { rows: self.rows.turned(&rows), columns: self.columns.turned(&columns), ..*self }
    }

    /// Bytes of the table: for rows, then columns: f64 weights of all entries, the same in f32, their u32 indices, and then a u32 count
    /// per output.
    fn table_bytes(&self) -> usize {
        let entries = self.rows.entries() + self.columns.entries();
        whole(16 * entries + 4 * (self.rows.outputs + self.columns.outputs) as usize)
    }

    fn make_table(&self, table: Region) -> Launch {
        let outputs = (self.rows.outputs + self.columns.outputs) as usize;
        elementwise(&TAPS, outputs, vec![], vec![table], *self)
    }

    fn pixels(&self) -> usize {
        (self.n * self.rows.outputs * self.columns.outputs) as usize
    }
}

impl Op for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x] if x.dtype.is_number() && x.shape.elements() > 0 && self.height > 0 && self.width > 0 => {
                let y = Shape { h: self.height, w: self.width, ..x.shape };
                y.checked_elements()?;
                Ok(vec![Desc { shape: y, dtype: x.dtype }])
            }
            _ => Err(mismatch(self, inputs, "one f32 or bf16 tensor that is not empty")),
        }
    }

    fn workspace(&self, inputs: &[Desc], outputs: &[Desc]) -> usize {
        Params::new(inputs[0].shape, outputs[0].shape, self.flavour).table_bytes()
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.input(0), io.output(0), self.flavour);
        let (reads, writes) = (vec![io.read(0), io.workspace], vec![io.write(0)]);
        let resize = elementwise(RESIZE.of(io.dtype(0)), params.pixels(), reads, writes, params);
        vec![params.make_table(io.workspace), resize]
    }

    // y = R x is linear:  dx = R^T dy
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let transposed = Arc::new(ResizeTransposed { flavour: self.flavour });
        Gradient {
            emitted: vec![(transposed, vec![Operand::Upstream(0), Operand::Input(0)])],
            of_input: vec![needed[0].then_some(Operand::Emitted(0, 0))],
        }
    }
}

impl Op for ResizeTransposed {
    fn name(&self) -> &'static str {
        "resize_transposed"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [dy, x]
                if dy.dtype.is_number()
                    && dy.dtype == x.dtype
                    && (dy.shape.n, dy.shape.c) == (x.shape.n, x.shape.c)
                    && x.shape.elements() > 0
                    && dy.shape.elements() > 0 =>
            {
                Ok(vec![*x])
            }
            _ => Err(mismatch(self, inputs, "dy and x of the same type, batch and channels")),
        }
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        let params = Params::new(inputs[1].shape, inputs[0].shape, self.flavour);
        params.table_bytes() + params.turned().table_bytes()
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let from = Params::new(io.input(1), io.input(0), self.flavour);
        let to = from.turned();
        let table = part(io.workspace, 0, from.table_bytes());
        let turned = part(io.workspace, from.table_bytes(), to.table_bytes());
        let threads = (to.rows.outputs + to.columns.outputs) as usize;
        let turn = elementwise(&TRANSPOSE, threads, vec![table], vec![turned], Turn { from, to });
        let (reads, writes) = (vec![io.read(0), turned], vec![io.write(0)]);
        let resize = elementwise(RESIZE.of(io.dtype(0)), to.pixels(), reads, writes, to);
        vec![from.make_table(table), turn, resize]
    }
}

impl Op for Degrade {
    fn name(&self) -> &'static str {
        "degrade"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let fits = |extent: usize| extent > 0 && self.scale > 0 && extent.is_multiple_of(self.scale);
        match inputs {
            [x] if x.dtype == Type::U8 && x.shape.c == 3 && fits(x.shape.h) && fits(x.shape.w) => {
                let shape = Shape { h: x.shape.h / self.scale, w: x.shape.w / self.scale, ..x.shape };
                Ok(vec![Desc { shape, dtype: Type::U8 }])
            }
            _ => Err(mismatch(self, inputs, "u8 pictures of 3 channels whose extents are multiples of the scale")),
        }
    }

    fn workspace(&self, inputs: &[Desc], outputs: &[Desc]) -> usize {
        Params::new(inputs[0].shape, outputs[0].shape, self.flavour).table_bytes()
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let params = Params::new(io.input(0), io.output(0), self.flavour);
        let (reads, writes) = (vec![io.read(0), io.workspace], vec![io.write(0)]);
        let degrade = elementwise(&DEGRADE, io.output(0).elements(), reads, writes, params);
        vec![params.make_table(io.workspace), degrade]
    }
}

/// Source positions and weights of one output position.
type Tap = Vec<(usize, f32)>;

/// The table of one direction in the workspace.
struct Table<'a> {
    weight: &'a mut [f64],
    single: &'a mut [f32],
    index: &'a mut [u32],
    count: &'a mut [u32],
}

/// Both tables of a workspace: rows, columns.
fn tables<'a>(params: &Params, words: &'a mut [u32]) -> [Table<'a>; 2] {
    let axes = [params.rows, params.columns];
    let (weights, rest) = words.split_at_mut(2 * (axes[0].entries() + axes[1].entries()));
    let (down, across) = bytemuck::cast_slice_mut(weights).split_at_mut(axes[0].entries());
    let (singles, rest) = rest.split_at_mut(axes[0].entries() + axes[1].entries());
    let (down_single, across_single) = bytemuck::cast_slice_mut(singles).split_at_mut(axes[0].entries());
    let (down_index, rest) = rest.split_at_mut(axes[0].entries());
    let (across_index, rest) = rest.split_at_mut(axes[1].entries());
    let (down_count, rest) = rest.split_at_mut(axes[0].outputs as usize);
    let across_count = &mut rest[..axes[1].outputs as usize];
    [
        Table { weight: down, single: down_single, index: down_index, count: down_count },
        Table { weight: across, single: across_single, index: across_index, count: across_count },
    ]
}

/// Reads both tables: for each output position, where its sum comes from.
fn read_tables(params: &Params, words: &[u32]) -> [Vec<Tap>; 2] {
    let mut words = words.to_vec();
    let axes = [params.rows, params.columns];
    let mut axis = axes.iter();
    tables(params, &mut words).map(|table| {
        let width = axis.next().map_or(1, |axis| axis.width as usize);
        let rows = table.single.chunks_exact(width).zip(table.index.chunks_exact(width)).zip(table.count);
        let tap = |((weight, index), count): ((&[f32], &[u32]), &mut u32)| {
            let entries = index.iter().zip(weight).take(*count as usize);
            entries.map(|(index, weight)| (*index as usize, *weight)).collect()
        };
        rows.map(tap).collect()
    })
}

fn taps_host(mut args: HostArgs) {
    let params: Params = args.params();
    let words = args.output::<u32>(0);
    for (table, taps) in tables(&params, words).into_iter().zip(params.taps()) {
        table.weight.copy_from_slice(&taps.weight);
        table.single.iter_mut().zip(&taps.weight).for_each(|(single, weight)| *single = *weight as f32);
        table.index.copy_from_slice(&taps.index);
        table.count.fill(taps.width as u32);
    }
}

/// Turns the table around: every entry goes to the row of its index, in the order of the outputs.
fn transpose_host(mut args: HostArgs) {
    let Turn { from, to } = args.params();
    let mut given = args.input::<u32>(0).to_vec();
    let widths = [(from.rows.width, to.rows.width), (from.columns.width, to.columns.width)];
    let turned = tables(&to, args.output::<u32>(0));
    for ((table, turned), (before, after)) in tables(&from, &mut given).into_iter().zip(turned).zip(widths) {
        turned.weight.fill(0.0);
        turned.single.fill(0.0);
        turned.index.fill(0);
        turned.count.fill(0);
        for (entry, (index, weight)) in table.index.iter().zip(table.weight.iter()).enumerate() {
            let count = &mut turned.count[*index as usize];
            let at = *index as usize * after as usize + *count as usize;
            (turned.index[at], turned.weight[at]) = (entry as u32 / before, *weight);
            turned.single[at] = *weight as f32;
            *count += 1;
        }
    }
}

/// Sixteen rows of y, or fewer, rows first: `rows` and `columns` list, for each position of y, where it gets its sum from.
struct Strip<'a, N> {
    x: &'a [N],
    /// Numbers of a row of x, and channels.
    row: usize,
    c: usize,
    rows: &'a [Tap],
    columns: &'a [Tap],
    y: &'a mut [N],
}

impl<N: Number + Stored> Job for Strip<'_, N> {
    #[inline(always)]
    fn run<V: Vector>(self, simd: Simd<V>) {
        let length = self.row.next_multiple_of(PANEL);
        let mut lines = vec![0.0; PANEL * length];
        for (tap, line) in self.rows.iter().zip(lines.chunks_exact_mut(length)) {
            self.line(simd, tap, line);
        }
        // A row in each lane: then all channels of a column have the same weights, however few they are.
        let mut turned = vec![0.0; PANEL * length];
        for (at, block) in turned.chunks_exact_mut(PANEL * PANEL).enumerate() {
            let rows = turned_block(simd, &lines[at * PANEL..], length);
            for (row, lanes) in rows.into_iter().enumerate() {
                lanes.store(block, row * PANEL);
            }
        }
        let mut out = vec![0.0; (self.columns.len() * self.c).next_multiple_of(PANEL) * PANEL];
        for (tap, out) in self.columns.iter().zip(out.chunks_exact_mut(PANEL * self.c)) {
            for channel in 0..self.c {
                let mut sum = simd.splat(0.0);
                for (source, weight) in tap {
                    sum = sum + simd.splat(*weight) * simd.load(&turned, (source * self.c + channel) * PANEL);
                }
                sum.store(out, channel * PANEL);
            }
        }
        self.write(simd, &out);
    }
}

impl<N: Number + Stored> Strip<'_, N> {
    /// The sum of some rows of x.
    #[inline(always)]
    fn line<V: Vector>(&self, simd: Simd<V>, tap: &Tap, line: &mut [f32]) {
        let whole = self.row / PANEL * PANEL;
        for at in (0..whole).step_by(PANEL) {
            let mut sum = simd.splat(0.0);
            for (source, weight) in tap {
                sum = sum + simd.splat(*weight) * simd.load(self.x, source * self.row + at);
            }
            sum.store(line, at);
        }
        for (at, line) in line.iter_mut().enumerate().take(self.row).skip(whole) {
            *line = 0.0;
            for (source, weight) in tap {
                *line += weight * self.x[source * self.row + at].widen();
            }
        }
    }

    /// Turns the sums back, whose lanes are rows.
    #[inline(always)]
    fn write<V: Vector>(self, simd: Simd<V>, sums: &[f32]) {
        let length = self.columns.len() * self.c;
        for (at, block) in sums.chunks_exact(PANEL * PANEL).enumerate() {
            let rows = turned_block(simd, block, PANEL);
            let first = at * PANEL;
            for (lanes, y) in rows.into_iter().zip(self.y.chunks_exact_mut(length)) {
                if first + PANEL <= length {
                    lanes.store(y, first);
                } else {
                    let mut last = [N::zeroed(); PANEL];
                    lanes.store(&mut last, 0);
                    y[first..].copy_from_slice(&last[..length - first]);
                }
            }
        }
    }
}

/// The first sixteen numbers of sixteen rows, `stride` apart, rows and columns exchanged.
#[inline(always)]
fn turned_block<V: Vector>(simd: Simd<V>, from: &[f32], stride: usize) -> [Lanes<V>; PANEL] {
    let mut rows = [simd.splat(0.0); PANEL];
    for (row, lanes) in rows.iter_mut().enumerate() {
        *lanes = simd.load(from, row * stride);
    }
    transpose(rows)
}

fn resize_host<N: Number + Stored>(mut args: HostArgs) {
    let params: Params = args.params();
    let [rows, columns] = read_tables(&params, args.input::<u32>(1));
    let (x, y) = (args.input::<N>(0), args.output::<N>(0));
    let c = params.c as usize;
    let (height, row) = (params.rows.inputs as usize, params.columns.inputs as usize * c);
    let images = y.chunks_exact_mut(rows.len() * columns.len() * c).zip(x.chunks_exact(height * row));
    let strips = images.flat_map(|(y, x)| {
        let pieces = y.chunks_mut(PANEL * columns.len() * c).zip(rows.chunks(PANEL));
        pieces.map(move |(y, rows)| (x, y, rows))
    });
    let strips: Vec<_> = strips.collect();
    team::each(strips.into_par_iter(), |(x, y, rows)| {
        lanes::run(args.level, Strip { x, row, c, rows, columns: &columns, y });
    });
}

/// The resampler itself, which makes its own table.
fn degrade_host(mut args: HostArgs) {
    let Params { rows, columns, flavour, .. } = args.params();
    let (from, to) = ([rows.inputs, columns.inputs], [rows.outputs, columns.outputs]);
    let [from, to] = [from, to].map(|[height, width]| (height as usize, width as usize));
    let pixels = args.reads[0];
    let out = args.output::<u8>(0);
    // The extents were checked when the graph was built, so neither call can fail.
    let Ok(resampler) = Resampler::new(FLAVOURS[flavour as usize], from, to) else { return };
    let pictures = out.par_chunks_exact_mut(to.0 * to.1 * 3).zip(pixels.par_chunks_exact(from.0 * from.1 * 3));
    team::each(pictures, |(to, from)| _ = resampler.run(from, to));
}
