//! What is printed where, how loud, and what Ctrl-C does. The child is this test program itself, asked for one test.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hallucinet::Error;
use hallucinet::cli::args::Common;
use hallucinet::cli::console::{Console, Pace, duration, printable};
use hallucinet::cli::interrupt;

/// What the child is to do; without it `child` has nothing to do.
const ROLE: &str = "HALLUCINET_TEST_CONSOLE";

#[test]
fn child() {
    let console = |quiet, verbose| Console::new(&Common { quiet, verbose, ..Common::default() });
    match std::env::var(ROLE).as_deref() {
        Ok("interrupt") => wait_for_interrupt(),
        Ok("pipe") => {
            let console = console(false, 0);
            console.say("writing");
            // Far more than a pipe holds, to a reader that goes away.
            let done = (0..10_000).try_for_each(|_| console.print(&"x".repeat(100)));
            console.say("still here");
            std::process::exit(if done.is_ok() { 7 } else { 8 });
        }
        Ok("stopped") => {
            std::process::exit(console(false, 0).fail(&Error::Interrupted("stopped; nothing was written".to_owned())))
        }
        Ok("normal") => speak(&console(false, 0)),
        Ok("quiet") => speak(&console(true, 0)),
        Ok("verbose") => speak(&console(false, 1)),
        _ => (),
    }
}

fn speak(console: &Console) {
    console.say("a note");
    console.detail("a detail");
    console.warn("a warning");
    let mut progress = console.progress("train", 0, 10, 2);
    progress.set(5, "loss 1");
    progress.finish(10, "loss 0.5");
    console.json(&serde_json::json!({ "answer": 42 })).unwrap();
    let code = console.fail(&Error::Input("a\nname: wrong".to_owned()));
    std::process::exit(code);
}

fn wait_for_interrupt() {
    let raised = interrupt::listen().unwrap();
    println!("listening");
    std::io::stdout().flush().unwrap();
    let start = Instant::now();
    while !raised.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("raised");
    std::io::stdout().flush().unwrap();
    std::thread::sleep(Duration::from_secs(30));
    std::process::exit(0);
}

fn start(role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["console::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Exit code and stderr of a child, and its stdout from the JSON on.
fn run(role: &str) -> (Option<i32>, String, String) {
    let output = start(role).wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let answer = stdout.find('{').map_or(String::new(), |at| stdout[at..].to_owned());
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), answer)
}

#[test]
fn answers_go_to_stdout_and_the_rest_to_stderr_as_loud_as_asked() {
    let warning = "warning: a warning\n";
    let error = "error: a\\nname: wrong\n";
    for (role, notes) in [("normal", "a note\n"), ("verbose", "a note\na detail\n"), ("quiet", "")] {
        let (code, stderr, answer) = run(role);
        assert_eq!(code, Some(3));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&answer).unwrap(), serde_json::json!({ "answer": 42 }));
        let progress = stderr
            .strip_prefix(&format!("{notes}{warning}"))
            .and_then(|rest| rest.strip_suffix(error))
            .unwrap_or_else(|| panic!("{role}: {stderr}"));
        assert_eq!(progress.is_empty(), role == "quiet", "{role}: {progress}");
        // Off a terminal there are plain lines, and the first five seconds have none but the last.
        assert!(progress.is_empty() || progress.starts_with("train 10/10 · ") && progress.ends_with(" · loss 0.5\n"));
        assert!(!stderr.contains('\u{1b}'), "escape sequences off a terminal: {stderr:?}");
    }
}

#[test]
fn an_interruption_is_told_once_and_is_no_error() {
    let (code, stderr, _) = run("stopped");
    assert_eq!((code, stderr.as_str()), (Some(130), "stopped; nothing was written\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = start("pipe");
    let mut notes = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    notes.read_line(&mut stderr).unwrap();
    drop(child.stdout.take());
    notes.read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7), "{stderr}");
    assert!(stderr.ends_with("still here\n"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_asks_and_the_second_one_leaves() {
    let mut child = start("interrupt");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut wait_for = |word: &str| assert!(lines.any(|line| line.unwrap().ends_with(word)), "no {word}");
    let interrupt = |child: &Child| {
        assert!(Command::new("bash").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success());
    };
    wait_for("listening");
    interrupt(&child);
    wait_for("raised");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn progress_tells_rate_and_time_left_of_this_process_alone() {
    let pace = Pace { what: "train".to_owned(), start: 100, total: 300, images: 32 };
    let line = |done, seconds, note| pace.line(done, Duration::from_secs(seconds), note);
    assert_eq!(line(100, 0, ""), "train 100/300");
    assert_eq!(line(150, 10, "loss 3"), "train 150/300 · 160.0 img/s · 30s left · loss 3");
    assert_eq!(line(300, 4000, ""), "train 300/300 · 1.6 img/s");
}

#[test]
fn durations_are_read_at_a_glance() {
    let cases = [(0.4, "0s"), (59.6, "1m 00s"), (80.0, "1m 20s"), (7500.0, "2h 05m"), (-5.0, "0s"), (f64::NAN, "0s")];
    for (seconds, text) in cases {
        assert_eq!(duration(seconds), text);
    }
}

#[test]
fn a_name_with_control_characters_stays_on_its_line() {
    assert_eq!(printable("a\nb\u{1b}[2Jc é"), "a\\nb\\u{1b}[2Jc é");
}
