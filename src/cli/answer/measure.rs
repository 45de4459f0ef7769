//! What `plan` and `bench` found: a table for a person, numbers as they are in JSON.

use super::Answer;
use crate::cli::console::duration;
use crate::tasks::bench::{Findings, Layer, PrecisionCost, Row, Spread};
use crate::tasks::plan::{Account, Layer as Cost, Time};
use serde_json::{Value, json};

/// One table per plan, and how long training takes where that was measured.
pub fn plan(accounts: &[Account], time: Option<&Time>) -> Answer {
    let text: Vec<String> = accounts.iter().map(plan_text).chain(time.map(time_text)).collect();
    let mut json = json!({ "plans": accounts.iter().map(plan_json).collect::<Vec<_>>() });
    if let Some(time) = time {
        let stage = |(mode, steps, batch, seconds): &(String, u64, usize, f64)| json!({ "mode": mode, "steps": steps, "batch": batch, "seconds": seconds });
        let stages: Vec<Value> = time.stages.iter().map(stage).collect();
        json["time"] = json!({ "device": time.device, "stages": stages, "seconds": seconds(time) });
    }
    Answer { text: text.join("\n\n"), json, code: 0 }
}

fn seconds(time: &Time) -> f64 {
    time.stages.iter().map(|(.., seconds)| seconds).sum()
}

fn time_text(time: &Time) -> String {
    let stage = |(mode, steps, batch, seconds): &(String, u64, usize, f64)| {
        format!("{mode}, {steps} steps of {batch} pictures: about {}", duration(*seconds))
    };
    let mut lines: Vec<String> = time.stages.iter().map(stage).collect();
    lines.push(format!(
        "training takes about {} on {}, by measuring a few steps",
        duration(seconds(time)),
        time.device
    ));
    lines.join("\n")
}

fn plan_text(account: &Account) -> String {
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let mut lines = vec![
        format!("{}, {}, batch {}", account.what, account.precision, account.batch),
        format!(
            "{} launches, {:.1} GFLOP, {:.1} MB of traffic, store {:.1} MiB + arena {:.1} MiB",
            account.launches,
            account.flop as f64 / 1e9,
            account.bytes as f64 / 1e6,
            mib(account.store_bytes),
            mib(account.arena_bytes)
        ),
        format!("{:<44} {:>8} {:>12} {:>12}", "layer", "launches", "MFLOP", "MB"),
    ];
    lines.extend(account.layers.iter().map(|cost| {
        let (flop, bytes) = (cost.flop as f64 / 1e6, cost.bytes as f64 / 1e6);
        format!("{:<44} {:>8} {flop:>12.3} {bytes:>12.3}", cost.layer, cost.launches)
    }));
    lines.join("\n")
}

fn plan_json(account: &Account) -> Value {
    json!({
        "name": account.what,
        "precision": account.precision,
        "batch": account.batch,
        "launches": account.launches,
        "store_bytes": account.store_bytes,
        "arena_bytes": account.arena_bytes,
        "flop": account.flop,
        "bytes": account.bytes,
        "layers": account.layers.iter().map(cost_json).collect::<Vec<_>>(),
    })
}

fn cost_json(cost: &Cost) -> Value {
    json!({ "layer": cost.layer, "launches": cost.launches, "flop": cost.flop, "bytes": cost.bytes })
}

/// The rows of the contract, and what the device could do.
pub fn bench(findings: &Findings) -> Answer {
    let Findings { roofline, rows, cost } = findings;
    let mut lines = vec![
        format!(
            "at most  {:.1} GFLOP/s in f32, {:.1} in bf16, {:.1} GB/s, as measured now",
            roofline.flop_per_second / 1e9,
            roofline.bf16_flop_per_second / 1e9,
            roofline.bytes_per_second / 1e9
        ),
        format!(
            "{:<18} {:<8} {:<5} {:>5} {:>7} {:>27} {:>10} {:>9}",
            "name", "device", "prec", "batch", "threads", "img/s min/median/max", "GFLOP/s", "GB/s"
        ),
    ];
    lines.extend(rows.iter().map(|row| {
        let speed = row.images_per_second;
        let rate = |count: u64| count as f64 / row.seconds.median / 1e9;
        format!(
            "{:<18} {:<8} {:<5} {:>5} {:>7} {:>27} {:>10.1} {:>9.2}",
            row.name,
            row.device,
            row.precision,
            row.batch,
            row.threads,
            format!("{:.2}/{:.2}/{:.2}", speed.min, speed.median, speed.max),
            rate(row.flop),
            rate(row.bytes)
        )
    }));
    lines.extend(rows.iter().flat_map(layers_text));
    lines.extend(cost.iter().flat_map(cost_text));
    let rows: Vec<Value> = rows.iter().map(row_json).collect();
    let peak = json!({
        "flop_per_second": roofline.flop_per_second,
        "bf16_flop_per_second": roofline.bf16_flop_per_second,
        "bytes_per_second": roofline.bytes_per_second,
    });
    let mut json = json!({ "rows": rows, "peak": peak });
    if let Some(cost) = cost {
        json["bf16"] = json!({
            "pictures": cost.pictures,
            "feature_error": cost.feature_error,
            "picture_psnr": cost.picture_psnr.filter(|psnr| psnr.is_finite()),
        });
    }
    Answer { text: lines.join("\n"), json, code: 0 }
}

/// What bf16 costs beside f32.
fn cost_text(cost: &PrecisionCost) -> Vec<String> {
    let feature = cost.feature_error.map(|error| format!("features differ by {:.2} % of their length", 100.0 * error));
    let picture =
        cost.picture_psnr.map(|psnr| format!("hallucinated pictures by a PSNR[RGB, unrounded] of {psnr:.1} dB"));
    let what: Vec<String> = feature.into_iter().chain(picture).collect();
    let of = format!("bf16 beside f32, {} synthetic faces, initial weights: {}", cost.pictures, what.join(", "));
    vec![String::new(), of]
}

/// The layers of a row, each launched by itself.
fn layers_text(row: &Row) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        format!("{}, {}, batch {}, layer by layer", row.name, row.precision, row.batch),
        format!("{:<44} {:>10} {:>10} {:>9} {:>9}", "layer", "ms", "GFLOP/s", "GB/s", "of peak"),
    ];
    lines.extend(row.layers.iter().map(|layer| {
        let rate = |count: u64| count as f64 / layer.seconds / 1e9;
        format!(
            "{:<44} {:>10.4} {:>10.1} {:>9.2} {:>7.1} %",
            layer.cost.layer,
            1e3 * layer.seconds,
            rate(layer.cost.flop),
            rate(layer.cost.bytes),
            100.0 * layer.fraction
        )
    }));
    lines
}

fn row_json(row: &Row) -> Value {
    let spread = |spread: Spread| json!({ "min": spread.min, "median": spread.median, "max": spread.max });
    let layer = |layer: &Layer| {
        let mut json = cost_json(&layer.cost);
        json["seconds"] = json!(layer.seconds);
        json["fraction_of_peak"] = json!(layer.fraction);
        json
    };
    json!({
        "name": row.name,
        "device": row.device,
        "precision": row.precision,
        "batch": row.batch,
        "threads": row.threads,
        "images_per_second": spread(row.images_per_second),
        "seconds": spread(row.seconds),
        "flop": row.flop,
        "bytes": row.bytes,
        "layers": row.layers.iter().map(layer).collect::<Vec<_>>(),
    })
}
