//! The effective configuration reads back to itself, whatever is in it; so does the part a model stores.

use hallucinet::model::config::{
    CenterInit, CenterUpdate, Config, Data, Downsample, Hallucinator, Loss, Mode, Model, Overrides, PRESETS, Recipe,
    ResidualInit, Schedule, Stage, Train, Word,
};
use proptest::prelude::*;

use crate::read;

fn any_word<W: Word + std::fmt::Debug>() -> impl Strategy<Value = W> {
    (0..W::CHOICES.len()).prop_map(|index| W::CHOICES[index].1)
}

fn model() -> impl Strategy<Value = Model> {
    let sizes = (1usize..16384, 1usize..1024, 1usize..64);
    (0.01..8.0, any_word::<Hallucinator>(), any_word::<ResidualInit>(), 0.0..10.0, sizes).prop_map(
        |(recognizer_width, hallucinator, residual_init, residual_scale, (features, channels, units))| Model {
            recognizer_width,
            features,
            hallucinator,
            hallucinator_channels: channels,
            hallucinator_units: units,
            residual_init,
            residual_scale,
        },
    )
}

fn data() -> impl Strategy<Value = Data> {
    let file = || proptest::option::of("[^\u{0}]{1,12}");
    let crop = proptest::option::of((0usize..65535, 0usize..65535, 1usize..65535, 1usize..65535));
    let flags = (any::<bool>(), any::<bool>(), any_word::<Downsample>());
    let sets = proptest::collection::btree_set(1usize..1000, 0..5);
    (crop, file(), file(), sets, (1usize..1000, 0usize..=32), flags).prop_map(
        |(crop, landmarks, people, sets, (min_images, shift), flags)| {
            let crop = crop.map(|(x, y, w, h)| [x, y, w, h]);
            Data {
                landmarks: landmarks.filter(|_| crop.is_none()),
                sets: if people.is_some() { sets.into_iter().collect() } else { Vec::new() },
                crop,
                people,
                min_images,
                mirror: flags.0,
                shift,
                shuffle: flags.1,
                downsample: flags.2,
            }
        },
    )
}

fn loss() -> impl Strategy<Value = Loss> {
    let rates = (0.0..1e6, 0.0..1e6, 0.0..1e6, 0.0..1.0, 0.0..1e6);
    (rates, any_word::<CenterUpdate>(), any_word::<CenterInit>()).prop_map(
        |((alpha, beta1, beta2, center_rate, distill), center_update, center_init)| Loss {
            alpha,
            beta1,
            beta2,
            center_update,
            center_rate,
            distill,
            center_init,
        },
    )
}

fn recipe() -> impl Strategy<Value = Recipe> {
    let schedule = proptest::collection::btree_map(0u64..1_000_000, 0.0..1000.0, 0..4);
    let sizes = (1u64..1_000_000_000, 1usize..65536, 0u64..1_000_000_000);
    let rates = (0.0..100.0, 0.0..100.0, 0.0..0.999_999, 0.0..1.0, 0.0..1e9);
    (any_word::<Mode>(), sizes, rates, schedule).prop_map(|(mode, (steps, batch, warmup), rates, schedule)| Recipe {
        mode,
        steps,
        batch,
        lr: rates.0,
        hallucinator_lr: rates.1,
        momentum: rates.2,
        weight_decay: rates.3,
        schedule: Schedule(schedule.into_iter().collect()),
        warmup,
        clip: rates.4,
    })
}

fn config() -> impl Strategy<Value = Config> {
    let numbers = (0..i64::MAX as u64, 0u64..1_000_000_000, 0u64..1_000_000_000);
    let stages = proptest::collection::vec((recipe(), loss()), 0..4);
    (model(), data(), loss(), recipe(), stages, numbers).prop_map(|(model, data, loss, recipe, stages, numbers)| {
        let inherit = |stage_loss: Loss| Loss { center_init: loss.center_init, ..stage_loss };
        let stages = stages.into_iter().map(|(recipe, loss)| Stage { recipe, loss: inherit(loss) }).collect();
        let (seed, checkpoint_every, eval_every) = numbers;
        Config { model, data, train: Train { recipe, seed, checkpoint_every, eval_every, stages }, loss }
    })
}

proptest! {
    #[test]
    fn the_effective_configuration_reads_back_to_itself(config in config()) {
        let text = config.to_toml();
        let again = Config::parse("effective", &text, &Overrides::default());
        prop_assert_eq!(again.map_err(|error| format!("{error}\n{text}")), Ok(config));
    }

    #[test]
    fn what_a_model_stores_reads_back_to_itself(mut config in config()) {
        // serde_json without `float_roundtrip` is exact for numbers of up to 15 digits, more than anyone writes.
        config.model.recognizer_width = (config.model.recognizer_width * 1000.0).round().max(10.0) / 1000.0;
        config.model.residual_scale = (config.model.residual_scale * 1000.0).round() / 1000.0;
        let text = config.model_json().to_string();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let again = Config::from_model_json(&value, "model").unwrap();
        prop_assert_eq!(&again.model, &config.model);
        prop_assert_eq!(&again.data.crop, &config.data.crop);
        prop_assert_eq!(&again.data.landmarks, &config.data.landmarks);
        prop_assert_eq!(again.data.downsample, config.data.downsample);
        prop_assert_eq!(again.model_json(), config.model_json());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}", key in "[a-z.0-9_]{0,20}", value in "\\PC{0,20}") {
        let set = vec![(key, value)];
        let _ = Config::parse("x", &text, &Overrides { set, ..Overrides::default() });
    }
}

#[test]
fn every_preset_reads_back_and_has_its_published_numbers() {
    for (name, _) in PRESETS {
        let config = Config::preset(name, &Overrides::default()).unwrap();
        assert_eq!(read(&config.to_toml()), config, "{name}");
        assert_eq!(read(&config.to_toml()).hash(), config.hash());
    }
    let paper = Config::preset("paper", &Overrides::default()).unwrap();
    assert_eq!((paper.steps(), paper.train.recipe.batch, paper.model.features), (28_000, 256, 512));
    assert_eq!(paper.loss.center_update, CenterUpdate::Caffe);
    let rates: Vec<f64> = [0, 15_999, 16_000, 23_999, 24_000, 27_999].map(|step| paper.train.recipe.rate(step)).into();
    assert_eq!(rates, [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]);
}

#[test]
fn a_model_file_with_a_wrong_value_is_bad_input() {
    let value = serde_json::json!({ "model": { "features": -3 } });
    let error = Config::from_model_json(&value, "m.safetensors").unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(error.to_string().starts_with("m.safetensors: model.features = -3"), "{error}");
}

#[test]
fn an_empty_configuration_has_the_defaults_of_the_contract() {
    let config = read("");
    assert_eq!(config, Config::default());
    assert_eq!((config.loss.alpha, config.loss.beta1, config.loss.beta2), (0.01, 1.0, 0.008));
    assert_eq!((config.loss.center_update, config.loss.center_rate), (CenterUpdate::Wen, 0.5));
    assert_eq!((config.model.hallucinator_units, config.model.hallucinator_channels), (8, 64));
    assert_eq!(read("[model]\nhallucinator = \"fast\"").model.hallucinator_units, 4);
    assert_eq!(read("[model]\nhallucinator = \"fast\"\nhallucinator_units = 7").model.hallucinator_units, 7);
}
