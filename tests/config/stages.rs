//! Stages inherit, override and are overridden; the learning rate of every step.

use hallucinet::model::config::{Config, Hallucinator, Mode, Overrides, Recipe, Schedule, Step};

use crate::{read, set};

const STAGED: &str = r#"
[loss]
alpha = 0.5
[train]
steps = 100
lr = 0.2
[[train.stages]]
mode = "recognition-hr"
steps = 10
[[train.stages]]
mode = "hallucination"
steps = 20
lr = 0.4
[[train.stages]]
hallucinator_lr = 0.3
[train.stages.loss]
alpha = 2
"#;

fn with(pairs: &[(&str, &str)]) -> Config {
    Config::parse("staged", STAGED, &set(pairs)).unwrap()
}

#[test]
fn a_stage_inherits_what_it_does_not_say() {
    let config = read(STAGED);
    let stages = config.stages();
    let modes: Vec<Mode> = stages.iter().map(|stage| stage.recipe.mode).collect();
    assert_eq!(modes, [Mode::RecognitionHr, Mode::Hallucination, Mode::Joint]);
    assert_eq!(stages.iter().map(|stage| stage.recipe.steps).collect::<Vec<_>>(), [10, 20, 100]);
    assert_eq!(stages.iter().map(|stage| stage.recipe.lr).collect::<Vec<_>>(), [0.2, 0.4, 0.2]);
    assert_eq!(stages.iter().map(|stage| stage.loss.alpha).collect::<Vec<_>>(), [0.5, 0.5, 2.0]);
    // No rate for the hallucinator is written in [train], so it follows the stage's own lr.
    let expected = [Recipe::hallucinator_lr_of(0.2), Recipe::hallucinator_lr_of(0.4), 0.3];
    assert_eq!(stages.iter().map(|stage| stage.recipe.hallucinator_lr).collect::<Vec<_>>(), expected);
    assert_eq!(config.steps(), 130);
}

#[test]
fn a_hallucinator_rate_in_train_is_inherited_by_every_stage() {
    let stages = with(&[("train.hallucinator_lr", "0.7")]).stages();
    assert!(stages.iter().all(|stage| stage.recipe.hallucinator_lr == 0.7), "{stages:?}");
}

#[test]
fn a_run_without_stages_has_one() {
    let config = read("[train]\nsteps = 7");
    assert_eq!(config.stages().len(), 1);
    assert_eq!(config.stages()[0].recipe, config.train.recipe);
    assert_eq!(config.stages()[0].loss, config.loss);
}

#[test]
fn the_command_line_wins_in_every_stage() {
    let stages = with(&[("train.lr", "0.01"), ("loss.alpha", "3"), ("train.steps", "5")]).stages();
    for stage in stages {
        assert_eq!((stage.recipe.lr, stage.loss.alpha, stage.recipe.steps), (0.01, 3.0, 5));
    }
}

#[test]
fn a_numbered_key_reaches_one_stage_and_later_ones_win() {
    let config = with(&[("train.lr", "0.01"), ("train.stages.2.lr", "0.02"), ("train.stages.3.loss.alpha", "9")]);
    let stages = config.stages();
    assert_eq!(stages.iter().map(|stage| stage.recipe.lr).collect::<Vec<_>>(), [0.01, 0.02, 0.01]);
    assert_eq!(stages.iter().map(|stage| stage.loss.alpha).collect::<Vec<_>>(), [0.5, 0.5, 9.0]);
    assert_eq!(with(&[("train.stages.2.lr", "0.02"), ("train.lr", "0.01")]).stages()[1].recipe.lr, 0.01);
}

#[test]
fn a_mode_on_the_command_line_trains_train_alone() {
    let overrides = Overrides { mode: Some(Mode::RecognitionLr), ..set(&[("train.steps", "3")]) };
    let config = Config::parse("staged", STAGED, &overrides).unwrap();
    assert!(config.train.stages.is_empty());
    let recipe = &config.stages()[0].recipe;
    assert_eq!((recipe.mode, recipe.steps, recipe.lr), (Mode::RecognitionLr, 3, 0.2));
}

#[test]
fn bare_words_lists_and_seeds_come_through_the_command_line() {
    let pairs = [("model.hallucinator", "fast"), ("data.crop", "[1,2,3,4]"), ("train.schedule", "[[3, 0.5]]")];
    let overrides = Overrides { seed: Some(77), ..set(&pairs) };
    let config = Config::parse("staged", STAGED, &overrides).unwrap();
    assert_eq!(config.model.hallucinator, Hallucinator::Fast);
    assert_eq!(config.data.crop, Some([1, 2, 3, 4]));
    assert_eq!(config.train.recipe.schedule, Schedule(vec![(3, 0.5)]));
    assert_eq!(config.train.seed, 77);
    let off = Config::preset("lfw", &set(&[("data.crop", "[]"), ("data.landmarks", "landmarks.txt")])).unwrap();
    assert_eq!((off.data.crop, off.data.landmarks.as_deref()), (None, Some("landmarks.txt")));
}

#[test]
fn every_step_lies_in_its_stage() {
    let config = read(STAGED);
    let at = |stage, step| Some(Step { stage, step });
    assert_eq!(
        [0, 9, 10, 29, 30, 129, 130].map(|step| config.locate(step)),
        [at(0, 0), at(0, 9), at(1, 0), at(1, 19), at(2, 0), at(2, 99), None]
    );
}

#[test]
fn the_rate_warms_up_linearly_and_then_follows_the_schedule() {
    let recipe = Recipe { warmup: 4, schedule: Schedule(vec![(2, 0.5), (1_000_000, 0.1)]), ..Recipe::default() };
    assert_eq!([0, 1, 2, 3, 4, 999_999].map(|step| recipe.rate(step)), [0.25, 0.5, 0.375, 0.5, 0.5, 0.5]);
    assert_eq!(recipe.rate(1_000_000), 0.1);
    // Neither a warm-up longer than the run nor a drop after its end is a mistake.
    let config = read("[train]\nsteps = 3\nwarmup = 10\nschedule = [[50, 0.1]]");
    assert_eq!(config.train.recipe.rate(2), 0.3);
}
