//! How long something would take, before it starts: `plan --time` and `ablate --dry-run`.

use crate::schema::check;
use crate::{folder, run, shared, word};
use std::path::Path;

const TINY: [&str; 10] = [
    "--preset",
    "ablate-quick",
    "--set",
    "model.recognizer_width=0.0625",
    "--set",
    "train.batch=2",
    "--set",
    "model.hallucinator_channels=4",
    "--set",
    "model.features=8",
];

fn seconds(stages: &serde_json::Value) -> f64 {
    stages.as_array().unwrap().iter().map(|stage| stage["seconds"].as_f64().unwrap()).sum()
}

#[test]
fn plan_measures_each_stage() {
    let ran = run(Path::new("."), &[&["plan", "--time", "--json", "--device", "cpu"], &TINY[..]].concat()).ok().json();
    check("plan", &ran);
    let time = &ran["time"];
    assert_eq!(time["device"], "cpu");
    let steps: Vec<u64> =
        time["stages"].as_array().unwrap().iter().map(|stage| stage["steps"].as_u64().unwrap()).collect();
    assert_eq!(steps.len(), ran["plans"].as_array().unwrap().len());
    let total = time["seconds"].as_f64().unwrap();
    assert!(total > 0.0 && (total - seconds(&time["stages"])).abs() < 1e-9 * total, "{time}");
    let plain = run(Path::new("."), &[&["plan", "--json"], &TINY[..]].concat()).ok().json();
    assert!(plain.get("time").is_none());
}

#[test]
fn ablate_says_what_it_would_train_and_writes_nothing() {
    let place = folder();
    let out = place.path().join("table");
    let words = ["ablate", "--data", word(&shared().faces), "--out", word(&out), "--dry-run", "--json", "--seeds", "2"];
    // Three people of two pictures are too few to hold a quarter of them out.
    run(place.path(), &[&words[..], &TINY[..]].concat()).refused(3, "two people of two pictures");
    run(place.path(), &["data", "synth", "--out", "more", "--identities", "8", "--images", "3", "-q"]).ok();
    let words =
        ["ablate", "--data", "more", "--out", "table", "--dry-run", "--json", "--seeds", "2", "--rows", "joint"];
    let json = run(place.path(), &[&words[..], &TINY[..]].concat()).ok().json();
    check("ablate", &json);
    let of = |seed: u64| -> Vec<&str> {
        let trainings = json["trainings"].as_array().unwrap().iter().filter(|training| training["seed"] == seed);
        trainings.map(|training| training["name"].as_str().unwrap()).collect()
    };
    assert_eq!(of(1), ["hallucinator", "srcnn", "start", "recognition-hr", "joint"]);
    assert_eq!(of(1), of(2));
    assert_eq!(json["budget"], 2 * 700);
    assert!((json["seconds"].as_f64().unwrap() - seconds(&json["trainings"])).abs() < 1e-6);
    assert!(!out.exists());
}
