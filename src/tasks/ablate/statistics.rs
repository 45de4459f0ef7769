//! What the cells of an experiment show: means, paired differences with intervals, the share of the gap, and sentences that claim no
//! more than the intervals allow. Knows scores, nothing of networks or files.

use super::rows::{BASELINE, Row, Table};
use super::score::{Cell, Cosines, Restored};
use crate::error::{Error, Result};
use crate::metrics::interval::{Interval, mean_and_error, middle};
use crate::metrics::paired::{Answers, resampled, student};
use crate::metrics::verification::{Folds, Roc, blocks, folded};
use crate::metrics::{self};
use crate::random::Random;
use serde_json::{Value as Json, json};

/// Draws of the bootstrap.
const RESAMPLES: usize = 2000;
/// Name of the ceiling among the rows that are compared: the baseline on HR.
const CEILING: &str = "recognition-hr on HR";

/// Verification of one kind of pairs (HR-HR, LR-LR or HR-LR) by one row: means over the cells.
#[derive(Clone, Debug)]
pub struct Verified {
    pub accuracy: f64,
    /// Over the cells where there are several, else over the ten blocks of the one.
    pub stderr: f64,
    pub auc: f64,
    pub eer: f64,
    /// Nothing where the pairs of a cell are too few to say.
    pub tar: [Option<f64>; 2],
    /// Right answers, cell by cell.
    pub answers: Answers,
    /// The ROC of the first cell: false accepts, true accepts.
    pub curve: Vec<(f64, f64)>,
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Scored {
    pub row: Row,
    pub hr_hr: Verified,
    pub lr_lr: Verified,
    pub hr_lr: Verified,
    pub identity_cosine: f64,
    /// The share of the gap that this row closes; nothing for the baseline, whose share is 0 by definition.
    pub share: Option<Share>,
}

/// (row on LR - baseline on LR) / (baseline on HR - baseline on LR).
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub mean: f64,
    /// Of the bootstrap; nothing where the gap itself is not above zero in 97.5 % of the draws.
    pub interval: Option<Interval>,
}

/// A difference of accuracies on LR pairs; the ceiling's is on HR pairs.
#[derive(Clone, Debug)]
pub struct Difference {
    pub first: String,
    pub second: String,
    pub mean: f64,
    /// [`student`], over cells, those of shared trainings averaged before; nothing of a single one.
    pub cells: Option<Interval>,
    /// [`resampled`], over seeds, folds and pairs.
    pub pairs: Interval,
}

impl Difference {
    /// Whether both intervals leave zero out; one cell, which knows nothing of the luck of training, decides nothing.
    pub fn is_decided(&self) -> bool {
        self.pairs.leaves_out(0.0) && self.cells.is_some_and(|cells| cells.leaves_out(0.0))
    }
}

/// Everything that the cells show.
#[derive(Clone, Debug)]
pub struct Statistics {
    pub rows: Vec<Scored>,
    pub restorations: Vec<Restored>,
    pub differences: Vec<Difference>,
    /// Pairs of a cell, the fewest and the most.
    pub pairs: (usize, usize),
    pub cells: usize,
}

impl Statistics {
    /// From cells in the order of seeds, and of folds within a seed. `trainings` names those of each fold: folds of one name share
    /// theirs, so that the luck of training is the same in all of them.
    ///
    /// # Errors
    /// `Shape` where a cell lacks a row, `Input` where pairs are too few to score, `Numeric`.
    pub fn new(table: &Table, cells: &[Cell], trainings: &[&str]) -> Result<Statistics> {
        let folds = trainings.len();
        let mut rows = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            let kind = |scores: fn(&Cosines) -> &[f64]| verified(row, cells, folds, scores);
            let own: Result<Vec<f64>> = cells.iter().map(|cell| Ok(cosines(row, cell)?.identity_cosine)).collect();
            rows.push(Scored {
                row: *row,
                hr_hr: kind(|c| &c.hr_hr)?,
                lr_lr: kind(|c| &c.lr_lr)?,
                hr_lr: kind(|c| &c.hr_lr)?,
                identity_cosine: metrics::mean(&own?).unwrap_or(f64::NAN),
                share: None,
            });
        }
        let restorations = restorations(cells)?;
        let differences = compare(table, &mut rows, trainings)?;
        let sizes = cells.iter().map(|cell| cell.same.len());
        let pairs = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
        Ok(Statistics { rows, restorations, differences, pairs, cells: cells.len() })
    }

    /// The row of the joint mode that the experiment is about.
    pub fn joint(&self, table: &Table) -> Option<&Scored> {
        let joint = table.joint()?;
        self.rows.iter().find(|scored| scored.row == joint)
    }

    /// Plain sentences: is joint better, by how much, how sure.
    pub fn sentences(&self, table: &Table) -> Vec<String> {
        let mut list: Vec<String> = self.differences.iter().map(sentence).collect();
        if let Some((scored, share)) = self.joint(table).and_then(|scored| Some((scored, scored.share?))) {
            let formula = format!(
                "({} on LR - {BASELINE} on bicubic LR) / ({BASELINE} on HR - {BASELINE} on bicubic LR)",
                scored.row.name
            );
            list.insert(0, match share.interval {
                Some(Interval { low, high }) => format!(
                    "Share of the gap closed, {formula}: {:.2}, 95 % interval {low:.2} to {high:.2}. The paper's is 0.70.",
                    share.mean
                ),
                None => format!(
                    "Share of the gap closed, {formula}: {:.2}, with no interval, because the gap itself is not shown to be above zero.",
                    share.mean
                ),
            });
        }
        list
    }

    /// The keys `rows`, `restorations` and `differences` of the document.
    pub fn to_json(&self) -> Json {
        let rows: Vec<Json> = self.rows.iter().map(Scored::to_json).collect();
        json!({
            "rows": rows,
            "restorations": self.restorations,
            "differences": self.differences.iter().map(Difference::to_json).collect::<Vec<_>>(),
        })
    }
}

