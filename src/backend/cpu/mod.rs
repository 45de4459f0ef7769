//! The `cpu` executor: runs each launch's host twin over the plan's memory, on a pool of threads of its own.
//!
//! Bits never depend on the number of threads: host twins cut their work by shapes alone and reduce in a fixed order.

pub mod chains;
pub mod dots;
pub mod gemm;
pub mod lanes;
mod pages;
pub mod pairs;
mod scratch;
pub mod simd;
pub mod team;
mod tile;

pub use scratch::Scratch;

use super::{Buffer, Device, Info, Launch, Memory, Region, Space};
use crate::error::{Error, Result};
use bytemuck::Pod;
use pages::Pages;
use simd::Level;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type HostMemory = Mutex<Pages>;

/// The processor, its instruction set chosen once, and a pool of worker threads.
pub struct Cpu {
    pool: rayon::ThreadPool,
    level: Level,
    scratch: Scratch,
}

impl Cpu {
    /// `threads` of `None` takes every core this process may use; the instruction set is [`Level::chosen`].
    pub fn new(threads: Option<usize>) -> Result<Self> {
        Self::with_level(threads, Level::chosen()?)
    }

    /// As [`Cpu::new`], on an instruction set that the caller chose; one that this machine lacks is an error.
    pub fn with_level(threads: Option<usize>, level: Level) -> Result<Self> {
        if !level.is_supported() {
            return Err(level.missing());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.unwrap_or(0))
            .thread_name(|index| format!("cpu-{index}"))
            .build()
            .map_err(|error| Error::Device(format!("cannot start worker threads: {error}")))?;
        let scratch = Scratch::new(pool.current_num_threads());
        Ok(Cpu { pool, level, scratch })
    }
}

impl Device for Cpu {
    fn alloc(&self, bytes: usize) -> Result<Buffer> {
        let owner: Arc<HostMemory> = Arc::new(Mutex::new(Pages::zeroed(bytes)?));
        Ok(Buffer { bytes, owner })
    }

    fn write(&self, to: &Buffer, offset: usize, from: &[u8]) -> Result<()> {
        let mut memory = lock(to)?;
        let bytes = memory.bytes_mut();
        range(bytes.len(), offset, from.len())?;
        bytes[offset..offset + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn read(&self, from: &Buffer, offset: usize, to: &mut [u8]) -> Result<()> {
        let memory = lock(from)?;
        let bytes = memory.bytes();
        range(bytes.len(), offset, to.len())?;
        to.copy_from_slice(&bytes[offset..offset + to.len()]);
        Ok(())
    }

    fn copy(&self, from: (&Buffer, usize), to: (&Buffer, usize), bytes: usize) -> Result<()> {
        // Piece by piece: the weights of a network should not be in memory a third time.
        let mut between = vec![0; bytes.min(1 << 20)];
        for at in (0..bytes).step_by(between.len().max(1)) {
            let piece = &mut between[..(bytes - at).min(1 << 20)];
            self.read(from.0, from.1 + at, piece)?;
            self.write(to.0, to.1 + at, piece)?;
        }
        Ok(())
    }

    fn launch(&self, list: &[Launch], memory: &Memory) -> Result<()> {
        if same(&memory.store, &memory.arena) {
            return Err(Error::Device("cpu: store and arena must be two buffers".into()));
        }
        let (mut store, mut arena) = (lock(&memory.store)?, lock(&memory.arena)?);
        let (store, arena) = (store.bytes_mut(), arena.bytes_mut());
        team::awake(&self.pool, || {
            list.iter().try_for_each(|launch| {
                let (reads, writes) = split(launch, store, arena)?;
                let (params, level, scratch) = (launch.params.as_slice(), self.level, &self.scratch);
                (launch.kernel.host)(HostArgs { reads, writes, params, level, scratch });
                Ok(())
            })
        })
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn info(&self) -> Info {
        let threads = self.pool.current_num_threads();
        let plural = if threads == 1 { "thread" } else { "threads" };
        Info {
            name: "cpu".into(),
            detail: format!("{}, {threads} {plural}", self.level),
            architecture: self.level.to_string(),
            code: self.level.to_string(),
            threads,
            memory: None,
        }
    }
}

/// What a host twin is given: its regions as slices, its parameters, the instruction set to use.
pub struct HostArgs<'a> {
    /// One slice per region read, in the launch's order; an absent optional argument is an empty slice.
    pub reads: Vec<&'a [u8]>,
    /// One slice per region written, in the launch's order.
    pub writes: Vec<&'a mut [u8]>,
    params: &'a [u8],
    /// The instruction set chosen when the device was opened.
    pub level: Level,
    /// Memory of each worker thread.
    pub scratch: &'a Scratch,
}

impl<'a> HostArgs<'a> {
    /// The `#[repr(C)]` parameters of the launch.
    pub fn params<T: Pod>(&self) -> T {
        bytemuck::pod_read_unaligned(self.params)
    }

    /// The read region number `index` as numbers.
    pub fn input<T: Pod>(&self, index: usize) -> &'a [T] {
        bytemuck::cast_slice(self.reads[index])
    }

    /// Takes the written region number `index` as numbers; a second call for the same one gets an empty slice.
    pub fn output<T: Pod>(&mut self, index: usize) -> &'a mut [T] {
        bytemuck::cast_slice_mut(std::mem::take(&mut self.writes[index]))
    }

