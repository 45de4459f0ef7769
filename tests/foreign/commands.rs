//! The commands that take other programs' files, through the real program.

use crate::net::{CHANNELS, FEATURES, IDENTITIES, Layers, Style, layers, written as net_written};
use crate::pickles::of_python_2;
use crate::recordio::{face, faces, training, written};
use hallucinet::data::align::Alignment;
use hallucinet::data::faces::{Faces, Selection};
use hallucinet::data::image::{Picture, encode_png, read, write_png};
use hallucinet::data::synth;
use hallucinet::formats::npy;
use hallucinet::formats::safetensors::{self, Tensor, Tensors};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Exit code, stdout, stderr.
fn run(folder: &Path, words: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hallucinet")).args(words).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The document of a command that succeeds.
fn document(folder: &Path, words: &[&str]) -> Value {
    let (code, stdout, stderr) = run(folder, &[words, &["--json"]].concat());
    assert_eq!(code, 0, "{stderr}");
    serde_json::from_str(&stdout).unwrap()
}

/// A command that fails leaves nothing, and says why in a sentence.
fn refused(folder: &Path, words: &[&str], code: i32, sentence: &str) {
    let before = std::fs::read_dir(folder).unwrap().count();
    let (found, stdout, stderr) = run(folder, &[words, &["-q"]].concat());
    assert!(found == code && stdout.is_empty() && stderr.contains(sentence), "{found}: {stderr}, not {sentence}");
    assert!(stderr.lines().count() <= 3 && !stderr.contains("panicked"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), before, "something is left");
}

fn model(folder: &Path) -> Tensors {
    safetensors::read(&folder.join("model.safetensors")).unwrap().tensors
}

#[test]
fn a_caffemodel_becomes_a_model_with_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let net = layers();
    std::fs::write(root.join("net.caffemodel"), net_written(&net, Style::default())).unwrap();
    let said = document(root, &["import", "net.caffemodel", "--out", "m"]);
    let about = json!({
        "recognizer_width": 0.05, "features": FEATURES, "identities": IDENTITIES, "channels": "bgr",
    });
    assert_eq!(said, json!({ "model": about, "pictures": null, "out": "m" }));
    let tensors = model(&root.join("m"));
    let mut seen = 0;
    for (layer, arrays) in &net {
        for ((shape, values), kind) in arrays.iter().zip(["weight", "bias"]) {
            let name = if layer == "center_loss" {
                "center_loss.centers".into()
            } else {
                format!("recognizer.{layer}.{kind}")
            };
            if layer.contains('_') && kind == "bias" {
                assert!(!tensors.contains_key(&name), "{name}");
                continue;
            }
            seen += 1;
            let tensor = &tensors[&name];
            assert_eq!(&tensor.shape, shape, "{name}");
            if layer == "conv1a" && kind == "weight" {
                // The filter for blue came first.
                for (at, value) in values.iter().enumerate() {
                    let (out, channel, tap) = (at / 27, at / 9 % 3, at % 9);
                    assert_eq!(tensor.data[out * 27 + (2 - channel) * 9 + tap], *value);
                }
            } else {
                assert_eq!(&tensor.data, values, "{name}");
            }
        }
    }
    assert_eq!(tensors.len(), seen);
    // Every other way to write it down gives the same bytes.
    let style = Style { old_layers: true, old_shapes: true, unpacked: true, double: true };
    std::fs::write(root.join("old.caffemodel"), net_written(&net, style)).unwrap();
    document(root, &["import", "old.caffemodel", "--out", "old"]);
    let bytes = |folder: &str| std::fs::read(root.join(folder).join("model.safetensors")).unwrap();
    assert_eq!(bytes("old"), bytes("m"));
}

