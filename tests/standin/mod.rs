//! The card that tests run on. With `HALLUCINET_TEST_DEVICE=cuda` it is the first CUDA device of this machine (the GPU bundle does so);
//! otherwise it is the stand-in driver's: built once into `target/emulated`, found by a child of the test program that is started with it on
//! its library path, and told how to behave. Shared by the tests of ops and of the cuda executor.
//!
//! A test that needs it begins with `if !standin::inside("name") { return; }`: outside, that starts the child with this one test and
//! reports what it reported; inside, the test goes on. Where there is no g++ it is skipped by name.

#![allow(dead_code, reason = "each test program uses a part")]

use hallucinet::backend::cuda::{Cuda, Image, embedded};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `asan` or `tsan` in the environment: kernels instrumented so, by `make test-kernels-sanitized`.
fn sanitizer() -> Option<String> {
    std::env::var("HALLUCINET_SANITIZER").ok().filter(|mode| !mode.is_empty())
}

/// Whether this process runs kernels that ThreadSanitizer watches, which makes them many times slower.
pub fn is_watched() -> bool {
    is_inside() && sanitizer().as_deref() == Some("tsan")
}

/// What a test program runs on: `stand-in` in children, `cuda` where there is a card to be tested.
const DEVICE: &str = "HALLUCINET_TEST_DEVICE";

/// Thread orders and arrivals of `cp.async` that a kernel must not depend on.
pub const SCHEDULES: [(&str, &str); 8] = [
    ("forward", "eager"),
    ("forward", "late"),
    ("reverse", "eager"),
    ("reverse", "late"),
    ("random", "eager"),
    ("random", "late"),
    ("warps_reversed", "eager"),
    ("warps_reversed", "late"),
];

/// The schedules to run a kernel under. ThreadSanitizer sees a race in whatever order the threads come, so it needs only the copies early
/// and late: two of the eight, in two of the orders. A real card has an order of its own, so it is asked twice.
pub fn schedules() -> Vec<(&'static str, &'static str)> {
    match sanitizer().as_deref() {
        Some("tsan") => vec![SCHEDULES[0], SCHEDULES[5]],
        _ if is_card() => vec![SCHEDULES[0]; 2],
        _ => SCHEDULES.to_vec(),
    }
}

/// The entries that the kernel sources export, sorted: what a fatbin holds, read without a compiler; none where the sources are not (the
/// GPU bundle).
pub fn exported() -> Vec<String> {
    fn collect(folder: &Path, list: &mut Vec<String>) {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                collect(&path, list);
            } else if path.extension().is_some_and(|extension| extension == "cu") {
                let text = std::fs::read_to_string(&path).unwrap();
                let names = text.lines().filter_map(|line| line.strip_prefix("EXPORT_KERNEL("));
                list.extend(names.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
            }
        }
    }
    let mut list = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels"), &mut list);
    list.sort();
    list
}

/// Whether this process runs over the stand-in driver. If not, runs the test `name` in a child that does.
pub fn inside(name: &str) -> bool {
    if is_inside() {
        return true;
    }
    match library() {
        Err(why) => println!("skipped: {name}: {why}"),
        Ok(folder) => {
            let mut child = child(folder);
            child.args(["--exact", name, "--nocapture", "--test-threads=1"]);
            finish(name, child);
        }
    }
    false
}

/// Whether this process runs on a card, the stand-in's or a real one.
pub fn is_inside() -> bool {
    std::env::var_os(DEVICE).is_some()
}

/// Whether that card is a real one, which nobody tells how to behave.
pub fn is_card() -> bool {
    std::env::var_os(DEVICE).is_some_and(|device| device == "cuda")
}

/// As [`inside`], for a test that tells the stand-in driver how to behave: skipped by name on a real card.
pub fn inside_only(name: &str) -> bool {
    if is_card() {
        println!("skipped: {name}: a real card cannot be told to fail");
        return false;
    }
    inside(name)
}

