//! Charts: names and labels are there, hostile points do no harm, lines stay inside the picture.

use crate::wellformed::elements;
use hallucinet::report::{Axes, Scale, Series, charts};

const AXES: Axes = Axes { title: "Loss of the run", x: "step", y: "loss", y_scale: Scale::Linear };

fn attribute(svg: &str, name: &str) -> Vec<String> {
    svg.split(&format!(" {name}=\"")).skip(1).map(|part| part.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_chart_carries_its_words_and_one_line_per_series() {
    let lines: Vec<Series> = ["pixel", "softmax", "center"]
        .iter()
        .enumerate()
        .map(|(k, name)| {
            Series::new(*name, (0..50).map(|i| (f64::from(i), (k + 1) as f64 / f64::from(i + 1))).collect())
        })
        .collect();
    for y_scale in [Scale::Linear, Scale::Logarithmic] {
        let chart = charts::curves(&Axes { y_scale, ..AXES }, &lines).unwrap();
        elements(chart.svg());
        for word in ["Loss of the run", "step", "loss", "pixel", "softmax", "center"] {
            assert!(chart.svg().contains(word), "{word} is missing");
        }
        let long = attribute(chart.svg(), "points").into_iter().filter(|points| points.split(' ').count() > 40).count();
        assert_eq!(long, 3, "one line a series");
        assert!(chart.svg().contains("currentColor") && !chart.svg().contains("#010203"));
    }
}

#[test]
fn lines_stay_inside_the_picture() {
    let wild = vec![(0.0, -1e9), (1.0, 3e12), (2.0, 1e-9), (3.0, 0.0), (1e6, 5.0)];
    for y_scale in [Scale::Linear, Scale::Logarithmic] {
        let chart = charts::curves(&Axes { y_scale, ..AXES }, &[Series::new("wild", wild.clone())]).unwrap();
        for points in attribute(chart.svg(), "points") {
            for pair in points.split_whitespace() {
                let (x, y) = pair.split_once(',').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((0.0..=600.0).contains(&x) && (0.0..=370.0).contains(&y), "{pair}");
            }
        }
    }
}

#[test]
fn points_that_are_no_numbers_are_left_out_and_emptiness_is_said() {
    let nothing = vec![(f64::NAN, 1.0), (1.0, f64::INFINITY), (f64::NEG_INFINITY, f64::NAN)];
    for series in [vec![], vec![Series::new("a", vec![])], vec![Series::new("a", nothing)]] {
        for y_scale in [Scale::Linear, Scale::Logarithmic] {
            let chart = charts::curves(&Axes { y_scale, ..AXES }, &series).unwrap();
            elements(chart.svg());
            assert!(chart.svg().contains("no points to draw"));
            assert!(!chart.svg().contains("NaN") && !chart.svg().contains("inf"));
        }
    }
    // Constants, a single point, and nothing positive on a logarithmic axis: all have an axis.
    for points in [
        vec![(5.0, 2.0)],
        vec![(0.0, 0.0), (1.0, 0.0)],
        vec![(1.0, -3.0), (2.0, -3.0)],
        vec![(1.0, f64::MAX), (2.0, f64::MIN_POSITIVE)],
    ] {
        for y_scale in [Scale::Linear, Scale::Logarithmic] {
            elements(charts::curves(&Axes { y_scale, ..AXES }, &[Series::new("a", points.clone())]).unwrap().svg());
        }
    }
}

#[test]
fn a_roc_starts_at_one_in_a_thousand() {
    let points: Vec<(f64, f64)> =
        (0..=1000).map(|i| (f64::from(i) / 1e4, 0.5 + f64::from(i) / 2000.0)).chain([(1.0, 1.0)]).collect();
    let chart = charts::roc("ROC", &[Series::new("joint", points)]).unwrap();
    elements(chart.svg());
    for word in ["false accept rate", "true accept rate", "0.001", "0.01", "0.1"] {
        assert!(chart.svg().contains(word), "{word} is missing");
    }
    let line = attribute(chart.svg(), "points").into_iter().max_by_key(String::len).unwrap();
    let xs: Vec<f64> = line.split_whitespace().map(|p| p.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(xs.windows(2).all(|w| w[0] <= w[1]), "x ascends");
    // A logarithmic axis: 0.001 to 0.01 takes a third of the width, as 0.1 to 1 does.
    let (first, last) = (xs[0], xs[xs.len() - 1]);
    let tenth = xs[xs.len() - 2];
    assert!(((last - tenth) / (last - first) - 1.0 / 3.0).abs() < 0.01, "{first} {tenth} {last}");
    elements(charts::roc("empty", &[]).unwrap().svg());
}

#[test]
fn a_det_falls_where_a_roc_rises() {
    let points: Vec<(f64, f64)> = (0..=100).map(|i| (f64::from(i) / 100.0, 1.0 - 0.5 / (1.0 + f64::from(i)))).collect();
    let chart = charts::det("DET", &[Series::new("joint", points)]).unwrap();
    elements(chart.svg());
    for word in ["false accept rate", "false reject rate", "0.001", "0.1"] {
        assert!(chart.svg().contains(word), "{word} is missing");
    }
    let line = attribute(chart.svg(), "points").into_iter().max_by_key(String::len).unwrap();
    let number = |text: &str| text.parse::<f64>().unwrap();
    let places: Vec<(f64, f64)> =
        line.split_whitespace().map(|p| p.split_once(',').unwrap()).map(|(x, y)| (number(x), number(y))).collect();
    // Down in a picture is y that grows; both axes have three decades, so equal ratios are equal lengths in proportion.
    assert!(places.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1), "{places:?}");
    assert!(places.iter().all(|(x, y)| (0.0..=600.0).contains(x) && (0.0..=370.0).contains(y)));
    elements(charts::det("empty", &[]).unwrap().svg());
    elements(charts::det("perfect", &[Series::new("a", vec![(0.0, 1.0), (1.0, 1.0)])]).unwrap().svg());
}
