//! `train` as a user meets it: the real program, good input once and every kind of bad input, each with its sentence, its exit
//! code and nothing half-written.

use hallucinet::checkpoint::EVENTS_FILE;
use hallucinet::data::synth::{self, World};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// A configuration that trains in a moment.
const TINY: &str = "[model]\nrecognizer_width = 0.0625\nfeatures = 8\nhallucinator = \"fast\"\nhallucinator_channels = 4\n\
                    hallucinator_units = 1\n[train]\nmode = \"joint\"\nsteps = 3\nbatch = 3\nlr = 0.01\n";

/// A folder of four synthetic people, made once.
fn faces() -> &'static Path {
    static FACES: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FACES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faces");
        synth::write(&path, World::strangers(1), 4, 2, &|_| Ok(())).unwrap();
        (folder, path)
    });
    path
}

/// A place of one test: a configuration, an output that does not exist yet, a copy of the faces to spoil.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
        copy(faces(), &folder.path().join("faces"));
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `train` with the given arguments after the usual ones, in this folder.
    fn train(&self, more: &[&str]) -> Output {
        self.run(
            &[&["train", "--config", "tiny.toml", "--data", "faces", "--out", "run", "--device", "cpu"], more].concat(),
        )
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hallucinet"))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The program must refuse: this code, a sentence with these words, no run folder.
    fn refuses(&self, more: &[&str], code: i32, words: &[&str]) {
        refused(&self.train(more), code, words);
        assert!(!self.path("run").exists(), "{more:?} left a run folder behind");
    }
}

