//! Where the time goes, as a table of a report: the slowest layers of a plan. Knows times, not what the layers do.

use crate::graph::{Time, Times};
use crate::report::Report;

/// Rows; the layers after them are one row together.
const ROWS: usize = 16;

/// Adds the table; nothing where nothing was timed.
pub fn add(page: &mut Report, heading: &str, times: &Times) {
    if times.runs == 0 {
        return;
    }
    let mut layers: Vec<&Time> = times.layers.iter().collect();
    layers.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let runs = times.runs as f64;
    let total = times.seconds().max(f64::MIN_POSITIVE);
    let row = |name: String, seconds: f64, flop: u64| {
        let rate = flop as f64 / seconds.max(f64::MIN_POSITIVE) / 1e9;
        let (time, share) = (format!("{:.3}", 1e3 * seconds), format!("{:.1} %", 100.0 * seconds / total));
        vec![name, time, share, format!("{rate:.1}")]
    };
    let (slow, others) = layers.split_at(ROWS.min(layers.len()));
    let mut rows: Vec<Vec<String>> =
        slow.iter().map(|time| row(time.layer.clone(), time.seconds / runs, time.flop)).collect();
    if !others.is_empty() {
        let seconds = others.iter().map(|time| time.seconds).sum::<f64>() / runs;
        rows.push(row(format!("{} others", others.len()), seconds, others.iter().map(|time| time.flop).sum()));
    }
    let caption = format!(
        "{} of {:.1} ms, timed layer by layer, which is a little slower than without; GFLOP/s of the mathematics",
        if times.runs == 1 { "One run".to_owned() } else { format!("Mean of {} runs", times.runs) },
        1e3 * total
    );
    page.section(heading).table(&["layer", "ms", "share", "GFLOP/s"], &rows, &caption);
}
