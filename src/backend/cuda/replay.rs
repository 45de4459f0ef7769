//! Recorded lists. A list is recorded when it is first launched over its memory and replayed from then on.
//!
//! What a recording stands for is its list, launch by launch, and the two addresses it was made for: all of it is compared, so a
//! recording can neither be mistaken for another plan's nor outlive its meaning.

use super::driver::{Context, Event, Graph, Outcome, Stream};
use super::kernels::Kernels;
use super::nvtx::Range;
use crate::backend::{Launch, Space};
use std::sync::Arc;

/// Recordings kept: the stages and batch sizes of one program; the one least recently used goes first.
const KEPT: usize = 16;

/// Where the store and the arena lie.
pub type Bases = [u64; 2];

#[derive(Default)]
pub struct Recordings {
    /// The most recently used comes last.
    list: Vec<Recording>,
}

struct Recording {
    bases: Bases,
    launches: Vec<Launch>,
    graph: Graph,
}

impl Recordings {
    /// The recording of a list, made now if it is new.
    ///
    /// # Errors
    /// A phrase that names the launch that could not be recorded.
    pub fn get(
        &mut self,
        context: &Arc<Context>,
        kernels: &mut Kernels,
        stream: &Stream,
        launches: &[Launch],
        bases: Bases,
    ) -> Result<&Graph, String> {
        let found = self.list.iter().position(|recording| recording.stands_for(launches, bases));
        let recording = match found {
            Some(index) => self.list.remove(index),
            None => {
                let graph = record(context, kernels, stream, launches, bases)?;
                Recording { bases, launches: launches.to_vec(), graph }
            }
        };
        if self.list.len() >= KEPT {
            self.list.remove(0);
        }
        self.list.push(recording);
        self.list.last().map(|recording| &recording.graph).ok_or_else(|| "no recording".into())
    }
}

impl Recording {
    fn stands_for(&self, launches: &[Launch], bases: Bases) -> bool {
        self.bases == bases
            && self.launches.len() == launches.len()
            && self.launches.iter().zip(launches).all(|(mine, theirs)| mine.same(theirs))
    }
}

fn record(
    context: &Arc<Context>,
    kernels: &mut Kernels,
    stream: &Stream,
    launches: &[Launch],
    bases: Bases,
) -> Result<Graph, String> {
    // Modules are loaded before: loading may wait for the device, which a recording stream must not.
    for launch in launches {
        kernels.function(context, launch).map_err(|what| format!("{launch}: {what}"))?;
    }
    let _quiet = context.quiet();
    stream.begin_capture().map_err(|fault| format!("recording a list of launches: {fault}"))?;
    for launch in launches {
        if let Err(what) = run(context, kernels, stream, launch, bases) {
            stream.abandon_capture();
            return Err(what);
        }
    }
    stream.end_capture().map_err(|fault| format!("recording {} launches: {fault}", launches.len()))
}

/// Queues one launch, or records it where the stream is recording.
pub fn run(
    context: &Arc<Context>,
    kernels: &mut Kernels,
    stream: &Stream,
    launch: &Launch,
    bases: Bases,
) -> Result<(), String> {
    let function = kernels.function(context, launch).map_err(|what| format!("{launch}: {what}"))?;
    let regions = launch.reads.iter().chain(&launch.writes);
    let address = |region: &crate::backend::Region| match (region.bytes, region.space) {
        (0, _) => 0,
        (_, Space::Store) => bases[0] + region.offset as u64,
        (_, Space::Arena) => bases[1] + region.offset as u64,
    };
    let mut pointers: Vec<u64> = regions.map(address).collect();
    // The layer and its direction, around the driver call: what profilers show where launches are not replayed.
    let _range = Range::new(&launch.label);
    let mut params = vec![0u64; launch.params.len().div_ceil(8)];
    bytemuck::cast_slice_mut::<u64, u8>(&mut params)[..launch.params.len()].copy_from_slice(&launch.params);
    // SAFETY: ops and kernels agree on the arguments (the case lists of `tests/ops` run every one of them between poisoned
    // bands), and every region was checked to lie inside its buffer.
    let queued =
        unsafe { function.launch((launch.grid, launch.block, launch.shared), &mut pointers, &mut params, stream) };
    queued.map_err(|fault| format!("{launch}: {fault}"))
}

/// Runs lists one after the other and tells the seconds of each, by events of the device.
pub fn time(
    context: &Arc<Context>,
    kernels: &mut Kernels,
    recordings: &mut Recordings,
    stream: &Stream,
    lists: &[&[Launch]],
    bases: Bases,
) -> Result<Vec<f64>, String> {
    let said = |fault| format!("timing launches: {fault}");
    let events = (0..=lists.len()).map(|_| Event::new(context, true)).collect::<Outcome<Vec<_>>>().map_err(said)?;
    // Modules are loaded and lists recorded before the clock starts.
    for list in lists {
        match list {
            [launch] => kernels.function(context, launch).map(|_| ()).map_err(|what| format!("{launch}: {what}"))?,
            list => recordings.get(context, kernels, stream, list, bases).map(|_| ())?,
        }
    }
    if let Some(first) = events.first() {
        first.record(stream).map_err(said)?;
    }
    for (list, after) in lists.iter().zip(events.iter().skip(1)) {
        match list {
            [launch] => run(context, kernels, stream, launch, bases)?,
            list => recordings.get(context, kernels, stream, list, bases)?.launch(stream).map_err(said)?,
        }
        after.record(stream).map_err(said)?;
    }
    stream.synchronize().map_err(said)?;
    events.windows(2).map(|pair| pair[1].seconds_since(&pair[0])).collect::<Outcome<Vec<_>>>().map_err(said)
}
