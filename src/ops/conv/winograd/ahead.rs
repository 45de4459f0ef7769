//! Prefetching while products are computed, which wait for no memory: runs of tensors are handed out piece by piece, one for each plane, to
//! be asked for a cache line at a time. Decides nothing about results.

use crate::backend::cpu::gemm::{Lines, PANEL};
use bytemuck::Pod;

/// Runs of memory that will be needed soon.
pub(super) struct Ahead<'a> {
    runs: Vec<&'a [f32]>,
    /// The run that is handed out, and numbers of all runs.
    next: usize,
    numbers: usize,
    planes: usize,
}

impl<'a> Ahead<'a> {
    /// For so many pieces.
    pub fn new(planes: usize) -> Self {
        Ahead { runs: Vec::new(), next: 0, numbers: 0, planes }
    }

    pub fn add<T: Pod>(&mut self, run: &'a [T]) {
        // A run that begins or ends inside a number of four bytes is left out.
        let run: &[f32] = bytemuck::try_cast_slice(run).unwrap_or_default();
        self.numbers += run.len();
        self.runs.push(run);
    }

    /// What to ask for during one plane: a third more than its share, since no piece goes past the end of a run.
    pub fn piece(&mut self) -> Lines {
        let Some(run) = self.runs.get_mut(self.next) else { return Lines::NONE };
        let share = (self.numbers * 4 / 3).div_ceil(self.planes).next_multiple_of(PANEL);
        let (piece, rest) = run.split_at(share.min(run.len()));
        *run = rest;
        self.next += usize::from(rest.is_empty());
        Lines::of(piece)
    }
}
