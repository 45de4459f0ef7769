//! Who may import whom. The table is the picture of `src/lib.rs` and DESIGN.md, a row for each module.

use crate::source::{Source, files, root};

/// Importable by everyone.
const LEAVES: [&str; 5] = ["error", "files", "shape", "random", "resample"];

/// What a module imports besides itself and the leaves.
const ARROWS: &[(&str, &[&str])] = &[
    // cli -> tasks -> engine -> model -> graph -> ops -> backend
    ("cli", &["tasks", "model", "backend"]),
    ("tasks", &["engine", "model", "graph", "backend", "data", "metrics", "checkpoint", "formats", "report"]),
    ("engine", &["model", "graph", "backend", "data", "metrics", "checkpoint", "formats"]),
    ("model", &["graph", "ops"]),
    ("graph", &["ops", "backend"]),
    ("ops", &["backend"]),
    ("backend", &[]),
    // beside the tower
    ("data", &["backend", "formats"]),
    ("metrics", &[]),
    ("formats", &[]),
    ("checkpoint", &["formats"]),
    ("report", &["data", "metrics"]),
    // leaves
    ("error", &[]),
    ("files", &[]),
    ("shape", &[]),
    ("random", &[]),
    ("resample", &[]),
    // roots
    ("main", &["cli"]),
    ("ffi", &["engine"]),
];

/// The few names that a row means where it does not mean the whole module.
const NARROW: &[(&str, &[&str])] = &[
    // The one mmap lives where `unsafe` may.
    ("data -> backend", &["map"]),
    // The formats that pictures come in.
    ("data -> formats", &["recordio", "lfw_bin"]),
    // Devices are opened and passed on; launches and buffers are none of the tasks' business.
    ("tasks -> backend", &["Choice", "Device", "Info", "open", "cuda_rooms"]),
    ("engine -> backend", &["Choice", "Device", "open"]),
    ("cli -> backend", &["Choice"]),
    ("cli -> model", &["config", "Source"]),
    ("report -> data", &["image"]),
];

/// A folder that may name more than its module: the known-answer test of every kernel has to say which kernel and which executor.
const SELF_TEST: (&str, [&[&str]; 3]) = ("src/tasks/doctor/", [&["ops"], &["backend", "cpu"], &["backend", "libcuda"]]);

fn row<'a>(table: &'a [(&str, &'a [&'a str])], name: &str) -> Option<&'a [&'a str]> {
    table.iter().find(|(of, _)| *of == name).map(|(_, names)| *names)
}

fn sources() -> impl Iterator<Item = Source> {
    files("src", &[".rs"]).into_iter().filter(|source| source.path != "src/lib.rs")
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.module().to_owned();
        let Some(allowed) = row(ARROWS, &module) else {
            wrong.push(format!("{}: a module with no row in the table", source.path));
            continue;
        };
        for path in source.crate_paths() {
            let to = path[0].as_str();
            let is_module = row(ARROWS, to).is_some();
            let leaf = LEAVES.contains(&to);
            // The crate's own Error and Result are re-exported at its root.
            let begins = |names: &&[&str]| path.iter().zip(names.iter()).all(|(name, allowed)| name == allowed);
            if source.path.starts_with(SELF_TEST.0) && SELF_TEST.1.iter().any(begins) {
                continue;
            }
            if to == module || leaf || !is_module && ["Error", "Result"].contains(&to) {
                continue;
            }
            let narrow = row(NARROW, &format!("{module} -> {to}"));
            let inside = narrow.is_none_or(|names| path.get(1).is_some_and(|name| names.contains(&name.as_str())));
            if !allowed.contains(&to) || !inside {
                wrong.push(format!("{}: {module} must not import crate::{}", source.path, path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The leaves import nothing but each other's errors, so that everyone may import them.
#[test]
fn leaves_are_leaves() {
    for source in sources().filter(|source| LEAVES.contains(&source.module())) {
        for path in source.crate_paths() {
            assert!(path[0] == "error", "{} imports crate::{}", source.path, path.join("::"));
        }
    }
}

/// Names of the rooms of `src/ops`.
pub fn rooms() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("src/ops")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut rooms: Vec<String> =
        names.filter(|n| n != "mod.rs").map(|n| n.trim_end_matches(".rs").to_owned()).collect();
    rooms.sort();
    rooms
}

/// An op knows what every op knows (`crate::ops::Op` and its neighbours) and its own room.
#[test]
fn an_op_never_imports_another_op() {
    let rooms = rooms();
    for source in files("src/ops", &[".rs"]).into_iter().filter(|source| source.path != "src/ops/mod.rs") {
        let inside = source.path.trim_start_matches("src/ops/");
        let room = inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs");
        for path in source.crate_paths().into_iter().filter(|path| path[0] == "ops") {
            let other = path.get(1).filter(|name| rooms.contains(name) && *name != room);
            assert!(other.is_none(), "{} imports crate::{}", source.path, path.join("::"));
        }
        // `super` of a file that is a room, `super::super` of a file in a room, and so on, are the corridor.
        let up = "super::".repeat(1 + inside.matches('/').count());
        assert!(!source.code.contains(&up), "{} reaches into the corridor by {up}", source.path);
    }
}

#[test]
fn the_device_has_seven_verbs() {
    let text = std::fs::read_to_string(root().join("src/backend/mod.rs")).unwrap();
    let code = crate::source::code_of(&text);
    let (_, body) = code.split_once("pub trait Device").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let verbs: Vec<&str> = body.split("fn ").skip(1).map(|verb| verb.split('(').next().unwrap()).collect();
    assert_eq!(verbs, ["alloc", "write", "read", "copy", "launch", "sync", "info"]);
}
