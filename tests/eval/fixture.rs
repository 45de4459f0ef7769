//! A small world: eight drawn people, three pictures each, two folds of pairs, and models with the weights of a seed.

use hallucinet::data::image::{Picture, write_png};
use hallucinet::data::synth;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const PEOPLE: u32 = 8;
pub const IMAGES: u32 = 3;

pub struct World {
    pub dir: tempfile::TempDir,
}

impl World {
    /// Pictures in `faces/`, pairs in `pairs.txt`: people 0 to 3 in fold 1, 4 to 7 in fold 2.
    pub fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let mut pairs = String::from("2\t4\n");
        for first in [0, 4] {
            (first..first + 4).for_each(|p| pairs += &format!("p{p}\t1\t2\n"));
            (first..first + 4).for_each(|p| pairs += &format!("p{p}\t1\tp{}\t3\n", first + (p + 1) % 4));
        }
        std::fs::write(dir.path().join("pairs.txt"), pairs).unwrap();
        let world = World { dir };
        world.draw("faces", |face| face);
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes every picture into a folder, changed by a function.
    pub fn draw(&self, folder: &str, change: impl Fn(Picture) -> Picture) {
        for person in 0..PEOPLE {
            std::fs::create_dir_all(self.path(&format!("{folder}/p{person}"))).unwrap();
            for image in 0..IMAGES {
                let face = Picture::new(96, 112, synth::face(3, person, image)).unwrap();
                write_png(&self.picture(folder, person, image + 1), &change(face)).unwrap();
            }
        }
    }

    /// Picture `image`, counted from 1.
    pub fn picture(&self, folder: &str, person: u32, image: u32) -> PathBuf {
        self.path(&format!("{folder}/p{person}/p{person}_{image:04}.png"))
    }

    /// Writes a model with the networks named.
    pub fn model(&self, name: &str, has_hallucinator: bool, has_recognizer: bool) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, crate::weights::model(has_hallucinator, has_recognizer, &[])).unwrap();
        path
    }

    /// `eval` of a model on a folder of this world, with more arguments.
    pub fn eval(&self, model: &Path, data: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hallucinet"))
            .current_dir(self.dir.path())
            .args(["eval", "--json", "-q", "--model"])
            .arg(model)
            .args(["--data", data])
            .args(more)
            .output()
            .unwrap()
    }

    /// As [`World::eval`], which has to succeed: the document.
    pub fn document(&self, model: &Path, data: &str, more: &[&str]) -> Value {
        let output = self.eval(model, data, more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// As [`World::eval`], which has to fail: the exit code and the sentence.
    pub fn failure(&self, model: &Path, data: &str, more: &[&str]) -> (i32, String) {
        let output = self.eval(model, data, more);
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// The rows of `scores.csv` in an output folder: a, b, same, fold, score, threshold, right.
    pub fn scores(&self, out: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.path(out).join("scores.csv")).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("a,b,same,fold,score,threshold,right"));
        lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }
}

pub const PAIRS: [&str; 2] = ["--pairs", "pairs.txt"];

/// Some arguments and more.
pub fn with<'a>(first: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [first, more].concat()
}

/// The names in an object, sorted.
pub fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
