//! One stage of training: what is trained for how long, and the learning rate at each of its steps. It knows numbers
//! only; the optimiser asks it for the factor of a step.

use serde::Serialize;

use super::{Loss, Mode};

/// The keys of `[train]` that a stage may override.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    pub mode: Mode,
    /// Steps of this stage.
    pub steps: u64,
    /// Pictures of a step.
    pub batch: usize,
    /// Base learning rate of the recogniser.
    pub lr: f64,
    /// Base learning rate of the hallucinator, absolute, under the same schedule and warm-up. Where the configuration
    /// gives none it is a tenth of `lr`: the sum-of-squares pixel loss diverges at rates that suit the recogniser.
    pub hallucinator_lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub schedule: Schedule,
    /// The rate grows linearly over this many first steps: step s (from 0) has the factor (s + 1) / warmup.
    pub warmup: u64,
    /// Largest global L2 norm of all gradients; 0 = off.
    pub clip: f64,
}

/// `schedule = [[16000, 0.1], [24000, 0.01]]`: from step 16000 on (from 0, so after 16,000 steps) a tenth of the *base*
/// rate, from step 24000 on a hundredth of it. Steps grow strictly; before the first entry the factor is 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Schedule(pub Vec<(u64, f64)>);

impl Default for Recipe {
    fn default() -> Self {
        Recipe {
            mode: Mode::Joint,
            steps: 28000,
            batch: 256,
            lr: 0.1,
            hallucinator_lr: Recipe::hallucinator_lr_of(0.1),
            momentum: 0.9,
            weight_decay: 5e-4,
            schedule: Schedule::default(),
            warmup: 0,
            clip: 0.0,
        }
    }
}

impl Recipe {
    /// The hallucinator's base rate where only the recogniser's is given.
    pub fn hallucinator_lr_of(lr: f64) -> f64 {
        lr / 10.0
    }

    /// The factor of both base rates at a step of this stage, counted from 0: schedule times warm-up.
    pub fn rate(&self, step: u64) -> f64 {
        let warm = if step < self.warmup { (step + 1) as f64 / self.warmup as f64 } else { 1.0 };
        warm * self.schedule.factor(step)
    }
}

impl Schedule {
    /// The factor from the last entry at or before `step`.
    pub fn factor(&self, step: u64) -> f64 {
        self.0.iter().rev().find(|(from, _)| *from <= step).map_or(1.0, |(_, factor)| *factor)
    }
}

/// One fully resolved stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stage {
    pub recipe: Recipe,
    /// The losses of this stage; `center_init` is the run's own, and matters before the first stage alone.
    pub loss: Loss,
}

/// A step of a run: which stage, and the step within it, both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub stage: usize,
    pub step: u64,
}
