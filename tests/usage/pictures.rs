//! How pictures of any size become what a network takes: the contract's "Pictures".

use crate::{folder, rows, run, shared, train, word};
use hallucinet::data::align::TEMPLATE;
use hallucinet::data::image::{self, Picture};
use std::path::{Path, PathBuf};

fn face() -> PathBuf {
    shared().faces.join("id00001/0000.png")
}

/// The face at (2, 4) of a grey picture of 120x140.
fn framed(path: &Path) {
    let face = image::read(&face()).unwrap();
    let (width, height) = (120, 140);
    let mut rgb = vec![128; width * height * 3];
    for (y, row) in face.rgb.chunks_exact(face.width * 3).enumerate() {
        let at = ((y + 4) * width + 2) * 3;
        rgb[at..at + row.len()].copy_from_slice(row);
    }
    image::write_png(path, &Picture::new(width, height, rgb).unwrap()).unwrap();
}

fn points(name: &str) -> String {
    let numbers: Vec<String> = TEMPLATE.iter().map(|[x, y]| format!("{} {}", x + 2.0, y + 4.0)).collect();
    format!("{name} {}\n", numbers.join(" "))
}

#[test]
fn what_is_low_resolution_goes_through_the_hallucinator_and_what_is_high_does_not() {
    let temp = folder();
    run(temp.path(), &["data", "degrade", word(&face()), "--out", "low"]).ok();
    let low = temp.path().join("low/0000.png");
    let joint = &shared().joint;
    let (of_low, of_high) = (rows(joint, &[&low], &[]), rows(joint, &[&face()], &[]));
    assert_ne!(of_low, of_high);
    assert_eq!(rows(joint, &[&low], &["--input", "lr"]), of_low);
    assert_eq!(rows(joint, &[&face()], &["--input", "lr"]), of_low);
    assert_eq!(rows(joint, &[&face()], &["--input", "hr"]), of_high);
    // Both kinds in one command, each by its own size.
    let mixed = temp.path().join("mixed");
    std::fs::create_dir(&mixed).unwrap();
    std::fs::copy(&low, mixed.join("a.png")).unwrap();
    std::fs::copy(face(), mixed.join("b.png")).unwrap();
    assert_eq!(rows(joint, &[&mixed], &[]), [of_low, of_high].concat());
}

#[test]
fn low_resolution_is_made_by_the_flavour_of_the_model() {
    let temp = folder();
    std::os::unix::fs::symlink(&shared().faces, temp.path().join("faces")).unwrap();
    let model = train(temp.path(), "pillow", "joint", &["data.downsample=pillow"]);
    run(temp.path(), &["data", "degrade", word(&face()), "--flavour", "pillow", "--out", "pillow-low"]).ok();
    run(temp.path(), &["data", "degrade", word(&face()), "--out", "matlab-low"]).ok();
    let low = |name: &str| rows(&model, &[&temp.path().join(name)], &[]);
    let made = rows(&model, &[&face()], &["--input", "lr"]);
    assert_eq!(made, low("pillow-low"));
    assert_ne!(made, low("matlab-low"));
}

#[test]
fn a_crop_and_landmarks_find_the_face() {
    let temp = folder();
    let picture = temp.path().join("framed.png");
    framed(&picture);
    std::fs::write(temp.path().join("points.txt"), points("framed.png")).unwrap();
    let joint = &shared().joint;
    let wanted = rows(joint, &[&face()], &[]);
    assert_eq!(rows(joint, &[&picture], &["--crop", "2,4,96,112"]), wanted);
    let list = temp.path().join("points.txt");
    assert_eq!(rows(joint, &[&picture], &["--landmarks", word(&list)]), wanted);
    let data = ["--landmarks", "points.txt", "--data", word(temp.path())];
    assert_eq!(rows(joint, &[&picture], &data), wanted);
    assert_ne!(rows(joint, &[&picture], &[]), wanted, "the centre is not where the face is");
}

#[test]
fn a_model_remembers_its_landmarks_and_looks_for_them_under_data() {
    let temp = folder();
    let root = temp.path();
    std::os::unix::fs::symlink(&shared().faces, root.join("faces")).unwrap();
    std::fs::create_dir_all(root.join("pictures/someone")).unwrap();
    framed(&root.join("pictures/someone/a.png"));
    // Beside the folder of pictures, with paths relative to it.
    std::fs::write(root.join("points.txt"), points("someone/a.png")).unwrap();
    let real = shared().faces.parent().unwrap();
    std::fs::write(real.join("points.txt"), points("someone/a.png")).unwrap();
    let model = train(root, "aligned", "joint", &["data.landmarks=points.txt"]);
    let picture = root.join("pictures/someone/a.png");
    let data = root.join("pictures");
    let wanted = rows(&model, &[&face()], &[]);
    assert_eq!(rows(&model, &[&picture], &["--data", word(&data)]), wanted);
    assert_eq!(rows(&model, &[&data], &["--data", word(&data)]), wanted);
    // A command that overrides them needs no list, one that does not has to be told where it is.
    assert_eq!(rows(&model, &[&picture], &["--crop", "2,4,96,112"]), wanted);
    let embed = ["embed", "--model", word(&model), word(&picture), "--out", "a.npy"];
    run(root, &embed).refused(3, "--data");
    assert!(!root.join("a.npy").exists());
}

#[test]
fn centre_cuts_are_said_once() {
    let temp = folder();
    std::fs::create_dir(temp.path().join("in")).unwrap();
    for name in ["a", "b", "c"] {
        framed(&temp.path().join(format!("in/{name}.png")));
    }
    let ran = run(temp.path(), &["embed", "--model", word(&shared().joint), "in", "--out", "a.npy", "-q"]).ok();
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("3 of 3 pictures"), "{}", ran.stderr);
}

#[test]
fn a_low_resolution_picture_is_no_high_resolution_one() {
    let temp = folder();
    run(temp.path(), &["data", "degrade", word(&face()), "--out", "low"]).ok();
    let words = ["embed", "--model", word(&shared().joint), "low", "--input", "hr", "--out", "a.npy"];
    run(temp.path(), &words).refused(3, "24x28");
    let high = face();
    let words = ["verify", "--model", word(&shared().joint), "low/0000.png", word(&high), "--input", "hr"];
    run(temp.path(), &words).refused(3, "24x28");
    assert!(!temp.path().join("a.npy").exists());
}

#[test]
fn pictures_that_look_uncut_are_named() {
    let temp = folder();
    for (name, width, height) in [("portrait", 100, 130), ("wide", 400, 300), ("large", 700, 816), ("tall", 50, 200)] {
        let picture = image::Picture::new(width, height, vec![99; 3 * width * height]).unwrap();
        std::fs::create_dir_all(temp.path().join("in/someone")).unwrap();
        image::write_png(&temp.path().join(format!("in/someone/{name}.png")), &picture).unwrap();
    }
    let said = |words: &[&str]| {
        let ran = run(temp.path(), words).ok();
        let warnings: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("warning:")).collect();
        assert_eq!(warnings.len(), 1, "{}", ran.stderr);
        for name in ["wide.png (400x300)", "large.png (700x816)", "tall.png (50x200)", "3 look like whole photographs"]
        {
            assert!(warnings[0].contains(name), "no {name} in: {}", warnings[0]);
        }
        assert!(!warnings[0].contains("portrait"), "{}", warnings[0]);
    };
    said(&["embed", "--model", word(&shared().joint), "in", "--out", "a.npy"]);
    said(&["data", "pack", "in", "--out", "a.pack"]);
    said(&["eval", "--model", word(&shared().joint), "--data", "in"]);
}