fn sentence(found: &Difference) -> String {
    let points = |interval: &Interval| format!("{:+.2} to {:+.2}", 100.0 * interval.low, 100.0 * interval.high);
    let cells = found.cells.as_ref().map_or("of one cell there is none".to_owned(), points);
    let verdict = match (found.is_decided(), found.mean > 0.0) {
        (true, true) => format!("{} is better than {} by more than the interval", found.first, found.second),
        (true, false) => format!("{} is worse than {} by more than the interval", found.first, found.second),
        _ if found.cells.is_none() && found.pairs.leaves_out(0.0) => format!(
            "{} and {} differ on these pairs, and one training of each does not tell whether that was luck",
            found.first, found.second
        ),
        _ => format!("{} and {} are not told apart, zero is inside the interval", found.first, found.second),
    };
    format!(
        "{verdict}: {:+.2} points of accuracy, 95 % interval {} over seeds, folds and pairs; over cells {cells}.",
        100.0 * found.mean,
        points(&found.pairs)
    )
}

fn cosines<'a>(row: &Row, cell: &'a Cell) -> Result<&'a Cosines> {
    let found = cell.rows.iter().find(|cosines| cosines.name == row.name);
    found.ok_or_else(|| Error::Shape(format!("seed {}, fold {}: no scores of {}", cell.seed, cell.fold, row.name)))
}

fn verified(row: &Row, cells: &[Cell], folds: usize, scores: fn(&Cosines) -> &[f64]) -> Result<Verified> {
    let mut accuracies = Vec::new();
    let (mut aucs, mut eers, mut tars) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
    let (mut answers, mut curve, mut stderr) = (Vec::new(), Vec::new(), 0.0);
    for cell in cells {
        let scores = scores(cosines(row, cell)?);
        let roc = Roc::new(scores, &cell.same)?;
        let part = blocks(&cell.same)?;
        let found: Folds = folded(scores, &cell.same, &part)?;
        let threshold =
            |part: usize| found.folds.iter().find(|fold| fold.fold == part).map_or(0.0, |fold| fold.threshold);
        let right = scores.iter().zip(&cell.same).zip(&part).map(|((s, same), part)| (*s >= threshold(*part)) == *same);
        answers.push(right.collect::<Vec<bool>>());
        aucs.push(roc.auc());
        eers.push(roc.eer());
        tars[0].push(roc.tar(1e-2));
        tars[1].push(roc.tar(1e-3));
        if curve.is_empty() {
            let share = |count: usize, of: usize| count as f64 / of as f64;
            let places = roc.places.iter();
            curve =
                places.map(|p| (share(p.false_accepts, roc.negatives), share(p.true_accepts, roc.positives))).collect();
            stderr = found.stderr;
        }
        accuracies.push(found.accuracy);
    }
    let mean = |values: &[f64]| metrics::mean(values).unwrap_or(f64::NAN);
    let known =
        |values: &[Option<f64>]| values.iter().copied().collect::<Option<Vec<f64>>>().map(|values| mean(&values));
    if accuracies.len() > 1 {
        stderr = mean_and_error(&accuracies)?.stderr;
    }
    Ok(Verified {
        accuracy: mean(&accuracies),
        stderr,
        auc: mean(&aucs),
        eer: mean(&eers),
        tar: [known(&tars[0]), known(&tars[1])],
        answers: Answers::new(answers.chunks(folds.max(1)).map(<[Vec<bool>]>::to_vec).collect())?,
        curve,
    })
}

/// Means over the cells.
fn restorations(cells: &[Cell]) -> Result<Vec<Restored>> {
    let first = cells.first().map_or(&[][..], |cell| cell.restorations.as_slice());
    let of = |name: &str, number: fn(&Restored) -> f64| -> Result<f64> {
        let each = cells.iter().map(|cell| cell.restorations.iter().find(|found| found.name == name).map(number));
        let all: Option<Vec<f64>> = each.collect();
        let lost = || Error::Shape(format!("a cell has no pictures restored by {name}"));
        Ok(metrics::mean(&all.ok_or_else(lost)?).unwrap_or(f64::NAN))
    };
    let one = |found: &Restored| {
        let name = found.name.as_str();
        Ok(Restored {
            name: name.to_owned(),
            psnr_rgb: of(name, |r| r.psnr_rgb)?,
            psnr_y: of(name, |r| r.psnr_y)?,
            psnr_y_crop4: of(name, |r| r.psnr_y_crop4)?,
            ssim: of(name, |r| r.ssim)?,
            identity_cosine: of(name, |r| r.identity_cosine)?,
        })
    };
    first.iter().map(one).collect()
}

