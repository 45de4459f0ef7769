//! Every key of a configuration with its range, and the nearest key to a misspelled one; knows no file and no value.

/// A numeric key and the values it may have; both ends count, except a `high` that is left out.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    pub name: &'static str,
    pub low: f64,
    pub high: f64,
    pub high_excluded: bool,
}

impl Number {
    const fn new(name: &'static str, low: f64, high: f64) -> Self {
        Number { name, low, high, high_excluded: false }
    }

    /// Whether a number is allowed here; NaN and the infinities never are.
    pub fn holds(&self, value: f64) -> bool {
        value.is_finite()
            && value >= self.low
            && if self.high_excluded { value < self.high } else { value <= self.high }
    }
}

/// Whole numbers above this have no exact neighbour as f64, and no step, size or picture count comes near it.
const MANY: f64 = 1e9;

pub const RECOGNIZER_WIDTH: Number = Number::new("recognizer_width", 0.01, 8.0);
pub const FEATURES: Number = Number::new("features", 1.0, 16384.0);
pub const HALLUCINATOR_CHANNELS: Number = Number::new("hallucinator_channels", 1.0, 1024.0);
pub const HALLUCINATOR_UNITS: Number = Number::new("hallucinator_units", 1.0, 64.0);
pub const RESIDUAL_SCALE: Number = Number::new("residual_scale", 0.0, 10.0);
pub const MIN_IMAGES: Number = Number::new("min_images", 1.0, MANY);
pub const SHIFT: Number = Number::new("shift", 0.0, 32.0);
pub const ALPHA: Number = Number::new("alpha", 0.0, 1e6);
pub const BETA1: Number = Number::new("beta1", 0.0, 1e6);
pub const BETA2: Number = Number::new("beta2", 0.0, 1e6);
pub const CENTER_RATE: Number = Number::new("center_rate", 0.0, 1.0);
pub const DISTILL: Number = Number::new("distill", 0.0, 1e6);
pub const STEPS: Number = Number::new("steps", 1.0, MANY);
pub const BATCH: Number = Number::new("batch", 1.0, 65536.0);
pub const LR: Number = Number::new("lr", 0.0, 100.0);
pub const HALLUCINATOR_LR: Number = Number::new("hallucinator_lr", 0.0, 100.0);
/// A momentum of 1 never forgets and always diverges.
pub const MOMENTUM: Number = Number { name: "momentum", low: 0.0, high: 1.0, high_excluded: true };
pub const WEIGHT_DECAY: Number = Number::new("weight_decay", 0.0, 1.0);
pub const WARMUP: Number = Number::new("warmup", 0.0, MANY);
pub const CLIP: Number = Number::new("clip", 0.0, 1e9);
/// TOML integers are signed, so half of all 64-bit seeds can be written down.
pub const SEED: Number = Number::new("seed", 0.0, i64::MAX as f64);
pub const CHECKPOINT_EVERY: Number = Number::new("checkpoint_every", 0.0, MANY);
pub const EVAL_EVERY: Number = Number::new("eval_every", 0.0, MANY);
/// The step of a schedule entry; past `steps` is legal and never reached.
pub const SCHEDULE_STEP: Number = Number::new("schedule", 0.0, MANY);
/// The factor of a schedule entry.
pub const SCHEDULE_FACTOR: Number = Number::new("schedule", 0.0, 1000.0);
/// Left and top of a crop, in pixels.
pub const CROP_ORIGIN: Number = Number::new("crop", 0.0, 65535.0);
/// Width and height of a crop, in pixels.
pub const CROP_EXTENT: Number = Number::new("crop", 1.0, 65535.0);
/// The number of a people set; sets count from 1.
pub const SET: Number = Number::new("sets", 1.0, 1e6);

/// The tables of a configuration and the keys of each.
pub const TABLES: &[(&str, &[&str])] = &[
    (
        "model",
        &[
            "recognizer_width",
            "features",
            "hallucinator",
            "hallucinator_channels",
            "hallucinator_units",
            "residual_init",
            "residual_scale",
        ],
    ),
    ("data", &["crop", "landmarks", "people", "sets", "min_images", "mirror", "shift", "shuffle", "downsample"]),
    ("loss", &["alpha", "beta1", "beta2", "center_update", "center_rate", "distill", "center_init"]),
    (
        "train",
        &[
            "mode",
            "steps",
            "batch",
            "lr",
            "hallucinator_lr",
            "momentum",
            "weight_decay",
            "schedule",
            "warmup",
            "clip",
            "seed",
            "checkpoint_every",
            "eval_every",
            "precision",
            "stages",
        ],
    ),
];

/// The keys of one `[[train.stages]]` table: everything of `[train]` that is not a property of the whole run.
pub const STAGE: &[&str] = &[
    "mode",
    "steps",
    "batch",
    "lr",
    "hallucinator_lr",
    "momentum",
    "weight_decay",
    "schedule",
    "warmup",
    "clip",
    "loss",
];

/// The keys of `[train.stages.loss]`: everything of `[loss]` that can change while training; centers start only once.
pub const STAGE_LOSS: &[&str] = &["alpha", "beta1", "beta2", "center_update", "center_rate", "distill"];

/// The keys of one of the four tables.
pub fn of(table: &str) -> &'static [&'static str] {
    TABLES.iter().find(|(name, _)| *name == table).map_or(&[], |(_, keys)| keys)
}

/// The known spelling nearest to `name`, which stands in a table with the keys `siblings`. A key of another table is
/// named with its table, and is offered only when it is nearer than every sibling.
pub fn nearest(name: &str, siblings: &[&str]) -> String {
    let mut best = (usize::MAX, String::new());
    for sibling in siblings {
        let distance = levenshtein(name, sibling);
        if distance < best.0 {
            best = (distance, (*sibling).to_owned());
        }
    }
    for (table, keys) in TABLES {
        for key in *keys {
            // One edit of advantage for the table the user wrote in.
            let distance = levenshtein(name, key).saturating_add(1);
            if distance < best.0 {
                best = (distance, format!("{table}.{key}"));
            }
        }
    }
    best.1
}

/// The number of single-letter insertions, deletions and substitutions between two words.
pub fn levenshtein(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(&b) {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = *cell;
            *cell = substituted.min(before + 1).min(diagonal + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
