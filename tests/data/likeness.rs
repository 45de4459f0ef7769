//! Copies are told from other pictures, whatever their size.

use hallucinet::data::image::Picture;
use hallucinet::data::likeness::{Likeness, NEAR};
use hallucinet::data::synth;
use hallucinet::random::Random;
use hallucinet::resample::{Flavour, resize_u8, shrink_u8};
use hallucinet::shape::HR;

use crate::shared;

fn face(person: u32, image: u32) -> Picture {
    Picture::new(96, 112, synth::face(8, person, image)).unwrap()
}

/// The bits by their definition: grey means of 17x16 cells in f64.
fn plain(picture: &Picture) -> Vec<bool> {
    let (width, height) = (picture.width as f64, picture.height as f64);
    let overlap = |i: usize, from: f64, to: f64| (to.min(i as f64 + 1.0) - from.max(i as f64)).max(0.0);
    let cell = |row: usize, column: usize| {
        let (left, right) = (column as f64 * width / 17.0, (column + 1) as f64 * width / 17.0);
        let (top, bottom) = (row as f64 * height / 16.0, (row + 1) as f64 * height / 16.0);
        let mut sum = 0.0;
        for (i, pixel) in picture.rgb.chunks_exact(3).enumerate() {
            let share = overlap(i % picture.width, left, right) * overlap(i / picture.width, top, bottom);
            sum += share * (77.0 * f64::from(pixel[0]) + 150.0 * f64::from(pixel[1]) + 29.0 * f64::from(pixel[2]));
        }
        sum
    };
    // Equal cells differ by rounding alone, and are not darker.
    let darker = |row: usize, column: usize| cell(row, column) < cell(row, column + 1) - 1e-6;
    (0..16).flat_map(|row| (0..16).map(move |column| (row, column))).map(|(row, column)| darker(row, column)).collect()
}

#[test]
fn bits_are_those_of_the_definition() {
    let mut random = Random::keyed(6, &[1]);
    for (width, height) in [(96, 112), (17, 16), (1, 1), (5, 3), (100, 1), (1, 90), (34, 33), (51, 7)] {
        let rgb = (0..width * height * 3).map(|_| random.bits() as u8).collect();
        let picture = Picture::new(width, height, rgb).unwrap();
        // A picture of one column beside another has every bit's value in its distances.
        let bits = plain(&picture);
        let flat = Likeness::new(&Picture::new(1, 1, vec![9; 3]).unwrap());
        assert_eq!(Likeness::new(&picture).distance(&flat), bits.iter().filter(|bit| **bit).count() as u32);
        let mirrored = Likeness::new(&picture).distance(&Likeness::new(&picture.mirror()));
        let of_mirror = plain(&picture.mirror());
        assert_eq!(mirrored, bits.iter().zip(of_mirror).filter(|(a, b)| **a != *b).count() as u32, "{width}x{height}");
    }
}

#[test]
fn the_same_picture_is_near_at_any_size_and_brightness() {
    for person in 0..12 {
        let whole = face(person, 0);
        let own = Likeness::new(&whole);
        assert_eq!(own.distance(&own), 0);
        let (half, _) = shrink_u8(Flavour::Pillow, &whole.rgb, HR, 2).unwrap();
        let half = Likeness::new(&Picture::new(48, 56, half).unwrap());
        let mut double = vec![0; 4 * whole.rgb.len()];
        resize_u8(Flavour::Opencv, &whole.rgb, HR, &mut double, (224, 192)).unwrap();
        let double = Likeness::new(&Picture::new(192, 224, double).unwrap());
        let dark = Picture::new(96, 112, whole.rgb.iter().map(|x| x / 2 + 10).collect()).unwrap();
        for (what, other) in [("half", half), ("double", double), ("dark", Likeness::new(&dark))] {
            assert!(own.distance(&other) <= NEAR, "{person} {what}: {}", own.distance(&other));
        }
    }
}

#[test]
fn other_pictures_are_not_near() {
    let all: Vec<Likeness> = (0..60).map(|i| Likeness::new(&face(i / 4, i % 4))).collect();
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all[i + 1..].iter().enumerate() {
            assert!(a.distance(b) > NEAR, "{i} {}: {}", i + 1 + j, a.distance(b));
        }
    }
}

/// One photograph of LFW is there twice under two numbers, cut a little differently; of 60 people that is all there is.
#[test]
fn a_photograph_that_lfw_has_twice_is_found() {
    let Some(data) = shared("a_photograph_that_lfw_has_twice_is_found") else { return };
    let read = |number: u32| {
        let name = format!("lfw/images/Ari_Fleischer/Ari_Fleischer_{number:04}.jpg");
        Likeness::new(&hallucinet::data::image::read(&data.join(name)).unwrap())
    };
    let all: Vec<Likeness> = (1..=13).map(read).collect();
    let near = |a: usize, b: usize| all[a].distance(&all[b]) <= NEAR;
    let pairs: Vec<(usize, usize)> =
        (0..13).flat_map(|a| (a + 1..13).map(move |b| (a, b))).filter(|(a, b)| near(*a, *b)).collect();
    assert_eq!(pairs, [(5, 10)]);
}
