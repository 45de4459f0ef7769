//! An axis of a chart: a range, linear or logarithmic, with its ticks and their labels.
//!
//! It knows numbers only. The drawing library has axes of its own, but its search for ticks does not end on some ranges
//! that a diverged run produces (1e-308 to 1e308, say), and a chart must never keep a run from finishing.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// See the module. Values are f64; `low < high`, and `low > 0` if logarithmic.
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis with ticks at 1, 2 or 5 times a power of ten; an empty range is widened.
    pub fn linear(low: f64, high: f64) -> Self {
        let (low, high) = widened(low, high);
        let rough = (high - low) / 7.0;
        let power = 10f64.powi(rough.log10().floor() as i32);
        let step = [1.0, 2.0, 5.0].into_iter().map(|k| k * power).find(|step| *step >= rough).unwrap_or(10.0 * power);
        let first = (low / step).ceil();
        let ticks = (0..16).map(|i| (first + f64::from(i)) * step).filter(|tick| *tick <= high + 1e-9 * step);
        Axis { low, high, logarithmic: false, ticks: ticks.collect() }
    }

    /// A logarithmic axis with ticks at powers of ten: thinned where there are many, with 2 and 5 between where few.
    pub fn logarithmic(low: f64, high: f64) -> Self {
        let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
        let stride = (last - first) / 8 + 1;
        let between: &[f64] = if high < 150.0 * low { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = (first..=last).filter(|power| power.rem_euclid(stride) == 0);
        let inside = low * (1.0 - 1e-9)..=high * (1.0 + 1e-9);
        let ticks = powers.flat_map(|power| between.iter().map(move |k| k * 10f64.powi(power)));
        Axis { low, high, logarithmic: true, ticks: ticks.filter(|tick| inside.contains(tick)).collect() }
    }
}

/// A range that is not empty, so that a single point or a constant has an axis.
fn widened(low: f64, high: f64) -> (f64, f64) {
    if high - low > 1e-9 * low.abs().max(high.abs()).max(1e-290) {
        return (low, high);
    }
    let half = (0.1 * low.abs()).max(1e-30);
    (low - half, high + half)
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let place = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        limit.0 + (place.clamp(0.0, 1.0) * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    /// A tick as people write it: 0.001, 0.25, 1500, 20k, 1e-7.
    fn format(value: &f64) -> String {
        let size = value.abs();
        if size >= 1e7 || (size > 0.0 && size < 1e-4) {
            // Mantissas of ticks are short; two digits hold them.
            return format!("{value:.1e}").replace(".0e", "e");
        }
        if size >= 10_000.0 {
            return format!("{}k", trimmed(value / 1000.0, 1));
        }
        trimmed(*value, if size >= 100.0 { 1 } else { 6 })
    }
}

fn trimmed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".into(),
        short => short.into(),
    }
}
