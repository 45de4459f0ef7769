//! Devices: bytes and launches. This layer has never heard of tensors, gradients or convolutions.
//!
//! An op describes what should run as a [`Launch`]; a [`Device`] runs a whole list of them. The trait has seven verbs and
//! does not grow with the ops.

pub mod cpu;
pub mod cuda;
pub mod libcuda;
pub mod map;

use crate::error::Result;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// What the rest of the crate may ask of a device. It knows bytes and launches, not tensors.
pub trait Device: Any + Send + Sync {
    /// Takes `bytes` of zeroed device memory; out of memory is an [`Error::Device`](crate::Error) that says how much was asked for.
    fn alloc(&self, bytes: usize) -> Result<Buffer>;
    /// Copies `from` into the buffer at `offset`, ordered before launches given later.
    fn write(&self, to: &Buffer, offset: usize, from: &[u8]) -> Result<()>;
    /// Copies out of the buffer at `offset`, after every launch given before.
    fn read(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()>;
    /// Copies `bytes` from one buffer's offset to another buffer's offset.
    fn copy(&self, from: (&Buffer, usize), to: (&Buffer, usize), bytes: usize) -> Result<()>;
    /// Runs a whole list in order over the bound memory.
    fn launch(&self, list: &[Launch], memory: &Memory) -> Result<()>;
    /// Waits until everything given before has finished.
    fn sync(&self) -> Result<()>;
    /// What this device is.
    fn info(&self) -> Info;
}

/// A device's name as the first line of every command shows it.
#[derive(Clone, Debug)]
pub struct Info {
    /// `cpu` or `cuda:0`.
    pub name: String,
    /// Model and what the kernels use of it, such as the instruction set and the number of threads.
    pub detail: String,
    /// Instruction set or GPU architecture: the same bits are promised only within one of these.
    pub architecture: String,
    /// The code that was chosen for it: the instruction set, or the machine code of the fatbins that its driver picks.
    pub code: String,
    /// Worker threads of a CPU; 1 for a GPU.
    pub threads: usize,
    /// Memory of a device that has its own.
    pub memory: Option<Free>,
}

/// A device's own memory in bytes, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    pub free: usize,
    pub total: usize,
}

/// A piece of device memory. Dropping the last clone gives the memory back.
#[derive(Clone)]
pub struct Buffer {
    bytes: usize,
    owner: Arc<dyn Any + Send + Sync>,
}

impl Buffer {
    /// Length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// The two buffers that a plan addresses: parameters and everything else that outlives a run, and one arena.
#[derive(Clone)]
pub struct Memory {
    pub store: Buffer,
    pub arena: Buffer,
}

/// Which of the two buffers a region lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Space {
    Store,
    Arena,
}

/// A range of bytes in one of the plan's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub space: Space,
    pub offset: usize,
    pub bytes: usize,
}

impl Region {
    /// The region of an optional argument that is not there.
    pub const ABSENT: Region = Region { space: Space::Arena, offset: 0, bytes: 0 };

    fn overlaps(&self, other: &Region) -> bool {
        self.space == other.space
            && self.bytes > 0
            && other.bytes > 0
            && self.offset < other.offset + other.bytes
            && other.offset < self.offset + self.bytes
    }
}

/// How many blocks or threads along each axis.
pub type Dim = [u32; 3];

/// One kernel, written twice: for the card (`entry`, in `kernels/<room>.cu`) and for the host.
pub struct Kernel {
    /// The file that holds it.
    pub room: &'static str,
    /// The name it is launched by.
    pub entry: &'static str,
    /// The host twin: fast Rust over slices.
    pub host: fn(cpu::HostArgs),
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.room, self.entry)
    }
}

/// A kernel with its geometry and its arguments: plain data, printable, countable, replayable.
#[derive(Clone, Debug)]
pub struct Launch {
    pub kernel: &'static Kernel,
    pub grid: Dim,
    pub block: Dim,
    /// Dynamic shared memory in bytes.
    pub shared: u32,
    /// Regions that are only read, in the order of the kernel's parameters.
    pub reads: Vec<Region>,
    /// Regions that are written (or updated in place); none overlaps any other region of the launch.
    pub writes: Vec<Region>,
    /// The `#[repr(C)]` struct that the kernel takes by value after its pointers.
    pub params: Vec<u8>,
    /// Floating-point operations of the mathematics (a multiply-add is two), whatever the algorithm saves.
    pub flop: u64,
    /// The layer it serves, for errors and profiles; the planner writes it. Decides nothing.
    pub label: Arc<str>,
    /// Shapes and types of what its op takes and makes, for errors; the planner writes them. Decides nothing.
    pub shapes: Arc<str>,
}

