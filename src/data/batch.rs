//! Which face is which training sample, and the batches of them, gathered ahead of time. Knows faces and numbers of steps.
//!
//! Sample s = step * batch + j is face `order(s / n)[s % n]` of n: a pure function of the seed and s, so a run that goes on
//! from step k sees what one that never stopped would have seen.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

use super::faces::Faces;
use super::pack::FACE;
use crate::error::{Error, Result};
use crate::random::Random;

/// Words that part the random streams of this file from all others of the same seed.
const ORDER: u64 = u64::from_le_bytes(*b"epochord");
const MIRROR: u64 = u64::from_le_bytes(*b"mirrored");
const SHIFT: u64 = u64::from_le_bytes(*b"shifting");
/// Batches that wait to be taken.
const AHEAD: usize = 2;

/// What decides the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampling {
    pub seed: u64,
    /// Samples of a step.
    pub batch: usize,
    /// A new order each epoch; otherwise sorted order, again and again.
    pub shuffle: bool,
    /// Whether a coin decides for each sample to mirror it.
    pub mirror: bool,
    /// Each sample is moved by up to so many pixels, down or up and right or left, alike likely; the edge is repeated.
    pub shift: usize,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number of the face.
    pub face: usize,
    /// Whether it is to be mirrored.
    pub mirror: bool,
    /// Pixels that it is moved down and to the right, before mirroring.
    pub shift: (i32, i32),
}

/// The samples of any step of a set of faces; keeps the order of the epoch it last looked at.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    faces: u64,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl Sampler {
    /// Samples out of `faces` faces; no faces or a batch of none is an [`Error::Usage`].
    pub fn new(sampling: Sampling, faces: usize) -> Result<Sampler> {
        if faces == 0 || sampling.batch == 0 || u32::try_from(faces).is_err() {
            return Err(Error::Usage(format!("batches of {} cannot be taken from {faces} faces", sampling.batch)));
        }
        Ok(Sampler { sampling, faces: faces as u64, epoch: None, order: Vec::new() })
    }

    /// Sample `s`, counted from 0 over the whole training.
    pub fn sample(&mut self, s: u64) -> Sample {
        let Sampling { seed, shuffle, mirror, shift, .. } = self.sampling;
        let (epoch, position) = (s / self.faces, s % self.faces);
        let face = if shuffle {
            if self.epoch != Some(epoch) {
                self.order = Random::keyed(seed, &[ORDER, epoch]).permutation(self.faces as usize);
                self.epoch = Some(epoch);
            }
            self.order[position as usize] as usize
        } else {
            position as usize
        };
        let mut random = Random::keyed(seed, &[SHIFT, s]);
        let mut moved = || random.below(2 * shift as u64 + 1) as i32 - shift as i32;
        Sample { face, mirror: mirror && Random::keyed(seed, &[MIRROR, s]).below(2) == 1, shift: (moved(), moved()) }
    }

    /// The samples of a step, counted from 0.
    pub fn step(&mut self, step: u64) -> Vec<Sample> {
        let batch = self.sampling.batch as u64;
        let first = step.saturating_mul(batch);
        (0..batch).map(|j| self.sample(first.saturating_add(j))).collect()
    }
}

/// The inputs of one training step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The step, counted from 0.
    pub step: u64,
    /// `[batch, 112, 96, 3]`, as the faces are.
    pub pixels: Vec<u8>,
    /// Number of each sample's face.
    pub faces: Vec<usize>,
    /// Identity of each sample.
    pub labels: Vec<u32>,
    /// 1 where the sample is to be mirrored, else 0, and the pixels that it is to be moved down and to the right before.
    pub moves: Vec<[i32; 3]>,
}

impl Batch {
    /// Fills this batch with the samples of a step.
    fn gather(&mut self, faces: &Faces, step: u64, samples: &[Sample]) {
        self.step = step;
        self.pixels.resize(samples.len() * FACE, 0);
        for (pixels, sample) in self.pixels.chunks_exact_mut(FACE).zip(samples) {
            pixels.copy_from_slice(faces.pixels(sample.face));
        }
        self.faces.clear();
        self.faces.extend(samples.iter().map(|sample| sample.face));
        self.labels.clear();
        self.labels.extend(samples.iter().map(|sample| faces.label(sample.face)));
        self.moves.clear();
        let moves = |sample: &Sample| [i32::from(sample.mirror), sample.shift.0, sample.shift.1];
        self.moves.extend(samples.iter().map(moves));
    }
}

/// The batches of a training from some step on; a thread gathers the next ones meanwhile and ends when this is dropped.
#[derive(Debug)]
pub struct Batches {
    /// Gone while dropping, which tells the thread to end.
    ready: Option<Receiver<Batch>>,
    used: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

impl Batches {
    /// Starts to gather at `first_step`.
    pub fn new(faces: Arc<Faces>, sampling: Sampling, first_step: u64) -> Result<Batches> {
        let sampler = Sampler::new(sampling, faces.len())?;
        let (give, ready) = sync_channel(AHEAD);
        let (used, emptied) = channel();
        let thread = std::thread::Builder::new()
            .name("batches".into())
            .spawn(move || gather_ahead(&faces, sampler, first_step, &give, &emptied))
            .map_err(|error| Error::Device(format!("cannot start the thread that gathers batches: {error}")))?;
        Ok(Batches { ready: Some(ready), used, thread: Some(thread) })
    }

    /// The next batch, waiting for it if need be; the first one is `first_step`'s.
    pub fn take(&mut self) -> Result<Batch> {
        let ready = self.ready.as_ref().and_then(|ready| ready.recv().ok());
        ready.ok_or_else(|| Error::Device("the thread that gathers batches stopped, a mistake of this program".into()))
    }

    /// Gives a batch back, so that its memory is used again.
    pub fn recycle(&mut self, batch: Batch) {
        // A thread that is gone has no use for it.
        let _ = self.used.send(batch);
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            // It never panics; if it did, take() said so.
            let _ = thread.join();
        }
    }
}

fn gather_ahead(faces: &Faces, mut sampler: Sampler, first: u64, give: &SyncSender<Batch>, emptied: &Receiver<Batch>) {
    for step in first.. {
        let mut batch = emptied.try_recv().unwrap_or_default();
        batch.gather(faces, step, &sampler.step(step));
        if give.send(batch).is_err() {
            return;
        }
    }
}
