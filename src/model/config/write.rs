//! The effective configuration as TOML: every key spelled out, stages in full, so that reading it needs no default.

use std::fmt::Write;

use super::{Config, Loss, Recipe, Word};

impl Config {
    /// The configuration as a TOML document that [`Config::parse`] reads back to an equal one.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        self.model(&mut text);
        self.data(&mut text);
        text.push_str("\n[loss]\n");
        loss(&mut text, &self.loss);
        line(&mut text, "center_init", &quoted(self.loss.center_init.word()));
        text.push_str("\n[train]\n");
        recipe(&mut text, &self.train.recipe);
        line(&mut text, "seed", &self.train.seed);
        line(&mut text, "checkpoint_every", &self.train.checkpoint_every);
        line(&mut text, "eval_every", &self.train.eval_every);
        line(&mut text, "precision", &quoted(self.train.precision.word()));
        for stage in &self.train.stages {
            text.push_str("\n[[train.stages]]\n");
            recipe(&mut text, &stage.recipe);
            text.push_str("[train.stages.loss]\n");
            loss(&mut text, &stage.loss);
        }
        text
    }

    /// A short name of this configuration, equal for equal configurations: the CRC-32 of [`Config::to_toml`], 8 digits.
    pub fn hash(&self) -> String {
        format!("{:08x}", crc32fast::hash(self.to_toml().as_bytes()))
    }

    fn model(&self, text: &mut String) {
        let model = &self.model;
        text.push_str("[model]\n");
        line(text, "recognizer_width", &real(model.recognizer_width));
        line(text, "features", &model.features);
        line(text, "hallucinator", &quoted(model.hallucinator.word()));
        line(text, "hallucinator_channels", &model.hallucinator_channels);
        line(text, "hallucinator_units", &model.hallucinator_units);
        line(text, "residual_init", &quoted(model.residual_init.word()));
        line(text, "residual_scale", &real(model.residual_scale));
    }

    fn data(&self, text: &mut String) {
        let data = &self.data;
        text.push_str("\n[data]\n");
        if let Some([x, y, w, h]) = data.crop {
            line(text, "crop", &format!("[{x}, {y}, {w}, {h}]"));
        }
        if let Some(landmarks) = &data.landmarks {
            line(text, "landmarks", &quoted(landmarks));
        }
        if let Some(people) = &data.people {
            line(text, "people", &quoted(people));
        }
        if !data.sets.is_empty() {
            line(text, "sets", &format!("{:?}", data.sets));
        }
        line(text, "min_images", &data.min_images);
        line(text, "mirror", &data.mirror);
        line(text, "shift", &data.shift);
        line(text, "shuffle", &data.shuffle);
        line(text, "downsample", &quoted(data.downsample.word()));
    }
}

fn loss(text: &mut String, loss: &Loss) {
    line(text, "alpha", &real(loss.alpha));
    line(text, "beta1", &real(loss.beta1));
    line(text, "beta2", &real(loss.beta2));
    line(text, "center_update", &quoted(loss.center_update.word()));
    line(text, "center_rate", &real(loss.center_rate));
    line(text, "distill", &real(loss.distill));
}

fn recipe(text: &mut String, recipe: &Recipe) {
    let pairs: Vec<String> =
        recipe.schedule.0.iter().map(|(step, factor)| format!("[{step}, {}]", real(*factor))).collect();
    line(text, "mode", &quoted(recipe.mode.word()));
    line(text, "steps", &recipe.steps);
    line(text, "batch", &recipe.batch);
    line(text, "lr", &real(recipe.lr));
    line(text, "hallucinator_lr", &real(recipe.hallucinator_lr));
    line(text, "momentum", &real(recipe.momentum));
    line(text, "weight_decay", &real(recipe.weight_decay));
    line(text, "schedule", &format!("[{}]", pairs.join(", ")));
    line(text, "warmup", &recipe.warmup);
    line(text, "clip", &real(recipe.clip));
}

fn line(text: &mut String, key: &str, value: &dyn std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{key} = {value}");
}

/// The shortest decimal that reads back to the same bits, always with a point or an exponent.
fn real(value: f64) -> String {
    format!("{value:?}")
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