/// This test program again, over the stand-in driver.
pub fn child(folder: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.env(DEVICE, "stand-in").env("LD_LIBRARY_PATH", folder);
    if let Some(mode) = sanitizer() {
        // A program that loads instrumented code needs the sanitizer's runtime from its start.
        let library = Command::new(compiler()).arg(format!("-print-file-name=lib{mode}.so")).output().unwrap().stdout;
        child.env("LD_PRELOAD", String::from_utf8(library).unwrap().trim());
        child.env("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0");
        // Rust's own synchronisation is not instrumented, so what ThreadSanitizer thinks of it means nothing.
        child.env("TSAN_OPTIONS", "ignore_noninstrumented_modules=1");
    }
    child
}

/// Runs a child and fails with what it said where it failed.
pub fn finish(name: &str, mut child: Command) {
    let output = child.output().unwrap();
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} over the stand-in driver: {}\n{said}", output.status);
    said.lines().filter(|line| line.starts_with("skipped: ")).for_each(|line| println!("{line}"));
}

/// The folder with `libcuda.so.1`, built now where it is not or is old; or why there is none.
pub fn library() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref().map_err(Clone::clone)
}

fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "g++".into())
}

fn build() -> Result<PathBuf, String> {
    let compiler = compiler();
    let mode = sanitizer().unwrap_or_else(|| "o2".into());
    let name = if mode == "o2" { "emulated".to_owned() } else { format!("emulated-{mode}") };
    if Command::new(&compiler).arg("--version").output().is_err() {
        return Err(format!("no {compiler}"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    // Several test programs may want it at once; the second finds it built.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let built =
        Command::new("sh").arg(root.join("kernels/emulator/build.sh")).arg(&folder).arg(&mode).output().unwrap();
    assert!(built.status.success(), "the stand-in driver does not build:\n{}", String::from_utf8_lossy(&built.stderr));
    Ok(folder)
}

/// Tells the stand-in driver how to behave towards this thread; see `kernels/emulator/driver_settings.cpp`.
pub fn set(name: &str, value: &str) {
    assert_eq!(try_set(name, value), Some(0), "the stand-in driver does not take {name} = {value}");
}

/// Turns of the threads and arrival of `cp.async` for this thread's launches; a real card chooses them itself, anew every time.
pub fn schedule(order: &str, copies: &str, seed: usize) {
    if is_card() {
        return;
    }
    set("order", order);
    set("copies", copies);
    set("seed", &seed.to_string());
}

/// What the stand-in driver knows about the last failure, to be said behind the error; the context works again afterwards.
pub fn report() -> String {
    type Report = unsafe extern "C" fn() -> *const std::ffi::c_char;
    if !is_inside() || is_card() {
        return String::new();
    }
    // SAFETY: the function returns a text that lives until this thread asks again.
    let said = unsafe {
        let report: libloading::Symbol<Report> = driver().get(b"standin_last_report\0").unwrap();
        std::ffi::CStr::from_ptr(report()).to_string_lossy().into_owned()
    };
    try_set("reset", "");
    format!("\nthe stand-in driver: {said}")
}

fn driver() -> &'static libloading::Library {
    static LIBRARY: OnceLock<libloading::Library> = OnceLock::new();
    // SAFETY: the tests' own library, which children find on their path.
    LIBRARY.get_or_init(|| unsafe { libloading::Library::new("libcuda.so.1") }.unwrap())
}

fn try_set(name: &str, value: &str) -> Option<i32> {
    type Set = unsafe extern "C" fn(*const std::ffi::c_char, *const std::ffi::c_char) -> std::ffi::c_int;
    let (name, value) = (CString::new(name).unwrap(), CString::new(value).unwrap());
    // SAFETY: the library of the tests' own, whose function takes two texts and keeps neither.
    unsafe {
        let set: libloading::Symbol<Set> = driver().get(b"standin_set\0").ok()?;
        Some(set(name.as_ptr(), value.as_ptr()))
    }
}

/// The device of the stand-in driver, with the kernels of this build. The stand-in does not read images, so where the build
/// has none, each room's name is enough.
pub fn open() -> hallucinet::Result<Cuda> {
    Cuda::with_images(0, images())
}

fn images() -> &'static [Image] {
    static ROOMS: OnceLock<Vec<Image>> = OnceLock::new();
    if !embedded().is_empty() {
        return embedded();
    }
    ROOMS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let rooms: BTreeSet<String> =
            names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        let image = |room: String| {
            let room: &'static str = room.leak();
            Image { room, name: room, bytes: &[0; 64] }
        };
        rooms.into_iter().map(image).collect()
    })
}
