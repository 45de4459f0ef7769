//! Everything that is wrong with a configuration has its sentence, with the place, the key and what would be right.

use hallucinet::Error;
use hallucinet::model::config::{Config, Overrides, PRESETS, keys};

use crate::set;

/// The one-line message of a text that must be refused as a usage error.
fn refused(text: &str, overrides: &Overrides) -> String {
    match Config::parse("test.toml", text, overrides) {
        Err(error @ Error::Usage(_)) => {
            let message = error.to_string();
            assert!(!message.contains('\n'), "more than one line: {message}");
            message
        }
        other => panic!("{text:?} was not refused as usage: {other:?}"),
    }
}

#[test]
fn each_mistake_names_place_key_value_and_range() {
    let cases: &[(&str, &[&str])] = &[
        ("[train]\nlearning_rate = 1", &["test.toml:2", "learning_rate", "[train]", "did you mean"]),
        ("[train]\nstep = 1", &["test.toml:2", "unknown key step ", "did you mean steps?"]),
        ("[model]\nbatch = 1", &["unknown key batch in [model]", "did you mean train.batch?"]),
        ("[modle]\nfeatures = 1", &["test.toml:1", "unknown table modle", "did you mean model?"]),
        ("lr = 1", &["test.toml:1", "unknown key lr", "train.lr"]),
        ("[train]\n\nlr = -1", &["test.toml:3", "train.lr = -1", "out of range", "from 0 to 100"]),
        ("[train]\nlr = nan", &["train.lr = NaN", "out of range"]),
        ("[train]\nlr = -inf", &["train.lr = -inf", "out of range"]),
        ("[train]\nlr = 1e999", &["train.lr", "out of range"]),
        ("[train]\nlr = \"fast\"", &["train.lr = \"fast\"", "wrong type", "a number from 0 to 100"]),
        ("[train]\nbatch = 0", &["train.batch = 0", "a whole number from 1 to 65536"]),
        ("[train]\nbatch = 8.0", &["train.batch = 8", "wrong type", "whole number"]),
        ("[train]\nbatch = 99999999999999999999", &["test.toml:2", "99999999999999999999 does not fit in 64 bits"]),
        ("[train]\nmomentum = 1", &["train.momentum = 1", "up to, but not, 1"]),
        ("[train]\nmode = \"jiont\"", &["train.mode = \"jiont\"", "recognition-on-hallucinated, joint"]),
        ("[train]\nmode = 1", &["train.mode = 1", "wrong type", "one of hallucination"]),
        ("[train]\nschedule = 3", &["train.schedule = 3", "wrong type", "[step, factor]"]),
        ("[train]\nschedule = [[1, 2, 3]]", &["train.schedule = [1, 2, 3]", "wrong type"]),
        ("[train]\nschedule = [[5, 0.1],\n [5, 0.2]]", &["test.toml:3", "must grow", "5"]),
        ("[train]\nschedule = [[5, -0.1]]", &["train.schedule = -0.1", "out of range"]),
        ("[train]\nstages = 3", &["train.stages = 3", "wrong type"]),
        ("[train]\nstages = [3]", &["train.stages.1 = 3", "wrong type", "table"]),
        ("[[train.stages]]\nseed = 3", &["unknown key seed in [train.stages.1]", "train.seed"]),
        ("[[train.stages]]\n[[train.stages]]\nlr = -1", &["test.toml:3", "train.stages.2.lr = -1"]),
        ("[[train.stages]]\n[train.stages.loss]\ncenter_init = \"zero\"", &["center_init", "[train.stages.1.loss]"]),
        ("[data]\ncrop = [1, 2, 3]", &["data.crop = [1, 2, 3]", "wrong type", "[x, y, w, h]"]),
        ("[data]\ncrop = [1, 2, 0, 4]", &["data.crop = 0", "from 1 to 65535"]),
        ("[data]\ncrop = [-1, 2, 3, 4]", &["data.crop = -1", "out of range"]),
        ("[data]\nsets = [0]\npeople = \"p\"", &["data.sets = 0", "from 1"]),
        ("[data]\nsets = [2, 2]\npeople = \"p\"", &["names set 2 twice"]),
        ("[data]\nsets = [2]", &["data.people", "not given"]),
        ("[data]\ncrop = [0, 0, 5, 5]\nlandmarks = \"l\"", &["both given"]),
        ("[data]\nmirror = 1", &["data.mirror = 1", "true or false"]),
        ("[data]\npeople = 1", &["data.people = 1", "file name"]),
        ("[data]\npeople = \"\\u0000\"", &["test.toml:2", "zero byte"]),
        ("data = 5", &["data = 5", "table"]),
        ("[data]\nmirror = 1979-05-27", &["1979-05-27", "wrong type"]),
        ("[train\nlr = 1", &["test.toml:1", "not valid TOML"]),
        ("[train]\nlr = 1\nlr = 2", &["test.toml:3", "not valid TOML"]),
    ];
    for (text, parts) in cases {
        let message = refused(text, &Overrides::default());
        for part in *parts {
            assert!(message.contains(part), "{text:?}: {message:?} lacks {part:?}");
        }
    }
}

