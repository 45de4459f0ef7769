//! One room per op: its shapes, its launches, its gradient, its host arithmetic. An op knows nothing of the graph it stands in,
//! of other ops, or of devices by name; it never calls a driver.
//!
//! Adding an op: `src/ops/<room>.rs`, `kernels/<room>.cu`, `tests/ops/<room>.rs`, `benches/ops/<room>.rs`, and one line in each list.

pub mod add;
pub mod cast;
pub mod center_loss;
pub mod conv;
pub mod cosine_loss;
pub mod linear;
pub mod pixel_loss;
pub mod pixels;
pub mod pool;
pub mod prelu;
pub mod resize;
pub mod roofline;
pub mod sgd;
pub mod softmax_loss;

use crate::backend::{Kernel, Launch, Region};
use crate::error::{Error, Result};
use crate::shape::Shape;
use bytemuck::Pod;
pub use half::bf16;
use std::fmt::Debug;
use std::sync::Arc;

/// What the numbers of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    F32,
    /// The upper half of an f32: activations and their gradients on a GPU, and copies of filters.
    Bf16,
    U8,
    I32,
}

impl Type {
    /// Bytes of one number.
    pub const fn bytes(self) -> usize {
        match self {
            Type::F32 | Type::I32 => 4,
            Type::Bf16 => 2,
            Type::U8 => 1,
        }
    }

    /// Whether this is one of the two formats that activations come in.
    pub const fn is_number(self) -> bool {
        matches!(self, Type::F32 | Type::Bf16)
    }
}

/// A format that activations are stored in. Arithmetic is f32: a host twin widens what it reads and rounds what it writes, to nearest,
/// ties to even. Only where the processor multiplies in 16 bits do convolutions and linear layers forward do so in bf16.
pub trait Number: Pod + Send + Sync {
    /// What values of this format are in a graph.
    const TYPE: Type;

    /// The number in f32; exact.
    fn widen(self) -> f32;

    /// The nearest number of this format; a NaN stays a NaN.
    fn round(value: f32) -> Self;
}

impl Number for f32 {
    const TYPE: Type = Type::F32;

    fn widen(self) -> f32 {
        self
    }

    fn round(value: f32) -> Self {
        value
    }
}

impl Number for bf16 {
    const TYPE: Type = Type::Bf16;

    fn widen(self) -> f32 {
        self.to_f32()
    }

    fn round(value: f32) -> Self {
        bf16::from_f32(value)
    }
}

/// One kernel for both formats of activations: `entry` for f32, `entry_bf16` for bf16.
#[derive(Debug)]
pub struct Formats {
    pub f32: Kernel,
    pub bf16: Kernel,
}

impl Formats {
    /// The kernel for activations of this type.
    pub fn of(&'static self, dtype: Type) -> &'static Kernel {
        if dtype == Type::Bf16 { &self.bf16 } else { &self.f32 }
    }
}

/// Both kernels of a room whose host twin is written once for any [`Number`].
macro_rules! formats {
    ($room:literal, $entry:literal, $host:ident) => {
        $crate::ops::Formats {
            f32: $crate::backend::Kernel { room: $room, entry: $entry, host: $host::<f32> },
            bf16: $crate::backend::Kernel {
                room: $room,
                entry: concat!($entry, "_bf16"),
                host: $host::<$crate::ops::bf16>,
            },
        }
    };
}
pub(crate) use formats;

/// Shape and number type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desc {
    pub shape: Shape,
    pub dtype: Type,
}

impl Desc {
    /// f32 numbers.
    pub const fn f32(shape: Shape) -> Self {
        Desc { shape, dtype: Type::F32 }
    }

    /// This shape in another type.
    pub const fn of(&self, dtype: Type) -> Self {
        Desc { dtype, ..*self }
    }

    /// Bytes in memory.
    pub const fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.bytes()
    }
}

impl std::fmt::Display for Desc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.shape, self.dtype)
    }
}

/// Values as errors list them.
pub fn list<'a>(descs: impl IntoIterator<Item = &'a Desc>) -> String {
    let list: Vec<String> = descs.into_iter().map(Desc::to_string).collect();
    format!("[{}]", list.join(", "))
}

/// A value where the planner put it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub desc: Desc,
    pub region: Region,
}

/// Everything an op needs to describe its launches.
#[derive(Clone, Debug)]
pub struct Io {
    pub inputs: Vec<Place>,
    pub outputs: Vec<Place>,
    pub workspace: Region,
}

impl Io {
    /// Shape of input `index`.
    pub fn input(&self, index: usize) -> Shape {
        self.inputs[index].desc.shape
    }

    /// Shape of output `index`.
    pub fn output(&self, index: usize) -> Shape {
        self.outputs[index].desc.shape
    }

    /// Type of input `index`.
    pub fn dtype(&self, index: usize) -> Type {
        self.inputs[index].desc.dtype
    }

    /// Where input `index` lies, or nowhere when the op has no such input.
    pub fn read(&self, index: usize) -> Region {
        self.inputs.get(index).map_or(Region::ABSENT, |place| place.region)
    }

    /// Where output `index` lies, or nowhere when the op has no such output.
    pub fn write(&self, index: usize) -> Region {
        self.outputs.get(index).map_or(Region::ABSENT, |place| place.region)
    }
}

