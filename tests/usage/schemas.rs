//! Every `--json` document is what its schema in `schemas/` says, and every command has a schema. Those of `demo` and `ablate` are in their own tests.

use crate::schema::{check, folder as schemas, wrong};
use crate::{Ran, folder, run, shared, word};
use serde_json::Value;
use std::path::Path;

/// The validator itself: what it must refuse.
#[test]
fn a_document_that_is_not_as_its_schema_says_is_refused() {
    let schema = serde_json::json!({ "type": "object", "required": ["a"], "properties": {
        "a": { "type": ["integer", "null"], "minimum": 0 }, "b": { "type": "array", "items": { "enum": ["x"] }, "maxItems": 1 } } });
    for (text, problems) in [
        (r#"{"a": 1, "b": ["x"]}"#, 0),
        (r#"{"a": null}"#, 0),
        (r#"{"b": []}"#, 1),
        (r#"{"a": 0.5}"#, 1),
        (r#"{"a": -1}"#, 1),
        (r#"{"a": 1, "c": 1}"#, 1),
        (r#"{"a": 1, "b": ["x", "y"]}"#, 2),
        (r#"[]"#, 1),
    ] {
        assert_eq!(wrong(&schema, &serde_json::from_str(text).unwrap(), "").len(), problems, "{text}");
    }
}

/// Names of the commands that do something, `data-synth` for `data synth`.
fn commands(command: &clap::Command, prefix: &str) -> Vec<String> {
    let of = |inner: &clap::Command| {
        let name = format!("{prefix}{}", inner.get_name());
        if inner.has_subcommands() { commands(inner, &format!("{name}-")) } else { vec![name] }
    };
    command.get_subcommands().flat_map(of).collect()
}

#[test]
fn every_command_has_a_schema_and_every_schema_a_command() {
    let mut wanted = commands(&hallucinet::cli::args::command(), "");
    wanted.sort();
    let mut there: Vec<String> = std::fs::read_dir(schemas())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    there.sort();
    assert_eq!(there, wanted);
}

/// The document of a command that must answer.
fn answer(folder: &Path, words: &[&str]) -> Value {
    let Ran { code, stdout, stderr } = run(folder, &[words, &["--json", "-q"]].concat());
    assert!([0, 1, 3].contains(&code), "{words:?}: {stderr}");
    serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {stdout}{stderr}"))
}

#[test]
fn what_is_made_of_pictures_is_as_its_schema_says() {
    let temp = folder();
    let at = |words: &[&str]| answer(temp.path(), words);
    let faces = word(&shared().faces);
    check("data-synth", &at(&["data", "synth", "--out", "one", "--identities", "2", "--images", "1"]));
    check(
        "data-synth",
        &at(&["data", "synth", "--out", "two", "--identities", "2", "--images", "1", "--sheet", "s.png"]),
    );
    check("data-pack", &at(&["data", "pack", faces, "--out", "faces.pack"]));
    for place in [faces, "faces.pack"] {
        check("data-info", &at(&["data", "info", place]));
        check("data-check", &at(&["data", "check", place]));
    }
    std::fs::write(temp.path().join("one/id00000/broken.png"), "no picture").unwrap();
    check("data-check", &at(&["data", "check", "one"]));
    check("data-degrade", &at(&["data", "degrade", faces, "--out", "low", "--flavour", "pillow"]));
}

#[test]
fn what_a_model_answers_is_as_its_schema_says() {
    let temp = folder();
    let at = |words: &[&str]| answer(temp.path(), words);
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    at(&["data", "degrade", faces, "--out", "low"]);
    check("hallucinate", &at(&["hallucinate", "--model", model, "low", "--out", "a"]));
    check("hallucinate", &at(&["hallucinate", "--model", model, faces, "--out", "b", "--sheet", "sheet.png"]));
    check("embed", &at(&["embed", "--model", model, faces, "--out", "f.npy"]));
    let [a, b] = ["id00000/0000.png", "id00001/0000.png"].map(|name| shared().faces.join(name));
    for more in [&[][..], &["--threshold", "1"], &["--threshold", "-1"]] {
        check("verify", &at(&[&["verify", "--model", model, word(&a), word(&b)], more].concat()));
    }
    check("export", &at(&["export", "--model", model, "--format", "onnx", "--out", "onnx"]));
    check("export", &at(&["export", "--model", model, "--format", "safetensors", "--out", "safetensors"]));
}

#[test]
fn scores_are_as_their_schema_says() {
    let temp = folder();
    let at = |words: &[&str]| answer(temp.path(), words);
    // LFW's names for the drawn faces.
    for (person, image) in (0..3).flat_map(|person| [(person, 0), (person, 1)]) {
        let to = temp.path().join(format!("lfw/p{person}"));
        std::fs::create_dir_all(&to).unwrap();
        let from = shared().faces.join(format!("id0000{person}/000{image}.png"));
        std::fs::copy(from, to.join(format!("p{person}_000{}.png", image + 1))).unwrap();
    }
    let pairs =
        "2\t2\np0\t1\t2\np1\t1\t2\np0\t1\tp1\t1\np0\t2\tp1\t2\np2\t1\t2\np1\t1\t2\np2\t1\tp1\t1\np2\t2\tp1\t2\n";
    std::fs::write(temp.path().join("pairs.txt"), pairs).unwrap();
    for model in [&shared().joint, &shared().recognizer] {
        let eval = ["eval", "--model", word(model), "--data", "lfw"];
        check("eval", &at(&[&eval[..], &["--gallery"]].concat()));
        check("eval", &at(&eval));
        check("eval", &at(&[&eval[..], &["--pairs", "pairs.txt", "--input", "lr"]].concat()));
        check("eval", &at(&[&eval[..], &["--pairs", "pairs.txt", "--fold", "1"]].concat()));
    }
}

#[test]
fn what_is_brought_in_and_who_is_found_is_as_its_schema_says() {
    let temp = folder();
    let at = |words: &[&str]| answer(temp.path(), words);
    let faces = word(&shared().faces);
    std::fs::copy(shared().joint.join("model.safetensors"), temp.path().join("model.safetensors")).unwrap();
    let model = ["--model", "model.safetensors"];
    check("calibrate", &at(&[&["calibrate", "--data", faces, "--far", "0.2"], &model[..]].concat()));
    let identify = |words: &[&str]| at(&[&["identify", "--gallery", "people"], &model[..], words].concat());
    check("identify", &identify(&["--add", faces]));
    check("identify", &identify(&["--list"]));
    check("identify", &identify(&[faces]));
    let picture = shared().faces.join("id00000/0000.png");
    std::fs::create_dir_all(temp.path().join("lfw/p")).unwrap();
    for number in [1, 2] {
        std::fs::copy(&picture, temp.path().join(format!("lfw/p/p_000{number}.png"))).unwrap();
    }
    let pairs: String = (0..2).map(|_| "p\t1\t2\np\t1\tp\t2\n").collect();
    std::fs::write(temp.path().join("pairs.txt"), format!("2\t1\n{pairs}")).unwrap();
    check("export", &at(&["export", "--format", "bin", "--data", "lfw", "--pairs", "pairs.txt", "--out", "bin"]));
    check("import", &at(&["import", "bin/pairs.bin", "--out", "pictures"]));
}

#[test]
fn what_training_and_measuring_answer_is_as_its_schema_says() {
    let temp = folder();
    let at = |words: &[&str]| answer(temp.path(), words);
    let small = ["model.recognizer_width=0.0625", "model.features=8", "model.hallucinator_channels=4", "train.batch=2"];
    let small: Vec<&str> = small.iter().flat_map(|set| ["--set", set]).collect();
    for mode in ["joint", "hallucination"] {
        let words = ["train", "--preset", "quick", "--data", word(&shared().faces), "--out", mode, "--mode", mode];
        check("train", &at(&[&words[..], &small, &["--dry-run"]].concat()));
        check("train", &at(&[&words[..], &small, &["--set", "train.steps=1"]].concat()));
    }
    check("plan", &at(&[&["plan", "--preset", "quick"], &small[..]].concat()));
    check("plan", &at(&[&["plan", "--preset", "quick", "--inference", "lr", "--batch", "3"], &small[..]].concat()));
    check("bench", &at(&[&["bench", "--preset", "quick", "--batch", "2", "--identities", "4"], &small[..]].concat()));
    let bf16 = ["bench", "--preset", "quick", "--batch", "1", "--identities", "4", "--precision", "bf16"];
    let bench = at(&[&bf16, &small[..]].concat());
    check("bench", &bench);
    // What bf16 rounds, and not more: a network of thirty layers stays within a tenth.
    let error = bench["bf16"]["feature_error"].as_f64().unwrap();
    assert!(error > 0.0 && error < 0.1, "{error}");
    check("doctor", &at(&["doctor"]));
    check("completions", &at(&["completions", "bash"]));
    check("man", &at(&["man", "--out", "man1"]));
}
