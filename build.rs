//! Compiles every kernel for every architecture and embeds the result. It knows where an nvcc may be and how to call it; it never asks
//! for a GPU, never downloads, and without an nvcc leaves an empty table behind, which the program then says.
//!
//! Environment: `NVCC`, `CUDA_HOME` and `CUDA_PATH` say where nvcc is (then `.cuda/`, then `PATH`); `HALLUCINET_REQUIRE_CUDA=1`
//! makes its absence an error; `HALLUCINET_CUDA_ARCHS="80 90a"` shortens the list of architectures while developing;
//! `HALLUCINET_CUDA=off` builds without kernels although there is an nvcc (what a first `make demo` does, which needs none).
//!
//! A fatbin is made anew only when its compiler, its flags or any kernel text changed, so a rerun of this script costs nothing.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::{env, fs, io, thread};

/// Everything that a driver of the CUDA 13 family runs on tensor cores, and PTX of the oldest for what comes later.
const ARCHITECTURES: &str = "80 86 89 90a 100 120";

/// A warning fails the build. What `-v` says about registers and spills lies beside the fatbin, for `tests/ptxas`. Compressed, six
/// architectures take a quarter of the room; every driver that knows CUDA 13 reads that.
const FLAGS: [&str; 8] =
    ["-fatbin", "-O3", "-std=c++17", "-compress-mode=size", "-Werror", "all-warnings", "-Xptxas", "-v"];

/// One `.cu` file.
struct Source {
    /// The room its kernels are looked for in: its file stem, or the folder's name where a room is a folder.
    room: String,
    path: PathBuf,
}

fn main() {
    for name in
        ["NVCC", "CUDA_HOME", "CUDA_PATH", "HALLUCINET_REQUIRE_CUDA", "HALLUCINET_CUDA", "HALLUCINET_CUDA_ARCHS"]
    {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=kernels");
    if let Err(what) = embed() {
        // Every line of this reaches the user; a panic would bury it in a backtrace.
        eprintln!("{what}");
        std::process::exit(1);
    }
}

fn embed() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let table = out.join("fatbins.rs");
    let write = |rows: &str| {
        let text = format!(
            "pub static EMBEDDED: &[Image] = &[{rows}];\n/// Architectures, the first also as PTX.\n\
             pub static ARCHITECTURES: &str = {:?};\n",
            architectures()
        );
        fs::write(&table, text).map_err(|error| format!("{}: {error}", table.display()))
    };
    let required = env::var("HALLUCINET_REQUIRE_CUDA").is_ok_and(|value| value == "1");
    if env::var("HALLUCINET_CUDA").is_ok_and(|value| value == "off") && !required {
        return write("");
    }
    let nvcc = match (nvcc(), required) {
        (Some(nvcc), _) => nvcc,
        (None, true) => return Err("HALLUCINET_REQUIRE_CUDA=1, but there is no nvcc: set NVCC or CUDA_HOME".into()),
        (None, false) => {
            println!("cargo:warning=no nvcc found: built without CUDA kernels, --device cuda will not work");
            return write("");
        }
    };
    let sources = sources(Path::new("kernels")).map_err(|error| format!("kernels: {error}"))?;
    let rows = compile(&nvcc, &sources, &out)?;
    write(&rows)
}

/// The first nvcc that runs.
fn nvcc() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut candidates: Vec<PathBuf> = named("NVCC").into_iter().collect();
    candidates
        .extend(["CUDA_HOME", "CUDA_PATH"].iter().filter_map(|name| named(name)).map(|home| home.join("bin/nvcc")));
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cuda/nvidia/cu13/bin/nvcc");
    // Wheels that arrive later change the answer; a path that is not there yet may be watched only through its parent.
    if local.exists() {
        println!("cargo:rerun-if-changed={}", local.display());
    }
    candidates.push(local);
    let path = env::var_os("PATH").unwrap_or_default();
    candidates.extend(env::split_paths(&path).map(|folder| folder.join("nvcc")));
    candidates.push("/usr/local/cuda/bin/nvcc".into());
    let runs =
        |path: &PathBuf| Command::new(path).arg("--version").output().is_ok_and(|output| output.status.success());
    candidates.into_iter().find(runs)
}