/// Numbers of cells, seed by seed, as one of each training: the mean of the folds that share it.
fn of_trainings(cells: &[f64], trainings: &[&str]) -> Vec<f64> {
    let mut names = trainings.to_vec();
    names.sort_unstable();
    names.dedup();
    let of = |seed: &[f64], name: &str| {
        let own: Vec<f64> =
            seed.iter().zip(trainings).filter(|(_, own)| **own == name).map(|(cell, _)| *cell).collect();
        metrics::mean(&own)
    };
    cells.chunks(trainings.len().max(1)).flat_map(|seed| names.iter().filter_map(move |name| of(seed, name))).collect()
}

/// Fills in the shares, and gives the differences: the gap, the joint row minus every other one, the others minus the baseline.
fn compare(table: &Table, rows: &mut [Scored], trainings: &[&str]) -> Result<Vec<Difference>> {
    let Some(base) = rows.iter().position(|scored| scored.row.name == BASELINE) else {
        return Err(Error::Shape(format!("the table has no row {BASELINE}")));
    };
    // One draw for all: the ceiling comes last.
    let mut answers: Vec<&Answers> = rows.iter().map(|scored| &scored.lr_lr.answers).collect();
    answers.push(&rows[base].hr_hr.answers);
    let means = resampled(&answers, RESAMPLES, &mut Random::named(1, "ablate"))?;
    let names: Vec<&str> = rows.iter().map(|scored| scored.row.name).chain([CEILING]).collect();
    let ceiling = answers.len() - 1;
    let difference = |first: usize, second: usize| -> Result<Difference> {
        let cells: Vec<f64> = answers[first].cells().iter().zip(answers[second].cells()).map(|(a, b)| a - b).collect();
        let mut drawn: Vec<f64> = means.iter().map(|rows| rows[first] - rows[second]).collect();
        Ok(Difference {
            first: names[first].to_owned(),
            second: names[second].to_owned(),
            mean: metrics::mean(&cells).unwrap_or(f64::NAN),
            cells: student(&of_trainings(&cells, trainings))?,
            pairs: middle(&mut drawn)?,
        })
    };
    let mut differences = Vec::new();
    let joint = table.joint().and_then(|joint| rows.iter().position(|scored| scored.row == joint));
    if let Some(joint) = joint {
        for other in (0..rows.len()).filter(|other| *other != joint) {
            differences.push(difference(joint, other)?);
        }
        differences.push(difference(ceiling, joint)?);
    }
    for other in (0..rows.len()).filter(|other| *other != base && Some(*other) != joint) {
        differences.push(difference(other, base)?);
    }
    differences.push(difference(ceiling, base)?);
    let gap = answers[ceiling].mean() - answers[base].mean();
    let share = |row: usize| -> Result<Share> {
        let mut drawn: Vec<f64> = means
            .iter()
            .filter(|rows| rows[ceiling] > rows[base])
            .map(|rows| (rows[row] - rows[base]) / (rows[ceiling] - rows[base]))
            .collect();
        let enough = 40 * (means.len() - drawn.len()) <= means.len();
        let interval = if enough { Some(middle(&mut drawn)?) } else { None };
        Ok(Share { mean: (answers[row].mean() - answers[base].mean()) / gap, interval })
    };
    let shares: Vec<Share> = (0..rows.len()).map(share).collect::<Result<_>>()?;
    for (index, (scored, share)) in rows.iter_mut().zip(shares).enumerate() {
        scored.share = (index != base && share.mean.is_finite()).then_some(share);
    }
    Ok(differences)
}

impl Verified {
    fn to_json(&self) -> Json {
        json!({
            "accuracy": self.accuracy,
            "stderr": self.stderr,
            "auc": self.auc,
            "eer": self.eer,
            "tar": { "1e-2": self.tar[0], "1e-3": self.tar[1] },
            "cells": self.answers.cells(),
        })
    }
}

impl Scored {
    fn to_json(&self) -> Json {
        let interval = |share: &Share| share.interval.map(|interval| [interval.low, interval.high]);
        json!({
            "name": self.row.name,
            "about": self.row.about,
            "hr_hr": self.hr_hr.to_json(),
            "lr_lr": self.lr_lr.to_json(),
            "hr_lr": self.hr_lr.to_json(),
            "identity_cosine": self.identity_cosine,
            "share": self.share.as_ref().map(|share| json!({ "mean": share.mean, "interval95": interval(share) })),
        })
    }
}

impl Difference {
    fn to_json(&self) -> Json {
        json!({
            "name": format!("{} minus {}", self.first, self.second),
            "mean": self.mean,
            "interval95": [self.pairs.low, self.pairs.high],
            "interval95_cells": self.cells.map(|interval| [interval.low, interval.high]),
            "decided": self.is_decided(),
        })
    }
}
