//! `identify`: a gallery that grows and shrinks, who is found in it, and what it is not mixed with.

use crate::{Ran, files, folder, run, shared, word};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn face(person: u32, image: u32) -> PathBuf {
    shared().faces.join(format!("id{person:05}/{image:04}.png"))
}

fn identify(place: &Path, more: &[&str]) -> Ran {
    let mut words = vec!["identify", "--model", word(&shared().joint), "--gallery", "people.gallery", "--json", "-q"];
    words.extend(more);
    run(place, &words)
}

fn counts(answer: &Value) -> (u64, u64) {
    (answer["people"].as_u64().unwrap(), answer["pictures"].as_u64().unwrap())
}

#[test]
fn everybody_is_found_under_the_name_they_were_added() {
    let temp = folder();
    let answer = identify(temp.path(), &["--add", word(&shared().faces)]).ok().json();
    assert_eq!((counts(&answer), &answer["added"], &answer["replaced"]), ((3, 6), &6.into(), &0.into()));
    let answer = identify(temp.path(), &[word(&face(1, 1)), "--top", "2"]).json();
    let result = &answer["results"][0];
    assert_eq!((&result["picture"], result["matches"].as_array().unwrap().len()), (&"0001.png".into(), 2));
    let best = &result["matches"][0];
    assert_eq!((&best["name"], &best["picture"]), (&"id00001".into(), &"id00001/0001.png".into()));
    assert!((best["cosine"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    assert!(result["name"].is_null() && result["known"].is_null() && answer["threshold"].is_null());
    // With a threshold the set is open.
    let known = |threshold: &str| identify(temp.path(), &[word(&face(1, 1)), "--threshold", threshold]).ok().json();
    assert_eq!(
        (&known("0.999")["results"][0]["name"], &known("0.999")["results"][0]["known"]),
        (&"id00001".into(), &true.into())
    );
    identify(temp.path(), &["--remove", "id00001"]).ok();
    let result = &known("1")["results"][0];
    assert_eq!((&result["name"], &result["known"]), (&Value::Null, &false.into()));
    assert_ne!(result["matches"][0]["name"], "id00001");
}

#[test]
fn a_gallery_is_what_is_in_it_and_not_how_it_came_to_be() {
    let temp = folder();
    let root = temp.path();
    let bytes = || std::fs::read(root.join("people.gallery")).unwrap();
    identify(root, &["--add", word(&shared().faces)]).ok();
    let all = bytes();
    std::fs::remove_file(root.join("people.gallery")).unwrap();
    for person in [2, 0, 1] {
        identify(root, &["--add", word(&face(person, 0)), word(&face(person, 1)), "--name", &format!("id{person:05}")])
            .ok();
    }
    // The names of the pictures are those under the folder that was given.
    let list = identify(root, &["--list"]).ok().json();
    assert_eq!(list["list"][2], serde_json::json!({ "name": "id00002", "pictures": 2 }));
    identify(root, &["--remove", "id00000", "id00001", "id00002"]).ok();
    assert_eq!(counts(&identify(root, &["--list"]).ok().json()), (0, 0));
    identify(root, &[word(&face(0, 0))]).refused(3, "nobody");
    identify(root, &["--add", word(&shared().faces)]).ok();
    assert_eq!(bytes(), all);
    let again = identify(root, &["--add", word(&shared().faces)]).ok().json();
    assert_eq!((&again["added"], &again["replaced"]), (&0.into(), &6.into()));
    assert_eq!(bytes(), all);
    assert_eq!(files(root), ["people.gallery"]);
    // No pixel is in it: six features of twice eight numbers, and names.
    assert!(all.len() < 6 * 16 * 4 + 1500, "{}", all.len());
}

#[test]
fn who_a_picture_is_of_is_said_by_folders_files_and_names() {
    let temp = folder();
    let root = temp.path();
    std::fs::create_dir_all(root.join("ann")).unwrap();
    std::fs::copy(face(0, 0), root.join("ann/1.png")).unwrap();
    std::fs::copy(face(1, 0), root.join("bob.png")).unwrap();
    identify(root, &["--add", "ann", "bob.png"]).ok();
    identify(root, &["--add", "bob.png", "--name", "Zoë\tO'Neil"]).ok();
    let list = identify(root, &["--list"]).ok().json();
    let names: Vec<&str> = list["list"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Zoë\tO'Neil", "ann", "bob"]);
    // Equal cosines are ordered by name.
    let answer = identify(root, &["bob.png", "--top", "9"]).ok().json();
    let order: Vec<&str> =
        answer["results"][0]["matches"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(order[..2], ["Zoë\tO'Neil", "bob"]);
    std::fs::copy(face(1, 0), root.join("ann.png")).unwrap();
    identify(root, &["--add", "."]).refused(2, "beside them");
    std::fs::create_dir(root.join("two")).unwrap();
    std::fs::copy(face(1, 0), root.join("two/bob.png")).unwrap();
    identify(root, &["--add", "bob.png", "two/bob.png"]).refused(2, "two runs");
}

#[test]
fn a_gallery_of_another_model_or_kind_is_refused_and_stays() {
    let temp = folder();
    let root = temp.path();
    identify(root, &["--add", word(&shared().faces)]).ok();
    let before = std::fs::read(root.join("people.gallery")).unwrap();
    let other = |more: &[&str]| {
        let mut words = vec!["identify", "--model", word(&shared().recognizer), "--gallery", "people.gallery"];
        words.extend(more);
        run(root, &words)
    };
    other(&[word(&face(0, 0))]).refused(3, "another model");
    other(&["--add", word(&face(0, 0))]).refused(3, "another model");
    identify(root, &[word(&face(0, 0)), "--no-mirror"]).refused(2, "--no-mirror");
    identify(root, &["--add", word(&face(0, 0)), "--no-mirror"]).refused(2, "--no-mirror");
    identify(root, &["--remove", "id00000", "nobody"]).refused(2, "nobody");
    identify(root, &["--add", "lost.png"]).refused(3, "lost.png");
    assert_eq!(std::fs::read(root.join("people.gallery")).unwrap(), before);
    std::fs::write(root.join("people.gallery"), &before[..before.len() - 1]).unwrap();
    identify(root, &["--list"]).refused(3, "people.gallery");
    std::fs::copy(shared().joint.join("model.safetensors"), root.join("people.gallery")).unwrap();
    identify(root, &[word(&face(0, 0))]).refused(3, "gallery");
    let picture = face(0, 0);
    let missing = ["identify", "--model", word(&shared().joint), "--gallery", "none", word(&picture)];
    run(root, &missing).refused(3, "none");
    run(root, &["identify", "--model", word(&shared().hallucinator), "--gallery", "g", "--add", word(&face(0, 0))])
        .refused(3, "no recogniser");
}

#[test]
fn the_calibration_says_who_is_a_stranger() {
    let temp = folder();
    let root = temp.path();
    std::fs::copy(shared().joint.join("model.safetensors"), root.join("m.safetensors")).unwrap();
    let run = |words: &[&str]| run(root, words);
    run(&["calibrate", "--model", "m.safetensors", "--data", word(&shared().faces), "--far", "0.2", "-q"]).ok();
    run(&["identify", "--model", "m.safetensors", "--gallery", "g", "--add", word(&face(0, 0)), "--name", "Ann", "-q"])
        .ok();
    let picture = face(0, 0);
    let search = |more: &[&str]| {
        let mut words = vec!["identify", "--model", "m.safetensors", "--gallery", "g", word(&picture), "--json", "-q"];
        words.extend(more);
        run(&words).ok()
    };
    let known = search(&[]);
    assert_eq!((known.json()["results"][0]["name"].as_str(), known.stderr.as_str()), (Some("Ann"), ""));
    assert!(known.json()["threshold"].is_f64());
    // A picture of the other kind than the calibration's pairs.
    let other = search(&["--input", "lr"]);
    assert!(other.json()["threshold"].is_null() && other.stderr.contains("--input hr"), "{}", other.stderr);
}
