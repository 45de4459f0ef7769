//! `hallucinate`: which files it writes, from what, and what it says about them.

use crate::{files, folder, run, shared, word};
use hallucinet::data::image;
use hallucinet::metrics::psnr::psnr_rgb;

#[test]
fn one_png_per_picture_under_its_relative_path() {
    let temp = folder();
    let words =
        ["hallucinate", "--model", word(&shared().joint), word(&shared().faces), "--out", "out", "--json", "-q"];
    let ran = run(temp.path(), &words).ok();
    assert_eq!(ran.stderr, "");
    assert_eq!(files(&temp.path().join("out")), files(&shared().faces));
    assert_eq!(files(temp.path()).len(), 6, "no sheet, no temporary");
    let json = ran.json();
    assert_eq!((&json["images"], &json["out"], &json["device"]), (&6.into(), &"out".into(), &"cpu".into()));
    // The number is that of the files, against what went in.
    let each: Vec<f64> = files(&shared().faces)
        .iter()
        .map(|name| {
            let made = image::read(&temp.path().join("out").join(name)).unwrap();
            assert_eq!((made.width, made.height), (96, 112));
            let original = image::read(&shared().faces.join(name)).unwrap();
            psnr_rgb(&made.rgb, &original.rgb, (112, 96)).unwrap()
        })
        .collect();
    let mean = each.iter().sum::<f64>() / 6.0;
    let psnr = &json["psnr_rgb"];
    assert_eq!(psnr["images"], 6);
    assert!((psnr["hallucinated"].as_f64().unwrap() - mean).abs() < 1e-9, "{psnr} {mean}");
    assert!(psnr["bicubic"].as_f64().unwrap() > 15.0);
}

#[test]
fn a_high_picture_gives_what_its_low_one_gives() {
    let temp = folder();
    let faces = word(&shared().faces);
    run(temp.path(), &["data", "degrade", faces, "--out", "low"]).ok();
    for model in [&shared().joint, &shared().hallucinator] {
        let model = word(model);
        run(temp.path(), &["hallucinate", "--model", model, faces, "--out", "high-out"]).ok();
        let ran = run(temp.path(), &["hallucinate", "--model", model, "low", "--out", "low-out", "--json"]).ok();
        assert_eq!(ran.json()["psnr_rgb"], serde_json::Value::Null, "nothing to compare with");
        for name in files(&shared().faces) {
            let bytes = |folder: &str| std::fs::read(temp.path().join(folder).join(&name)).unwrap();
            assert_eq!(bytes("high-out"), bytes("low-out"), "{name}");
        }
    }
}

#[test]
fn a_sheet_has_a_row_per_picture_and_goes_where_it_says() {
    let temp = folder();
    let words = [
        "hallucinate",
        "--model",
        word(&shared().joint),
        word(&shared().faces),
        "--out",
        "out",
        "--sheet",
        "sheets/a.png",
    ];
    run(temp.path(), &words).ok();
    let sheet = image::read(&temp.path().join("sheets/a.png")).unwrap();
    assert_eq!(sheet.width, 6 + 3 * (96 + 6));
    assert!(sheet.height > 6 * (112 + 6) && sheet.height < 7 * (112 + 6), "{}", sheet.height);
    assert_eq!(files(&temp.path().join("out")).len(), 6);
}

#[test]
fn it_may_be_run_again_into_the_same_folder_but_never_over_its_input() {
    let temp = folder();
    let picture = shared().faces.join("id00000/0000.png");
    std::fs::create_dir(temp.path().join("in")).unwrap();
    std::fs::copy(&picture, temp.path().join("in/a.png")).unwrap();
    let model = word(&shared().joint);
    for _ in 0..2 {
        run(temp.path(), &["hallucinate", "--model", model, "in", "--out", "out"]).ok();
    }
    let before = std::fs::read(temp.path().join("in/a.png")).unwrap();
    run(temp.path(), &["hallucinate", "--model", model, "in", "--out", "in"]).refused(5, "overwrite");
    let sheet = ["hallucinate", "--model", model, "in", "--out", "more", "--sheet", "in/a.png"];
    run(temp.path(), &sheet).refused(5, "overwrite");
    let sheet = ["hallucinate", "--model", model, "in", "--out", "more", "--sheet", "more/a.png"];
    run(temp.path(), &sheet).refused(2, "--sheet");
    assert_eq!(std::fs::read(temp.path().join("in/a.png")).unwrap(), before);
    assert!(!temp.path().join("more").exists());
}

#[test]
fn names_that_would_meet_are_refused_before_anything_is_written() {
    let temp = folder();
    let picture = shared().faces.join("id00000/0000.png");
    for name in ["in/a.png", "in/a.ppm", "one/b.png", "two/b.png"] {
        let path = temp.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(&picture, path).unwrap();
    }
    let model = word(&shared().joint);
    run(temp.path(), &["hallucinate", "--model", model, "in", "--out", "out"]).refused(2, "a.p");
    run(temp.path(), &["hallucinate", "--model", model, "one", "two", "--out", "out"]).refused(2, "b.png");
    run(temp.path(), &["data", "degrade", "in", "--out", "out"]).refused(2, "a.p");
    assert_eq!(files(temp.path()).len(), 4);
}

#[test]
fn a_model_without_a_hallucinator_hallucinates_nothing() {
    let temp = folder();
    let words = ["hallucinate", "--model", word(&shared().recognizer), word(&shared().faces), "--out", "out"];
    run(temp.path(), &words).refused(3, "no hallucinator");
    assert!(!temp.path().join("out").exists());
}

#[test]
fn what_is_there_already_can_be_skipped() {
    let temp = folder();
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    let words = ["hallucinate", "--model", model, faces, "--out", "out", "--skip-existing", "--json", "-q"];
    let first = run(temp.path(), &words).ok().json();
    assert_eq!((&first["images"], &first["skipped"]), (&6.into(), &0.into()));
    let names = files(&temp.path().join("out"));
    let whole = std::fs::read(temp.path().join("out").join(&names[1])).unwrap();
    std::fs::write(temp.path().join("out").join(&names[0]), "kept as it is").unwrap();
    std::fs::remove_file(temp.path().join("out").join(&names[1])).unwrap();
    let sheet = ["--sheet", "sheet.png"];
    let second = run(temp.path(), &[&words[..], &sheet].concat()).ok().json();
    assert_eq!((&second["images"], &second["skipped"], &second["sheet"]), (&1.into(), &5.into(), &"sheet.png".into()));
    assert_eq!(std::fs::read(temp.path().join("out").join(&names[0])).unwrap(), b"kept as it is");
    assert_eq!(std::fs::read(temp.path().join("out").join(&names[1])).unwrap(), whole);
    let third = run(temp.path(), &[&words[..], &["--sheet", "other.png"]].concat()).ok().json();
    assert_eq!((&third["images"], &third["sheet"]), (&0.into(), &serde_json::Value::Null));
    assert!(!temp.path().join("other.png").exists());
}
