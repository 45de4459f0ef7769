//! How long each layer of a plan takes on its device: the same launches in the same order as a plain run, with a wait after each
//! layer. The waits cost a little, so the sum is more than a plain run takes.

use super::Program;
use crate::error::Result;
use std::time::Instant;

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

    /// The layer of this label, added at the end where there is none yet.
    fn layer(&mut self, label: &str) -> &mut Time {
        let known = self.layers.iter().position(|time| time.layer == label);
        let index = known.unwrap_or_else(|| {
            self.layers.push(Time { layer: label.to_owned(), seconds: 0.0, flop: 0 });
            self.layers.len() - 1
        });
        &mut self.layers[index]
    }
}

impl Program {
    /// Runs the whole plan once, as [`Program::run`] does and with the same result, and adds the time of every layer.
    pub fn run_timed(&self, times: &mut Times) -> Result<()> {
        let plan = self.plan();
        for step in &plan.steps {
            let launches = &plan.launches[step.launches.clone()];
            let started = Instant::now();
            self.launch(launches)?;
            let seconds = started.elapsed().as_secs_f64();
            let first = times.runs == 0;
            let layer = times.layer(&step.label);
            layer.seconds += seconds;
            layer.flop += if first { launches.iter().map(|launch| launch.flop).sum::<u64>() } else { 0 };
        }
        times.runs += 1;
        Ok(())
    }
}
