//! What is trained and what is scored: the rows of the paper's table, made from one configuration so that all of them get the same
//! number of recogniser samples, the same schedule and the same rates. Knows configurations, nothing of pictures or folders.
//!
//! The configuration's stages that train the recogniser are the budget. They fall into the leading `recognition-hr` ones, the *start*,
//! and the others, the *rest*, which train `joint`. A row named by a mode goes through all of them in that mode, from scratch; a
//! `staged` row keeps the start as it is, so that it begins with a recogniser of HR, and changes the mode of the rest alone. The
//! distillation loss is one of staged rows, each of which has the same teacher.

use crate::error::{Error, Result};
use crate::model::config::{Config, Hallucinator, Mode, Stage, Word};

/// The recogniser of HR that staged rows begin with.
const START: &str = "start";
/// The hallucinator that is trained on the pixel loss alone.
pub const ALONE: &str = "hallucinator";
/// The baseline the paper compares with, trained as [`ALONE`].
pub const SRCNN: &str = "srcnn";
/// The row that every other one is compared with, and whose score on HR is the ceiling.
pub const BASELINE: &str = "recognition-hr";

/// One row of the table: a recogniser and what is in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: &'static str,
    /// The training whose recogniser is scored.
    pub recognizer: &'static str,
    /// The training whose hallucinator is in front of it; bicubic where there is none.
    pub hallucinator: Option<&'static str>,
    /// In words, for people.
    pub about: &'static str,
}

const fn row(name: &'static str, hallucinator: Option<&'static str>, about: &'static str) -> Row {
    Row { name, recognizer: name, hallucinator, about }
}

/// Every row, in the order of the report.
pub const ROWS: [Row; 8] = [
    row(BASELINE, None, "trained on HR, tested on bicubic LR"),
    Row {
        recognizer: BASELINE,
        ..row("recognition-hr+hallucinator", Some(ALONE), "trained on HR, tested behind the hallucinator trained alone")
    },
    row("recognition-lr", None, "trained on bicubic LR"),
    row("recognition-on-hallucinated", Some(ALONE), "trained on the output of the frozen hallucinator"),
    row("joint", Some("joint"), "both networks trained together, from scratch"),
    row("recognition-lr-staged", None, "trained on HR, then on bicubic LR"),
    row("recognition-on-hallucinated-staged", Some(ALONE), "trained on HR, then on the frozen hallucinator's output"),
    row("joint-staged", Some("joint-staged"), "a recogniser of HR and the hallucinator, then trained together"),
];

/// Rows that end with the joint mode, the better prepared one first.
pub const JOINT: [&str; 2] = ["joint-staged", "joint"];

/// One thing to train for each seed and fold.
#[derive(Clone, Debug)]
pub struct Training {
    pub name: &'static str,
    /// Without seed and people, which are those of a seed and a fold.
    pub config: Config,
    /// Trainings whose models it starts from; they come earlier in the list.
    pub init: Vec<&'static str>,
}

impl Training {
    /// Samples that the recogniser sees in this training.
    pub fn samples(&self) -> u64 {
        samples(&self.config.stages())
    }
}

/// The table of one configuration.
#[derive(Clone, Debug)]
pub struct Table {
    pub rows: Vec<Row>,
    pub trainings: Vec<Training>,
    /// Samples that the recogniser of every row sees, those of its start included.
    pub budget: u64,
    /// Samples of the hallucinator trained alone, which come on top wherever one is in front.
    pub hallucinator_budget: u64,
}

impl Table {
    /// The rows of a configuration; `chosen` ones alone where any are named, and the baseline.
    ///
    /// # Errors
    /// `Usage` for an unknown row, a row that this configuration does not have, and stages that make no table.
    pub fn new(config: &Config, chosen: &[String]) -> Result<Table> {
        let stages: Vec<Stage> = config.stages();
        let (alone, recognizer): (Vec<Stage>, Vec<Stage>) =
            stages.into_iter().partition(|stage| stage.recipe.mode == Mode::Hallucination);
        let start: Vec<Stage> =
            recognizer.iter().take_while(|stage| stage.recipe.mode == Mode::RecognitionHr).cloned().collect();
        let rest: Vec<Stage> = recognizer.iter().skip(start.len()).cloned().collect();
        if rest.is_empty() || rest.iter().any(|stage| stage.recipe.mode != Mode::Joint) {
            return Err(Error::Usage(
                "ablate makes its rows from stages recognition-hr (any number), hallucination, and joint (last): this \
                 configuration has others, see configs/ablate-quick.toml"
                    .into(),
            ));
        }
        let alone = if alone.is_empty() { in_mode(&rest, Mode::Hallucination, false) } else { alone };
        let rows = choose(chosen, !start.is_empty())?;
        let parts = Parts { config, start, rest, alone };
        let mut trainings = parts.trainings();
        let needed = needed(&rows, &trainings);
        trainings.retain(|training| needed.contains(&training.name));
        let hallucinator_budget =
            parts.alone.iter().map(|stage| stage.recipe.steps.saturating_mul(stage.recipe.batch as u64)).sum();
        Ok(Table { rows, trainings, budget: samples(&parts.start) + samples(&parts.rest), hallucinator_budget })
    }