/// Every `.cu` below a folder, except the emulator's own, in order of the path.
fn sources(root: &Path) -> io::Result<Vec<Source>> {
    let mut list = Vec::new();
    for path in files(root)? {
        let inside = path.strip_prefix(root).unwrap_or(&path);
        let Some(first) = inside.components().next() else { continue };
        let room = Path::new(first.as_os_str()).with_extension("").display().to_string();
        if room != "emulator" && path.extension().is_some_and(|extension| extension == "cu") {
            list.push(Source { room, path });
        }
    }
    Ok(list)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut list = Vec::new();
    if !folder.is_dir() {
        return Ok(list);
    }
    let mut entries =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            list.extend(files(&path)?);
        } else {
            list.push(path);
        }
    }
    Ok(list)
}

/// Compiles what is not compiled yet, one process per file and core; returns the rows of the table.
fn compile(nvcc: &Path, sources: &[Source], out: &Path) -> Result<String, String> {
    let targets = targets(&architectures());
    let version =
        Command::new(nvcc).arg("--version").output().map_err(|error| format!("{}: {error}", nvcc.display()))?;
    let mut common = DefaultHasher::new();
    (version.stdout, FLAGS, &targets).hash(&mut common);
    for path in files(Path::new("kernels")).map_err(|error| format!("kernels: {error}"))? {
        if path.extension().is_some_and(|extension| extension == "cuh") && !path.starts_with("kernels/emulator") {
            hash_file(&path, &mut common)?;
        }
    }
    let mut rows = String::new();
    let mut work = VecDeque::new();
    for source in sources {
        let name = source.path.strip_prefix("kernels").unwrap_or(&source.path).with_extension("");
        let name = name.display().to_string().replace(['/', '\\'], ".");
        let fatbin = out.join(format!("{name}.fatbin"));
        rows += &format!(
            "\n    Image {{ room: {:?}, name: {name:?}, bytes: &Aligned(*include_bytes!({fatbin:?})).0 }},",
            source.room
        );
        let stamped = out.join(format!("{name}.stamp"));
        let mut hasher = common.clone();
        hash_file(&source.path, &mut hasher)?;
        let stamp = format!("{:016x}", hasher.finish());
        let same = fs::read_to_string(&stamped).is_ok_and(|old| old == stamp);
        if !(same && fatbin.is_file()) {
            work.push_back((source, fatbin, stamped, stamp));
        }
    }
    let cores = thread::available_parallelism().map_or(1, usize::from).min(work.len().max(1));
    let (work, failures) = (Mutex::new(work), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((source, fatbin, stamped, stamp)) = next(&work) {
                    let made = one(nvcc, &targets, source, &fatbin).and_then(|()| {
                        fs::write(&stamped, &stamp).map_err(|error| format!("{}: {error}", stamped.display()))
                    });
                    if let (Err(what), Ok(mut failures)) = (made, failures.lock()) {
                        failures.push(what);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().map_err(|_| "a compiling thread died")?;
    if failures.is_empty() { Ok(rows) } else { Err(failures.join("\n")) }
}

fn hash_file(path: &Path, hasher: &mut DefaultHasher) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    (path, bytes).hash(hasher);
    Ok(())
}

fn next<T>(work: &Mutex<VecDeque<T>>) -> Option<T> {
    work.lock().ok()?.pop_front()
}

fn architectures() -> String {
    env::var("HALLUCINET_CUDA_ARCHS").unwrap_or_else(|_| ARCHITECTURES.to_owned())
}

/// `-gencode` options: machine code for each architecture, and PTX of the first.
fn targets(architectures: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (index, name) in architectures.split_whitespace().enumerate() {
        let code = if index == 0 { format!("[sm_{name},compute_{name}]") } else { format!("sm_{name}") };
        targets.extend(["-gencode".to_owned(), format!("arch=compute_{name},code={code}")]);
    }
    targets
}

fn one(nvcc: &Path, targets: &[String], source: &Source, fatbin: &Path) -> Result<(), String> {
    let mut command = Command::new(nvcc);
    command.args(FLAGS).args(["-I", "kernels"]).args(targets).arg(&source.path).arg("-o").arg(fatbin);
    let output = command.output().map_err(|error| format!("{}: {error}", nvcc.display()))?;
    if output.status.success() {
        let report = fatbin.with_extension("ptxas");
        return fs::write(&report, &output.stderr).map_err(|error| format!("{}: {error}", report.display()));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: nvcc says\n{}", source.path.display(), said.trim_end()))
}
