//! What a file may contain, how long it may be, and which files belong together.

use crate::arrows::rooms;
use crate::source::{Source, files, root};

fn every_source() -> Vec<Source> {
    ["src", "tests", "benches", "examples"].into_iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_fit_their_budget() {
    let kernels = files("kernels", &[".cu", ".cuh", ".h", ".hpp", ".cpp"]);
    let budget = |path: &str| if path.ends_with(".cu") { 600 } else { 500 };
    let long = every_source().into_iter().chain(kernels).filter_map(|source| {
        let (lines, budget) = (source.text.lines().count(), budget(&source.path));
        (lines > budget).then(|| format!("{}: {lines} lines of {budget}", source.path))
    });
    none(long.collect());
}

#[test]
fn every_file_says_what_it_is() {
    let silent = every_source().into_iter().filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| format!("{} does not begin with //!", source.path)).collect());
}

#[test]
fn only_the_command_line_prints() {
    let words = ["println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()"];
    let quiet = files("src", &[".rs"]).into_iter().filter(|source| !["cli", "main"].contains(&source.module()));
    none(quiet.flat_map(|source| lines_with(&source, &words)).collect());
}

/// Lines of code that contain one of the words, and not as the tail of a longer one.
fn lines_with(source: &Source, words: &[&str]) -> Vec<String> {
    let whole = |line: &str, word: &str| {
        let joined = |at: usize| line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        line.match_indices(word).any(|(at, _)| word.starts_with('.') || !joined(at))
    };
    let numbered = source.code.lines().zip(source.text.lines()).enumerate();
    let found = numbered.filter(|(_, (code, _))| words.iter().any(|word| whole(code, word)));
    found.map(|(number, (_, text))| format!("{}:{}: {}", source.path, number + 1, text.trim())).collect()
}

/// (file, line, why it cannot fail)
const PANICS_ALLOWED: &[(&str, &str, &str)] = &[];

#[test]
fn nothing_under_src_panics_on_purpose() {
    let words = [".unwrap()", ".unwrap_err()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!"];
    let found = files("src", &[".rs"]).into_iter().flat_map(|source| lines_with(&source, &words));
    let allowed =
        |line: &String| PANICS_ALLOWED.iter().any(|(file, text, _)| line.starts_with(file) && line.ends_with(text));
    none(found.filter(|line| !allowed(line)).collect());
}

#[test]
fn macros_are_rare() {
    let all: Vec<String> =
        files("src", &[".rs"]).iter().flat_map(|source| lines_with(source, &["macro_rules!"])).collect();
    assert!(all.len() <= 2, "\n{}", all.join("\n"));
}

#[test]
fn unsafe_lives_in_two_places() {
    let elsewhere = files("src", &[".rs"]).into_iter().filter(|s| s.module() != "backend" && s.path != "src/ffi.rs");
    none(elsewhere.flat_map(|source| lines_with(&source, &["unsafe"])).collect());
}

/// An unsafe block has a `// SAFETY:` comment within the three lines above it. A function or a trait has a `# Safety` paragraph in
/// its documentation, a function of a trait in the trait's.
#[test]
fn every_unsafe_says_why_it_is_safe() {
    let mut wrong = Vec::new();
    for source in files("src", &[".rs"]) {
        let (code, text): (Vec<&str>, Vec<&str>) = (source.code.lines().collect(), source.text.lines().collect());
        for (number, line) in code.iter().enumerate().filter(|(_, line)| has_unsafe(line)) {
            let signature = ["unsafe fn", "unsafe trait", "unsafe extern"].iter().any(|form| line.contains(form));
            let said = if !signature {
                text[number.saturating_sub(3)..=number].iter().any(|line| line.contains("// SAFETY:"))
            } else if line.starts_with(' ') {
                let head = (0..number).rev().find(|n| code[*n].contains("trait ") || code[*n].contains("impl "));
                head.is_some_and(|head| code[head].contains(" for ") || documented(&text, head))
                    || documented(&text, number)
            } else {
                documented(&text, number)
            };
            if !said {
                wrong.push(format!("{}:{}: {}", source.path, number + 1, text[number].trim()));
            }
        }
    }
    none(wrong);
}

fn has_unsafe(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

/// Whether the documentation and attributes right above a line hold a `# Safety` paragraph.
fn documented(text: &[&str], number: usize) -> bool {
    let above = text[..number].iter().rev().map(|line| line.trim_start());
    let belongs = |line: &&str| ["///", "#[", "// SAFETY:"].iter().any(|start| line.starts_with(start));
    above.take_while(belongs).any(|line| line.contains("# Safety"))
}

#[test]
fn no_file_or_function_is_called_what_it_is_not() {
    let vague = ["util", "utils", "helper", "helpers", "misc", "stuff", "tmp", "base"];
    let survivor = |name: &str| {
        let tail = name.rsplit('_').next().unwrap_or(name);
        let version = tail.strip_prefix('v').is_some_and(|v| !v.is_empty() && v.chars().all(|c| c.is_ascii_digit()));
        name.contains('_') && (version || ["final", "old", "copy", "bak", "orig"].contains(&tail))
    };
    let mut wrong = Vec::new();
    for source in every_source().into_iter().chain(files("kernels", &[".cu", ".cuh", ".cpp", ".h"])) {
        for part in source.path.split('/').map(|part| part.split('.').next().unwrap_or(part)) {
            if vague.contains(&part) || survivor(part) {
                wrong.push(source.path.clone());
            }
        }
        let names = source.code.split("fn ").skip(1);
        let names = names.map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(rest));
        wrong.extend(names.filter(|name| survivor(name)).map(|name| format!("{}: fn {name}", source.path)));
    }
    none(wrong);
}

/// One op, one room, one name: source, test and bench, and the kernel once there are kernels.
#[test]
fn every_room_has_its_partners() {
    let list = std::fs::read_to_string(root().join("src/ops/mod.rs")).unwrap();
    let mut wrong = Vec::new();
    for room in rooms() {
        let there = |folder: &str, end: &str| {
            let (file, folder) = (format!("{folder}/{room}.{end}"), format!("{folder}/{room}"));
            root().join(file).is_file() || root().join(folder).is_dir()
        };
        let mut demand = |what: &str, met: bool| {
            if !met {
                wrong.push(format!("{room}: no {what}"));
            }
        };
        demand("line in src/ops/mod.rs", list.contains(&format!("pub mod {room};")));
        demand("test in tests/ops", there("tests/ops", "rs"));
        demand("bench in benches/ops", there("benches/ops", "rs"));
        demand("kernel in kernels", !root().join("kernels").is_dir() || there("kernels", "cu"));
    }
    none(wrong);
}

/// A kernel says which file holds it: its own room's.
#[test]
fn kernels_stand_in_their_own_room() {
    let mut seen = 0;
    for source in files("src", &[".rs"]) {
        for (_, rest) in
            source.text.match_indices("Kernel { room: \"").map(|(at, found)| source.text.split_at(at + found.len()))
        {
            let room = rest.split('"').next().unwrap_or(rest);
            let own = [format!("src/ops/{room}.rs"), format!("src/ops/{room}/")];
            assert!(own.iter().any(|own| source.path.starts_with(own)), "{}: a kernel of room {room}", source.path);
            seen += 1;
        }
    }
    assert!(seen >= rooms().len(), "{seen} kernels for {} rooms", rooms().len());
}
