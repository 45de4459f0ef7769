//! The emulator tested as an instrument: each planted bug is reported by the means that is meant for it, and kernels
//! without a bug give the same bits in every order of threads and with early and late copies.
//!
//! The planted kernels (`planted/*.cu`) are built with the emulator into a library of their own; `probe.cpp` runs one of
//! them through the driver calls in a process of its own and prints what came of it. Knows nothing of the project's ops.

mod in_process;
mod sanitized;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Every order of the threads, as settings of the probe.
const ORDERS: [&[&str]; 5] = [
    &["order=forward"],
    &["order=reverse"],
    &["order=random", "seed=1"],
    &["order=random", "seed=2"],
    &["order=warps_reversed"],
];

const LAUNCH_TIMEOUT: i32 = 702;
const ILLEGAL_ADDRESS: i32 = 700;
const MISALIGNED: i32 = 716;
const LAUNCH_FAILED: i32 = 719;

/// What the probe printed of one run.
struct Outcome {
    result: i32,
    bits: Option<String>,
    nan: usize,
    error: f64,
    report: String,
}

/// The library and the probe in one mode (`o2`, `asan`, `tsan`), built when the first test of this process asks.
fn built(mode: &str) -> PathBuf {
    static DONE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("emulator-{mode}"));
    let mut done = DONE.lock().unwrap();
    if done.iter().any(|one| one == mode) {
        return out;
    }
    succeed(Command::new("kernels/emulator/build.sh").arg(&out).arg(mode).arg("tests/emulator/planted"));
    let sanitizer = match mode {
        "asan" => "-fsanitize=address",
        "tsan" => "-fsanitize=thread",
        _ => "-O1",
    };
    succeed(
        Command::new("g++")
            .args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", sanitizer, "tests/emulator/probe.cpp", "-o"])
            .arg(out.join("probe"))
            .arg(format!("-L{}", out.display()))
            .args(["-lcuda", "-Wl,-rpath,$ORIGIN"]),
    );
    done.push(mode.to_string());
    out
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error} (the tests need g++ and make)"));
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs the probe and gives back all that it printed, in both streams.
fn probe_text(mode: &str, kernel: &str, settings: &[&str]) -> String {
    let output = Command::new(built(mode).join("probe")).arg(kernel).args(settings).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn probe(kernel: &str, settings: &[&str]) -> Outcome {
    let text = probe_text("o2", kernel, settings);
    let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let field = |name: &str| fields.get(name).copied();
    Outcome {
        result: field("result")
            .and_then(|code| code.parse().ok())
            .unwrap_or_else(|| panic!("the probe of {kernel} said: {text}")),
        bits: field("bits").map(str::to_string),
        nan: field("nan").and_then(|count| count.parse().ok()).unwrap_or(0),
        error: field("error").and_then(|value| value.parse().ok()).unwrap_or(0.0),
        report: text.split_once("report ").map_or(String::new(), |(_, report)| report.to_string()),
    }
}

/// The kernel must end in this driver error and a report that names the kernel, the block and each of `words`.
fn assert_reported(kernel: &str, settings: &[&str], result: i32, words: &[&str]) {
    let outcome = probe(kernel, settings);
    assert_eq!(outcome.result, result, "{kernel} {settings:?}: {}", outcome.report);
    for word in [&[kernel][..], words].concat() {
        assert!(outcome.report.contains(word), "{kernel} {settings:?}: no '{word}' in the report: {}", outcome.report);
    }
}

#[test]
fn sound_kernels_give_the_same_bits_in_every_order_and_both_copy_modes() {
    for kernel in ["product", "row_softmax", "collectives"] {
        let first = probe(kernel, &[]);
        assert_eq!((first.result, first.nan, first.report.as_str()), (0, 0, ""), "{kernel}");
        for order in ORDERS {
            for rest in [["copies=eager", "threads=1"], ["copies=late", "threads=2"]] {
                let again = probe(kernel, &[order, &rest[..]].concat());
                assert_eq!(again.result, 0, "{kernel} {order:?}: {}", again.report);
                assert_eq!(again.bits, first.bits, "{kernel} differs in {order:?} {rest:?}");
            }
        }
    }
}

/// 128 products of bf16 (exact in f32) are added in f32: the bound is 128 roundings of a sum whose terms are at most 1.
#[test]
fn sound_kernels_agree_with_the_plain_loop() {
    let product = probe("product", &["size=64"]);
    assert!(product.error < 128.0 * 128.0 * f64::from(f32::EPSILON), "product: {}", product.error);
    let softmax = probe("row_softmax", &[]);
    assert!(softmax.error < 300.0 * f64::from(f32::EPSILON), "softmax: {}", softmax.error);
}

#[test]
fn a_missing_barrier_shows_as_poison_or_as_a_difference_between_orders() {
    let outcomes: Vec<Outcome> = ORDERS.iter().map(|order| probe("missing_barrier", order)).collect();
    assert!(outcomes.iter().any(|outcome| outcome.nan > 0), "no NaN in any order");
    let product: Vec<Outcome> = ORDERS.iter().map(|order| probe("product_without_barrier", order)).collect();
    assert!(product.iter().any(|outcome| outcome.nan > 0), "no NaN in any order");
    assert!(product.iter().any(|outcome| outcome.bits != product[0].bits), "the same bits in all orders");
}

#[test]
fn an_unordered_sum_differs_between_orders_without_any_poison() {
    let forward = probe("unordered_sum", &["order=forward"]);
    let reversed = probe("unordered_sum", &["order=warps_reversed"]);
    assert_eq!((forward.nan, reversed.nan), (0, 0));
    assert_ne!(forward.bits, reversed.bits);
}

#[test]
fn a_wait_for_too_few_copies_shows_only_when_copies_are_late() {
    let sound = probe("product", &[]);
    let eager = probe("product_waits_too_little", &["copies=eager"]);
    assert_eq!(eager.bits, sound.bits, "eager copies hide the bug; if they do not, this test plants another one");
    let late = probe("product_waits_too_little", &["copies=late"]);
    assert!(late.nan > 0);
}

#[test]
fn accesses_outside_a_buffer_are_illegal_addresses_with_the_buffers_size() {
    assert_reported(
        "writes_past_end",
        &[],
        ILLEGAL_ADDRESS,
        &["thread (63,0,0)", "writes at byte 256 of a device buffer of 256 bytes"],
    );
    assert_reported(
        "reads_past_end",
        &[],
        ILLEGAL_ADDRESS,
        &["thread (63,0,0)", "reads at byte 256 of a device buffer of 256 bytes"],
    );
    assert_reported(
        "writes_before_begin",
        &[],
        ILLEGAL_ADDRESS,
        &["before the beginning of a device buffer of 256 bytes"],
    );
    assert_reported("copies", &["free=1"], ILLEGAL_ADDRESS, &["reads a device buffer of 256 bytes that was freed"]);
}

#[test]
fn shared_memory_that_nobody_wrote_is_poison() {
    for kernel in ["reads_unwritten_shared", "reads_unwritten_static_shared"] {
        let outcome = probe(kernel, &[]);
        assert_eq!((outcome.result, outcome.nan), (0, 32), "{kernel}");
    }
}

#[test]
fn accesses_outside_dynamic_shared_memory_are_reported() {
    assert_reported(
        "writes_past_dynamic_shared",
        &[],
        ILLEGAL_ADDRESS,
        &["dynamic shared memory (256 bytes)", "at byte 256"],
    );
    assert_reported("copies_past_dynamic_shared", &[], ILLEGAL_ADDRESS, &["cp.async writes outside shared memory"]);
    // Where the end is no multiple of 16 the unmapped page is some bytes away: what is written between is found after the block.
    assert_reported(
        "writes_past_dynamic_shared",
        &["shared=258"],
        ILLEGAL_ADDRESS,
        &["wrote past the end of its dynamic shared memory"],
    );
    assert_eq!(probe("writes_past_dynamic_shared", &["shared=260"]).result, 0, "260 bytes are enough for this kernel");
}

#[test]
fn a_divergent_collective_is_reported() {
    assert_reported(
        "divergent_collective",
        &[],
        LAUNCH_FAILED,
        &["divergent warp collective", "__ballot_sync", "__shfl_xor_sync"],
    );
    assert_reported("returns_before_collective", &[], LAUNCH_FAILED, &["other lanes of its warp wait for it"]);
    assert_reported(
        "returns_before_collective",
        &["order=reverse"],
        LAUNCH_FAILED,
        &["another lane of its mask has returned"],
    );
}

#[test]
fn barriers_that_not_all_reach_are_reported_with_who_waits_for_what() {
    let waiting = ["deadlock", "32 thread(s) wait in __shfl_xor_sync", "wait in __syncthreads"];
    assert_reported("barrier_in_branch", &[], LAUNCH_TIMEOUT, &waiting);
    assert_reported(
        "returns_before_barrier",
        &[],
        LAUNCH_FAILED,
        &["other threads of the block wait for it in __syncthreads"],
    );
    assert_reported(
        "returns_before_barrier",
        &["order=reverse"],
        LAUNCH_FAILED,
        &["__syncthreads after other threads"],
    );
}

#[test]
fn misaligned_matrix_rows_and_copies_are_reported() {
    assert_reported("product_misaligned_rows", &[], MISALIGNED, &["ldmatrix.x4", "not a multiple of 16"]);
    assert_reported("product_misaligned_copy", &[], MISALIGNED, &["cp.async", "not a multiple of the copy's bytes"]);
}

#[test]
fn a_stack_that_overflows_is_reported() {
    assert_reported("overflows_stack", &[], ILLEGAL_ADDRESS, &["stack overflow"]);
}
