//! Values, order, memory; no arithmetic. A model builds a graph of values once; [`backward`] adds the gradient to the same graph;
//! [`plan`] turns it into a list of launches over two buffers; [`run`] is the only loop that runs them.
//!
//! Nodes run in the order they were added, which is a topological order by construction, so an update in place simply comes last.

mod account;
mod backward;
mod fuse;
mod measure;
mod plan;
mod run;
mod times;

pub use account::{Cost, largest_batch};
pub use measure::Roofline;
pub use plan::{Plan, Step};
pub use run::Program;
pub use times::{Time, Times};

use crate::error::Result;
use crate::ops::{Desc, Op};
use std::sync::Arc;

/// A value of a graph: a handle, cheap to copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(usize);

/// Where a value lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    /// In the arena, from the step that makes it to the last one that reads it.
    Arena,
    /// In the arena, written from outside before every run.
    Input,
    /// In the store, at a fixed offset in bytes, across runs.
    Store(usize),
}

#[derive(Clone, Debug)]
struct ValueInfo {
    desc: Desc,
    storage: Storage,
    /// Whether gradients of this value are wanted, because it is or depends on a parameter that learns.
    learns: bool,
    /// Read from outside after a run.
    fetched: bool,
    /// The value of which this one is a copy in another format.
    stands_for: Option<Value>,
}

/// One use of an op.
#[derive(Clone, Debug)]
struct Node {
    op: Arc<dyn Op>,
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    /// The layer this node belongs to, for plans, profiles and errors.
    label: String,
}

/// Values and the nodes that make them.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    values: Vec<ValueInfo>,
    nodes: Vec<Node>,
    label: String,
    /// Bytes of the store that are given out.
    store: usize,
    /// What the store holds before the first run.
    constants: Vec<(usize, Vec<u8>)>,
}

/// Regions begin at multiples of this: what vector loads and TMA want.
const ALIGNMENT: usize = 256;

fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(ALIGNMENT)
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    /// Names the layer that the nodes added from now on belong to.
    pub fn label(&mut self, label: impl Into<String>) {
        self.label = label.into();
    }

    /// A value that is written from outside before every run.
    pub fn input(&mut self, desc: Desc) -> Value {
        self.value(desc, Storage::Input, false)
    }

    /// A value of the store, on its own alignment. `learns` says whether gradients are wanted.
    pub fn stored(&mut self, desc: Desc, learns: bool) -> Value {
        let offset = self.reserve(desc.bytes());
        self.value(desc, Storage::Store(offset), learns)
    }

    /// A value of the store at a place that was reserved before.
    pub fn stored_at(&mut self, offset: usize, desc: Desc, learns: bool) -> Value {
        self.store = self.store.max(aligned(offset + desc.bytes()));
        self.value(desc, Storage::Store(offset), learns)
    }

    /// Bytes that are in the store from the start.
    pub fn constant(&mut self, desc: Desc, bytes: Vec<u8>) -> Value {
        let offset = self.reserve(desc.bytes());
        self.constants.push((offset, bytes));
        self.value(desc, Storage::Store(offset), false)
    }

    /// Reserves bytes of the store and returns their offset.
    pub fn reserve(&mut self, bytes: usize) -> usize {
        let offset = self.store;
        self.store = aligned(offset + bytes);
        offset
    }

    /// Uses an op; its inputs must fit. The result has one value per output.
    pub fn apply_all(&mut self, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Vec<Value>> {
        let descs: Vec<Desc> = inputs.iter().map(|value| self.desc(*value)).collect();
        let learns = inputs.iter().any(|value| self.values[value.0].learns);
        let descs = op.infer(&descs)?;
        let outputs: Vec<Value> = descs.into_iter().map(|desc| self.value(desc, Storage::Arena, learns)).collect();
        let label = self.label.clone();
        self.nodes.push(Node { op, inputs: inputs.to_vec(), outputs: outputs.clone(), label });
        Ok(outputs)
    }

    /// Uses an op and returns its first output.
    pub fn apply(&mut self, op: impl Op + 'static, inputs: &[Value]) -> Result<Value> {
        Ok(self.apply_all(Arc::new(op), inputs)?[0])
    }

    /// Uses an op that copies a value into another format. The copy stands for the value: what flows back to it, in the value's own
    /// format, is the value's gradient.
    pub fn stand_in(&mut self, op: impl Op + 'static, value: Value) -> Result<Value> {
        let copy = self.apply(op, &[value])?;
        self.values[copy.0].stands_for = Some(value);
        Ok(copy)
    }

    /// Shape and type of a value.
    pub fn desc(&self, value: Value) -> Desc {
        self.values[value.0].desc
    }

    /// Whether gradients of this value are wanted.
    pub fn learns(&self, value: Value) -> bool {
        self.values[value.0].learns
    }

    /// A value of its own for the same numbers through which no gradient flows back.
    pub fn stop_gradient(&mut self, value: Value) {
        self.values[value.0].learns = false;
    }

    /// Moves a computed value to a fixed place of the store, where blocks and later runs find it.
    pub fn place(&mut self, value: Value, offset: usize) {
        self.values[value.0].storage = Storage::Store(offset);
    }

    /// Keeps a value readable after the run.
    pub fn fetch(&mut self, value: Value) {
        self.values[value.0].fetched = true;
    }

    fn value(&mut self, desc: Desc, storage: Storage, learns: bool) -> Value {
        self.values.push(ValueInfo { desc, storage, learns, fetched: false, stands_for: None });
        Value(self.values.len() - 1)
    }
}
