//! Registers, shared memory, stack and spills of every kernel on every architecture, as ptxas told `build.rs`. No GPU is asked.
//!
//! Local memory (stack or spills) is slow memory that nobody asked for: a kernel that uses any fails here, unless the comment at the
//! head of its file says `local memory: ENTRY: why`.

#[path = "../standin/mod.rs"]
mod standin;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// What ptxas says about one kernel on one architecture.
#[derive(Clone, Debug, Default, PartialEq)]
struct Usage {
    file: String,
    entry: String,
    architecture: String,
    registers: u64,
    /// Static shared memory; what a launch asks for comes on top.
    shared: u64,
    stack: u64,
    spill_stores: u64,
    spill_loads: u64,
}

/// The number in front of a word.
fn number(line: &str, word: &str) -> u64 {
    let digits =
        line.find(word).map_or("", |at| line[..at].trim_end().rsplit(|c: char| !c.is_ascii_digit()).next().unwrap());
    digits.parse().unwrap_or(0)
}

/// Reads what `-Xptxas -v` prints.
fn read(file: &str, text: &str) -> Vec<Usage> {
    let mut list: Vec<Usage> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split('\'').collect();
        if let (true, [_, entry, _, architecture, ..]) = (line.contains("Compiling entry function"), words.as_slice()) {
            let (entry, architecture) = ((*entry).to_owned(), (*architecture).to_owned());
            list.push(Usage { file: file.to_owned(), entry, architecture, ..Usage::default() });
        } else if let Some(last) = list.last_mut() {
            if line.contains("bytes stack frame") {
                last.stack = number(line, "bytes stack frame");
                last.spill_stores = number(line, "bytes spill stores");
                last.spill_loads = number(line, "bytes spill loads");
            } else if line.contains("Used ") {
                last.registers = number(line, "registers");
                last.shared = number(line, "bytes smem");
            }
        }
    }
    list
}

fn every_kernel() -> Vec<Usage> {
    let out = Path::new(env!("OUT_DIR"));
    let current: BTreeSet<String> =
        hallucinet::backend::cuda::embedded().iter().map(|image| image.name.to_owned()).collect();
    let mut list = Vec::new();
    for name in current {
        let text = std::fs::read_to_string(out.join(format!("{name}.ptxas"))).unwrap();
        let file = format!("kernels/{}.cu", name.replace('.', "/"));
        list.extend(read(&file, &text));
    }
    list
}

#[test]
fn the_report_of_ptxas_is_understood() {
    let text = "ptxas info    : 0 bytes gmem\nptxas info    : Compiling entry function 'k' for 'sm_90a'\n\
                ptxas info    : Function properties for k\n    800 bytes stack frame, 16 bytes spill stores, 8 bytes spill loads\n\
                ptxas info    : Used 32 registers, used 1 barriers, 800 bytes cumulative stack size, 1024 bytes smem, 364 bytes cmem[0]\n";
    let expected = Usage {
        file: "k.cu".into(),
        entry: "k".into(),
        architecture: "sm_90a".into(),
        registers: 32,
        shared: 1024,
        stack: 800,
        spill_stores: 16,
        spill_loads: 8,
    };
    assert_eq!(read("k.cu", text), [expected]);
}

/// The table is written beside the fatbins' target, as `target/kernels.txt`.
#[test]
fn no_kernel_uses_local_memory() {
    let kernels = every_kernel();
    if kernels.is_empty() {
        println!("skipped: no_kernel_uses_local_memory: built without nvcc");
        return;
    }
    let mut table = format!(
        "{:<36} {:<10} {:>9} {:>8} {:>7} {:>7} {:>7}\n",
        "kernel", "arch", "registers", "shared", "stack", "stores", "loads"
    );
    let mut wrong = Vec::new();
    for usage in &kernels {
        let Usage { file, entry, architecture, registers, shared, stack, spill_stores, spill_loads } = usage;
        writeln!(
            table,
            "{entry:<36} {architecture:<10} {registers:>9} {shared:>8} {stack:>7} {spill_stores:>7} {spill_loads:>7}"
        )
        .unwrap();
        let source = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let head = source.lines().take_while(|line| line.starts_with("//"));
        let said = head.into_iter().any(|line| line.contains(&format!("local memory: {entry}:")));
        if stack + spill_stores + spill_loads > 0 && !said {
            wrong.push(format!("{file}: {entry} on {architecture}: {stack} bytes of stack, {spill_stores} spilled"));
        }
    }
    println!("{table}");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    std::fs::write(target.join("kernels.txt"), table).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every kernel that the sources export was compiled for every architecture that `build.rs` names; a shorter list, for developing, says
/// so in the environment.
#[test]
fn every_kernel_is_there_for_every_architecture() {
    let kernels = every_kernel();
    if kernels.is_empty() {
        println!("skipped: every_kernel_is_there_for_every_architecture: built without nvcc");
        return;
    }
    let wanted = std::env::var("HALLUCINET_CUDA_ARCHS").unwrap_or_else(|_| "80 86 89 90a 100 120".to_owned());
    let wanted: BTreeSet<String> = wanted.split_whitespace().map(|name| format!("sm_{name}")).collect();
    assert!(!standin::exported().is_empty());
    for entry in standin::exported() {
        let have: BTreeSet<String> =
            kernels.iter().filter(|usage| usage.entry == entry).map(|usage| usage.architecture.clone()).collect();
        assert_eq!(have, wanted, "{entry}");
    }
}
