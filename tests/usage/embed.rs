//! `embed`: rows, order, formats and mirroring.

use crate::{files, folder, rows, run, shared, word};
use hallucinet::data::image;
use hallucinet::formats::npy;
use safetensors::SafeTensors;
use serde_json::{Value, json};

#[test]
fn three_formats_hold_the_same_features() {
    let temp = folder();
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    for name in ["f.npy", "f.jsonl", "f.safetensors"] {
        let ran = run(temp.path(), &["embed", "--model", model, faces, "--out", name, "--json", "-q"]).ok();
        let answer = ran.json();
        assert_eq!(ran.stderr, "");
        assert_eq!((&answer["features"], &answer["out"]), (&json!([6, 8]), &json!(name)));
        assert_eq!(answer["names"], json!(files(&shared().faces)));
    }
    assert_eq!(files(temp.path()).len(), 3);
    let matrix = npy::read(&temp.path().join("f.npy")).unwrap();
    assert_eq!((matrix.rows, matrix.columns), (6, 8));
    let text = std::fs::read_to_string(temp.path().join("f.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for ((line, row), name) in lines.iter().zip(matrix.values.chunks(8)).zip(files(&shared().faces)) {
        assert_eq!(line["name"], name);
        let feature: Vec<f32> =
            line["feature"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect();
        assert_eq!(feature, row);
    }
    let bytes = std::fs::read(temp.path().join("f.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("features").unwrap();
    assert_eq!(tensor.shape(), [6, 8]);
    let numbers: Vec<f32> =
        tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(numbers, matrix.values);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["hallucinet"]);
    let about: Value = serde_json::from_str(&metadata["hallucinet"]).unwrap();
    assert_eq!(about["names"], json!(files(&shared().faces)));
}

#[test]
fn a_row_depends_on_its_picture_alone() {
    let joint = &shared().joint;
    let all = rows(joint, &[&shared().faces], &[]);
    for (name, row) in files(&shared().faces).iter().zip(&all) {
        assert_eq!(rows(joint, &[&shared().faces.join(name)], &[]), [row.as_slice()], "{name}");
    }
    assert_eq!(rows(joint, &[&shared().faces], &["--threads", "1"]), all);
}

#[test]
fn rows_are_in_order_of_the_paths_whatever_the_order_of_the_inputs() {
    let (a, b) = (shared().faces.join("id00000/0000.png"), shared().faces.join("id00000/0001.png"));
    let joint = &shared().joint;
    assert_eq!(rows(joint, &[&b, &a], &[]), rows(joint, &[&a, &b], &[]));
    assert_ne!(rows(joint, &[&a], &[]), rows(joint, &[&b], &[]));
}

#[test]
fn mirror_adds_the_feature_of_the_mirrored_picture() {
    let temp = folder();
    let picture = shared().faces.join("id00002/0001.png");
    let flipped = temp.path().join("flipped.png");
    image::write_png(&flipped, &image::read(&picture).unwrap().mirror()).unwrap();
    let joint = &shared().joint;
    for input in ["hr", "lr"] {
        let more = ["--input", input];
        let wanted = [rows(joint, &[&picture], &more), rows(joint, &[&flipped], &more)].concat().concat();
        assert_eq!(rows(joint, &[&picture], &["--input", input, "--mirror"]), [wanted], "{input}");
    }
}

#[test]
fn without_a_hallucinator_low_resolution_goes_through_bicubic() {
    let picture = shared().faces.join("id00002/0001.png");
    let model = &shared().recognizer;
    let (low, high) = (rows(model, &[&picture], &["--input", "lr"]), rows(model, &[&picture], &[]));
    assert_ne!(low, high);
    // A quarter of the pixels leave most of a face: the features stay neighbours, closer than those of another person.
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
    let other = rows(model, &[&shared().faces.join("id00000/0000.png")], &[]);
    assert!(distance(&low[0], &high[0]) < distance(&other[0], &high[0]));
}

#[test]
fn a_model_without_a_recogniser_has_no_features() {
    let temp = folder();
    let words = ["embed", "--model", word(&shared().hallucinator), word(&shared().faces), "--out", "f.npy"];
    run(temp.path(), &words).refused(3, "no recogniser");
    assert!(files(temp.path()).is_empty());
}
