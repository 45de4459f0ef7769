//! What is wrong is refused in a line, with the right exit code, and leaves nothing behind.

use crate::{files, folder, run, shared, word};
use hallucinet::data::image::{Picture, encode_png};
use std::path::Path;

/// The inputs of these tests.
fn inputs(root: &Path) -> Vec<String> {
    std::fs::write(root.join("text.png"), "this is a text\n").unwrap();
    std::fs::write(root.join("empty.png"), "").unwrap();
    std::fs::write(root.join("zeros.safetensors"), vec![0; 4096]).unwrap();
    std::fs::write(root.join("zeros.png"), vec![0; 4096]).unwrap();
    // 65000x65000 pixels by the header alone, with the right checksum.
    let mut giant = encode_png(&Picture::new(1, 1, vec![1, 2, 3]).unwrap()).unwrap();
    giant[16..20].copy_from_slice(&65_000u32.to_be_bytes());
    giant[20..24].copy_from_slice(&65_000u32.to_be_bytes());
    let checksum = crc32(&giant[12..29]);
    giant[29..33].copy_from_slice(&checksum.to_be_bytes());
    std::fs::write(root.join("giant.png"), giant).unwrap();
    std::fs::create_dir(root.join("nothing")).unwrap();
    files(root)
}

/// CRC-32 of PNG, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[test]
fn pictures_that_are_none() {
    let temp = folder();
    let before = inputs(temp.path());
    let (model, good) = (word(&shared().joint), shared().faces.join("id00000/0000.png"));
    for bad in ["text.png", "empty.png", "zeros.png", "giant.png", "absent.png", "nothing", "text.png/inside.png"] {
        let (bad, good) = (word(Path::new(bad)), word(&good));
        run(temp.path(), &["hallucinate", "--model", model, good, bad, "--out", "out"]).refused(3, bad);
        run(temp.path(), &["hallucinate", "--model", model, good, bad, "--out", "o", "--sheet", "s.png"])
            .refused(3, bad);
        run(temp.path(), &["embed", "--model", model, good, bad, "--out", "f.npy"]).refused(3, bad);
        run(temp.path(), &["verify", "--model", model, good, bad, "--threshold", "0"]).refused(3, bad);
        run(temp.path(), &["verify", "--model", model, bad, good, "--threshold", "0"]).refused(3, bad);
        run(temp.path(), &["data", "degrade", good, bad, "--out", "out"]).refused(3, bad);
        run(temp.path(), &["data", "info", "absent"]).refused(3, "absent");
        assert_eq!(files(temp.path()), before, "{bad}");
    }
}

#[test]
fn models_that_are_none() {
    let temp = folder();
    let before = inputs(temp.path());
    let good = shared().faces.join("id00000/0000.png");
    let good = word(&good);
    for bad in ["absent", "zeros.safetensors", "text.png", "nothing", "empty.png"] {
        run(temp.path(), &["hallucinate", "--model", bad, good, "--out", "out"]).refused(3, bad);
        run(temp.path(), &["embed", "--model", bad, good, "--out", "f.npy"]).refused(3, bad);
        run(temp.path(), &["verify", "--model", bad, good, good]).refused(3, bad);
    }
    // A model that is cut short.
    let whole = std::fs::read(shared().joint.join("model.safetensors")).unwrap();
    std::fs::write(temp.path().join("zeros.safetensors"), &whole[..whole.len() - 5]).unwrap();
    run(temp.path(), &["embed", "--model", "zeros.safetensors", good, "--out", "f.npy"]).refused(3, "zeros");
    assert_eq!(files(temp.path()), before);
}

#[test]
fn places_that_cannot_be_written() {
    let temp = folder();
    let before = inputs(temp.path());
    let model = word(&shared().joint);
    let faces = word(&shared().faces);
    for out in ["text.png", "text.png/deeper/still"] {
        run(temp.path(), &["hallucinate", "--model", model, faces, "--out", out]).refused(5, "text.png");
        run(temp.path(), &["data", "degrade", faces, "--out", out]).refused(5, "text.png");
        let synth = ["data", "synth", "--out", out, "--identities", "1", "--images", "1"];
        run(temp.path(), &synth).refused(5, "text.png");
    }
    for out in ["text.png/f.npy", "text.png/deeper/f.npy"] {
        run(temp.path(), &["embed", "--model", model, faces, "--out", out]).refused(5, "text.png");
        run(temp.path(), &["data", "pack", faces, "--out", out]).refused(5, "text.png");
        let sheet = ["hallucinate", "--model", model, faces, "--out", "out", "--sheet", out];
        run(temp.path(), &sheet).refused(5, "text.png");
    }
    std::fs::create_dir(temp.path().join("folder.npy")).unwrap();
    run(temp.path(), &["embed", "--model", model, faces, "--out", "folder.npy"]).refused(5, "folder.npy");
    assert_eq!(files(temp.path()), before);
    assert!(!temp.path().join("out").exists());
}

