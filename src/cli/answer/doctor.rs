//! What `doctor` found; a check that failed is exit code 6.

use super::Answer;
use crate::tasks::doctor::{Findings, Processor};
use serde_json::{Value, json};

/// Devices, kernels and the self-test.
pub fn doctor(findings: &Findings) -> Answer {
    let cpu = &findings.cpu;
    let gibibytes =
        |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| format!("{:.1}", bytes as f64 / (1u64 << 30) as f64));
    let mut lines = vec![
        format!(
            "cpu      {}: {} (of {}), {} threads, {} GiB of memory, {} free",
            cpu.model.as_deref().unwrap_or("unknown"),
            cpu.instruction_set,
            cpu.supported.join(", "),
            cpu.threads,
            gibibytes(cpu.memory),
            gibibytes(cpu.available)
        ),
        format!("cuda     not available: {}", why_no_cuda(findings)),
        format!("kernels  {}", findings.kernels.iter().map(|(_, entry)| *entry).collect::<Vec<_>>().join(", ")),
    ];
    for check in &findings.self_test {
        let verdict = if check.pass { "pass" } else { "FAIL" };
        lines.push(format!("{verdict}     {}: error {:.1e} of the tolerance", check.name, check.error));
    }
    let verdict = if findings.is_well() { "all checks passed" } else { "some checks FAILED: do not trust this device" };
    lines.push(format!("{:<8} {verdict}", findings.device));
    Answer { text: lines.join("\n"), json: json(findings), code: if findings.is_well() { 0 } else { 6 } }
}

fn why_no_cuda(findings: &Findings) -> String {
    match &findings.cuda_driver {
        Some(path) => format!("this build has no CUDA kernels; the driver is there ({})", path.display()),
        None => "this build has no CUDA kernels, and this machine no driver (libcuda.so.1)".to_owned(),
    }
}

fn json(findings: &Findings) -> Value {
    let Processor { model, instruction_set, supported, threads, memory, available } = &findings.cpu;
    let checks: Vec<Value> = findings
        .self_test
        .iter()
        .map(|check| json!({ "name": check.name, "pass": check.pass, "error": check.error }))
        .collect();
    let kernels: Vec<Value> = findings
        .kernels
        .iter()
        .map(|(room, entry)| json!({ "room": room, "entry": entry, "cpu": true, "cuda": false }))
        .collect();
    let driver = findings.cuda_driver.as_ref().map(|path| path.display().to_string());
    json!({
        "devices": [
            {
                "name": "cpu",
                "available": true,
                "model": model,
                "instruction_set": instruction_set,
                "supported": supported,
                "threads": threads,
                "memory_bytes": memory,
                "free_bytes": available,
            },
            { "name": "cuda", "available": false, "why": why_no_cuda(findings), "driver": driver },
        ],
        "kernels": kernels,
        "self_test": { "device": findings.device, "pass": findings.is_well(), "checks": checks },
    })
}
