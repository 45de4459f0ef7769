//! `export`: what is written is read back by code of its own and computes what the engine computes.

mod interpreter;
mod npz;
mod protobuf;

use crate::{files, folder, rows, run, shared, word};
use hallucinet::data::image;
use hallucinet::formats::lfw_bin;
use interpreter::{DOUBLE, SINGLE, Tensor};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const NETS: [&str; 3] = ["hallucinator", "recognizer", "cascade"];

fn export(model: &Path, out: &Path) -> Value {
    let words = ["export", "--model", word(model), "--format", "onnx", "--out", word(out), "--json", "-q"];
    run(Path::new("."), &words).ok().json()
}

fn onnx(out: &Path, net: &str) -> protobuf::File {
    protobuf::read(&std::fs::read(out.join(format!("{net}.onnx"))).unwrap())
}

fn probe(out: &Path, net: &str) -> BTreeMap<String, Tensor> {
    npz::read(&std::fs::read(out.join(format!("{net}.probe.npz"))).unwrap())
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.extents, b.extents);
    a.values.iter().zip(&b.values).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// What the engine's numbers may differ by: the file in f64 is the truth, and the plainest loop in f32 is how far rounding alone leads
/// from it. Kernels that reorder the algebra (Winograd) lose up to four bits more.
fn close(file: &protobuf::File, image: &Tensor, outputs: &BTreeMap<String, Tensor>, what: &str) {
    let truth = interpreter::run(file, image.clone(), DOUBLE);
    let single = interpreter::run(file, image.clone(), SINGLE);
    assert_eq!(truth.keys().collect::<Vec<_>>(), outputs.keys().collect::<Vec<_>>(), "{what}");
    for (name, given) in outputs {
        let (found, allowed) =
            (largest_difference(&truth[name], given), largest_difference(&truth[name], &single[name]));
        assert!(found <= 16.0 * allowed && allowed > 0.0, "{what}, {name}: {found:e} against {allowed:e} of rounding");
    }
}

/// A wrong layer, padding, order of channels, tap, slope or border would be found here, in any of the three kinds of hallucinator.
#[test]
fn the_files_compute_what_the_engine_computes() {
    let temp = folder();
    for model in [&shared().joint, &shared().residual, &shared().srcnn] {
        let out = temp.path().join(model.file_name().unwrap());
        export(model, &out);
        for net in NETS {
            let (file, mut probe) = (onnx(&out, net), probe(&out, net));
            let image = probe.remove("image").unwrap();
            assert_eq!(image.extents[0], 3);
            assert!(
                image.values.chunks(image.values.len() / 3).is_sorted_by(|a, b| a != b),
                "three different pictures"
            );
            close(&file, &image, &probe, &format!("{model:?} {net}"));
        }
    }
}

/// The probe might be wrong as the file is; the features of `embed` are those of real pictures.
#[test]
fn the_files_compute_what_embed_writes() {
    let temp = folder();
    export(&shared().joint, temp.path());
    let names = files(&shared().faces);
    let units = |folder: &Path| {
        let picture = |name: &String| image::read(&folder.join(name)).unwrap();
        let channel = |rgb: &[u8], c: usize| -> Vec<f32> {
            rgb.iter().skip(c).step_by(3).map(|value| (f32::from(*value) - 127.5) / 128.0).collect()
        };
        let pictures: Vec<_> = names.iter().map(picture).collect();
        let values: Vec<f32> = pictures
            .iter()
            .flat_map(|picture| (0..3).flat_map(|c| channel(&picture.rgb, c)).collect::<Vec<_>>())
            .collect();
        Tensor::new(&[names.len(), 3, pictures[0].height, pictures[0].width], &values)
    };
    run(temp.path(), &["data", "degrade", word(&shared().faces), "--out", "low", "-q"]).ok();
    let low = temp.path().join("low");
    for (net, folder) in [("recognizer", &shared().faces), ("cascade", &low)] {
        let features = rows(&shared().joint, &[folder], &[]).concat();
        let mut file = onnx(temp.path(), net);
        file.outputs.retain(|(name, _)| name == "features");
        let wanted = BTreeMap::from([("features".to_owned(), Tensor::new(&[names.len(), 8], &features))]);
        close(&file, &units(folder), &wanted, net);
    }
}

