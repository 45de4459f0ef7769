//! A plan on a device: the only loop over launches is the device's, called from here.

use super::{Plan, Value};
use crate::backend::{Device, Memory, Space};
use crate::error::{Error, Result};
use bytemuck::Pod;
use std::sync::Arc;

/// A plan with its memory.
pub struct Program {
    pub(super) device: Arc<dyn Device>,
    pub(super) plan: Plan,
    pub(super) memory: Memory,
}

impl Program {
    /// Takes memory for the plan and writes its constants.
    pub fn new(device: Arc<dyn Device>, plan: Plan) -> Result<Self> {
        // A device need not be able to give away nothing.
        let store = device.alloc(plan.store_bytes.max(1))?;
        let memory = Memory { store, arena: device.alloc(plan.arena_bytes.max(1))? };
        for (offset, bytes) in &plan.constants {
            device.write(&memory.store, *offset, bytes)?;
        }
        Ok(Program { device, plan, memory })
    }

    /// A plan beside a program that has the same `parameters` (bytes) at the beginning of its store: in the same store where that is the
    /// same altogether, else in a copy of them. Programs that share a store must not run at the same time.
    pub fn beside(other: &Program, plan: Plan, parameters: usize) -> Result<Self> {
        let device = Arc::clone(&other.device);
        if (plan.store_bytes, &plan.constants) == (other.plan.store_bytes, &other.plan.constants) {
            let memory = Memory { store: other.memory.store.clone(), arena: device.alloc(plan.arena_bytes.max(1))? };
            return Ok(Program { device, plan, memory });
        }
        let program = Program::new(device, plan)?;
        program.copy_store(other, parameters)?;
        Ok(program)
    }

    /// The launches and their places.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Overwrites a value: an input before a run, a parameter at any time.
    pub fn write<T: Pod>(&self, value: Value, numbers: &[T]) -> Result<()> {
        let region = self.plan.place(value)?.region;
        let bytes: &[u8] = bytemuck::cast_slice(numbers);
        if bytes.len() != region.bytes {
            return Err(Error::Shape(format!("{value:?} takes {} bytes, not {}", region.bytes, bytes.len())));
        }
        self.device.write(self.buffer(region.space), region.offset, bytes)
    }

    /// Reads a fetched value, or one of the store.
    pub fn read<T: Pod>(&self, value: Value) -> Result<Vec<T>> {
        let region = self.plan.place(value)?.region;
        let mut numbers = vec![T::zeroed(); region.bytes / size_of::<T>()];
        self.device.read(self.buffer(region.space), region.offset, bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    }

    /// Runs the whole plan once.
    pub fn run(&self) -> Result<()> {
        self.device.launch(&self.plan.launches, &self.memory)
    }

    /// Overwrites numbers of the store at an offset in bytes: a parameter whose place is known from its layout.
    pub fn write_store<T: Pod>(&self, offset: usize, numbers: &[T]) -> Result<()> {
        self.device.write(&self.memory.store, offset, bytemuck::cast_slice(numbers))
    }

    /// Reads numbers of the store at an offset in bytes.
    pub fn read_store(&self, offset: usize, count: usize) -> Result<Vec<f32>> {
        let mut numbers = vec![0.0; count];
        self.device.read(&self.memory.store, offset, bytemuck::cast_slice_mut(&mut numbers))?;
        Ok(numbers)
    }

    /// Copies the beginning of another program's store into this one's, device to device: how weights reach another plan.
    pub fn copy_store(&self, from: &Program, bytes: usize) -> Result<()> {
        self.device.copy((&from.memory.store, 0), (&self.memory.store, 0), bytes)
    }

    fn buffer(&self, space: Space) -> &crate::backend::Buffer {
        match space {
            Space::Store => &self.memory.store,
            Space::Arena => &self.memory.arena,
        }
    }
}
