//! What an experiment found out, or would do.

use super::Answer;
use crate::cli::console::duration;
use crate::tasks::ablate::{Findings, Plan, Planned};
use serde_json::json;

/// The sentences, and where the rest is.
pub fn ablate(findings: &Findings) -> Answer {
    let report = findings.out.join("report.html");
    let text = format!("{}\nreport   {} ({:.0} s)", findings.sentences.join("\n"), report.display(), findings.seconds);
    Answer { text, json: findings.to_json(), code: 0 }
}

/// Every training with its steps and its time.
pub fn ablation_plan(plan: &Plan) -> Answer {
    let seconds: f64 = plan.trainings.iter().map(|training| training.seconds).sum();
    let mut lines = vec![
        format!("dry run  {} trainings, nothing is written", plan.trainings.len()),
        format!("protocol {}", plan.protocol),
        format!("budget   {} samples of the recogniser in every row", plan.budget),
        format!("{:>6} {:>5} {:<36} {:>7} {:>7} {:>9}  stages", "seed", "fold", "training", "steps", "done", "time"),
    ];
    lines.extend(plan.trainings.iter().map(|training| {
        let Planned { seed, fold, name, stages, steps, done, seconds } = training;
        format!("{seed:>6} {fold:>5} {name:<36} {steps:>7} {done:>7} {:>9}  {stages}", duration(*seconds))
    }));
    lines.push(format!(
        "about {} on {} for {} trainings, by measuring a few steps of each kind; scoring comes on top",
        duration(seconds),
        plan.device,
        plan.trainings.len()
    ));
    let training = |training: &Planned| {
        json!({
            "seed": training.seed,
            "fold": training.fold,
            "name": training.name,
            "stages": training.stages,
            "steps": training.steps,
            "done": training.done,
            "seconds": training.seconds,
        })
    };
    Answer {
        text: lines.join("\n"),
        json: json!({
            "device": plan.device,
            "protocol": plan.protocol,
            "budget": plan.budget,
            "trainings": plan.trainings.iter().map(training).collect::<Vec<_>>(),
            "seconds": seconds,
        }),
        code: 0,
    }
}