#[test]
fn an_imported_model_sees_blue_where_caffe_had_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::write(root.join("net.caffemodel"), net_written(&layers(), Style::default())).unwrap();
    document(root, &["import", "net.caffemodel", "--out", "bgr"]);
    document(root, &["import", "net.caffemodel", "--out", "rgb", "--channels", "rgb"]);
    let seen = Picture::new(96, 112, synth::face(3, 1, 1)).unwrap();
    let turned: Vec<u8> = seen.rgb.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect();
    write_png(&root.join("seen.png"), &seen).unwrap();
    write_png(&root.join("turned.png"), &Picture::new(96, 112, turned).unwrap()).unwrap();
    let features = |model: &str, picture: &str| {
        document(root, &["embed", "--device", "cpu", "--model", model, picture, "--out", "f.npy"]);
        npy::read(&root.join("f.npy")).unwrap().values
    };
    let (of_bgr, of_rgb) = (features("bgr", "seen.png"), features("rgb", "turned.png"));
    let size = of_bgr.iter().fold(0f32, |most, value| most.max(value.abs()));
    let apart = |other: &[f32]| of_bgr.iter().zip(other).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(of_bgr.len() == FEATURES && size > 0.0);
    // Three channels are summed in another order.
    assert!(apart(&of_rgb) <= 1e-5 * size, "{} of {size}", apart(&of_rgb));
    assert!(apart(&features("rgb", "seen.png")) > 1e-4 * size);
}

#[test]
fn a_net_that_is_not_the_recipe_is_refused_by_its_first_layer() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let words = ["import", "net.caffemodel", "--out", "m"];
    let refuse = |change: fn(&mut Layers), sentence: &str| {
        let mut net = layers();
        change(&mut net);
        std::fs::write(root.join("net.caffemodel"), net_written(&net, Style::default())).unwrap();
        refused(root, &words, 3, sentence);
        refused(root, &words, 3, "net.caffemodel");
    };
    refuse(|net| net.retain(|layer| layer.0 != "conv1a"), "it has no recognizer.conv1a.weight");
    refuse(|net| net.retain(|layer| layer.0 != "conv3_2"), "it has no recognizer.conv3_2.weight");
    refuse(|net| net.retain(|layer| layer.0 != "relu4_7"), "it has no recognizer.relu4_7.weight");
    refuse(|net| net[0].1.truncate(1), "it has no recognizer.conv1a.bias");
    let widen = |net: &mut Layers| net[4].1[0] = (vec![4, 3, 3, 3], vec![0.0; 108]);
    refuse(widen, "recognizer.conv2_1.weight is [4, 3, 3, 3], the configuration makes it [3, 3, 3, 3]");
    let flat = |net: &mut Layers| net[0].1[0].0 = vec![CHANNELS[0] * 27];
    refuse(flat, "recognizer.conv1a.weight is [54]");
    refuse(|net| net[4].1[1].1[2] = 0.5, "recognizer.conv2_1.bias is not 0");
    refuse(|net| net.push(("bn1".into(), vec![(vec![1], vec![1.0])])), "it has recognizer.bn1.weight, and");
    refuse(|net| net.push(net[0].clone()), "two layers called conv1a");
    refuse(|net| net[0].1.push((vec![1], vec![1.0])), "layer conv1a has more than weights and biases");
    refuse(|net| net[0].1[1].1[0] = f32::INFINITY, "of layer \"conv1a\" is not finite");
    std::fs::write(root.join("net.caffemodel"), "no net at all").unwrap();
    refused(root, &words, 3, "not a usable caffemodel");
    refused(root, &["import", "absent", "--out", "m"], 3, "absent");
    std::fs::create_dir(root.join("full")).unwrap();
    std::fs::write(root.join("full/mine"), "").unwrap();
    refused(root, &["import", "net.caffemodel", "--out", "full"], 5, "not empty");
}

