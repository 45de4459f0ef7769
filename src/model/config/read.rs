//! From the tree to typed values: every key known, every type right, every number in its range. It reads no file.

use super::keys::{self, Number};
use super::tree::{Entries, Node, Value};
use super::{Config, Data, Loss, Model, Recipe, Schedule, Stage, Train, Word};
use crate::error::{Error, Result};

/// More stages than anyone writes by hand.
const MOST_STAGES: usize = 100;

/// One table of the tree, with its name for messages.
struct Section<'a> {
    name: String,
    entries: Option<&'a Entries>,
}

/// The whole configuration.
pub(super) fn config(root: &Entries) -> Result<Config> {
    let names: Vec<&str> = keys::TABLES.iter().map(|(name, _)| *name).collect();
    for (name, node) in root {
        if !names.contains(&name.as_str()) {
            let what = if matches!(node.value, Value::Table(_)) { "table" } else { "key" };
            let nearest = keys::nearest(name, &names);
            return Err(Error::Usage(format!("{}: unknown {what} {name}; did you mean {nearest}?", node.place)));
        }
    }
    let model = model(&table(root, "model")?)?;
    let data = data(&table(root, "data")?)?;
    let loss = loss(&table(root, "loss")?, &Loss::default())?;
    let train = train(&table(root, "train")?, &loss)?;
    Ok(Config { model, data, loss, train })
}

fn table<'a>(root: &'a Entries, name: &str) -> Result<Section<'a>> {
    let section = Section::of(root.get(name), name.to_owned())?;
    section.refuse_unknown(keys::of(name))?;
    Ok(section)
}

fn model(section: &Section<'_>) -> Result<Model> {
    let defaults = Model::default();
    let hallucinator = section.word("hallucinator", defaults.hallucinator)?;
    let units = Model::units_of(hallucinator);
    Ok(Model {
        recognizer_width: section.number(keys::RECOGNIZER_WIDTH, defaults.recognizer_width)?,
        features: section.size(keys::FEATURES, defaults.features)?,
        hallucinator,
        hallucinator_channels: section.size(keys::HALLUCINATOR_CHANNELS, defaults.hallucinator_channels)?,
        hallucinator_units: section.size(keys::HALLUCINATOR_UNITS, units)?,
        residual_init: section.word("residual_init", defaults.residual_init)?,
        residual_scale: section.number(keys::RESIDUAL_SCALE, defaults.residual_scale)?,
    })
}

fn data(section: &Section<'_>) -> Result<Data> {
    let defaults = Data::default();
    let data = Data {
        crop: section.crop()?,
        landmarks: section.file("landmarks")?,
        people: section.file("people")?,
        sets: section.sets()?,
        min_images: section.size(keys::MIN_IMAGES, defaults.min_images)?,
        mirror: section.flag("mirror", defaults.mirror)?,
        shift: section.size(keys::SHIFT, defaults.shift)?,
        shuffle: section.flag("shuffle", defaults.shuffle)?,
        downsample: section.word("downsample", defaults.downsample)?,
    };
    if let (Some(_), Some(_), Some(node)) = (&data.crop, &data.landmarks, section.get("landmarks")) {
        let advice = "faces are cut by one of them; leave the other out, or set it to []";
        return Err(Error::Usage(format!("{}: data.crop and data.landmarks are both given: {advice}", node.place)));
    }
    if let (false, None, Some(node)) = (data.sets.is_empty(), &data.people, section.get("sets")) {
        return Err(Error::Usage(format!("{}: data.sets chooses from data.people, which is not given", node.place)));
    }
    Ok(data)
}

fn loss(section: &Section<'_>, defaults: &Loss) -> Result<Loss> {
    Ok(Loss {
        alpha: section.number(keys::ALPHA, defaults.alpha)?,
        beta1: section.number(keys::BETA1, defaults.beta1)?,
        beta2: section.number(keys::BETA2, defaults.beta2)?,
        center_update: section.word("center_update", defaults.center_update)?,
        center_rate: section.number(keys::CENTER_RATE, defaults.center_rate)?,
        distill: section.number(keys::DISTILL, defaults.distill)?,
        center_init: section.word("center_init", defaults.center_init)?,
    })
}

