//! Properties of single pictures and of populations of them.

use hallucinet::data::synth::{World, face};
use std::collections::HashSet;

const WIDTH: usize = 96;
const HEIGHT: usize = 112;

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[test]
fn a_picture_is_a_pure_function_of_its_key() {
    for (seed, identity, image) in [(0, 0, 0), (7, 3, 2), (u64::MAX, u32::MAX, u32::MAX)] {
        let first = face(seed, identity, image);
        assert_eq!(first.len(), HEIGHT * WIDTH * 3);
        assert_eq!(first, face(seed, identity, image), "seed {seed} identity {identity} image {image}");
    }
}

#[test]
fn no_two_pictures_are_equal_and_all_are_well_exposed() {
    let mut seen = HashSet::new();
    let mut brightness = Vec::new();
    for key in 0..240_u32 {
        let picture = face(u64::from(key % 2), key / 6, key % 3);
        let level = mean(picture.iter().map(|byte| f64::from(*byte)));
        let spread = mean(picture.iter().map(|byte| (f64::from(*byte) - level).powi(2))).sqrt();
        assert!((25.0..225.0).contains(&level), "picture {key}: mean brightness {level:.1}");
        assert!(spread > 12.0, "picture {key}: contrast {spread:.1}");
        brightness.push(level);
        assert!(seen.insert(picture), "picture {key} was seen before");
    }
    let overall = mean(brightness.into_iter());
    assert!((80.0..150.0).contains(&overall), "mean of all {overall:.1}");
}

/// Means of 8x8 blocks without the picture's own brightness and contrast: what a crude eye sees.
fn crude(picture: &[u8]) -> Vec<f64> {
    let mut blocks = vec![0.0; (HEIGHT / 8) * (WIDTH / 8) * 3];
    for (i, byte) in picture.iter().enumerate() {
        let (x, y) = (i / 3 % WIDTH, i / 3 / WIDTH);
        blocks[((y / 8) * (WIDTH / 8) + x / 8) * 3 + i % 3] += f64::from(*byte);
    }
    let level = mean(blocks.iter().copied());
    let spread = mean(blocks.iter().map(|b| (b - level).powi(2))).sqrt();
    blocks.iter().map(|b| (b - level) / spread).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    mean(a.iter().zip(b).map(|(a, b)| (a - b).powi(2))).sqrt()
}

#[test]
fn people_differ_more_than_pictures_of_one_person_but_not_always() {
    let (people, pictures) = (40_u32, 5_u32);
    let seen: Vec<Vec<Vec<f64>>> =
        (0..people).map(|p| (0..pictures).map(|i| crude(&face(11, p, i))).collect()).collect();
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for p in 0..seen.len() {
        for i in 0..seen[p].len() {
            same.extend((0..i).map(|j| distance(&seen[p][i], &seen[p][j])));
            other.extend((0..p).map(|q| distance(&seen[p][i], &seen[q][i])));
        }
    }
    let (near, far) = (mean(same.iter().copied()), mean(other.iter().copied()));
    println!("same person {near:.3}, other people {far:.3}");
    assert!(far > 1.1 * near, "same person {near:.3}, other people {far:.3}");
    same.sort_by(f64::total_cmp);
    other.sort_by(f64::total_cmp);
    // Neither trivial: the farthest tenth of one person's pairs lies beyond the nearest tenth of strangers.
    let (hard_same, hard_other) = (same[same.len() * 9 / 10], other[other.len() / 10]);
    assert!(hard_same > hard_other, "no overlap: {hard_same:.3} <= {hard_other:.3}");
}

/// Root mean square of what a picture, or a difference of two, is at a quarter of the size (means of 4x4 pixels), and of what that size loses
/// in the rows of the eyes alone, where sensor noise cannot make up the number.
fn coarse_and_fine(picture: &[f64]) -> (f64, f64) {
    let mut means = vec![0.0; (HEIGHT / 4) * (WIDTH / 4) * 3];
    let block = |i: usize| ((i / 3 / WIDTH / 4) * (WIDTH / 4) + i / 3 % WIDTH / 4) * 3 + i % 3;
    picture.iter().enumerate().for_each(|(i, value)| means[block(i)] += value / 16.0);
    let coarse = mean(means.iter().map(|value| value * value)).sqrt();
    let fine = mean((40 * WIDTH * 3..64 * WIDTH * 3).map(|i| (picture[i] - means[block(i)]).powi(2))).sqrt();
    (coarse, fine)
}

#[test]
fn there_is_detail_that_a_quarter_of_the_size_loses() {
    let residual = mean((0..40).map(|p| {
        let picture: Vec<f64> = face(5, p, 0).into_iter().map(f64::from).collect();
        coarse_and_fine(&picture).1
    }));
    assert!(residual > 6.0, "root mean square of what 4x4 means lose: {residual:.2} levels");
}

#[test]
fn eyes_are_where_the_template_says() {
    // Mean over many people, mirrored: the darkest 5x5 spot near each template eye is within three pixels of it.
    let mut average = vec![0.0; HEIGHT * WIDTH];
    for p in 0..120 {
        for (pixel, rgb) in average.iter_mut().zip(face(3, p, 0).chunks_exact(3)) {
            *pixel += rgb.iter().map(|byte| f64::from(*byte)).sum::<f64>();
        }
    }
    let spot = |x: usize, y: usize| -> f64 { (0..25).map(|k| average[(y + k / 5 - 2) * WIDTH + x + k % 5 - 2]).sum() };
    for (ex, ey) in [(29_usize, 51_usize), (64, 51)] {
        let candidates = (0..15 * 11).map(|k| (ex + k % 15 - 7, ey + k / 15 - 3));
        let (x, y) = candidates.min_by(|a, b| spot(a.0, a.1).total_cmp(&spot(b.0, b.1))).unwrap();
        assert!(x.abs_diff(ex) <= 3 && y.abs_diff(ey) <= 3, "eye at ({x}, {y}), template ({ex}, {ey})");
    }
}

#[test]
fn siblings_differ_in_what_a_quarter_of_the_size_loses() {
    // Means over many pictures, where pose, light and noise cancel: what is left is who they are.
    let shown = |world: World, who: u32| -> Vec<f64> {
        let mut sum = vec![0.0; HEIGHT * WIDTH * 3];
        (0..16)
            .for_each(|image| sum.iter_mut().zip(world.face(who, image)).for_each(|(s, b)| *s += f64::from(b) / 16.0));
        sum
    };
    let means = |siblings: bool| {
        let people: Vec<Vec<f64>> = (0..12).map(|who| shown(World { seed: 13, siblings }, who)).collect();
        let apart = |other: &Vec<f64>| people[0].iter().zip(other).map(|(a, b)| a - b).collect::<Vec<f64>>();
        let pairs: Vec<(f64, f64)> = people[1..].iter().map(|other| coarse_and_fine(&apart(other))).collect();
        (mean(pairs.iter().map(|pair| pair.0)), mean(pairs.iter().map(|pair| pair.1)))
    };
    let (strangers, siblings) = (means(false), means(true));
    println!("coarse and fine: strangers {strangers:.2?}, siblings {siblings:.2?}");
    assert!(siblings.0 < strangers.0 / 3.0, "siblings look alike from afar: {siblings:.2?} against {strangers:.2?}");
    assert!(siblings.1 > strangers.1 / 3.0 && siblings.1 > 3.0, "and differ near by: {siblings:.2?}, {strangers:.2?}");
}
