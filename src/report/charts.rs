//! Line charts as SVG text: training curves and ROC curves.
//!
//! They know names and points and nothing of runs or files. Ink is `currentColor`, so a chart inside a page follows the
//! page's light or dark; a chart that is opened alone is black on the viewer's paper.

use super::axis::Axis;
use crate::error::{Error, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A named line.
#[derive(Clone, Debug)]
pub struct Series {
    pub name: String,
    /// (x, y), x ascending. Points beyond 1e30 or not finite (or not above 1e-30 on a logarithmic axis) are left out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A line with a name.
    pub fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Series { name: name.into(), points }
    }
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    Logarithmic,
}

/// What stands beside the lines.
#[derive(Clone, Copy, Debug)]
pub struct Axes<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub y_scale: Scale,
}

/// SVG text that only this module makes, and that may therefore stand in a page as it is.
#[derive(Clone, Debug)]
pub struct Chart(String);

impl Chart {
    /// The SVG document (no XML header).
    pub fn svg(&self) -> &str {
        &self.0
    }
}

/// Small, because a phone shrinks it: its text must stay readable there, and a desktop enlarges it.
const SIZE: (u32, u32) = (600, 370);
/// Stands for `currentColor`, which plotters cannot say. No series has this colour.
const INK: RGBColor = RGBColor(1, 2, 3);
/// Told apart by the colour-blind, readable on white and on black (after Okabe and Ito).
const PALETTE: [RGBColor; 8] = [
    RGBColor(26, 126, 196),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 100, 160),
    RGBColor(176, 136, 0),
    RGBColor(86, 160, 220),
    RGBColor(140, 100, 220),
    RGBColor(130, 130, 130),
];
/// The lowest false accept rate of a ROC chart.
pub const LOWEST_FAR: f64 = 1e-3;

/// Lines over a linear x: losses over steps, scores over epochs.
///
/// # Errors
/// [`Error::Output`] where the drawing library refuses.
pub fn curves(axes: &Axes, series: &[Series]) -> Result<Chart> {
    let lines = drawable(series, |y| axes.y_scale == Scale::Linear || y > 1e-30);
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let x = extent(all().map(|p| p.0)).unwrap_or((0.0, 1.0));
    let (low, high) = extent(all().map(|p| p.1)).unwrap_or((0.1, 1.0));
    match axes.y_scale {
        Scale::Linear => {
            let margin = 0.04 * (high - low);
            draw(axes, &lines, Axis::linear(x.0, x.1), Axis::linear(low - margin, high + margin), Corner::Top)
        }
        Scale::Logarithmic => {
            // Whole decades would waste most of the picture where the values span less than one.
            let (low, high) = (low / 1.15, (high * 1.15).max(low * 1.6));
            draw(axes, &lines, Axis::linear(x.0, x.1), Axis::logarithmic(low, high), Corner::Top)
        }
    }
}

