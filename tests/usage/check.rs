//! `data check`: what is planted is found, and nothing else.

use crate::{Ran, folder, run, shared, word};
use hallucinet::data::image::{self, Picture};
use hallucinet::data::synth;
use hallucinet::random::Random;
use hallucinet::resample::{Flavour, shrink_u8};
use serde_json::{Value, json};
use std::path::Path;

fn check(place: &Path, more: &[&str]) -> Ran {
    let mut words = vec!["data", "check", "in", "--json", "-q"];
    words.extend(more);
    run(place, &words)
}

/// Four people of four pictures under `in`.
fn people(root: &Path) {
    for (person, image) in (0..16).map(|i| (i / 4, i % 4)) {
        let path = root.join(format!("in/p{person}/{image}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::write_png(&path, &Picture::new(96, 112, synth::face(4, person, image)).unwrap()).unwrap();
    }
}

fn empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

#[test]
fn good_pictures_have_no_findings() {
    let temp = folder();
    people(temp.path());
    let found = check(temp.path(), &[]).ok().json();
    for key in ["wrong", "tiny", "duplicates", "near_duplicates"] {
        assert!(empty(&found[key]), "{key}: {found}");
    }
    assert!(found["overlap"].is_null() && found["suspects"].is_null() && found["out"].is_null());
    assert_eq!((&found["pictures"], &found["identities"]), (&16.into(), &4.into()));
    let pack = ["data", "pack", "in", "--out", "in.pack", "-q"];
    run(temp.path(), &pack).ok();
    let packed = run(temp.path(), &["data", "check", "in.pack", "--json", "-q"]).ok().json();
    assert!(empty(&packed["duplicates"]) && empty(&packed["wrong"]) && empty(&packed["near_duplicates"]));
}

#[test]
fn copies_are_found_whatever_their_size_and_a_copy_under_another_name_is_wrong() {
    let temp = folder();
    let root = temp.path();
    people(root);
    let (original, whole) = (root.join("in/p1/2.png"), Picture::new(96, 112, synth::face(4, 1, 2)).unwrap());
    std::fs::copy(&original, root.join("in/p1/copy.png")).unwrap();
    let (half, _) = shrink_u8(Flavour::Pillow, &whole.rgb, (112, 96), 2).unwrap();
    image::write_png(&root.join("in/p2/half.png"), &Picture::new(48, 56, half).unwrap()).unwrap();
    let found = check(root, &[]).ok().json();
    assert_eq!(found["duplicates"], json!([["p1/2.png", "p1/copy.png"]]));
    let near = found["near_duplicates"].as_array().unwrap();
    assert_eq!((near.len(), &near[0]["a"], &near[0]["b"]), (1, &"p1/2.png".into(), &"p2/half.png".into()));
    assert!(empty(&found["wrong"]) && near[0]["two_names"] == true, "{found}");
    std::fs::copy(&original, root.join("in/p3/stolen.png")).unwrap();
    let ran = check(root, &[]);
    assert_eq!(ran.code, 3);
    let wrong = ran.json()["wrong"][0].as_str().unwrap().to_owned();
    assert!(wrong.contains("p1/2.png") && wrong.contains("p3/stolen.png") && wrong.contains("two names"), "{wrong}");
}

#[test]
fn tiny_pictures_are_named_and_are_not_wrong() {
    let temp = folder();
    people(temp.path());
    image::write_png(&temp.path().join("in/p0/t.png"), &Picture::new(24, 27, vec![7; 24 * 27 * 3]).unwrap()).unwrap();
    image::write_png(&temp.path().join("in/p0/u.png"), &Picture::new(24, 28, vec![9; 24 * 28 * 3]).unwrap()).unwrap();
    let found = check(temp.path(), &[]).ok().json();
    assert_eq!(found["tiny"], json!([{ "picture": "p0/t.png", "width": 24, "height": 27 }]));
}

#[test]
fn people_of_the_test_are_not_for_training() {
    let temp = folder();
    let root = temp.path();
    people(root);
    std::fs::write(root.join("pairs.txt"), "2\t1\np1\t1\t2\np1\t1\tq\t1\nq\t1\t2\nr\t1\tq\t1\n").unwrap();
    let ran = check(root, &["--pairs", "pairs.txt"]);
    assert_eq!((ran.code, &ran.json()["overlap"]), (3, &json!(["p1"])));
    assert!(ran.json()["wrong"][0].as_str().unwrap().contains("pairs.txt"));
    std::fs::write(root.join("clips.txt"), "1, 1, q/0, q/1, 1\n2, 1, p3/0, p0/1, 0\n").unwrap();
    assert_eq!(check(root, &["--pairs", "clips.txt"]).json()["overlap"], json!(["p0", "p3"]));
    std::fs::write(root.join("clean.txt"), "1, 1, q/0, q/1, 1\n2, 1, r/0, q/1, 0\n").unwrap();
    assert_eq!(check(root, &["--pairs", "clean.txt"]).ok().json()["overlap"], json!([]));
    check(root, &["--pairs", "lost.txt"]).refused(3, "lost.txt");
}

#[test]
fn a_report_shows_what_was_found() {
    let temp = folder();
    let root = temp.path();
    people(root);
    std::fs::copy(root.join("in/p1/2.png"), root.join("in/p1/copy.png")).unwrap();
    std::fs::write(root.join("in/p0/broken.png"), b"a text").unwrap();
    let ran = check(root, &["--out", "report"]);
    assert_eq!(ran.code, 3);
    let page = std::fs::read_to_string(root.join("report/report.html")).unwrap();
    for words in ["broken.png", "p1/copy.png", "data:image/png;base64,", "Not judged"] {
        assert!(page.contains(words), "{words}");
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(root.join("report/check.json")).unwrap()).unwrap();
    assert_eq!(kept["duplicates"], ran.json()["duplicates"]);
    check(root, &["--out", "report"]).refused(5, "not empty");
}

#[test]
fn a_model_names_pictures_that_are_somebody_elses() {
    let temp = folder();
    let root = temp.path();
    // What a network of two steps tells apart for sure: people who are a colour each, with a little noise.
    const COLOURS: [[u8; 3]; 4] = [[200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]];
    for (person, image) in (0..24).map(|i| (i / 6, i % 6)) {
        let mut random = Random::keyed(7, &[person, image]);
        let colour = COLOURS[person as usize].iter().cycle().take(96 * 112 * 3);
        let rgb = colour.map(|level| level + random.below(9) as u8).collect();
        // Picture 5 of person 1 is said to be person 2's.
        let owner = if (person, image) == (1, 5) { 2 } else { person };
        let path = root.join(format!("in/p{owner}/{person}-{image}.png"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::write_png(&path, &Picture::new(96, 112, rgb).unwrap()).unwrap();
    }
    let ran = check(root, &["--model", word(&shared().recognizer), "--out", "report"]).ok();
    let suspects = ran.json()["suspects"].clone();
    let first = &suspects[0];
    assert_eq!(
        (&first["picture"], &first["identity"], &first["nearer_to"]),
        (&"p2/1-5.png".into(), &"p2".into(), &"p1".into())
    );
    assert_eq!(suspects.as_array().unwrap().len(), 1, "{suspects}");
    check(root, &["--model", word(&shared().hallucinator)]).refused(3, "no recogniser");
}
