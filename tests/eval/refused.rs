//! What cannot be scored, each in a sentence with its exit code and nothing written.

use crate::fixture::{PAIRS, World, with};
use hallucinet::data::image::{Picture, write_png};

#[test]
fn low_pictures_have_no_high_resolution() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    world.draw("low", |_| Picture::new(24, 28, vec![90; 24 * 28 * 3]).unwrap());
    let (code, sentence) = world.failure(&joint, "low", &with(&PAIRS, &["--input", "hr", "--out", "details"]));
    assert_eq!(code, 3);
    assert!(sentence.contains("24x28"), "{sentence}");
    assert!(!world.path("details").exists());
    let (code, sentence) = world.failure(&joint, "low", &[]);
    assert_eq!(code, 3);
    assert!(sentence.contains("--pairs"), "{sentence}");
}

#[test]
fn pictures_of_both_kinds_are_not_mixed() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    let low = Picture::new(24, 28, vec![90; 24 * 28 * 3]).unwrap();
    write_png(&world.picture("faces", 5, 1), &low).unwrap();
    let (code, sentence) = world.failure(&joint, "faces", &PAIRS);
    assert_eq!(code, 3);
    assert!(sentence.contains("p5_0001.png") && sentence.contains("24x28"), "{sentence}");
}

#[test]
fn an_occupied_output_folder_is_left_alone() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    std::fs::create_dir(world.path("mine")).unwrap();
    std::fs::write(world.path("mine/thesis.txt"), b"years of work").unwrap();
    let (code, sentence) = world.failure(&joint, "faces", &with(&PAIRS, &["--out", "mine"]));
    assert_eq!(code, 5);
    assert!(sentence.contains("not empty"), "{sentence}");
    assert_eq!(std::fs::read_dir(world.path("mine")).unwrap().count(), 1);
    std::fs::create_dir(world.path("empty")).unwrap();
    world.document(&joint, "faces", &with(&PAIRS, &["--out", "empty"]));
    assert_eq!(std::fs::read_dir(world.path("empty")).unwrap().count(), 6);
}

#[test]
fn a_crop_outside_the_pictures_names_the_picture() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    world.draw("large", |_| Picture::new(120, 120, vec![90; 120 * 120 * 3]).unwrap());
    let (code, sentence) = world.failure(&joint, "large", &with(&PAIRS, &["--crop", "100,0,60,70"]));
    assert_eq!(code, 3);
    assert!(sentence.contains("p0_0001.png"), "{sentence}");
    let (code, sentence) = world.failure(&joint, "large", &with(&PAIRS, &["--landmarks", "nowhere.txt"]));
    assert!(code == 3 || code == 5, "{code}");
    assert!(sentence.contains("nowhere.txt"), "{sentence}");
}

#[test]
fn what_is_not_there_is_named() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    let (code, sentence) = world.failure(&world.path("nothing"), "faces", &PAIRS);
    assert_eq!(code, 3);
    assert!(sentence.contains("nothing"), "{sentence}");
    let (code, sentence) = world.failure(&joint, "nowhere", &PAIRS);
    assert!(code == 3 || code == 5, "{code}");
    assert!(sentence.contains("nowhere"), "{sentence}");
    let (code, sentence) = world.failure(&joint, "faces", &["--pairs", "lost.txt"]);
    assert!(code == 3 || code == 5, "{code}");
    assert!(sentence.contains("lost.txt"), "{sentence}");
}