#[test]
fn each_mistake_on_the_command_line_names_the_option() {
    let staged = "[[train.stages]]\n[[train.stages]]\n";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("", "train.lr", "-1", &["--set train.lr=-1: train.lr = -1", "from 0 to 100"]),
        ("", "train.lr", "", &["--set train.lr=:", "wrong type"]),
        ("", "train.mode", "jointly", &["\"jointly\"", "joint"]),
        ("", "train.learn", "1", &["unknown key learn", "did you mean"]),
        ("", "lr", "1", &["unknown key lr", "train.lr"]),
        ("", "train..lr", "1", &["table.name"]),
        ("", "train.stages.1.lr", "1", &["has no stages"]),
        (staged, "train.stages.3.lr", "1", &["stages 1 to 2"]),
        (staged, "train.stages.0.lr", "1", &["stages 1 to 2"]),
        (staged, "train.stages.1", "1", &["name a key of the stage"]),
        (staged, "train.stages", "[]", &["one key at a time"]),
        ("[train]\nlr = 1", "train.lr.x", "1", &["lr has no keys of its own"]),
        ("", "data.crop", "[1, 2, 3, -4]", &["--set data.crop=[1, 2, 3, -4]: data.crop = -4"]),
        ("", "train.steps", "1000000000000000000000", &["does not fit in 64 bits"]),
        // It would replace all that a preset says under that name.
        ("", "train", "{}", &["--set train={}", "one at a time"]),
        ("", "loss", "{ alpha = 1 }", &["one at a time"]),
        // Three hundred digits are no sentence.
        ("", "train.lr", "1e300", &["train.lr = 1e300 is out of range"]),
        ("", "train.seed", "-1", &["to 9223372036854775807"]),
    ];
    for (text, key, value, parts) in cases {
        let message = refused(text, &set(&[(key, value)]));
        for part in *parts {
            assert!(message.contains(part), "--set {key}={value}: {message:?} lacks {part:?}");
        }
    }
}

#[test]
fn every_end_of_every_range_is_kept_and_the_next_number_is_not() {
    let numbers = [
        ("model", keys::FEATURES),
        ("model", keys::RECOGNIZER_WIDTH),
        ("model", keys::HALLUCINATOR_CHANNELS),
        ("model", keys::HALLUCINATOR_UNITS),
        ("model", keys::RESIDUAL_SCALE),
        ("data", keys::MIN_IMAGES),
        ("loss", keys::ALPHA),
        ("loss", keys::BETA1),
        ("loss", keys::BETA2),
        ("loss", keys::CENTER_RATE),
        ("loss", keys::DISTILL),
        ("train", keys::STEPS),
        ("train", keys::BATCH),
        ("train", keys::LR),
        ("train", keys::HALLUCINATOR_LR),
        ("train", keys::MOMENTUM),
        ("train", keys::WEIGHT_DECAY),
        ("train", keys::WARMUP),
        ("train", keys::CLIP),
        ("train", keys::CHECKPOINT_EVERY),
        ("train", keys::EVAL_EVERY),
    ];
    for (table, number) in numbers {
        assert!(keys::of(table).contains(&number.name));
        let read = |value: f64| {
            Config::parse("t", &format!("[{table}]\n{} = {value}", number.name), &Overrides::default()).map(|_| ())
        };
        read(number.low).unwrap();
        assert_eq!(read(number.high).is_ok(), !number.high_excluded, "{}", number.name);
        read(number.low - 1.0).unwrap_err();
        read(number.high + 1.0).unwrap_err();
    }
}

#[test]
fn files_that_are_no_configuration_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("binary"), [0xff, 0xfe, 0x00]).unwrap();
    std::fs::File::create(path("giant")).unwrap().set_len(1 << 40).unwrap();
    let refused = |name: &str| Config::load(&path(name), &Overrides::default()).unwrap_err();
    for (name, part) in [("absent", "cannot read"), ("binary", "UTF-8"), ("giant", "too large"), (".", "not a file")] {
        let error = refused(name);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let dotted = format!("{}a = 1", "a.".repeat(200_000));
    let nested = format!("a = {}{}", "[".repeat(200_000), "]".repeat(200_000));
    for text in [dotted, nested] {
        assert!(Config::parse("deep.toml", &text, &Overrides::default()).is_err());
    }
}

#[test]
fn an_unknown_preset_is_refused_with_the_known_ones() {
    let message = Config::preset("papre", &Overrides::default()).unwrap_err().to_string();
    for (name, _) in PRESETS {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn words_differ_by_as_many_letters_as_they_do() {
    for (a, b, distance) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("lr", "lr", 0), ("ab", "ba", 2)] {
        assert_eq!(keys::levenshtein(a, b), distance, "{a} {b}");
        assert_eq!(keys::levenshtein(b, a), distance, "{b} {a}");
    }
}