    /// Names of the trainings that have a hallucinator of their own, with what the report calls their pictures.
    pub fn restorers(&self) -> Vec<(&'static str, &'static str)> {
        let names = [(SRCNN, "SRCNN"), (ALONE, "alone"), ("joint", "joint"), ("joint-staged", "joint-staged")];
        names.into_iter().filter(|(name, _)| self.trainings.iter().any(|training| training.name == *name)).collect()
    }

    /// The row of the joint mode that the report is about, if there is one.
    pub fn joint(&self) -> Option<Row> {
        JOINT.iter().find_map(|name| self.rows.iter().find(|row| row.name == *name)).copied()
    }
}

fn choose(chosen: &[String], staged: bool) -> Result<Vec<Row>> {
    let there = |row: &Row| staged || !row.name.ends_with("-staged");
    for name in chosen {
        match ROWS.iter().find(|row| row.name == name) {
            None => {
                let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
                return Err(Error::Usage(format!("--rows {name}: the rows are {}", names.join(", "))));
            }
            Some(row) if !there(row) => {
                return Err(Error::Usage(format!(
                    "--rows {name}: staged rows begin with a stage in mode recognition-hr, which this configuration does not have"
                )));
            }
            Some(_) => {}
        }
    }
    let wanted = |row: &&Row| {
        there(row) && (chosen.is_empty() || row.name == BASELINE || chosen.iter().any(|name| name == row.name))
    };
    Ok(ROWS.iter().filter(wanted).copied().collect())
}

/// Trainings that some rows need, with those that they start from, and the restorers.
fn needed(rows: &[Row], trainings: &[Training]) -> Vec<&'static str> {
    let mut needed: Vec<&'static str> = vec![SRCNN, ALONE];
    needed.extend(rows.iter().flat_map(|row| [Some(row.recognizer), row.hallucinator]).flatten());
    // What a training starts from comes before it, so one walk from the end finds everything.
    for training in trainings.iter().rev() {
        if needed.contains(&training.name) {
            needed.extend(&training.init);
        }
    }
    needed
}

/// The parts of a configuration that rows are made of.
struct Parts<'a> {
    config: &'a Config,
    start: Vec<Stage>,
    rest: Vec<Stage>,
    alone: Vec<Stage>,
}

impl Parts<'_> {
    /// Everything that any row needs, each after what it starts from.
    fn trainings(&self) -> Vec<Training> {
        let whole: Vec<Stage> = [&self.start[..], &self.rest[..]].concat();
        let staged = !self.start.is_empty();
        let scratch = |name, mode| self.training(name, in_mode(&whole, mode, false), &[]);
        let mut list =
            vec![self.training(ALONE, self.alone.clone(), &[]), self.training(SRCNN, self.alone.clone(), &[])];
        if let Some(srcnn) = list.last_mut() {
            srcnn.config.model.hallucinator = Hallucinator::Srcnn;
        }
        if staged {
            list.push(self.training(START, self.start.clone(), &[]));
            list.push(self.training(BASELINE, in_mode(&self.rest, Mode::RecognitionHr, false), &[START]));
        } else {
            list.push(scratch(BASELINE, Mode::RecognitionHr));
        }
        list.push(scratch("recognition-lr", Mode::RecognitionLr));
        let frozen = in_mode(&whole, Mode::RecognitionOnHallucinated, false);
        list.push(self.training("recognition-on-hallucinated", frozen, &[ALONE]));
        list.push(scratch("joint", Mode::Joint));
        if staged {
            let rest = |mode| in_mode(&self.rest, mode, true);
            list.push(self.training("recognition-lr-staged", rest(Mode::RecognitionLr), &[START]));
            let frozen = rest(Mode::RecognitionOnHallucinated);
            list.push(self.training("recognition-on-hallucinated-staged", frozen, &[START, ALONE]));
            list.push(self.training("joint-staged", rest(Mode::Joint), &[START, ALONE]));
        }
        list
    }

    fn training(&self, name: &'static str, stages: Vec<Stage>, init: &[&'static str]) -> Training {
        let mut config = self.config.clone();
        if let Some(last) = stages.last() {
            (config.train.recipe, config.loss) = (last.recipe.clone(), last.loss.clone());
        }
        config.train.stages = stages;
        Training { name, config, init: init.to_vec() }
    }
}

/// The same stages in another mode; without distillation unless it is kept.
fn in_mode(stages: &[Stage], mode: Mode, distills: bool) -> Vec<Stage> {
    let change = |stage: &Stage| {
        let mut stage = stage.clone();
        stage.recipe.mode = mode;
        if !distills {
            stage.loss.distill = 0.0;
        }
        stage
    };
    stages.iter().map(change).collect()
}

fn samples(stages: &[Stage]) -> u64 {
    let of_recognizer = stages.iter().filter(|stage| stage.recipe.mode.trains_recognizer());
    of_recognizer.map(|stage| stage.recipe.steps.saturating_mul(stage.recipe.batch as u64)).sum()
}

/// `recognition-hr 1500 x 32, joint 900 x 32`: the stages of a training, steps by pictures.
pub fn in_words(config: &Config) -> String {
    let stage = |stage: Stage| format!("{} {} x {}", stage.recipe.mode.word(), stage.recipe.steps, stage.recipe.batch);
    config.stages().into_iter().map(stage).collect::<Vec<_>>().join(", ")
}