#[test]
fn the_files_say_what_they_take_and_give() {
    let temp = folder();
    let answer = export(&shared().joint, temp.path());
    let of = |net: &str| [format!("{net}.onnx"), format!("{net}.probe.npz")];
    assert_eq!(answer["files"], json!(NETS.map(of).concat()));
    assert_eq!((&answer["device"], &answer["out"]), (&json!("cpu"), &json!(word(temp.path()))));
    let pictures = |size: [&str; 2]| ["batch", "3", size[0], size[1]].map(str::to_owned).to_vec();
    let named = |name: &str, extents: Vec<String>| (name.to_owned(), extents);
    let (low, high) = (pictures(["28", "24"]), pictures(["112", "96"]));
    let hallucinated = named("hallucinated", high.clone());
    let features = named("features", vec!["batch".into(), "8".into()]);
    let expected = [
        (named("image", low.clone()), vec![hallucinated.clone()]),
        (named("image", high), vec![features.clone()]),
        (named("image", low), vec![hallucinated, features]),
    ];
    let bytes = std::fs::read(shared().joint.join("model.safetensors")).unwrap();
    let (_, about) = SafeTensors::read_metadata(&bytes).unwrap();
    for (net, (input, outputs)) in NETS.into_iter().zip(expected) {
        let file = onnx(temp.path(), net);
        assert_eq!((file.ir_version, file.opset), (8, 17));
        assert_eq!((file.inputs, file.outputs), (vec![input], outputs), "{net}");
        assert_eq!(file.metadata["hallucinet"], about.metadata().as_ref().unwrap()["hallucinet"]);
    }
}

