//! How long each layer of a plan takes on its device, over some runs: the same launches in the same order as a plain run, each timed by
//! itself, which costs a little, so the sum is more than a plain run takes.

use super::{Cost, Program};
use crate::error::Result;

/// The time of one layer in one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// As the model labels it: `recognizer.conv1a`, with `backward` behind it for gradients.
    pub layer: String,
    /// Over all runs.
    pub seconds: f64,
    /// Of the mathematics of one run; a multiply-add is two.
    pub flop: u64,
}

/// Times of some runs of one plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    pub runs: usize,
    /// In the order in which they first run.
    pub layers: Vec<Time>,
}

impl Times {
    /// Of one run, all layers together.
    pub fn seconds(&self) -> f64 {
        self.layers.iter().map(|layer| layer.seconds).sum::<f64>() / self.runs.max(1) as f64
    }
}

impl Program {
    /// Runs the whole plan once, as [`Program::run`] does and with the same result, and adds the time of every layer.
    pub fn run_timed(&self, times: &mut Times) -> Result<()> {
        let seconds = self.plan().by_layer(&self.time_launches()?);
        if times.runs == 0 {
            let layer = |cost: Cost| Time { layer: cost.layer, seconds: 0.0, flop: cost.flop };
            times.layers = self.plan().costs().into_iter().map(layer).collect();
        }
        times.layers.iter_mut().zip(seconds).for_each(|(layer, seconds)| layer.seconds += seconds);
        times.runs += 1;
        Ok(())
    }
}
