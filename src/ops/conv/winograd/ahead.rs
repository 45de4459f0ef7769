//! Prefetching while the products are computed, which wait for no memory: pieces of tensors are touched a few cache lines at a time, one
//! share before each plane. Decides nothing about results.

use super::PLANES;
use crate::backend::cpu::simd::{PANEL, prefetch};

/// Pieces of memory that will be needed soon.
#[derive(Default)]
pub(super) struct Ahead<'a> {
    pieces: Vec<&'a [f32]>,
    lines: usize,
    /// The piece and the number in it that come next.
    next: (usize, usize),
}

impl<'a> Ahead<'a> {
    pub fn add(&mut self, piece: &'a [f32]) {
        self.lines += piece.len().div_ceil(PANEL);
        self.pieces.push(piece);
    }

    /// Touches the share of a plane.
    pub fn touch(&mut self, plane: usize) {
        let share = (plane + 1) * self.lines / PLANES - plane * self.lines / PLANES;
        for _ in 0..share {
            while self.pieces.get(self.next.0).is_some_and(|piece| self.next.1 >= piece.len()) {
                self.next = (self.next.0 + 1, 0);
            }
            let Some(piece) = self.pieces.get(self.next.0) else { return };
            prefetch(piece, self.next.1);
            self.next.1 += PANEL;
        }
    }
}