/// ROC curves: points are (false accept rate, true accept rate); the x axis is logarithmic from 1e-3 to 1.
///
/// # Errors
/// [`Error::Output`] where the drawing library refuses.
pub fn roc(title: &str, series: &[Series]) -> Result<Chart> {
    let lines: Vec<Series> =
        drawable(series, |_| true).into_iter().map(|line| Series::new(line.name, clipped(&line.points))).collect();
    let lowest = lines.iter().flat_map(|line| &line.points).map(|p| p.1).fold(0.9, f64::min);
    let floor = ((lowest * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let axes = Axes { title, x: "false accept rate", y: "true accept rate", y_scale: Scale::Linear };
    draw(
        &axes,
        &lines,
        Axis::logarithmic(LOWEST_FAR, 1.0),
        Axis::linear(floor, 1.0 + 0.02 * (1.0 - floor)),
        Corner::Bottom,
    )
}

/// Detection error trade-off: the same points as for [`roc`], drawn as false reject rate over false accept rate, both logarithmic
/// from 1e-3 to 1, so that the few errors of a good recogniser are not squeezed into a corner.
///
/// # Errors
/// [`Error::Output`] where the drawing library refuses.
pub fn det(title: &str, series: &[Series]) -> Result<Chart> {
    let rejected = |(far, tar): (f64, f64)| (far, (1.0 - tar).clamp(LOWEST_FAR, 1.0));
    let lines: Vec<Series> = drawable(series, |_| true)
        .into_iter()
        .map(|line| Series::new(line.name, clipped(&line.points).into_iter().map(rejected).collect()))
        .collect();
    let axes = Axes { title, x: "false accept rate", y: "false reject rate", y_scale: Scale::Logarithmic };
    let axis = || Axis::logarithmic(LOWEST_FAR, 1.0);
    draw(&axes, &lines, axis(), axis(), Corner::Top)
}

/// The part of a ROC right of 1e-3: the best rate reached at or below it opens the line.
fn clipped(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let at_lowest = points.iter().filter(|p| p.0 <= LOWEST_FAR).map(|p| p.1).fold(f64::NAN, f64::max);
    let opening = at_lowest.is_finite().then_some((LOWEST_FAR, at_lowest));
    opening.into_iter().chain(points.iter().copied().filter(|p| p.0 > LOWEST_FAR && p.0 <= 1.0)).collect()
}

fn drawable(series: &[Series], fits: impl Fn(f64) -> bool) -> Vec<Series> {
    let keep = |p: &&(f64, f64)| p.0.abs() < 1e30 && p.1.abs() < 1e30 && fits(p.1);
    series
        .iter()
        .map(|line| Series::new(plain(&line.name), line.points.iter().filter(keep).copied().collect()))
        .collect()
}

/// Control characters have no place in XML; the library escapes the rest.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    })
}

enum Corner {
    Top,
    Bottom,
}

fn draw(axes: &Axes, lines: &[Series], x: Axis, y: Axis, legend: Corner) -> Result<Chart> {
    let mut svg = String::new();
    paint(&mut svg, axes, lines, x, y, legend)
        .map_err(|reason| Error::Output(format!("the chart \"{}\" cannot be drawn: {reason}", plain(axes.title))))?;
    let ink = format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2);
    Ok(Chart(svg.replace(&ink, "currentColor")))
}

type Refusal = Box<dyn std::error::Error + Send + Sync>;

fn paint(
    svg: &mut String,
    axes: &Axes,
    lines: &[Series],
    x: Axis,
    y: Axis,
    legend: Corner,
) -> std::result::Result<(), Refusal> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let text = |size: u32| ("sans-serif", size).into_font().color(&INK);
    let mut chart = ChartBuilder::on(&root)
        .caption(plain(axes.title), text(19))
        .margin(12)
        .margin_right(30)
        .x_label_area_size(50)
        .y_label_area_size(64)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .x_desc(plain(axes.x))
        .y_desc(plain(axes.y))
        .axis_desc_style(text(16))
        .label_style(text(15))
        .axis_style(INK.mix(0.6))
        .bold_line_style(INK.mix(0.16))
        .light_line_style(INK.mix(0.05))
        .draw()?;
    for (line, colour) in lines.iter().zip(PALETTE.iter().cycle()) {
        let style = colour.stroke_width(2);
        let drawn = chart.draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(point(line)))?;
        drawn.label(line.name.clone()).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    if lines.iter().all(|line| line.points.is_empty()) {
        let (width, height) = (SIZE.0 as i32, SIZE.1 as i32);
        let centred = text(16).pos(Pos::new(HPos::Center, VPos::Center));
        root.draw(&Text::new("no points to draw", (width / 2, height / 2), centred))?;
    } else if lines.len() > 1 {
        let place = match legend {
            Corner::Top => SeriesLabelPosition::UpperRight,
            Corner::Bottom => SeriesLabelPosition::LowerRight,
        };
        chart.configure_series_labels().position(place).margin(10).legend_area_size(26).label_font(text(15)).draw()?;
    }
    root.present()?;
    Ok(())
}

/// A line of one point would be invisible.
fn point(line: &Series) -> u32 {
    if line.points.len() == 1 { 4 } else { 0 }
}