fn train(section: &Section<'_>, run_loss: &Loss) -> Result<Train> {
    let defaults = Train::default();
    let recipe = recipe(section, &defaults.recipe, None)?;
    let stages = section.list("stages", "a list of [[train.stages]] tables")?.unwrap_or(&[]);
    if let Some(node) = stages.get(MOST_STAGES) {
        return Err(Error::Usage(format!("{}: more than {MOST_STAGES} stages", node.place)));
    }
    let hallucinator_lr = section.get("hallucinator_lr").map(|_| recipe.hallucinator_lr);
    let stage = |(index, node): (usize, &Node)| {
        let section = Section::of(Some(node), format!("train.stages.{}", index + 1))?;
        section.refuse_unknown(keys::STAGE)?;
        let losses = Section::of(section.get("loss"), format!("{}.loss", section.name))?;
        losses.refuse_unknown(keys::STAGE_LOSS)?;
        Ok(Stage { recipe: self::recipe(&section, &recipe, hallucinator_lr)?, loss: loss(&losses, run_loss)? })
    };
    let stages = stages.iter().enumerate().map(stage).collect::<Result<_>>()?;
    Ok(Train {
        seed: section.count(keys::SEED, defaults.seed)?,
        checkpoint_every: section.count(keys::CHECKPOINT_EVERY, defaults.checkpoint_every)?,
        eval_every: section.count(keys::EVAL_EVERY, defaults.eval_every)?,
        precision: section.word("precision", defaults.precision)?,
        stages,
        recipe,
    })
}

/// `hallucinator_lr` is the rate to inherit, where one was written down; otherwise it follows `lr`.
fn recipe(section: &Section<'_>, defaults: &Recipe, hallucinator_lr: Option<f64>) -> Result<Recipe> {
    let lr = section.number(keys::LR, defaults.lr)?;
    let hallucinator_lr = hallucinator_lr.unwrap_or(Recipe::hallucinator_lr_of(lr));
    Ok(Recipe {
        mode: section.word("mode", defaults.mode)?,
        steps: section.count(keys::STEPS, defaults.steps)?,
        batch: section.size(keys::BATCH, defaults.batch)?,
        lr,
        hallucinator_lr: section.number(keys::HALLUCINATOR_LR, hallucinator_lr)?,
        momentum: section.number(keys::MOMENTUM, defaults.momentum)?,
        weight_decay: section.number(keys::WEIGHT_DECAY, defaults.weight_decay)?,
        schedule: section.schedule(&defaults.schedule)?,
        warmup: section.count(keys::WARMUP, defaults.warmup)?,
        clip: section.number(keys::CLIP, defaults.clip)?,
    })
}

impl<'a> Section<'a> {
    fn of(node: Option<&'a Node>, name: String) -> Result<Self> {
        match node {
            None => Ok(Section { name, entries: None }),
            Some(Node { value: Value::Table(entries), .. }) => Ok(Section { name, entries: Some(entries) }),
            Some(Node { value, place }) => {
                Err(Error::Usage(format!("{place}: {name} = {value} has the wrong type: it must be a table of keys")))
            }
        }
    }

    fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.and_then(|entries| entries.get(key))
    }

    fn refuse_unknown(&self, known: &[&str]) -> Result<()> {
        for (key, node) in self.entries.into_iter().flatten() {
            if !known.contains(&key.as_str()) {
                let table = &self.name;
                let nearest = keys::nearest(key, known);
                let message = format!("{}: unknown key {key} in [{table}]; did you mean {nearest}?", node.place);
                return Err(Error::Usage(message));
            }
        }
        Ok(())
    }

    fn number(&self, key: Number, default: f64) -> Result<f64> {
        self.get(key.name).map_or(Ok(default), |node| in_range(node, key, false, &self.path(key.name)))
    }

    fn count(&self, key: Number, default: u64) -> Result<u64> {
        self.get(key.name).map_or(Ok(default), |node| whole(node, key, &self.path(key.name)))
    }

    fn size(&self, key: Number, default: usize) -> Result<usize> {
        // Every range of a size lies far below 2^32, so the cast loses nothing.
        Ok(self.count(key, default as u64)? as usize)
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(Node { value: Value::Flag(flag), .. }) => Ok(*flag),
            Some(node) => Err(self.wrong_type(node, key, "true or false")),
        }
    }

    fn word<W: Word>(&self, key: &str, default: W) -> Result<W> {
        let Some(node) = self.get(key) else { return Ok(default) };
        let spellings: Vec<&str> = W::CHOICES.iter().map(|(spelling, _)| *spelling).collect();
        let Value::Text(word) = &node.value else {
            return Err(self.wrong_type(node, key, &format!("one of {}", spellings.join(", "))));
        };
        W::from_word(word).ok_or_else(|| {
            let (place, path, choices) = (&node.place, self.path(key), spellings.join(", "));
            Error::Usage(format!("{place}: {path} = {word:?} is not a choice: one of {choices}"))
        })
    }

    /// A file name; an empty one, or an empty list, switches the key off.
    fn file(&self, key: &str) -> Result<Option<String>> {
        match self.get(key) {
            None => Ok(None),
            Some(Node { value: Value::List(items), .. }) if items.is_empty() => Ok(None),
            Some(Node { value: Value::Text(text), place }) if text.contains('\0') => {
                Err(Error::Usage(format!("{place}: {} cannot be a file name: it holds a zero byte", self.path(key))))
            }
            Some(Node { value: Value::Text(text), .. }) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(node) => Err(self.wrong_type(node, key, "a file name in quotes")),
        }
    }

    fn list(&self, key: &str, wanted: &str) -> Result<Option<&'a [Node]>> {
        match self.get(key) {
            None => Ok(None),
            Some(Node { value: Value::List(items), .. }) => Ok(Some(items)),
            Some(node) => Err(self.wrong_type(node, key, wanted)),
        }
    }

    fn crop(&self) -> Result<Option<[usize; 4]>> {
        const WANTED: &str = "[x, y, w, h] in pixels";
        let path = self.path("crop");
        match (self.list("crop", WANTED)?, self.get("crop")) {
            (None | Some([]), _) | (_, None) => Ok(None),
            (Some([x, y, w, h]), _) => Ok(Some([
                whole(x, keys::CROP_ORIGIN, &path)? as usize,
                whole(y, keys::CROP_ORIGIN, &path)? as usize,
                whole(w, keys::CROP_EXTENT, &path)? as usize,
                whole(h, keys::CROP_EXTENT, &path)? as usize,
            ])),
            (Some(_), Some(node)) => Err(self.wrong_type(node, "crop", WANTED)),
        }
    }

    fn sets(&self) -> Result<Vec<usize>> {
        let path = self.path("sets");
        let mut sets = Vec::new();
        for node in self.list("sets", "a list of whole numbers, such as [1, 2, 3]")?.unwrap_or(&[]) {
            let set = whole(node, keys::SET, &path)? as usize;
            if sets.contains(&set) {
                return Err(Error::Usage(format!("{}: {path} names set {set} twice", node.place)));
            }
            sets.push(set);
        }
        Ok(sets)
    }

    fn schedule(&self, default: &Schedule) -> Result<Schedule> {
        const WANTED: &str = "a list of [step, factor] pairs, such as [[16000, 0.1], [24000, 0.01]]";
        let path = self.path("schedule");
        let Some(items) = self.list("schedule", WANTED)? else { return Ok(default.clone()) };
        let mut entries: Vec<(u64, f64)> = Vec::new();
        for item in items {
            let Value::List(pair) = &item.value else { return Err(self.wrong_type(item, "schedule", WANTED)) };
            let [step, factor] = pair.as_slice() else { return Err(self.wrong_type(item, "schedule", WANTED)) };
            let step = whole(step, keys::SCHEDULE_STEP, &path)?;
            if entries.last().is_some_and(|(before, _)| *before >= step) {
                return Err(Error::Usage(format!("{}: the steps of {path} must grow: {step} does not", item.place)));
            }
            entries.push((step, in_range(factor, keys::SCHEDULE_FACTOR, false, &path)?));
        }
        Ok(Schedule(entries))
    }

    fn path(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn wrong_type(&self, node: &Node, key: &str, wanted: &str) -> Error {
        let (place, path, value) = (&node.place, self.path(key), &node.value);
        Error::Usage(format!("{place}: {path} = {value} has the wrong type: it must be {wanted}"))
    }
}

fn in_range(node: &Node, key: Number, must_be_whole: bool, path: &str) -> Result<f64> {
    let (place, value) = (&node.place, &node.value);
    let kind = if must_be_whole { "a whole number" } else { "a number" };
    let until = if key.high_excluded { "up to, but not," } else { "to" };
    let wanted = match must_be_whole {
        // A seed's highest has more digits than an f64.
        true => format!("{kind} from {} {until} {}", key.low as i64, key.high as i64),
        false => format!("{kind} from {} {until} {}", key.low, key.high),
    };
    let number = match value {
        Value::Integer(number) => *number as f64,
        Value::Real(number) if !must_be_whole => *number,
        _ => return Err(Error::Usage(format!("{place}: {path} = {value} has the wrong type: it must be {wanted}"))),
    };
    if !key.holds(number) {
        return Err(Error::Usage(format!("{place}: {path} = {value} is out of range: it must be {wanted}")));
    }
    Ok(number)
}

fn whole(node: &Node, key: Number, path: &str) -> Result<u64> {
    in_range(node, key, true, path)?;
    match node.value {
        // The range has been checked, and no range of a whole number goes below zero.
        Value::Integer(number) => Ok(number as u64),
        _ => Ok(0),
    }
}