    /// Takes the first `N` written regions, all of one type.
    pub fn outputs<T: Pod, const N: usize>(&mut self) -> [&'a mut [T]; N] {
        std::array::from_fn(|index| self.output(index))
    }
}

fn lock(buffer: &Buffer) -> Result<MutexGuard<'_, Pages>> {
    let memory = buffer
        .owner
        .downcast_ref::<HostMemory>()
        .ok_or_else(|| Error::Device("cpu: this buffer belongs to another device".into()))?;
    // A panicking host twin leaves plain numbers behind, nothing that could be inconsistent.
    Ok(memory.lock().unwrap_or_else(PoisonError::into_inner))
}

fn same(a: &Buffer, b: &Buffer) -> bool {
    Arc::ptr_eq(&a.owner, &b.owner)
}

fn range(length: usize, offset: usize, bytes: usize) -> Result<()> {
    match offset.checked_add(bytes) {
        Some(end) if end <= length => Ok(()),
        _ => Err(Error::Device(format!("cpu: {bytes} bytes at {offset} are outside a buffer of {length}"))),
    }
}

/// What a launch reads and what it writes.
type Slices<'a> = (Vec<&'a [u8]>, Vec<&'a mut [u8]>);

/// The slices of one launch, after checking that every region is inside its buffer and that nothing written is shared.
fn split<'a>(launch: &Launch, store: &'a mut [u8], arena: &'a mut [u8]) -> Result<Slices<'a>> {
    let lengths = (store.len(), arena.len());
    launch.check(lengths).map_err(|what| Error::Device(format!("cpu: {what}")))?;
    let bases = (store.as_mut_ptr(), arena.as_mut_ptr());
    let place = |region: &Region| -> Result<*mut u8> {
        let (base, length) = match region.space {
            Space::Store => (bases.0, lengths.0),
            Space::Arena => (bases.1, lengths.1),
        };
        range(length, region.offset, region.bytes)?;
        // SAFETY: the range check above keeps the pointer inside the buffer.
        Ok(unsafe { base.add(region.offset) })
    };
    let mut reads = Vec::with_capacity(launch.reads.len());
    for region in &launch.reads {
        // SAFETY: inside the buffer (checked), exclusively borrowed for 'a, and no written region overlaps it (checked).
        reads.push(unsafe { std::slice::from_raw_parts(place(region)?, region.bytes) });
    }
    let mut writes = Vec::with_capacity(launch.writes.len());
    for region in &launch.writes {
        // SAFETY: inside the buffer (checked), exclusively borrowed for 'a, and disjoint from every other region (checked).
        writes.push(unsafe { std::slice::from_raw_parts_mut(place(region)?, region.bytes) });
    }
    Ok((reads, writes))
}
