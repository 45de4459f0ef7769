//! Protocols beside LFW's pairs: clips whose frames are pooled, features that are moved and turned by what the other folds show,
//! and galleries. Everything is computed again here from the features of the pictures.

use crate::fixture::{IMAGES, PAIRS, PEOPLE, World, keys, with};
use hallucinet::metrics::verification::cosine;
use hallucinet::{Device, Engine, Image};
use std::collections::HashMap;
use std::path::Path;

/// The feature `[f(x), f(flip x)]` of every picture of `faces`, by its path.
fn features(world: &World, model: &Path) -> HashMap<String, Vec<f32>> {
    let engine = Engine::load(model).unwrap().on(Device::cpu()).unwrap();
    let mut features = HashMap::new();
    for (person, image) in (0..PEOPLE).flat_map(|person| (1..=IMAGES).map(move |image| (person, image))) {
        let picture = hallucinet::data::image::read(&world.picture("faces", person, image)).unwrap();
        let feature = engine.embed_mirrored(&[Image::new(96, 112, &picture.rgb).unwrap()]).unwrap().values;
        features.insert(format!("p{person}/p{person}_{image:04}.png"), feature);
    }
    features
}

fn unit(feature: &[f32]) -> Vec<f64> {
    let length = feature.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    feature.iter().map(|x| f64::from(*x) / length).collect()
}

fn scores(world: &World, out: &str) -> Vec<(String, String, f64)> {
    let row = |row: Vec<String>| (row[0].clone(), row[1].clone(), row[4].parse().unwrap());
    world.scores(out).into_iter().map(row).collect()
}

/// Every person's clip 0 is pictures 1 and 2, clip 1 is picture 3.
fn clips(world: &World) -> String {
    let mut splits = String::from("split,pair,first,second,same\r\n");
    for person in 0..PEOPLE {
        for image in 0..IMAGES {
            let to = world.path(&format!("clips/p{person}/{}/{image}.png", image / 2));
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(world.picture("faces", person, image + 1), to).unwrap();
        }
        let (fold, other) = (1 + person % 2, (person + 2) % PEOPLE);
        splits += &format!(
            "{fold}, {person}1, p{person}/0, p{person}/1, 1\r\n{fold}, {person}2, p{person}/0, p{other}/1, 0\r\n"
        );
    }
    std::fs::write(world.path("splits.txt"), splits.trim_end()).unwrap();
    splits
}

#[test]
fn the_frames_of_a_clip_are_one_feature() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    clips(&world);
    let more = ["--pairs", "splits.txt", "--input", "hr", "--out", "a"];
    let verification = &world.document(&model, "clips", &more)["verification"];
    assert_eq!((&verification["pairs_used"], &verification["pairs_total"]), (&16.into(), &16.into()));
    assert_eq!((&verification["folds"], &verification["clips"]), (&2.into(), &16.into()));
    let features = features(&world, &model);
    let of = |clip: &str| -> Vec<f32> {
        let (person, clip) = clip.split_once('/').unwrap();
        let frames: &[u32] = if clip == "0" { &[1, 2] } else { &[3] };
        let frames: Vec<Vec<f64>> =
            frames.iter().map(|frame| unit(&features[&format!("{person}/{person}_{frame:04}.png")])).collect();
        (0..frames[0].len()).map(|i| frames.iter().map(|frame| frame[i]).sum::<f64>() as f32).collect()
    };
    let scores = scores(&world, "a");
    assert_eq!(scores.len(), 16);
    for (a, b, score) in scores {
        let expected = cosine(&of(&a), &of(&b)).unwrap();
        assert!((score - expected).abs() < 1e-6, "{a} {b}: {score} {expected}");
    }
}