impl Launch {
    /// Bytes that must cross the memory bus when nothing is cached: everything read and written once.
    pub fn bytes(&self) -> u64 {
        self.reads.iter().chain(&self.writes).map(|region| region.bytes as u64).sum()
    }

    /// Checks that every region lies inside its buffer and that nothing written is shared; a phrase otherwise.
    fn check(&self, (store, arena): (usize, usize)) -> std::result::Result<(), String> {
        for region in self.reads.iter().chain(&self.writes) {
            let length = if region.space == Space::Store { store } else { arena };
            if region.offset.checked_add(region.bytes).is_none_or(|end| end > length) {
                return Err(format!("{self}: {region:?} is outside a buffer of {length}"));
            }
        }
        for (index, written) in self.writes.iter().enumerate() {
            let others = self.writes.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, region)| region);
            if let Some(other) = self.reads.iter().chain(others).find(|other| written.overlaps(other)) {
                return Err(format!("{self} writes {written:?} over {other:?}"));
            }
        }
        Ok(())
    }

    /// Whether two launches do the same thing to the same places.
    fn same(&self, other: &Launch) -> bool {
        std::ptr::eq(self.kernel, other.kernel)
            && (self.grid, self.block, self.shared) == (other.grid, other.block, other.shared)
            && (&self.reads, &self.writes, &self.params) == (&other.reads, &other.writes, &other.params)
    }
}

/// The layer, the kernel with its geometry, and the shapes and bytes it works on, for errors.
impl std::fmt::Display for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes =
            |regions: &[Region]| regions.iter().map(|region| region.bytes.to_string()).collect::<Vec<_>>().join("+");
        let dim = |[x, y, z]: Dim| format!("{x}x{y}x{z}");
        if !self.label.is_empty() {
            write!(f, "{}: ", self.label)?;
        }
        let shapes = if self.shapes.is_empty() { String::new() } else { format!("{}, ", self.shapes) };
        write!(
            f,
            "kernel {:?} ({shapes}grid {}, block {}, {} bytes shared, reads {} bytes, writes {})",
            self.kernel,
            dim(self.grid),
            dim(self.block),
            self.shared,
            bytes(&self.reads),
            bytes(&self.writes)
        )
    }
}

/// Runs lists one after the other over the bound memory and tells the seconds of each: by the events of a device that has them, by the
/// host's clock otherwise.
pub fn time(device: &dyn Device, lists: &[&[Launch]], memory: &Memory) -> Result<Vec<f64>> {
    if let Some(cuda) = (device as &dyn Any).downcast_ref::<cuda::Cuda>() {
        return cuda.time(lists, memory);
    }
    let each = lists.iter().map(|list| {
        let started = Instant::now();
        device.launch(list, memory)?;
        device.sync()?;
        Ok(started.elapsed().as_secs_f64())
    });
    each.collect()
}

/// Which device a command asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Auto,
    Cpu,
    Cuda(usize),
}

/// Rooms whose kernels this program has for a CUDA device; none where it was built without an nvcc.
pub fn cuda_rooms() -> Vec<&'static str> {
    let mut rooms: Vec<_> = cuda::embedded().iter().map(|image| image.room).collect();
    rooms.dedup();
    rooms
}

/// Opens a device and says why it is this one. `threads` of `None` means every core this process may use.
///
/// Errors: [`Error::Device`](crate::Error) when a CUDA device is asked for; it is never replaced by another one silently.
pub fn open(choice: Choice, threads: Option<usize>) -> Result<(Arc<dyn Device>, String)> {
    let cuda = |ordinal| -> Result<Arc<dyn Device>> {
        let each = std::env::var_os("HALLUCINET_ONE_BY_ONE").is_some_and(|value| value == "1");
        Ok(Arc::new(cuda::Cuda::open(ordinal)?.one_by_one(each)))
    };
    match choice {
        Choice::Cuda(ordinal) => Ok((cuda(ordinal)?, "asked for".into())),
        Choice::Cpu => Ok((Arc::new(cpu::Cpu::new(threads)?), "asked for".into())),
        Choice::Auto => match cuda::devices() {
            Ok(count) => Ok((cuda(0)?, format!("the first of {count} CUDA devices"))),
            Err(why) => Ok((Arc::new(cpu::Cpu::new(threads)?), why)),
        },
    }
}
