//! What `plan` and `bench` found: a table for a person, numbers as they are in JSON.

use super::Answer;
use crate::tasks::bench::{Row, Spread};
use crate::tasks::plan::Account;
use serde_json::{Value, json};

/// One table per plan.
pub fn plan(accounts: &[Account]) -> Answer {
    let text: Vec<String> = accounts.iter().map(plan_text).collect();
    Answer {
        text: text.join("\n\n"),
        json: json!({ "plans": accounts.iter().map(plan_json).collect::<Vec<_>>() }),
        code: 0,
    }
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
    let layer = |cost: &crate::tasks::plan::Layer| json!({ "layer": cost.layer, "launches": cost.launches, "flop": cost.flop, "bytes": cost.bytes });
    json!({
        "name": account.what,
        "precision": account.precision,
        "batch": account.batch,
        "launches": account.launches,
        "store_bytes": account.store_bytes,
        "arena_bytes": account.arena_bytes,
        "flop": account.flop,
        "bytes": account.bytes,
        "layers": account.layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

/// The rows of the contract.
pub fn bench(rows: &[Row]) -> Answer {
    let mut lines = vec![format!(
        "{:<18} {:<8} {:<5} {:>5} {:>7} {:>27} {:>10} {:>9}",
        "name", "device", "prec", "batch", "threads", "img/s min/median/max", "GFLOP/s", "GB/s"
    )];
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
    let spread = |spread: Spread| json!({ "min": spread.min, "median": spread.median, "max": spread.max });
    let row = |row: &Row| {
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
        })
    };
    Answer { text: lines.join("\n"), json: json!({ "rows": rows.iter().map(row).collect::<Vec<_>>() }), code: 0 }
}
