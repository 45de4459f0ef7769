//! README.md as a user types it: every command of a block marked `sh` is run, one after the other in one folder; every command of a block
//! marked `record`, which would take minutes, is rehearsed.

use hallucinet::cli::args;
use hallucinet::data::image::{Picture, encode_png};
use hallucinet::data::synth::{self, World};
use std::path::Path;
use std::process::Command;

/// The mark and the commands of each block: comments off, lines that end in a backslash joined.
fn blocks() -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut found = Vec::new();
    for (number, part) in text.split("\n```").enumerate() {
        if number % 2 == 0 {
            continue;
        }
        let (mark, body) = part.split_once('\n').unwrap();
        let joined = body.replace("\\\n", " ");
        let commands = joined.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned());
        found.push((mark.to_owned(), commands.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()));
    }
    found
}

fn commands(mark: &str) -> Vec<String> {
    blocks().into_iter().filter(|(other, _)| other == mark).flat_map(|(_, commands)| commands).collect()
}

/// Runs a line by the shell, with the program of this build first in the path.
fn shell(folder: &Path, line: &str) -> (i32, String) {
    let programs = Path::new(env!("CARGO_BIN_EXE_hallucinet")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-c", line]).current_dir(folder).env("PATH", path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output.status.code().unwrap(), said)
}

#[test]
fn every_block_says_what_it_is() {
    let all = blocks();
    for (mark, commands) in &all {
        assert!(
            ["sh", "record", "text", "rust", "c", "toml", "json"].contains(&mark.as_str()),
            "{mark:?}: {commands:?}"
        );
    }
    assert!(commands("sh").len() >= 6 && commands("record").len() >= 3, "{all:?}");
}

#[test]
fn commands_marked_sh_do_what_they_say() {
    let folder = crate::folder();
    for line in commands("sh") {
        let (code, said) = shell(folder.path(), &line);
        // A model of thirty steps may take one person for two.
        let fine = code == 0 || code == 1 && line.starts_with("hallucinet verify ");
        assert!(fine, "{line}\nleft with {code}: {said}");
        assert!(!said.contains("warning:"), "{line}\n{said}");
    }
    for file in ["model/report.html", "model/calibration.json", "sharper/id00000/0000.png", "evaluation/report.html"] {
        assert!(folder.path().join(file).is_file(), "no {file}");
    }
    let answered = shell(folder.path(), &commands("sh").into_iter().find(|line| line.contains(" verify ")).unwrap());
    assert!(answered.1.contains("threshold"), "{}", answered.1);
}

#[test]
fn commands_marked_record_are_ones_that_would_run() {
    let folder = crate::folder();
    stand_in(folder.path());
    let mut rehearsed = 0;
    for line in commands("record") {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["make", target] => {
                let command = format!("make -n -C {} {target}", env!("CARGO_MANIFEST_DIR"));
                let (code, said) = shell(folder.path(), &command);
                assert_eq!(code, 0, "{line}: {said}");
            }
            ["hallucinet", "train" | "ablate", ..] => {
                let (code, said) = shell(folder.path(), &format!("{line} --dry-run"));
                assert!(code == 0 && said.contains("dry run"), "{line}\nleft with {code}: {said}");
                rehearsed += 1;
            }
            ["hallucinet", ..] => {
                let parsed = args::parse(&words);
                assert!(parsed.is_ok(), "{line}: {parsed:?}");
            }
            _ => panic!("{line}: nobody knows how to rehearse that"),
        }
    }
    assert!(rehearsed > 0);
    let made: Vec<String> = crate::files(folder.path()).into_iter().filter(|name| name.contains("run")).collect();
    assert!(made.is_empty(), "a rehearsal left {made:?}");
}

/// What LFW's folder looks like, with two people of two pictures in each of ten sets, some drawn siblings, and the configurations of this
/// repository.
fn stand_in(folder: &Path) {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    std::fs::create_dir(folder.join("configs")).unwrap();
    for entry in std::fs::read_dir(configs).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join("configs").join(entry.file_name())).unwrap();
    }
    let (mut people, mut pairs) = (String::from("10\n"), String::from("10\t2\n"));
    for set in 0..10 {
        let [a, b] = [format!("Person_{set}_A"), format!("Person_{set}_B")];
        people += &format!("2\n{a}\t2\n{b}\t2\n");
        pairs += &format!("{a}\t1\t2\n{b}\t1\t2\n{a}\t1\t{b}\t1\n{a}\t2\t{b}\t2\n");
        for (name, shade) in [(&a, 10 * set), (&b, 100 + 10 * set)] {
            let own = folder.join("lfw/images").join(name);
            std::fs::create_dir_all(&own).unwrap();
            for image in 1..=2u8 {
                let rgb = (0..3 * 125 * 140).map(|i| (i % 37) as u8 + shade + image).collect();
                let bytes = encode_png(&Picture::new(125, 140, rgb).unwrap()).unwrap();
                std::fs::write(own.join(format!("{name}_{image:04}.jpg")), bytes).unwrap();
            }
        }
    }
    synth::write(&folder.join("siblings"), World { seed: 1, siblings: true }, 12, 2, &|_| Ok(())).unwrap();
    std::fs::write(folder.join("lfw/people.txt"), people).unwrap();
    std::fs::write(folder.join("lfw/pairs.txt"), pairs).unwrap();
}