#[test]
fn a_net_without_its_classifier_still_has_features() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut net = layers();
    net.retain(|layer| !matches!(layer.0.as_str(), "fc6" | "center_loss"));
    std::fs::write(root.join("net.caffemodel"), net_written(&net, Style::default())).unwrap();
    let (code, _, stderr) = run(root, &["import", "net.caffemodel", "--out", "m", "--crop", "8,0,96,112"]);
    assert!(code == 0 && stderr.contains("has no recognizer.fc6.weight: it is 0"), "{stderr}");
    let contents = safetensors::read(&root.join("m/model.safetensors")).unwrap();
    assert_eq!(contents.metadata.unwrap()["data"]["crop"], json!([8, 0, 96, 112]));
    assert!(contents.tensors["center_loss.centers"].data.iter().all(|value| *value == 0.0));
    write_png(&root.join("a.png"), &Picture::new(112, 112, vec![90; 112 * 112 * 3]).unwrap()).unwrap();
    let said = document(root, &["embed", "--device", "cpu", "--model", "m", "a.png", "--out", "f.npy"]);
    assert_eq!(said["features"], json!([1, FEATURES]));
}

#[test]
fn safetensors_of_pytorch_become_a_model() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut views = Vec::new();
    let net = layers();
    for (layer, arrays) in &net {
        for ((shape, values), kind) in arrays.iter().zip(["weight", "bias"]) {
            let name = if layer == "center_loss" {
                "module.center_loss.centers".into()
            } else {
                format!("module.{layer}.{kind}")
            };
            views.push((name, Tensor { shape: shape.clone(), data: values.clone() }));
        }
    }
    // Written by hand: a length, a header without metadata, the numbers.
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, Tensor { shape, data: values }) in views {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(name, json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] }));
    }
    let header = serde_json::to_vec(&header).unwrap();
    let file = [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat();
    std::fs::write(root.join("torch.safetensors"), file).unwrap();
    let said = document(root, &["import", "torch.safetensors", "--out", "m"]);
    assert_eq!((&said["model"]["channels"], &said["model"]["identities"]), (&json!("rgb"), &json!(IDENTITIES)));
    let tensors = model(&root.join("m"));
    assert_eq!(tensors["recognizer.conv1a.weight"].data, net[0].1[0].1);
    refused(root, &["import", "m/model.safetensors", "--out", "again"], 3, "a model of this program already");
}

#[test]
fn a_training_file_is_data_like_a_folder_of_its_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let (file, index) = written(&training(&faces()));
    std::fs::write(root.join("train.rec"), &file).unwrap();
    std::fs::write(root.join("train.idx"), index).unwrap();
    let said = document(root, &["data", "info", "train.rec"]);
    assert_eq!((&said["pictures"], &said["identities"], &said["pairs"]), (&json!(3), &json!(2), &Value::Null));
    assert_eq!(document(root, &["data", "check", "train.rec"])["wrong"], json!([]));
    let said = document(root, &["import", "train.rec", "--out", "folder"]);
    assert_eq!(said["pictures"], json!({ "images": 3, "identities": 2, "list": null }));
    assert_eq!(std::fs::read(root.join("folder/id_000007/id_000007_0002.png")).unwrap(), face(30));
    document(root, &["data", "pack", "train.rec", "--out", "a.pack"]);
    document(root, &["data", "pack", "folder", "--out", "b.pack"]);
    assert_eq!(std::fs::read(root.join("a.pack")).unwrap(), std::fs::read(root.join("b.pack")).unwrap());
    let open = |name: &str| Faces::open(&root.join(name), &Alignment::None, &Selection::default()).unwrap();
    let (records, folder) = (open("train.rec"), open("folder"));
    assert_eq!(records.listing(), folder.listing());
    (0..3).for_each(|row| assert_eq!(records.pixels(row), folder.pixels(row)));
    // A picture that is none is named by check and by import.
    let mut broken = faces();
    broken[1].1 = b"no picture".to_vec();
    std::fs::write(root.join("broken.rec"), written(&training(&broken)).0).unwrap();
    let (code, stdout, _) = run(root, &["data", "check", "broken.rec"]);
    assert!(code == 3 && stdout.contains("broken.rec, id_000002/id_000002_0001.jpg: not a picture"), "{stdout}");
    refused(root, &["import", "broken.rec", "--out", "none"], 3, "id_000002/id_000002_0001.jpg");
    refused(root, &["import", "train.rec", "--out", "none", "--channels", "bgr"], 2, "--channels");
}