/// Where an emitted gradient op takes an operand from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Input of the op whose gradient this is.
    Input(usize),
    /// Output of the op whose gradient this is.
    Output(usize),
    /// Gradient that arrived at this output.
    Upstream(usize),
    /// Output `.1` of the emitted op `.0`.
    Emitted(usize, usize),
}

/// The gradient of an op, as data: which ops to run and which of their outputs belongs to which input.
#[derive(Debug, Default)]
pub struct Gradient {
    pub emitted: Vec<(Arc<dyn Op>, Vec<Operand>)>,
    /// One entry per input; `None` where no gradient flows.
    pub of_input: Vec<Option<Operand>>,
}

/// An operation on values: shapes, launches, gradient. Implementations are plain parameter structs.
pub trait Op: Debug + Send + Sync {
    /// The name in plans, errors and profiles.
    fn name(&self) -> &'static str;

    /// Checks the inputs and says what comes out. The error names the op and the shapes.
    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>>;

    /// Scratch bytes for the time of the launches.
    fn workspace(&self, _inputs: &[Desc], _outputs: &[Desc]) -> usize {
        0
    }

    /// What to run.
    fn launches(&self, io: &Io) -> Vec<Launch>;

    /// How gradients flow back; `needed[i]` tells whether anybody wants the gradient of input `i`.
    fn gradient(&self, needed: &[bool]) -> Gradient {
        Gradient { emitted: Vec::new(), of_input: vec![None; needed.len()] }
    }

    /// A loss begins a backward pass: its gradient needs no upstream, it is one of its outputs.
    fn is_loss(&self) -> bool {
        false
    }

    /// Inputs that are updated in place.
    fn updates(&self) -> &'static [usize] {
        &[]
    }

    /// What this op is as the tail of another one, when it can be.
    fn epilogue(&self) -> Option<Epilogue> {
        None
    }

    /// This op with `tail` in its epilogue, taking the tail's other operands as more inputs and making the tail's output as its first
    /// one. With `keep`, somebody else still reads this op's plain output, which then becomes output 1. The tail's other outputs come
    /// behind all.
    fn absorb(&self, _tail: Epilogue, _keep: bool) -> Option<Arc<dyn Op>> {
        None
    }

    /// This op without its last output, where that is the sums over all pixels of its input 1: the op that makes this input may have
    /// them for nothing ([`Epilogue::Sums`]).
    fn without_sums(&self) -> Option<Arc<dyn Op>> {
        None
    }
}

/// Elementwise work that a matrix-like op can do while its result is still in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epilogue {
    /// PReLU with one slope per channel as the other operand.
    Prelu,
    /// Sum with another tensor of the same shape.
    Add,
    /// Gradient of PReLU; the other operands are what PReLU took and its slopes, the second output are the slopes' gradients.
    PreluGradient,
    /// The sums over all pixels of the first output, one per channel, as one more output.
    Sums,
}

/// The error of inputs that do not fit, naming the op and every shape.
pub fn mismatch(op: &dyn Op, inputs: &[Desc], wanted: &str) -> Error {
    Error::Shape(format!("{}: inputs {} do not fit: {wanted}", op.name(), list(inputs)))
}

/// A launch of one thread per eight elements in blocks of 256: kernels over flat memory, which load 16 or 32 bytes at a time.
pub fn flat<P: Pod>(
    kernel: &'static Kernel,
    elements: usize,
    reads: Vec<Region>,
    writes: Vec<Region>,
    params: P,
) -> Launch {
    Launch { flop: elements as u64, ..elementwise(kernel, elements.div_ceil(8), reads, writes, params) }
}

/// A launch of a single block of 256 threads: the second half of a reduction, whose first half left `partials` numbers.
pub fn one_block<P: Pod>(
    kernel: &'static Kernel,
    partials: usize,
    reads: Vec<Region>,
    writes: Vec<Region>,
    params: P,
) -> Launch {
    Launch { flop: partials as u64, ..elementwise(kernel, 1, reads, writes, params) }
}

/// A part of a workspace. Parts begin at multiples of 256 bytes, as regions do: cut them by lengths that [`whole`] rounded up.
pub fn part(region: Region, offset: usize, bytes: usize) -> Region {
    Region { offset: region.offset + offset, bytes, ..region }
}

/// Bytes up to where the next part of a workspace may begin.
pub fn whole(bytes: usize) -> usize {
    bytes.next_multiple_of(256)
}

/// A launch of one thread per element in blocks of 256.
pub fn elementwise<P: Pod>(
    kernel: &'static Kernel,
    elements: usize,
    reads: Vec<Region>,
    writes: Vec<Region>,
    params: P,
) -> Launch {
    let threads = 256;
    let blocks = elements.div_ceil(threads as usize).clamp(1, u32::MAX as usize) as u32;
    Launch {
        kernel,
        grid: [blocks, 1, 1],
        block: [threads, 1, 1],
        shared: 0,
        reads,
        writes,
        params: bytemuck::bytes_of(&params).to_vec(),
        flop: elements as u64,
        label: Default::default(),
        shapes: Default::default(),
    }
}