#[test]
fn lists_and_folders_that_are_not_there() {
    let temp = folder();
    let before = inputs(temp.path());
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    let embed = |more: &[&str]| {
        let mut words = vec!["embed", "--model", model, faces, "--out", "f.npy"];
        words.extend(more);
        run(temp.path(), &words)
    };
    embed(&["--landmarks", "absent.txt"]).refused(3, "absent.txt");
    embed(&["--landmarks", "absent.txt", "--data", "nothing"]).refused(3, "absent.txt");
    embed(&["--landmarks", "zeros.png"]).refused(3, "zeros.png");
    embed(&["--data", "absent"]).refused(3, "absent");
    run(temp.path(), &["data", "pack", "absent", "--out", "f.pack"]).refused(3, "absent");
    run(temp.path(), &["data", "pack", faces, "--landmarks", "absent.txt", "--out", "f.pack"]).refused(3, "absent.txt");
    run(temp.path(), &["data", "check", "absent"]).refused(3, "absent");
    run(temp.path(), &["data", "check", "nothing"]).refused(3, "nothing");
    let train = ["train", "--preset", "quick", "--data", "absent", "--out", "run"];
    run(temp.path(), &train).refused(3, "absent");
    assert_eq!(files(temp.path()), before);
    assert!(!temp.path().join("run").exists());
}

#[test]
fn quiet_is_silent_and_the_answer_is_all_of_stdout() {
    let temp = folder();
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    let loud = run(temp.path(), &["embed", "--model", model, faces, "--out", "a.npy"]).ok();
    assert!(loud.stderr.starts_with("device   cpu ("), "{}", loud.stderr);
    assert_eq!(loud.stdout.lines().count(), 1, "{}", loud.stdout);
    let quiet = run(temp.path(), &["embed", "--model", model, faces, "--out", "b.npy", "-q"]).ok();
    assert_eq!((quiet.stderr.as_str(), quiet.stdout.lines().count()), ("", 1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_work() {
    let temp = folder();
    let (model, faces) = (word(&shared().joint), word(&shared().faces));
    // Nobody can make a file under /proc, not even root.
    for words in [
        vec!["embed", "--model", model, faces, "--out", "/proc/f.npy"],
        vec!["hallucinate", "--model", model, faces, "--out", "/proc/sharper"],
        vec!["eval", "--model", model, "--data", faces, "--out", "/proc/evaluation"],
        vec!["data", "pack", faces, "--out", "/proc/f.pack"],
        vec!["data", "degrade", faces, "--out", "/proc/low"],
        vec!["train", "--preset", "quick", "--data", faces, "--out", "/proc/run"],
    ] {
        // No line of progress stands beside the error, which is all that was said.
        let ran = run(temp.path(), &words);
        assert!(!ran.stderr.contains("6/6"), "{}", ran.stderr);
        ran.refused(5, "/proc");
    }
}

#[test]
fn a_damaged_file_of_another_program_is_not_called_weights_alone() {
    let temp = folder();
    std::fs::write(temp.path().join("train.rec"), "no records").unwrap();
    run(temp.path(), &["import", "train.rec", "--out", "out"]).refused(3, "nor are they weights in safetensors");
    std::fs::write(temp.path().join("face.caffemodel"), "no layers").unwrap();
    run(temp.path(), &["import", "face.caffemodel", "--out", "out"]).refused(3, "caffemodel");
    #[cfg(unix)]
    run(temp.path(), &["data", "info", "/dev/null"]).refused(3, "neither a file nor a folder");
}

#[test]
fn no_rate_is_told_of_work_that_was_done_before_the_clock_started() {
    let temp = folder();
    let said = run(temp.path(), &["data", "check", word(&shared().faces)]).ok().stderr;
    let line = said.lines().find(|line| line.starts_with("compare 6/6"));
    assert_eq!(line, Some("compare 6/6"), "{said}");
}