fn refused(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "something on stdout");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    for word in words {
        assert!(errors[0].contains(word), "no {word:?} in: {}", errors[0]);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_run_leaves_what_the_contract_says() {
    let place = Place::new();
    let output = place.train(&["--json"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("device   cpu ("), "the first line names the device: {said}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["steps"], 3);
    for key in ["pixel", "softmax", "center"] {
        assert!(json["losses"][key].is_f64(), "{json}");
    }
    assert!(json["seconds"].is_f64() && json["images_per_second"].is_f64() && json["run"] == "run", "{json}");
    let files = [
        "config.toml",
        "metrics.jsonl",
        "model.safetensors",
        "samples/step-3.png",
        "checkpoints/step-3/state.json",
        "report.html",
        EVENTS_FILE,
    ];
    for file in files {
        assert!(place.path("run").join(file).is_file(), "no {file}");
    }
    let page = std::fs::read_to_string(place.path("run/report.html")).unwrap();
    for word in ["softmax loss", "cosine of f(x)", "Time of each layer, joint", "GFLOP/s", "Samples"] {
        assert!(page.contains(word), "no {word} in the report");
    }
    let metrics = std::fs::read_to_string(place.path("run/metrics.jsonl")).unwrap();
    assert!(metrics.contains("samples_identity_cosine"), "{metrics}");
    let steps = metrics.lines().filter(|line| line.contains("\"norm\"")).count();
    assert_eq!(steps, 3, "{metrics}");
}

#[test]
fn the_model_is_a_function_of_config_data_and_seed() {
    let place = Place::new();
    let model = |out: &str, more: &[&str]| {
        let arguments = ["train", "--config", "tiny.toml", "--data", "faces", "--out", out, "--device", "cpu", "-q"];
        let output = place.run(&[&arguments, more].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(place.path(out).join("model.safetensors")).unwrap()
    };
    let first = model("a", &[]);
    assert!(first == model("b", &["--threads", "1"]));
    assert!(first != model("c", &["--seed", "2"]));
    let packed = place.run(&["data", "pack", "faces", "--out", "faces.pack"]);
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let arguments = ["train", "--config", "tiny.toml", "--data", "faces.pack", "--out", "d", "--device", "cpu", "-q"];
    assert!(place.run(&arguments).status.success());
    assert!(first == std::fs::read(place.path("d/model.safetensors")).unwrap(), "a pack trains like its folder");
}

#[test]
fn folders_that_are_not_there_or_hold_nothing() {
    let place = Place::new();
    place.refuses(&["--data", "nowhere"], 2, &["--data"]);
    let with_data =
        |data: &str| place.run(&["train", "--config", "tiny.toml", "--data", data, "--out", "run", "--device", "cpu"]);
    refused(&with_data("nowhere"), 3, &["nowhere"]);
    std::fs::create_dir(place.path("empty")).unwrap();
    refused(&with_data("empty"), 3, &["empty"]);
    copy(&place.path("faces"), &place.path("gap"));
    std::fs::create_dir(place.path("gap/nobody")).unwrap();
    refused(&with_data("gap"), 3, &["nobody", "no pictures"]);
    copy(&place.path("faces/id00000"), &place.path("one/id00000"));
    refused(&with_data("one"), 3, &["at least 2 identities"]);
    assert!(!place.path("run").exists());
}

#[test]
fn pictures_that_are_broken_or_giant() {
    let place = Place::new();
    let victim = place.path("faces/id00001/0000.png");
    let bytes = std::fs::read(&victim).unwrap();
    std::fs::write(&victim, &bytes[..bytes.len() / 2]).unwrap();
    place.refuses(&[], 3, &["id00001/0000.png"]);
    std::fs::write(&victim, b"not a picture at all").unwrap();
    place.refuses(&[], 3, &["id00001/0000.png"]);
    std::fs::write(&victim, b"P6 60000 60000 255\n").unwrap();
    place.refuses(&[], 3, &["id00001/0000.png", "60000"]);
}

#[test]
fn lists_that_do_not_fit() {
    let place = Place::new();
    let list = |text: &str| std::fs::write(place.path("list.txt"), text).unwrap();
    place.refuses(&["--set", "data.landmarks=absent.txt"], 3, &["absent.txt"]);
    list("id00000/0000.png 1 2 3 4 5 6 7 8 9\n");
    place.refuses(&["--set", "data.landmarks=list.txt"], 3, &["list.txt", "line 1"]);
    list("id00000\nid99999\n");
    place.refuses(&["--set", "data.people=list.txt"], 3, &["id99999"]);
    list("1\n1\nid00000\t2\n");
    place.refuses(&["--set", "data.people=list.txt", "--set", "data.sets=[2]"], 3, &["set"]);
    place.refuses(&["--set", "data.min_images=3"], 3, &["min_images"]);
    // 96x112 pictures are used as they are; a rectangle is for others.
    assert!(place.train(&["--set", "data.crop=[90,0,20,20]", "-q"]).status.success());
}

#[test]
fn configurations_that_are_wrong() {
    let place = Place::new();
    place.refuses(&["--set", "train.stepps=3"], 2, &["stepps", "steps"]);
    place.refuses(&["--set", "train.steps=many"], 2, &["train.steps"]);
    place.refuses(&["--set", "train.lr=-1"], 2, &["train.lr"]);
    place.refuses(&["--set", "loss.distill=5"], 2, &["loss.distill", "--init"]);
    place.refuses(&["--set", "train.lr=nan"], 2, &["train.lr"]);
    place.refuses(&["--set", "model.recognizer_width=1000"], 2, &["recognizer_width"]);
    place.refuses(&["--mode", "recognition-on-hallucinated"], 2, &["--init"]);
    place.refuses(&["--device", "cuda"], 2, &["--device"]);
    let cuda = ["train", "--config", "tiny.toml", "--data", "faces", "--out", "run", "--device", "cuda"];
    refused(&place.run(&cuda), 4, &["cuda"]);
    let absent = ["train", "--config", "absent.toml", "--data", "faces", "--out", "run"];
    refused(&place.run(&absent), 2, &["absent.toml"]);
    assert!(!place.path("run").exists());
}

#[test]
fn models_to_start_from() {
    let place = Place::new();
    let base = ["train", "--config", "tiny.toml", "--data", "faces", "--device", "cpu", "-q"];
    assert!(place.run(&[&base[..], &["--out", "first"]].concat()).status.success());
    let started = place.run(&[&base[..7], &["--out", "second", "--init", "first"]].concat());
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    assert!(String::from_utf8_lossy(&started.stderr).contains("init "));
    place.refuses(&["--init", "first", "--set", "model.recognizer_width=0.125"], 3, &["recognizer.conv1a.weight"]);
    place.refuses(&["--init", "absent"], 3, &["absent"]);
    std::fs::write(place.path("zeros.safetensors"), [0u8; 64]).unwrap();
    place.refuses(&["--init", "zeros.safetensors"], 3, &["zeros.safetensors"]);
    let frozen = [&base[..], &["--out", "third", "--mode", "recognition-on-hallucinated", "--init", "first"]].concat();
    assert!(place.run(&frozen).status.success());
    // Other identities: the networks are taken over, the classifier starts afresh.
    std::fs::remove_dir_all(place.path("faces/id00003")).unwrap();
    let other = place.run(&[&base[..7], &["--out", "fourth", "--init", "first"]].concat());
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.success() && said.contains("start afresh"), "{said}");
}

#[test]
fn places_that_cannot_be_written() {
    let place = Place::new();
    std::fs::create_dir(place.path("full")).unwrap();
    std::fs::write(place.path("full/precious.txt"), "kept").unwrap();
    let out =
        |out: &str| place.run(&["train", "--config", "tiny.toml", "--data", "faces", "--out", out, "--device", "cpu"]);
    refused(&out("full"), 5, &["not empty"]);
    assert_eq!(std::fs::read_dir(place.path("full")).unwrap().count(), 1);
    std::fs::write(place.path("file"), "").unwrap();
    refused(&out("file/run"), 5, &["file/run"]);
    refused(&out("/proc/run"), 5, &["/proc/run"]);
    refused(&place.run(&["train", "--resume", "nowhere"]), 3, &["nowhere"]);
    refused(&place.run(&["train", "--resume", "faces"]), 3, &["not a run folder"]);
}

#[test]
fn a_run_on_a_full_disk_can_go_on_when_there_is_room() {
    let place = Place::new();
    let disk = place.path("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=400k", "tmpfs"]).arg(&disk).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: a_run_on_a_full_disk_can_go_on_when_there_is_room: no right to mount a tmpfs");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let arguments = ["train", "--config", "tiny.toml", "--data", "faces", "--out", "disk/run", "--device", "cpu"];
        refused(&place.run(&[&arguments[..], &["--set", "train.checkpoint_every=1"]].concat()), 5, &["disk/run"]);
        let remounted = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&disk).status();
        assert!(remounted.unwrap().success());
        let resumed = place.run(&["train", "--resume", "disk/run", "--device", "cpu", "--json"]);
        assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    });
    let unmounted = Command::new("umount").arg(&disk).status();
    result.unwrap();
    assert!(unmounted.unwrap().success());
}

