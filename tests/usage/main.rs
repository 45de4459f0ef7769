//! The commands that use a model or look at pictures, through the real program: what they write, print and return. Tiny networks
//! trained for two steps stand in for good ones, since what is asked of them is true of any weights.

mod calibrate;
mod check;
mod data;
mod doctor;
mod embed;
mod export;
mod hallucinate;
mod identify;
mod manual;
mod pictures;
mod readme;
mod refused;
#[path = "../schema/mod.rs"]
mod schema;
mod schemas;
mod time;
mod verify;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What a run of the program gave.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The one JSON document that stdout is.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// Nothing went wrong.
    pub fn ok(self) -> Ran {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// It was refused: this code, nothing on stdout, one to three lines on stderr with `words` in them.
    pub fn refused(self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        let errors: Vec<&str> = self.stderr.lines().filter(|line| !line.starts_with("device ")).collect();
        assert!((1..=3).contains(&errors.len()), "{}", self.stderr);
        assert!(self.stderr.contains(words), "no {words:?} in: {}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }
}

/// Runs the program in a folder.
pub fn run(folder: &Path, words: &[&str]) -> Ran {
    run_on("", folder, words)
}

/// Runs it on an instruction set of the cpu; nothing is the best one.
pub fn run_on(level: &str, folder: &Path, words: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_hallucinet"))
        .args(words)
        .env("HALLUCINET_CPU_LEVEL", level)
        .current_dir(folder)
        .output()
        .expect("the program starts");
    Ran {
        code: output.status.code().expect("an exit code, not a signal"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// Faces and models that every test may read and none may change.
pub struct Shared {
    /// 3 identities of 2 pictures.
    pub faces: PathBuf,
    /// A hallucinator and a recogniser.
    pub joint: PathBuf,
    /// The same with the other hallucinators.
    pub residual: PathBuf,
    pub srcnn: PathBuf,
    /// A recogniser alone.
    pub recognizer: PathBuf,
    /// A hallucinator alone.
    pub hallucinator: PathBuf,
}

/// Makes them once.
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("usage");
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        run(&root, &["data", "synth", "--out", "faces", "--identities", "3", "--images", "2"]).ok();
        Shared {
            faces: root.join("faces"),
            joint: train(&root, "joint", "joint", &[]),
            residual: train(&root, "residual", "joint", &["model.hallucinator=residual"]),
            srcnn: train(&root, "srcnn", "joint", &["model.hallucinator=srcnn"]),
            recognizer: train(&root, "recognizer", "recognition-hr", &[]),
            hallucinator: train(&root, "hallucinator", "hallucination", &[]),
        }
    })
}

/// Trains a tiny model on `faces` in a folder.
pub fn train(root: &Path, name: &str, mode: &str, more: &[&str]) -> PathBuf {
    let mut words = vec!["train", "--preset", "quick", "--data", "faces", "--out", name, "--mode", mode, "-q"];
    let small = [
        "train.steps=2",
        "train.batch=4",
        "model.recognizer_width=0.0625",
        "model.features=8",
        "model.hallucinator_channels=4",
        "model.hallucinator_units=1",
    ];
    small.iter().chain(more).for_each(|set| words.extend(["--set", set]));
    run(root, &words).ok();
    root.join(name)
}

/// A folder that goes away with the test.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Every file under a folder, by its relative path, sorted; names with dots too.
pub fn files(folder: &Path) -> Vec<String> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// A path as a word of the command line.
pub fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs `embed` on some inputs and gives its rows.
pub fn rows(model: &Path, inputs: &[&Path], more: &[&str]) -> Vec<Vec<f32>> {
    let folder = folder();
    let mut words = vec!["embed", "--model", word(model), "--out", "features.npy", "-q"];
    words.extend(inputs.iter().map(|input| word(input)));
    words.extend(more);
    run(folder.path(), &words).ok();
    let matrix = hallucinet::formats::npy::read(&folder.path().join("features.npy")).unwrap();
    matrix.values.chunks_exact(matrix.columns).map(<[f32]>::to_vec).collect()
}