#[test]
fn a_model_gives_the_files_of_the_networks_it_has() {
    let temp = folder();
    for (model, net) in [(&shared().recognizer, "recognizer"), (&shared().hallucinator, "hallucinator")] {
        let out = temp.path().join(net);
        export(model, &out);
        assert_eq!(files(&out), [format!("{net}.onnx"), format!("{net}.probe.npz")]);
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let temp = folder();
    let outs = ["a", "b/c"].map(|name| temp.path().join(name));
    // The second time over files that are there.
    outs.iter().chain([&outs[0]]).for_each(|out| drop(export(&shared().joint, out)));
    for name in files(&outs[0]) {
        assert_eq!(std::fs::read(outs[0].join(&name)).unwrap(), std::fs::read(outs[1].join(&name)).unwrap(), "{name}");
    }
    assert_eq!(files(temp.path()).len(), 12, "no temporary is left");
}

#[test]
fn safetensors_are_the_model_itself() {
    let temp = folder();
    let words = ["export", "--model", word(&shared().joint), "--format", "safetensors", "--out", "out", "--json", "-q"];
    let answer = run(temp.path(), &words).ok().json();
    assert_eq!((&answer["files"], &answer["device"]), (&json!(["model.safetensors"]), &Value::Null));
    let bytes = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(bytes(&temp.path().join("out")), bytes(&shared().joint));
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let temp = folder();
    std::fs::write(temp.path().join("file"), "in the way").unwrap();
    let model = word(&shared().joint);
    let export = |words: &[&str]| run(temp.path(), &[&["export"], words].concat());
    export(&["--model", model, "--format", "onnx", "--out", "file"]).refused(5, "file");
    export(&["--model", model, "--format", "onnx", "--out", "file/inside"]).refused(5, "file");
    export(&["--model", "file", "--format", "onnx", "--out", "out"]).refused(3, "file");
    export(&["--model", "nowhere", "--format", "safetensors", "--out", "out"]).refused(3, "nowhere");
    export(&["--model", model, "--format", "pickle", "--out", "out"]).refused(2, "onnx");
    export(&["--model", model, "--out", "out"]).refused(2, "--format");
    assert_eq!(files(temp.path()), ["file"]);
}

/// The faces of `faces` under LFW's names, and two folds of pairs.
fn protocol(folder: &Path) {
    for (person, image) in (0..3).flat_map(|person| [(person, 0), (person, 1)]) {
        let to = folder.join(format!("lfw/p{person}"));
        std::fs::create_dir_all(&to).unwrap();
        let from = shared().faces.join(format!("id0000{person}/000{image}.png"));
        std::fs::copy(from, to.join(format!("p{person}_000{}.png", image + 1))).unwrap();
    }
    let pairs = "2\t1\np0\t1\t2\np0\t2\tp2\t1\np1\t2\t1\np1\t1\tp2\t2\n";
    std::fs::write(folder.join("pairs.txt"), pairs).unwrap();
}

#[test]
fn a_verification_pack_holds_the_faces_of_the_pairs_in_their_order() {
    let temp = folder();
    protocol(temp.path());
    let words = ["export", "--format", "bin", "--data", "lfw", "--pairs", "pairs.txt", "--out", "out", "--json", "-q"];
    assert_eq!(run(temp.path(), &words).ok().json()["files"], json!(["pairs.bin"]));
    let pack = lfw_bin::read(&temp.path().join("out/pairs.bin")).unwrap();
    assert_eq!(pack.pairs.iter().map(|pair| pair.same).collect::<Vec<_>>(), [true, false, true, false]);
    let wanted = [["p0_0001", "p0_0002"], ["p0_0002", "p2_0001"], ["p1_0002", "p1_0001"], ["p1_0001", "p2_0002"]];
    for (pair, names) in pack.pairs.iter().zip(wanted) {
        for (index, name) in [pair.a, pair.b].into_iter().zip(names) {
            let original = image::read(&temp.path().join(format!("lfw/{}/{name}.png", &name[..2]))).unwrap();
            assert_eq!(image::decode(&pack.pictures[index]).unwrap(), original, "{name}");
        }
    }
    // A cut on the command line is that of the pack; one in the model is as good.
    let crop = [&words[..], &["--crop", "8,8,48,56"]].concat();
    run(temp.path(), &crop).ok();
    let cropped = lfw_bin::read(&temp.path().join("out/pairs.bin")).unwrap();
    assert_eq!(cropped.pairs.len(), 4);
}

#[test]
fn a_pack_of_pictures_that_are_not_there_is_refused() {
    let temp = folder();
    protocol(temp.path());
    std::fs::remove_file(temp.path().join("lfw/p2/p2_0002.png")).unwrap();
    let bin = ["export", "--format", "bin", "--out", "out"];
    let at = |words: &[&str]| run(temp.path(), &[&bin, words].concat());
    at(&["--data", "lfw", "--pairs", "pairs.txt"]).refused(3, "p2_0002");
    at(&["--data", "lfw"]).refused(2, "--pairs");
    at(&["--data", "lfw", "--pairs", "nowhere.txt"]).refused(3, "nowhere.txt");
    let onnx = ["export", "--format", "onnx", "--model", word(&shared().joint), "--out", "out", "--data", "lfw"];
    run(temp.path(), &onnx).refused(2, "--format bin");
    assert!(!temp.path().join("out").exists());
}

#[test]
fn a_calibration_goes_with_the_model() {
    let temp = folder();
    let copy = temp.path().join("model.safetensors");
    std::fs::copy(shared().joint.join("model.safetensors"), &copy).unwrap();
    std::fs::write(temp.path().join("calibration.json"), r#"{"threshold": 0.25, "far": 0.01}"#).unwrap();
    for format in ["safetensors", "onnx"] {
        run(temp.path(), &["export", "--model", word(&copy), "--format", format, "--out", "out", "-q"]).ok();
    }
    let out = temp.path().join("out");
    let bytes = std::fs::read(out.join("model.safetensors")).unwrap();
    let (_, about) = SafeTensors::read_metadata(&bytes).unwrap();
    for text in [&about.metadata().as_ref().unwrap()["hallucinet"], &onnx(&out, "cascade").metadata["hallucinet"]] {
        let about: Value = serde_json::from_str(text).unwrap();
        assert_eq!((&about["calibration"]["threshold"], &about["calibration"]["far"]), (&json!(0.25), &json!(0.01)));
    }
    // What was exported answers as the model does, from its metadata alone.
    assert!(!out.join("calibration.json").exists());
    let [a, b] = ["id00000/0000.png", "id00001/0000.png"].map(|name| shared().faces.join(name));
    let answer = |model: &Path| {
        let ran = run(temp.path(), &["verify", "--model", word(model), word(&a), word(&b), "--json", "-q"]);
        assert!(ran.code < 2, "{}", ran.stderr);
        ran.json()
    };
    assert_eq!(answer(&out), answer(&copy));
    assert_eq!(answer(&out)["threshold"], 0.25);
}
