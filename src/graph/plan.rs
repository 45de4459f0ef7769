//! The planner: fuses, drops what nobody reads, gives every value a place, and writes down the launches.
//!
//! Arena values live from the step that makes them to the last step that reads them; places are given first-fit over the free
//! gaps, in order of the steps. A plan is plain data: it can be printed, counted and replayed, with no device in sight.

use super::{Graph, Storage, Value, aligned};
use crate::backend::{Launch, Region, Space};
use crate::error::{Error, Result};
use crate::ops::{Desc, Io, Place, list};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One node of the plan: which layer it serves and how many launches it takes.
#[derive(Clone, Debug)]
pub struct Step {
    pub label: String,
    pub op: &'static str,
    /// The launches of this step are this range of the plan's list.
    pub launches: std::ops::Range<usize>,
}

/// A list of launches over a store and an arena.
#[derive(Clone, Debug)]
pub struct Plan {
    pub launches: Vec<Launch>,
    pub steps: Vec<Step>,
    /// Bytes of the two buffers.
    pub store_bytes: usize,
    pub arena_bytes: usize,
    pub(super) constants: Vec<(usize, Vec<u8>)>,
    places: BTreeMap<Value, Place>,
}

impl Plan {
    /// Where a value lies; an error for one that the plan dropped or never had.
    pub fn place(&self, value: Value) -> Result<Place> {
        self.places.get(&value).copied().ok_or_else(|| Error::Shape(format!("{value:?} is not part of this plan")))
    }

    /// Floating-point operations of one run.
    pub fn flop(&self) -> u64 {
        self.launches.iter().map(|launch| launch.flop).sum()
    }
}

impl Graph {
    /// Compiles the graph: every node that serves a fetched value, a value of the store or an update in place.
    pub fn plan(mut self) -> Plan {
        self.drop_unread();
        self.fuse();
        let regions = self.regions();
        let mut plan = Plan {
            launches: Vec::new(),
            steps: Vec::new(),
            store_bytes: self.store,
            arena_bytes: regions.arena_bytes,
            constants: self.constants.clone(),
            places: BTreeMap::new(),
        };
        for (index, info) in self.values.iter().enumerate() {
            if let Some(region) = regions.of_value.get(&Value(index)) {
                plan.places.insert(Value(index), Place { desc: info.desc, region: *region });
            }
        }
        for (node, workspace) in self.nodes.iter().zip(regions.workspaces) {
            let at = |value: &Value| plan.places[value];
            let io = Io {
                inputs: node.inputs.iter().map(at).collect(),
                outputs: node.outputs.iter().map(at).collect(),
                workspace,
            };
            let first = plan.launches.len();
            let label: Arc<str> = Arc::from(node.label.as_str());
            let descs = |places: &[Place]| list(places.iter().map(|place| &place.desc));
            let shapes: Arc<str> = format!("{} to {}", descs(&io.inputs), descs(&io.outputs)).into();
            let launches = node.op.launches(&io).into_iter();
            let named = |launch| Launch { label: Arc::clone(&label), shapes: Arc::clone(&shapes), ..launch };
            plan.launches.extend(launches.map(named));
            let launches = first..plan.launches.len();
            plan.steps.push(Step { label: node.label.clone(), op: node.op.name(), launches });
        }
        plan
    }

    /// Removes nodes whose outputs nobody reads, from the last to the first.
    fn drop_unread(&mut self) {
        let mut read: Vec<bool> =
            self.values.iter().map(|info| info.fetched || matches!(info.storage, Storage::Store(_))).collect();
        let mut kept = Vec::with_capacity(self.nodes.len());
        for node in self.nodes.drain(..).rev() {
            if !node.op.updates().is_empty() || node.outputs.iter().any(|value| read[value.0]) {
                node.inputs.iter().for_each(|value| read[value.0] = true);
                kept.push(node);
            }
        }
        kept.reverse();
        self.nodes = kept;
    }

