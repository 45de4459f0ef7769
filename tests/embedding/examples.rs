//! The programs of `examples/`, run from within.

use crate::{face, joint, model, on_cpu};
use hallucinet::Image;
use hallucinet::data::image::write_png;
use std::path::Path;

#[allow(dead_code)]
#[path = "../../examples/embed.rs"]
mod embed;
#[allow(dead_code)]
#[path = "../../examples/frames.rs"]
mod frames;
#[allow(dead_code)]
#[path = "../../examples/search.rs"]
mod search;

/// A model and faces of three people, two pictures each.
fn place() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.safetensors"), model(true, true, &[])).unwrap();
    for person in 0..3 {
        let own = folder.path().join(format!("faces/p{person}"));
        std::fs::create_dir_all(&own).unwrap();
        for image in 0..2 {
            write_png(&own.join(format!("{image}.png")), &face(person, image)).unwrap();
        }
    }
    folder
}

fn words(folder: &Path, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| folder.join(name).display().to_string()).collect()
}

#[test]
fn embed_says_how_alike_pictures_are() {
    let folder = place();
    let arguments = words(folder.path(), &["model.safetensors", "faces/p0/0.png", "faces/p0/0.png", "faces/p1/0.png"]);
    let mut output = Vec::new();
    embed::run(&arguments, &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let cosines: Vec<&str> = text.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(cosines[..2], ["1.0000", "1.0000"]);
    assert_ne!(cosines[2], "1.0000");
    assert_eq!(embed::run(&arguments[..1], &mut Vec::new()).unwrap_err().exit_code(), 2);
}

#[test]
fn frames_come_out_as_they_went_in() {
    let folder = place();
    let mut arguments = words(folder.path(), &["model.safetensors"]);
    arguments.extend(["96".to_owned(), "112".to_owned()]);
    let faces = [face(0, 0), face(1, 0), face(2, 0)];
    let stream: Vec<u8> = faces.iter().flat_map(|face| face.rgb.clone()).collect();
    let mut output = Vec::new();
    assert_eq!(frames::run(&arguments, &mut stream.as_slice(), &mut output).unwrap(), 3);
    let engine = on_cpu(joint());
    let wanted = faces.iter().flat_map(|face| engine.hallucinate(&[Image::from(face)]).unwrap().remove(0).rgb);
    assert_eq!(output, wanted.collect::<Vec<u8>>());
    let torn = &stream[..stream.len() - 1];
    assert_eq!(frames::run(&arguments, &mut &torn[..], &mut Vec::new()).unwrap_err().exit_code(), 3);
    assert_eq!(frames::run(&arguments, &mut &[][..], &mut Vec::new()).unwrap(), 0);
}

#[test]
fn search_finds_the_picture_itself_first() {
    let folder = place();
    let mut arguments = words(folder.path(), &["model.safetensors", "faces", "faces/p2/1.png"]);
    arguments.push("3".to_owned());
    let mut output = Vec::new();
    search::run(&arguments, &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "1.0000\tp2/1.png"));
    assert!(lines.windows(2).all(|two| two[0][..6] >= two[1][..6]), "{text}");
}