/// Twenty pairs, one of each kind in turn.
fn pairs() -> (Vec<Vec<u8>>, Vec<bool>) {
    let face = |person, image| encode_png(&Picture::new(96, 112, synth::face(3, person, image)).unwrap()).unwrap();
    let mut pictures = Vec::new();
    for pair in 0..10 {
        pictures.extend([face(pair, 0), face(pair, 1), face(pair, 2), face((pair + 1) % 10, 0)]);
    }
    (pictures, [true, false].repeat(10))
}

#[test]
fn a_verification_pack_brings_its_own_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::write(root.join("net.caffemodel"), net_written(&layers(), Style::default())).unwrap();
    document(root, &["import", "net.caffemodel", "--out", "m"]);
    let (pictures, same) = pairs();
    let pictures: Vec<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
    std::fs::write(root.join("lfw.bin"), of_python_2(2, &pictures, &same)).unwrap();
    let said = document(root, &["data", "info", "lfw.bin"]);
    assert_eq!((&said["pictures"], &said["pairs"]), (&json!(40), &json!({ "same": 10, "different": 10 })));
    let said = document(root, &["import", "lfw.bin", "--out", "folder"]);
    assert_eq!(said["pictures"]["list"], json!({ "folds": 10, "pairs": 20 }));
    assert_eq!(std::fs::read(root.join("folder/pair_00002b/pair_00002b_0001.png")).unwrap(), pictures[3]);
    let list = std::fs::read_to_string(root.join("folder/pairs.txt")).unwrap();
    assert!(list.starts_with("10\t1\npair_00001\t1\t2\npair_00002a\t1\tpair_00002b\t1\npair_00003\t"), "{list}");
    for input in ["hr", "lr"] {
        let eval = ["eval", "--device", "cpu", "--model", "m", "--input", input, "--data"];
        let own = document(root, &[&eval[..], &["lfw.bin"]].concat());
        let listed = document(root, &[&eval[..], &["folder", "--pairs", "folder/pairs.txt"]].concat());
        assert_eq!((&own["verification"]["pairs_used"], &own["verification"]["folds"]), (&json!(20), &json!(10)));
        assert_eq!(own, listed, "{input}");
        let calibrate = ["calibrate", "--device", "cpu", "--model", "m", "--input", input, "--far", "0.2", "--data"];
        let own = document(root, &[&calibrate[..], &["lfw.bin"]].concat());
        let listed = document(root, &[&calibrate[..], &["folder", "--pairs", "folder/pairs.txt"]].concat());
        for key in ["pairs_used", "threshold", "interval", "far_measured", "tar"] {
            assert_eq!(own[key], listed[key], "{key}");
        }
    }
    assert_eq!(read(&root.join("folder/pair_00001/pair_00001_0002.png")).unwrap().rgb, synth::face(3, 0, 1));
    refused(root, &["data", "pack", "lfw.bin", "--out", "a.pack"], 3, "does not say who is who");
    std::fs::write(root.join("few.bin"), of_python_2(2, &pictures[..18], &same[..9])).unwrap();
    refused(
        root,
        &["eval", "--device", "cpu", "--model", "m", "--data", "few.bin"],
        3,
        "9 pairs, too few for 10 folds",
    );
    // No two equal halves of these pairs: pictures without a list.
    let (_, _, stderr) = run(root, &["import", "few.bin", "--out", "few"]);
    assert!(stderr.contains("no pairs.txt is written") && !root.join("few/pairs.txt").exists(), "{stderr}");
}