#[test]
fn clips_that_are_not_there_are_counted_and_folds_go_by_their_number() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    clips(&world);
    std::fs::remove_dir_all(world.path("clips/p3/1")).unwrap();
    let pairs = ["--pairs", "splits.txt"];
    let (code, sentence) = world.failure(&model, "clips", &pairs);
    assert_eq!(code, 3);
    assert!(sentence.contains("14 of 16 pairs have both clips") && sentence.contains("p3/1"), "{sentence}");
    let used = |more: &[&str]| {
        let verification = &world.document(&model, "clips", &with(&pairs, more))["verification"];
        (verification["pairs_used"].as_u64().unwrap(), verification["pairs_total"].as_u64().unwrap())
    };
    assert_eq!(used(&["--allow-missing"]), (14, 16));
    assert_eq!(used(&["--fold", "1"]), (8, 8));
    assert_eq!(used(&["--fold", "2", "--allow-missing"]), (6, 8));
    let (code, sentence) = world.failure(&model, "clips", &with(&pairs, &["--fold", "3"]));
    assert!(code == 2 && sentence.contains("1, 2"), "{sentence}");
}

#[test]
fn a_list_that_is_mostly_of_one_kind_says_so_beside_its_accuracy() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    let told = |list: &str| {
        std::fs::write(world.path("splits.txt"), list).unwrap();
        // Without --json, for a person.
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hallucinet"));
        command.current_dir(world.path("")).args(["eval", "--data", "clips", "--pairs", "splits.txt", "--model"]);
        let output = command.arg(&model).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let even = clips(&world);
    assert!(!told(&even).contains("of one person,"));
    // Of the pairs of two people the first of each fold is left.
    let mut seen = [false; 3];
    let keep = |line: &&str| {
        let fold = line.split(',').next().and_then(|fold| fold.parse::<usize>().ok()).unwrap_or(0);
        line.ends_with(", 1") || fold == 0 || !std::mem::replace(&mut seen[fold], true)
    };
    let uneven: Vec<&str> = even.lines().filter(keep).collect();
    assert!(told(&uneven.join("\n")).contains("8 of one person, 2 of two: AUC and EER say more"));
}

#[test]
fn the_mean_that_is_taken_off_is_that_of_the_other_fold() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    let more = with(&PAIRS, &["--input", "hr", "--mean-subtraction", "--out", "a"]);
    let verification = &world.document(&model, "faces", &more)["verification"];
    assert_eq!((&verification["mean_subtraction"], &verification["pca"]), (&true.into(), &serde_json::Value::Null));
    let features = features(&world, &model);
    let scores = scores(&world, "a");
    let fold = |name: &String| usize::from(name.as_bytes()[1] >= b'4');
    for (a, b, score) in &scores {
        let others: Vec<&Vec<f32>> = scores
            .iter()
            .filter(|(other, ..)| fold(other) != fold(a))
            .flat_map(|(a, b, _)| [&features[a], &features[b]])
            .collect();
        let mean = |i: usize| others.iter().map(|other| f64::from(other[i])).sum::<f64>() / others.len() as f64;
        let centred = |name: &String| -> Vec<f32> {
            features[name].iter().enumerate().map(|(i, x)| (f64::from(*x) - mean(i)) as f32).collect()
        };
        let expected = cosine(&centred(a), &centred(b)).unwrap();
        assert!((score - expected).abs() < 1e-5, "{a} {b}: {score} {expected}");
    }
}

/// A fold is judged by what the others show: a picture that changes changes the scores of its own pairs in its own fold, and all
/// scores of the other fold.
#[test]
fn what_is_fitted_never_sees_the_fold_it_judges() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    for (number, way) in [&["--mean-subtraction"][..], &["--pca", "3"]].into_iter().enumerate() {
        let run = |out: String| {
            world.document(&model, "faces", &with(&with(&PAIRS, &["--input", "hr", "--out", &out]), way));
            scores(&world, &out)
        };
        let before = run(format!("before{number}"));
        let (picture, other) = (world.picture("faces", 0, 2), world.picture("faces", 1, 2));
        let kept = std::fs::read(&picture).unwrap();
        std::fs::copy(&other, &picture).unwrap();
        let after = run(format!("after{number}"));
        std::fs::write(&picture, kept).unwrap();
        for (old, new) in before.iter().zip(&after) {
            let touched = old.0.contains("p0_0002") || old.1.contains("p0_0002") || old.0.as_bytes()[1] >= b'4';
            assert_eq!(old.2 != new.2, touched, "{way:?} {old:?} {new:?}");
        }
    }
}

