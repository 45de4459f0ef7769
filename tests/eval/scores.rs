//! The numbers: what is in the document, and that it follows from the scores of the pairs.

use crate::fixture::{PAIRS, PEOPLE, World, keys, with};
use serde_json::Value;

#[test]
fn the_document_has_the_keys_of_the_contract() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    let document = world.document(&joint, "faces", &with(&PAIRS, &["--input", "lr"]));
    assert_eq!(keys(&document), ["device", "restoration", "verification"]);
    assert_eq!(document["device"], "cpu");
    let verification = &document["verification"];
    for key in ["input", "pairs_used", "pairs_total", "folds", "accuracy", "stderr", "auc", "eer", "tar"] {
        assert!(!verification[key].is_null(), "{key} in {verification}");
    }
    assert_eq!((&verification["input"], &verification["folds"]), (&Value::from("lr"), &Value::from(2)));
    assert_eq!(keys(&verification["tar"]), ["1e-2", "1e-3"]);
    // 8 pairs of different people are too few for either rate.
    assert!(verification["tar"]["1e-2"].is_null() && verification["tar"]["1e-3"].is_null());
    let restoration = &document["restoration"];
    let names = ["identity_cosine", "images", "psnr_rgb", "psnr_y", "psnr_y_crop4", "ssim"];
    assert_eq!(keys(restoration), names);
    for key in names.into_iter().filter(|key| *key != "images") {
        assert_eq!(keys(&restoration[key]), ["bicubic", "hallucinated"]);
        assert!(restoration[key]["bicubic"].is_f64() && restoration[key]["hallucinated"].is_f64(), "{restoration}");
    }
    // Pictures 1, 2 and 3 of everyone are in some pair.
    assert_eq!(restoration["images"], 24);
}

#[test]
fn accuracy_and_auc_follow_from_the_scores() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    let document = world.document(&joint, "faces", &with(&PAIRS, &["--input", "hr", "--out", "details"]));
    let rows = world.scores("details");
    assert_eq!(rows.len(), 16);
    let score = |row: &Vec<String>| row[4].parse::<f64>().unwrap();
    let mut above = 0.0;
    for same in rows.iter().filter(|row| row[2] == "1") {
        for different in rows.iter().filter(|row| row[2] == "0") {
            above += if score(same) > score(different) {
                1.0
            } else {
                0.5 * f64::from(u8::from(score(same) == score(different)))
            };
        }
    }
    assert!((document["verification"]["auc"].as_f64().unwrap() - above / 64.0).abs() < 1e-12);
    let right = |row: &Vec<String>| (score(row) >= row[5].parse::<f64>().unwrap()) == (row[2] == "1");
    let accuracy = rows.iter().filter(|row| right(row)).count() as f64 / 16.0;
    assert!((document["verification"]["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-12);
    for row in &rows {
        assert_eq!(row[6] == "1", right(row));
        // All pairs of a fold are answered by one threshold.
        assert_eq!(row[5], rows.iter().find(|other| other[3] == row[3]).unwrap()[5]);
    }
    let mut names: Vec<String> = std::fs::read_dir(world.path("details"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["det.svg", "eval.json", "report.html", "roc.svg", "scores.csv", "sheet.png"]);
    let written: Value = serde_json::from_slice(&std::fs::read(world.path("details/eval.json")).unwrap()).unwrap();
    assert_eq!(written, document);
}

/// Picture 2 of everyone becomes a copy of picture 1.
fn repeat_first(world: &World, folder: &str) {
    for person in 0..PEOPLE {
        std::fs::copy(world.picture(folder, person, 1), world.picture(folder, person, 2)).unwrap();
    }
}

#[test]
fn a_picture_is_itself_and_its_mirror_image_changes_nothing() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    repeat_first(&world, "faces");
    world.document(&joint, "faces", &with(&PAIRS, &["--input", "lr", "--out", "straight"]));
    for row in world.scores("straight").iter().filter(|row| row[2] == "1") {
        assert!((row[4].parse::<f64>().unwrap() - 1.0).abs() < 1e-9, "{row:?}");
    }
    // The cosine of [f(x), f(flip x)] is blind to a mirror before the camera; that of f(x) is not.
    world.draw("mirrored", |face| face.mirror());
    repeat_first(&world, "mirrored");
    world.document(&joint, "mirrored", &with(&PAIRS, &["--input", "lr", "--out", "mirror"]));
    let apart = |a: &str, b: &str| {
        let rows = world.scores(a).into_iter().zip(world.scores(b));
        rows.map(|(a, b)| (a[4].parse::<f64>().unwrap() - b[4].parse::<f64>().unwrap()).abs()).fold(0.0, f64::max)
    };
    assert!(apart("straight", "mirror") < 1e-6, "{}", apart("straight", "mirror"));
    world.document(&joint, "faces", &with(&PAIRS, &["--input", "lr", "--no-mirror", "--out", "plain"]));
    world.document(&joint, "mirrored", &with(&PAIRS, &["--input", "lr", "--no-mirror", "--out", "plain_mirror"]));
    assert!(apart("plain", "plain_mirror") > 1e-6);
}

#[test]
fn one_fold_is_cross_fitted_within_itself_and_reads_its_own_pictures_alone() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    // Person 0 is in fold 1 alone.
    std::fs::write(world.picture("faces", 0, 1), b"no picture").unwrap();
    let (code, sentence) = world.failure(&joint, "faces", &PAIRS);
    assert_eq!(code, 3);
    assert!(sentence.contains("p0_0001.png"), "{sentence}");
    let document = world.document(&joint, "faces", &with(&PAIRS, &["--fold", "2"]));
    let verification = &document["verification"];
    assert_eq!((&verification["pairs_used"], &verification["pairs_total"]), (&Value::from(8), &Value::from(8)));
    assert_eq!(
        (&verification["fold"], &verification["folds"], &verification["blocks"]),
        (&2.into(), &1.into(), &4.into())
    );
    assert_eq!(document["restoration"]["images"], 12);
    assert_eq!(world.failure(&joint, "faces", &with(&PAIRS, &["--fold", "3"])).0, 2);
}

#[test]
fn missing_pictures_are_an_error_unless_allowed_and_always_counted() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    std::fs::remove_file(world.picture("faces", 1, 2)).unwrap();
    let (code, sentence) = world.failure(&joint, "faces", &PAIRS);
    assert_eq!(code, 3);
    assert!(sentence.contains("15 of 16 pairs") && sentence.contains("p1/p1_0002"), "{sentence}");
    let document = world.document(&joint, "faces", &with(&PAIRS, &["--allow-missing"]));
    let verification = &document["verification"];
    assert_eq!((&verification["pairs_used"], &verification["pairs_total"]), (&15.into(), &16.into()));
    assert_eq!(document["restoration"]["images"], 23);
    // The other fold lacks nothing.
    assert_eq!(world.document(&joint, "faces", &with(&PAIRS, &["--fold", "2"]))["verification"]["pairs_used"], 8);
}
