//! What `doctor` found; a check that failed is exit code 6.

use super::Answer;
use crate::tasks::doctor::{Findings, Processor};
use serde_json::{Value, json};

/// Devices, kernels and the self-test.
pub fn doctor(findings: &Findings) -> Answer {
    let cpu = &findings.cpu;
    let gibibytes =
        |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| format!("{:.1}", bytes as f64 / (1u64 << 30) as f64));
    let entries = |tested: bool| -> Vec<&str> {
        findings.kernels.iter().filter(|kernel| kernel.tested == tested).map(|kernel| kernel.entry).collect()
    };
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
        match &findings.cuda {
            Ok(info) => {
                let mib = |bytes: usize| bytes >> 20;
                let memory =
                    info.memory.map(|memory| format!("{} of {} MiB free", mib(memory.free), mib(memory.total)));
                let memory = memory.unwrap_or_default();
                format!("cuda     {}: {}, code {}, {memory}{}", info.name, info.detail, info.code, driver(findings))
            }
            Err(why) => format!("cuda     not available: {why}{}", driver(findings)),
        },
        format!(
            "kernels  {} of {} tested here: {}",
            entries(true).len(),
            findings.kernels.len(),
            entries(true).join(", ")
        ),
        format!("untested {}", if entries(false).is_empty() { "none".to_owned() } else { entries(false).join(", ") }),
    ];
    for check in &findings.self_test {
        let verdict = if check.pass { "pass" } else { "FAIL" };
        lines.push(format!("{verdict}     {}: error {:.1e} of the tolerance", check.name, check.error));
    }
    let verdict = if findings.is_well() { "all checks passed" } else { "some checks FAILED: do not trust this device" };
    lines.push(format!("{:<8} {verdict}", findings.device));
    Answer { text: lines.join("\n"), json: json(findings), code: if findings.is_well() { 0 } else { 6 } }
}

fn driver(findings: &Findings) -> String {
    findings.cuda_driver.as_ref().map_or_else(String::new, |path| format!(" (the driver is {})", path.display()))
}

fn cuda(findings: &Findings) -> Value {
    let driver = findings.cuda_driver.as_ref().map(|path| path.display().to_string());
    match &findings.cuda {
        Ok(info) => json!({
            "name": info.name,
            "available": true,
            "model": info.detail,
            "architecture": info.architecture,
            "code": info.code,
            "memory_bytes": info.memory.map(|memory| memory.total),
            "free_bytes": info.memory.map(|memory| memory.free),
            "driver": driver,
        }),
        Err(why) => json!({ "name": "cuda", "available": false, "why": why, "driver": driver }),
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
        .map(|kernel| {
            let cuda = findings.cuda_rooms.contains(&kernel.room);
            json!({ "room": kernel.room, "entry": kernel.entry, "cuda": cuda, "tested": kernel.tested })
        })
        .collect();
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
            cuda(findings),
        ],
        "kernels": kernels,
        "self_test": { "device": findings.device, "pass": findings.is_well(), "checks": checks },
    })
}
