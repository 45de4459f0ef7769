//! `data synth`, `pack`, `info`, `check` and `degrade`.

use crate::{files, folder, run, shared, word};
use hallucinet::data::image::{self, Picture};
use hallucinet::random::Random;
use hallucinet::resample::{Flavour, shrink_u8};
use std::path::Path;

fn noise(path: &Path, width: usize, height: usize) -> Picture {
    let mut random = Random::named(3, path.to_str().unwrap());
    let rgb = (0..width * height * 3).map(|_| random.bits() as u8).collect();
    let picture = Picture::new(width, height, rgb).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::write_png(path, &picture).unwrap();
    picture
}

#[test]
fn synth_draws_the_same_faces_for_the_same_seed() {
    let temp = folder();
    let draw = |out: &str, seed: &str| {
        let words =
            ["data", "synth", "--out", out, "--identities", "2", "--images", "2", "--seed", seed, "--json", "-q"];
        let ran = run(temp.path(), &words).ok();
        assert_eq!(ran.stderr, "");
        assert_eq!((&ran.json()["identities"], &ran.json()["pictures"]), (&2.into(), &4.into()));
        files(&temp.path().join(out))
            .iter()
            .map(|name| std::fs::read(temp.path().join(out).join(name)).unwrap())
            .collect()
    };
    let faces: Vec<Vec<u8>> = draw("a", "5");
    assert_eq!(faces.len(), 4);
    assert_eq!(draw("b", "5"), faces);
    assert_ne!(draw("c", "6"), faces);
    let again = ["data", "synth", "--out", "a", "--identities", "2", "--images", "2"];
    run(temp.path(), &again).refused(5, "not empty");
}

#[test]
fn a_pack_says_what_the_folder_says_and_notices_damage() {
    let temp = folder();
    let faces = word(&shared().faces);
    let made = run(temp.path(), &["data", "pack", faces, "--out", "f.pack", "--json", "-q"]).ok();
    assert_eq!(made.json()["faces"], 6);
    for what in [faces, "f.pack"] {
        let info = run(temp.path(), &["data", "info", what, "--json", "-q"]).ok().json();
        assert_eq!((&info["pictures"], &info["identities"]), (&6.into(), &3.into()), "{info}");
        assert_eq!(info["pictures_per_identity"], serde_json::json!({ "min": 2, "max": 2 }));
        let check = run(temp.path(), &["data", "check", what, "--json", "-q"]).ok().json();
        assert_eq!(check["wrong"], serde_json::json!([]));
    }
    run(temp.path(), &["data", "pack", faces, "--out", "f.pack"]).refused(5, "there already");
    let path = temp.path().join("f.pack");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096 + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let ran = run(temp.path(), &["data", "check", "f.pack", "--json", "-q"]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json()["wrong"].as_array().unwrap().len(), 1);
    bytes.truncate(5000);
    std::fs::write(&path, &bytes).unwrap();
    run(temp.path(), &["data", "check", "f.pack"]).refused(3, "f.pack");
}

#[test]
fn check_reads_every_picture_and_lists_the_broken_ones() {
    let temp = folder();
    noise(&temp.path().join("in/a/1.png"), 30, 20);
    std::fs::write(temp.path().join("in/a/2.png"), "a text").unwrap();
    let whole = std::fs::read(temp.path().join("in/a/1.png")).unwrap();
    std::fs::create_dir(temp.path().join("in/b")).unwrap();
    std::fs::write(temp.path().join("in/b/3.png"), &whole[..whole.len() / 2]).unwrap();
    let ran = run(temp.path(), &["data", "check", "in", "--json", "-q"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""));
    let json = ran.json();
    let wrong: Vec<&str> = json["wrong"].as_array().unwrap().iter().map(|what| what.as_str().unwrap()).collect();
    assert_eq!(wrong.len(), 2);
    assert!(wrong[0].contains("2.png") && wrong[1].contains("3.png"), "{wrong:?}");
    assert_eq!(json["pictures"], 3);
}

#[test]
fn a_folder_of_plain_pictures_has_no_identities() {
    let temp = folder();
    noise(&temp.path().join("in/1.png"), 30, 20);
    let info = run(temp.path(), &["data", "info", "in", "--json", "-q"]).ok().json();
    assert_eq!((&info["pictures"], &info["identities"]), (&1.into(), &0.into()));
    run(temp.path(), &["data", "check", "in", "-q"]).ok();
}

#[test]
fn degrade_rounds_sizes_up_and_keeps_paths_and_stems() {
    let temp = folder();
    let pictures = [("in/a/b/1.png", 97, 113), ("in/2.x.png", 5, 3), ("in/c/3.png", 1, 1)];
    let made: Vec<(&str, Picture)> =
        pictures.iter().map(|(name, width, height)| (*name, noise(&temp.path().join(name), *width, *height))).collect();
    for (word, flavour) in [("matlab", Flavour::Matlab), ("pillow", Flavour::Pillow), ("opencv", Flavour::Opencv)] {
        for scale in [3, 4] {
            let out = format!("out-{word}-{scale}");
            let number = scale.to_string();
            let words = ["data", "degrade", "in", "--out", &out, "--scale", &number, "--flavour", word, "--json", "-q"];
            let ran = run(temp.path(), &words).ok();
            assert_eq!((&ran.json()["images"], ran.stderr.as_str()), (&3.into(), ""));
            for (name, picture) in &made {
                let small = image::read(&temp.path().join(name.replacen("in", &out, 1))).unwrap();
                let size = (picture.height, picture.width);
                let (rgb, _) = shrink_u8(flavour, &picture.rgb, size, scale).unwrap();
                assert_eq!((small.width, small.height), (size.1.div_ceil(scale), size.0.div_ceil(scale)));
                assert_eq!(small.rgb, rgb, "{name} {word} {scale}");
            }
            assert_eq!(files(&temp.path().join(&out)).len(), 3);
        }
    }
}

#[test]
fn degrade_writes_a_whole_new_folder_or_none() {
    let temp = folder();
    noise(&temp.path().join("in/1.png"), 30, 20);
    std::fs::create_dir(temp.path().join("empty")).unwrap();
    let sheet = ["data", "degrade", "in", "--out", "empty", "--sheet", "sheet.png"];
    run(temp.path(), &sheet).ok();
    assert!(temp.path().join("sheet.png").is_file());
    run(temp.path(), &["data", "degrade", "in", "--out", "empty"]).refused(5, "not empty");
    run(temp.path(), &["data", "degrade", "in", "--out", "in"]).refused(5, "not empty");
    std::fs::write(temp.path().join("in/2.png"), "a text").unwrap();
    run(temp.path(), &["data", "degrade", "in", "--out", "new/deep"]).refused(3, "2.png");
    assert!(!temp.path().join("new/deep").exists());
    assert_eq!(files(temp.path()), ["empty/1.png", "in/1.png", "in/2.png", "sheet.png"]);
    // The current folder cannot be replaced under whoever stands in it.
    let here = folder();
    run(here.path(), &["data", "degrade", word(&temp.path().join("in/1.png")), "--out", "."]).refused(5, "current");
}
