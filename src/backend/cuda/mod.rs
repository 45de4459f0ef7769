//! The `cuda` executor: one context, one stream of work and one of uploads, the kernels of `kernels/` loaded from the fatbins in
//! this binary. A list of launches is recorded as a CUDA graph when it first comes and replayed from then on.
//!
//! Never a panic: no driver, an old one, no device, too little memory and a refused launch are all [`Error::Device`] in one sentence.
//! Under the tests' stand-in driver the very same code runs with no GPU.

mod driver;
mod images;
mod kernels;
mod nvtx;
mod replay;
mod upload;

pub use images::{Image, code_for, embedded};

use super::{Buffer, Device, Dim, Free, Info, Launch, Memory};
use crate::error::{Error, Result};
use driver::{Context, DeviceMemory, Fault, Stream};
use kernels::Kernels;
use replay::{Bases, Recordings};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use upload::Upload;

/// A CUDA device.
pub struct Cuda {
    name: String,
    context: Arc<Context>,
    stream: Stream,
    /// Held while anything is given to the stream: what another thread gave to a stream that records would be recorded.
    state: Mutex<State>,
    each: bool,
}

struct State {
    kernels: Kernels,
    recordings: Recordings,
    /// Taken at once, so that what is free afterwards is free for plans.
    upload: Upload,
}

impl Cuda {
    /// Opens device number `ordinal` with the kernels of this build.
    ///
    /// # Errors
    /// `Device`, in one sentence.
    pub fn open(ordinal: usize) -> Result<Self> {
        match embedded() {
            [] => Err(Error::Device(format!(
                "cuda:{ordinal}: this program was built without CUDA kernels (no nvcc was found); use --device cpu"
            ))),
            images => Cuda::with_images(ordinal, images),
        }
    }

    /// As [`Cuda::open`], with kernels that the caller brings.
    pub fn with_images(ordinal: usize, images: &'static [Image]) -> Result<Self> {
        let name = format!("cuda:{ordinal}");
        let said = |what: String| Error::Device(format!("{name}: {what}; use --device cpu"));
        let context = Context::open(ordinal).map_err(said)?;
        let stream = Stream::new(&context).map_err(|fault| said(fault.to_string()))?;
        let upload = Upload::new(&context).map_err(|fault| no_memory(&name, &context, 4 * upload::HALF, fault))?;
        let state = State { kernels: Kernels::new(images), recordings: Recordings::default(), upload };
        Ok(Cuda { name, context, stream, state: Mutex::new(state), each: false })
    }

    /// Runs and waits for every launch by itself, so that a failure names the very launch; slow.
    pub fn one_by_one(mut self, each: bool) -> Self {
        self.each = each;
        self
    }

    /// Runs lists one after the other and tells the seconds that each took on the device. A list of one launch is launched, a longer one
    /// is replayed as [`Device::launch`] does.
    pub fn time(&self, lists: &[&[Launch]], memory: &Memory) -> Result<Vec<f64>> {
        let mut bases = [0, 0];
        for list in lists {
            bases = self.bases(list, memory)?;
        }
        let state = &mut *self.state();
        replay::time(&self.context, &mut state.kernels, &mut state.recordings, &self.stream, lists, bases)
            .map_err(|what| self.error(what))
    }

    /// Compute capability, as in (9, 0).
    pub fn capability(&self) -> (i32, i32) {
        self.context.properties.capability
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, what: impl std::fmt::Display) -> Error {
        Error::Device(format!("{}: {what}", self.name))
    }

    fn failed(&self, doing: &str) -> impl Fn(Fault) -> Error {
        move |fault| self.error(format!("{doing}: {fault}"))
    }

    /// The memory behind a buffer, after checking that a range lies inside it.
    fn memory<'a>(&self, buffer: &'a Buffer, offset: usize, bytes: usize) -> Result<&'a DeviceMemory> {
        let memory = buffer.owner.downcast_ref::<DeviceMemory>();
        let memory = memory.ok_or_else(|| self.error("this buffer belongs to another device"))?;
        match offset.checked_add(bytes) {
            Some(end) if end <= buffer.bytes => Ok(memory),
            _ => Err(self.error(format!("{bytes} bytes at {offset} are outside a buffer of {}", buffer.bytes))),
        }
    }

    /// Where a list's two buffers lie, after checking every launch against them.
    fn bases(&self, list: &[Launch], memory: &Memory) -> Result<Bases> {
        let (store, arena) = (self.memory(&memory.store, 0, 0)?, self.memory(&memory.arena, 0, 0)?);
        if store.address() == arena.address() {
            return Err(self.error("store and arena must be two buffers"));
        }
        let lengths = (memory.store.bytes, memory.arena.bytes);
        list.iter().try_for_each(|launch| launch.check(lengths)).map_err(|what| self.error(what))?;
        self.context.bind().map_err(self.failed("the context"))?;
        Ok([store.address(), arena.address()])
    }

    /// What is said where a list failed after it was queued: the driver does not tell which launch it was.
    fn later(&self, list: &[Launch]) -> impl Fn(Fault) -> Error {
        let last = list.last().map_or_else(String::new, |launch| format!(", the last of them {launch}"));
        let text = format!("running {} launches{last} (HALLUCINET_ONE_BY_ONE=1 names the one that fails)", list.len());
        move |fault| self.error(format!("{text}: {fault}"))
    }
}

