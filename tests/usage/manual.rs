//! Completions and manual pages: there is one for every command, and a shell accepts the script.

use crate::{files, folder, run};
use std::process::{Command, Stdio};

#[test]
fn a_shell_reads_its_script_and_every_command_is_in_it() {
    let temp = folder();
    for shell in ["bash", "zsh", "fish"] {
        let script = run(temp.path(), &["completions", shell]).ok().stdout;
        for word in ["hallucinate", "degrade", "export", "landmarks"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        let path = temp.path().join(shell);
        std::fs::write(&path, script).unwrap();
        // What a machine does not have, it does not check; bash is everywhere.
        let checked = Command::new(shell).arg("-n").arg(&path).stderr(Stdio::piped()).output();
        match checked {
            Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => assert_ne!(shell, "bash"),
        }
    }
    run(temp.path(), &["completions", "tcsh"]).refused(2, "bash");
}

#[test]
fn every_command_has_a_page() {
    let temp = folder();
    run(temp.path(), &["man", "--out", "man1"]).ok();
    let pages = files(&temp.path().join("man1"));
    for page in ["hallucinet.1", "hallucinet-train.1", "hallucinet-data.1", "hallucinet-data-degrade.1"] {
        assert!(pages.iter().any(|name| name == page), "no {page} in {pages:?}");
    }
    let page = std::fs::read_to_string(temp.path().join("man1/hallucinet-export.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("InsightFace"), "{page}");
    std::fs::write(temp.path().join("file"), "in the way").unwrap();
    run(temp.path(), &["man", "--out", "file"]).refused(5, "file");
}