#[test]
fn a_loss_that_is_no_longer_finite_stops_the_run_at_that_step() {
    let place = Place::new();
    let output =
        place.train(&["--set", "train.lr=100", "--set", "train.hallucinator_lr=100", "--set", "train.steps=200"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("the batch began with id0"), "{said}");
    // The weights before that step are kept, and are finite: reading a model refuses anything else.
    let kept = hallucinet::engine::network::Network::load(&place.path("run"));
    assert!(kept.is_ok(), "{kept:?}");
}

#[test]
fn a_dry_run_checks_everything_and_leaves_nothing() {
    let place = Place::new();
    let output = place.train(&["--dry-run", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["dry_run"], &json["pictures"], &json["identities"]), (&true.into(), &8.into(), &4.into()));
    let stages = serde_json::json!([{ "mode": "joint", "steps": 3, "batch": 3 }]);
    assert_eq!((&json["steps"], &json["stages"]), (&3.into(), &stages));
    assert!(!place.path("run").exists());
    place.refuses(&["--dry-run", "--set", "data.people=absent.txt"], 3, &["absent.txt"]);
    std::fs::write(place.path("faces/id00001/0000.png"), b"no picture").unwrap();
    place.refuses(&["--dry-run"], 3, &["id00001/0000.png"]);
    refused(&place.run(&["train", "--resume", "run", "--dry-run"]), 2, &["--dry-run"]);
}