impl Device for Cuda {
    fn alloc(&self, bytes: usize) -> Result<Buffer> {
        let memory = DeviceMemory::new(&self.context, bytes)
            .map_err(|fault| no_memory(&self.name, &self.context, bytes, fault))?;
        let _state = self.state();
        memory.clear(&self.stream).map_err(self.failed("clearing memory"))?;
        Ok(Buffer { bytes, owner: Arc::new(memory) })
    }

    fn write(&self, to: &Buffer, offset: usize, from: &[u8]) -> Result<()> {
        let memory = self.memory(to, offset, from.len())?;
        self.context.bind().map_err(self.failed("the context"))?;
        let mut state = self.state();
        state.upload.write(memory, offset, from, &self.stream).map_err(self.failed("an upload"))
    }

    fn read(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()> {
        let memory = self.memory(from, offset, to.len())?;
        if to.is_empty() {
            return Ok(());
        }
        self.context.bind().map_err(self.failed("the context"))?;
        let _state = self.state();
        memory.read(offset, to, &self.stream).map_err(self.failed("reading back, or the launches before it"))
    }

    fn copy(&self, from: (&Buffer, usize), to: (&Buffer, usize), bytes: usize) -> Result<()> {
        let (source, target) = (self.memory(from.0, from.1, bytes)?, self.memory(to.0, to.1, bytes)?);
        if bytes == 0 {
            return Ok(());
        }
        self.context.bind().map_err(self.failed("the context"))?;
        let _state = self.state();
        DeviceMemory::copy((source, from.1), (target, to.1), bytes, &self.stream).map_err(self.failed("a copy"))
    }

    fn launch(&self, list: &[Launch], memory: &Memory) -> Result<()> {
        if list.is_empty() {
            return Ok(());
        }
        let bases = self.bases(list, memory)?;
        let state = &mut *self.state();
        let _range = nvtx::Range::new("list");
        if self.each {
            for launch in list {
                replay::run(&self.context, &mut state.kernels, &self.stream, launch, bases)
                    .map_err(|what| self.error(what))?;
                self.stream.synchronize().map_err(|fault| self.error(format!("{launch}: {fault}")))?;
            }
            return Ok(());
        }
        let graph = state
            .recordings
            .get(&self.context, &mut state.kernels, &self.stream, list, bases)
            .map_err(|what| self.error(what))?;
        graph.launch(&self.stream).map_err(self.later(list))
    }

    fn sync(&self) -> Result<()> {
        let _state = self.state();
        self.stream.synchronize().map_err(self.failed("the launches so far"))
    }

    fn info(&self) -> Info {
        let properties = &self.context.properties;
        let (major, minor) = properties.capability;
        let memory = self.context.memory().ok().map(|(free, total)| Free { free, total });
        Info {
            name: self.name.clone(),
            detail: format!(
                "{}, compute capability {major}.{minor}, {} multiprocessors, {:.1} GiB, driver for CUDA {}",
                properties.name,
                properties.multiprocessors,
                properties.memory as f64 / f64::from(1 << 30),
                properties.driver
            ),
            architecture: format!("sm_{major}{minor}"),
            code: code_for((major, minor)),
            threads: 1,
            memory,
        }
    }
}

/// Memory that could not be had: how much was wanted, and how much there is.
fn no_memory(name: &str, context: &Context, bytes: usize, fault: Fault) -> Error {
    if !fault.out_of_memory() {
        return Error::Device(format!("{name}: {bytes} bytes of memory: {fault}"));
    }
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    let free = context
        .memory()
        .map_or_else(|_| String::new(), |(free, total)| format!(": {} of {} MiB are free", mib(free), mib(total)));
    Error::Memory(format!("{name}: out of memory: {} MiB more are needed{free}; use a smaller batch", mib(bytes)))
}

/// Whether there is a device that [`Cuda::open`] could open: how many, or a phrase that says why none.
pub fn devices() -> std::result::Result<usize, String> {
    match embedded() {
        [] => Err("this build has no CUDA kernels".into()),
        _ => driver::devices(),
    }
}
