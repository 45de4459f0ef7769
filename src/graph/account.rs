//! What a plan costs, told from the plan alone: launches, FLOP and bytes for each layer, and the largest batch that fits into some
//! memory. No device is asked, so it can be told for a device that is not there.

use super::Plan;
use crate::error::Result;

/// The cost of one layer in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// As the model labels it: `recognizer.conv1a`, with `backward` behind it for gradients.
    pub layer: String,
    pub launches: usize,
    /// Floating-point operations of the mathematics; a multiply-add is two.
    pub flop: u64,
    /// Bytes that must cross the memory bus when nothing is cached.
    pub bytes: u64,
}

impl Plan {
    /// Bytes of both buffers together.
    pub fn memory_bytes(&self) -> usize {
        self.store_bytes.saturating_add(self.arena_bytes)
    }

    /// Bytes that all launches together must bring across the memory bus.
    pub fn traffic(&self) -> u64 {
        self.launches.iter().map(|launch| launch.bytes()).sum()
    }

    /// One entry per layer and direction, in the order in which they first run.
    pub fn costs(&self) -> Vec<Cost> {
        let mut costs: Vec<Cost> = Vec::new();
        for (launch, layer) in self.launches.iter().zip(self.layers()) {
            if layer == costs.len() {
                costs.push(Cost { layer: launch.label.to_string(), launches: 0, flop: 0, bytes: 0 });
            }
            if let Some(cost) = costs.get_mut(layer) {
                cost.launches += 1;
                cost.flop += launch.flop;
                cost.bytes += launch.bytes();
            }
        }
        costs
    }

    /// Sums of what every launch took, one number for each entry of [`Plan::costs`].
    pub fn by_layer(&self, seconds: &[f64]) -> Vec<f64> {
        let mut sums = Vec::new();
        for (seconds, layer) in seconds.iter().zip(self.layers()) {
            if layer == sums.len() {
                sums.push(0.0);
            }
            if let Some(sum) = sums.get_mut(layer) {
                *sum += seconds;
            }
        }
        sums
    }

    /// For each launch the number of its layer; layers are counted as they first come.
    fn layers(&self) -> Vec<usize> {
        let mut known: Vec<&str> = Vec::new();
        let mut numbers = Vec::with_capacity(self.launches.len());
        for launch in &self.launches {
            let number = known.iter().position(|label| **label == *launch.label).unwrap_or(known.len());
            if number == known.len() {
                known.push(&launch.label);
            }
            numbers.push(number);
        }
        numbers
    }
}

/// The largest batch, up to `most`, whose plan fits into `memory` bytes; 0 where not even one picture fits. `bytes` tells what the
/// plan of a batch takes, which grows with the batch.
pub fn largest_batch(most: usize, memory: usize, bytes: impl Fn(usize) -> Result<usize>) -> Result<usize> {
    // `fits` is known to fit, `fails` is known not to (or lies past the most that is asked for).
    let (mut fits, mut fails) = (0, most.saturating_add(1));
    while fails - fits > 1 {
        let middle = fits + (fails - fits) / 2;
        if bytes(middle)? <= memory {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    Ok(fits)
}
