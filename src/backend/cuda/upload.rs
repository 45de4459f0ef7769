//! Uploads that overlap the work before them. What is written is copied at once into one half of a pinned buffer; from there a
//! second stream brings it onto the device while the main stream still computes; the main stream then only copies it into place.
//!
//! The halves take turns: before one is filled again, its copies of the last turn must be over, which they are unless the host is
//! two buffers ahead of the device.

use super::driver::{Context, DeviceMemory, Event, Outcome, Pinned, Stream};
use std::sync::Arc;

/// Bytes of each half: a batch of 256 pictures with its labels fits.
pub const HALF: usize = 12 << 20;

/// Starts of pieces: what vector copies like.
const ALIGNMENT: usize = 256;

pub struct Upload {
    stream: Stream,
    halves: [Half; 2],
    /// Which half is being filled, and up to where.
    current: usize,
    filled: usize,
}

struct Half {
    pinned: Pinned,
    device: DeviceMemory,
    /// The upload stream has brought the newest piece over.
    arrived: Event,
    /// The main stream has copied everything of this half into place.
    placed: Event,
    used: bool,
}

impl Upload {
    pub fn new(context: &Arc<Context>) -> Outcome<Self> {
        let half = || -> Outcome<Half> {
            Ok(Half {
                pinned: Pinned::new(context, HALF)?,
                device: DeviceMemory::new(context, HALF)?,
                arrived: Event::new(context, false)?,
                placed: Event::new(context, false)?,
                used: false,
            })
        };
        Ok(Upload { stream: Stream::new(context)?, halves: [half()?, half()?], current: 0, filled: 0 })
    }

    /// Writes into `to` in the order of the main stream; `from` is free again at once. The caller checks the range.
    pub fn write(&mut self, to: &DeviceMemory, offset: usize, from: &[u8], main: &Stream) -> Outcome<()> {
        let mut done = 0;
        while done < from.len() {
            if self.filled >= HALF {
                self.turn(main)?;
            }
            let piece = (from.len() - done).min(HALF - self.filled);
            let half = &mut self.halves[self.current];
            half.pinned.bytes_mut()[self.filled..][..piece].copy_from_slice(&from[done..][..piece]);
            let pinned = &half.pinned.bytes()[self.filled..][..piece];
            // SAFETY: this part of the pinned half is filled again only after `turn` has waited for `placed`, which comes after
            // this copy; the piece fits into the half.
            unsafe { half.device.write(self.filled, pinned, &self.stream) }?;
            half.arrived.record(&self.stream)?;
            main.wait(&half.arrived)?;
            DeviceMemory::copy((&half.device, self.filled), (to, offset + done), piece, main)?;
            done += piece;
            self.filled = (self.filled + piece).next_multiple_of(ALIGNMENT);
        }
        Ok(())
    }

    /// Goes over to the other half.
    fn turn(&mut self, main: &Stream) -> Outcome<()> {
        let half = &mut self.halves[self.current];
        half.placed.record(main)?;
        half.used = true;
        self.current = 1 - self.current;
        self.filled = 0;
        let half = &self.halves[self.current];
        if half.used { half.placed.synchronize() } else { Ok(()) }
    }
}