    /// First and last step at which each arena value must exist.
    fn lifetimes(&self) -> BTreeMap<Value, (usize, usize)> {
        let end = self.nodes.len();
        let mut lifetimes: BTreeMap<Value, (usize, usize)> = BTreeMap::new();
        for (index, info) in self.values.iter().enumerate() {
            if info.storage == Storage::Input {
                lifetimes.insert(Value(index), (0, 0));
            }
        }
        for (step, node) in self.nodes.iter().enumerate() {
            for value in node.outputs.iter().chain(&node.inputs) {
                if !matches!(self.values[value.0].storage, Storage::Store(_)) {
                    lifetimes.entry(*value).or_insert((step, step)).1 = step;
                }
            }
        }
        for (value, lifetime) in &mut lifetimes {
            if self.values[value.0].fetched {
                lifetime.1 = end;
            }
        }
        lifetimes
    }

    fn regions(&self) -> Regions {
        let lifetimes = self.lifetimes();
        let mut born: Vec<Vec<Value>> = vec![Vec::new(); self.nodes.len().max(1)];
        let mut died: Vec<Vec<Value>> = vec![Vec::new(); self.nodes.len() + 1];
        for (value, (first, last)) in &lifetimes {
            born[*first].push(*value);
            died[*last].push(*value);
        }
        let mut regions = Regions { of_value: BTreeMap::new(), workspaces: Vec::new(), arena_bytes: 0 };
        let mut arena = Arena::default();
        for (index, info) in self.values.iter().enumerate() {
            if let Storage::Store(offset) = info.storage {
                let region = Region { space: Space::Store, offset, bytes: info.desc.bytes() };
                regions.of_value.insert(Value(index), region);
            }
        }
        for step in 0..born.len() {
            for value in &born[step] {
                regions.of_value.insert(*value, arena.take(self.values[value.0].desc.bytes()));
            }
            if let Some(node) = self.nodes.get(step) {
                let descs = |values: &[Value]| values.iter().map(|value| self.desc(*value)).collect::<Vec<Desc>>();
                let workspace = arena.take(node.op.workspace(&descs(&node.inputs), &descs(&node.outputs)));
                regions.workspaces.push(workspace);
                arena.give(workspace);
            }
            for value in &died[step] {
                arena.give(regions.of_value[value]);
            }
        }
        regions.arena_bytes = arena.end;
        regions
    }
}

struct Regions {
    of_value: BTreeMap<Value, Region>,
    /// One per node.
    workspaces: Vec<Region>,
    arena_bytes: usize,
}

/// First-fit over the gaps of an address range that grows as needed.
#[derive(Default)]
struct Arena {
    /// Offset and length of each free gap, in order of the offset, never touching each other.
    gaps: BTreeMap<usize, usize>,
    end: usize,
}

impl Arena {
    fn take(&mut self, bytes: usize) -> Region {
        let length = aligned(bytes);
        if length == 0 {
            return Region::ABSENT;
        }
        let gap = self.gaps.iter().find(|(_, gap)| **gap >= length).map(|(offset, gap)| (*offset, *gap));
        let offset = match gap {
            Some((offset, gap)) => {
                self.gaps.remove(&offset);
                if gap > length {
                    self.gaps.insert(offset + length, gap - length);
                }
                offset
            }
            None => {
                // The last gap may reach the end; then the range grows by only what is missing.
                let last = self.gaps.last_key_value().filter(|(offset, gap)| **offset + **gap == self.end);
                let offset = last.map_or(self.end, |(offset, _)| *offset);
                self.gaps.remove(&offset);
                self.end = offset + length;
                offset
            }
        };
        Region { space: Space::Arena, offset, bytes }
    }

    fn give(&mut self, region: Region) {
        let mut length = aligned(region.bytes);
        if length == 0 {
            return;
        }
        let mut offset = region.offset;
        let before = self.gaps.range(..offset).next_back().map(|(before, gap)| (*before, *gap));
        if let Some((before, gap)) = before.filter(|(before, gap)| before + gap == offset) {
            self.gaps.remove(&before);
            offset = before;
            length += gap;
        }
        if let Some(gap) = self.gaps.remove(&(offset + length)) {
            length += gap;
        }
        self.gaps.insert(offset, length);
    }
}