#[test]
fn components_that_nobody_has_are_refused_before_anything_is_read() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    std::fs::write(world.picture("faces", 0, 1), b"no picture").unwrap();
    // Features have 24 numbers, the other fold's 8 pairs 16 features.
    for (count, words) in [("25", "24 numbers"), ("16", "fold 1 have 16 features")] {
        let (code, sentence) = world.failure(&model, "faces", &with(&PAIRS, &["--pca", count]));
        assert!(code == 2 && sentence.contains(words), "{sentence}");
    }
    let (code, sentence) = world.failure(&model, "faces", &with(&PAIRS, &["--pca", "12", "--fold", "2"]));
    assert!(code == 2 && sentence.contains("block 0 have 12 features"), "{sentence}");
    assert_eq!(
        world.document(&model, "faces", &with(&PAIRS, &["--pca", "5", "--fold", "2"]))["verification"]["pca"],
        5
    );
}

#[test]
fn a_gallery_is_scored_as_everybody_compared_with_everybody() {
    let world = World::new();
    let model = world.model("joint.safetensors", true, true);
    let features = features(&world, &model);
    for person in [1, 4, 6] {
        for image in [2, 3] {
            std::fs::remove_file(world.picture("faces", person, image)).unwrap();
        }
    }
    let document = world.document(&model, "faces", &["--gallery", "--input", "hr", "--out", "a"]);
    assert!(document["verification"].is_null() && document["restoration"].is_null());
    let found = &document["identification"];
    let counts = ["people", "gallery_images", "probes", "impostors"].map(|key| found[key].as_u64().unwrap());
    assert_eq!(counts, [5, 1, 10, 3]);
    let enrolled = [0, 2, 3, 5, 7];
    let name = |person: u32, image: u32| format!("p{person}/p{person}_{image:04}.png");
    let score = |picture: &str, person: u32| cosine(&features[picture], &features[&name(person, 1)]).unwrap();
    let place = |person: u32, image: u32| {
        let own = score(&name(person, image), person);
        1 + enrolled.iter().filter(|other| score(&name(person, image), **other) > own).count()
    };
    let places: Vec<usize> = enrolled.iter().flat_map(|person| [place(*person, 2), place(*person, 3)]).collect();
    for (key, k) in [("1", 1), ("5", 5), ("20", 20)] {
        let share = places.iter().filter(|place| **place <= k).count() as f64 / 10.0;
        assert_eq!(found["rank"][key], share, "{places:?}");
    }
    assert_eq!(found["rank"]["5"], 1.0);
    // Three impostors are too few for any of the rates.
    assert_eq!(keys(&found["dir"]), ["1e-1", "1e-2", "1e-3"]);
    assert!(found["dir"]["1e-1"].is_null() && found["dir_threshold"]["1e-1"].is_null());
    let probes = std::fs::read_to_string(world.path("a/probes.csv")).unwrap();
    assert_eq!(probes.lines().count(), 14);
    assert!(probes.contains("\np1/p1_0001.png,,p"), "an impostor is nobody: {probes}");
    let (code, sentence) = world.failure(&model, "faces", &["--gallery", "--gallery-images", "3"]);
    assert!(code == 3 && sentence.contains("more than 3"), "{sentence}");
    let two = world.document(&model, "faces", &["--gallery", "--gallery-images", "2", "--input", "lr"]);
    assert_eq!((&two["identification"]["probes"], &two["identification"]["impostors"]), (&5.into(), &3.into()));
}
