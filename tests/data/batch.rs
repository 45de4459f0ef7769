//! Samples as a pure function of seed and number, and the thread that gathers them.

use std::sync::Arc;

use hallucinet::data::batch::{Batches, Sample, Sampler, Sampling};
use hallucinet::data::faces::Faces;
use hallucinet::data::folder::Listing;
use hallucinet::data::pack::FACE;
use proptest::prelude::*;

fn faces(n: usize) -> Arc<Faces> {
    let listing = Listing::of_identities((0..n).map(|i| format!("{:03}/{i:03}.png", i / 2)).collect());
    let pixels = (0..n).flat_map(|i| vec![i as u8; FACE]).collect();
    Arc::new(Faces::of_pixels(listing, pixels).unwrap())
}

fn sampling(batch: usize, shuffle: bool) -> Sampling {
    Sampling { seed: 5, batch, shuffle, mirror: true, shift: 0 }
}

proptest! {
    #[test]
    fn every_epoch_is_a_permutation(n in 1usize..60, batch in 1usize..130, seed: u64) {
        let mut sampler = Sampler::new(Sampling { seed, batch, shuffle: true, mirror: true, shift: 0 }, n).unwrap();
        let steps = (3 * n).div_ceil(batch) as u64;
        let samples: Vec<usize> = (0..steps).flat_map(|step| sampler.step(step)).map(|sample| sample.face).collect();
        for epoch in samples.chunks_exact(n) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_step_does_not_depend_on_what_was_asked_before(n in 1usize..60, batch in 1usize..40, step in 0u64..50, shuffle: bool) {
        let mut fresh = Sampler::new(sampling(batch, shuffle), n).unwrap();
        let mut worn = fresh.clone();
        (0..step).for_each(|step| drop(worn.step(step)));
        let expected = fresh.step(step);
        prop_assert_eq!(&worn.step(step), &expected);
        worn.step(step + 1000);
        prop_assert_eq!(worn.step(step), expected);
    }
}

#[test]
fn orders_differ_between_epochs_and_seeds_and_the_coin_is_fair() {
    let order = |seed, epoch: u64| -> Vec<usize> {
        let mut sampler =
            Sampler::new(Sampling { seed, batch: 50, shuffle: true, mirror: false, shift: 0 }, 50).unwrap();
        sampler.step(epoch).iter().map(|sample| sample.face).collect()
    };
    assert_ne!(order(1, 0), order(1, 1));
    assert_ne!(order(1, 0), order(2, 0));
    let mut sampler = Sampler::new(sampling(10_000, true), 7).unwrap();
    let heads = sampler.step(0).iter().filter(|sample| sample.mirror).count();
    // Five standard deviations of a fair coin.
    assert!(heads.abs_diff(5000) < 250, "{heads}");
    let mut never = Sampler::new(Sampling { mirror: false, ..sampling(1000, true) }, 7).unwrap();
    assert!(never.step(0).iter().all(|sample| !sample.mirror));
}

#[test]
fn without_shuffle_the_order_is_sorted_and_wraps() {
    let mut sampler = Sampler::new(sampling(4, false), 3).unwrap();
    let order: Vec<usize> = (0..3).flat_map(|step| sampler.step(step)).map(|sample| sample.face).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn batches_hold_the_samples_and_resume_anywhere() {
    let faces = faces(7);
    let mut sampler = Sampler::new(sampling(3, true), 7).unwrap();
    let mut all = Batches::new(faces.clone(), sampling(3, true), 0).unwrap();
    let batches: Vec<_> = (0..12).map(|_| all.take().unwrap()).collect();
    for (step, batch) in batches.iter().enumerate() {
        assert_eq!((batch.step, batch.pixels.len()), (step as u64, 3 * FACE));
        for (j, sample) in sampler.step(step as u64).iter().enumerate() {
            assert_eq!(batch.pixels[j * FACE..(j + 1) * FACE], vec![sample.face as u8; FACE]);
            assert_eq!((batch.labels[j], batch.moves[j]), (sample.face as u32 / 2, [i32::from(sample.mirror), 0, 0]));
        }
    }
    for first in [0, 1, 5, 11] {
        let mut resumed = Batches::new(faces.clone(), sampling(3, true), first).unwrap();
        for expected in &batches[first as usize..] {
            let batch = resumed.take().unwrap();
            assert_eq!(&batch, expected);
            resumed.recycle(batch);
        }
    }
}

#[test]
fn dropping_ends_the_thread() {
    let faces = faces(2);
    for takes in [0, 1, 5] {
        let mut batches = Batches::new(faces.clone(), sampling(2, true), 0).unwrap();
        (0..takes).for_each(|_| drop(batches.take().unwrap()));
        drop(batches);
        assert_eq!(Arc::strong_count(&faces), 1, "the thread held the faces and is gone");
    }
}

#[test]
fn no_faces_and_no_batch_are_refused() {
    assert_eq!(Sampler::new(sampling(0, true), 3).unwrap_err().exit_code(), 2);
    assert_eq!(Sampler::new(sampling(1, true), 0).unwrap_err().exit_code(), 2);
    assert!(Batches::new(faces(1), sampling(0, true), 0).is_err());
}

#[test]
fn shifts_stay_in_range_and_belong_to_the_sample() {
    let shifted = Sampling { shift: 3, ..sampling(400, true) };
    let samples = Sampler::new(shifted, 50).unwrap().step(2);
    assert_eq!(samples, Sampler::new(shifted, 50).unwrap().step(2), "a function of the seed and the sample");
    for axis in [|s: &Sample| s.shift.0, |s: &Sample| s.shift.1] {
        let seen: std::collections::BTreeSet<i32> = samples.iter().map(axis).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (-3..=3).collect::<Vec<_>>());
    }
    let unshifted = Sampler::new(sampling(400, true), 50).unwrap().step(2);
    assert!(samples.iter().zip(&unshifted).all(|(a, b)| (a.face, a.mirror) == (b.face, b.mirror)));
    let batch = Batches::new(faces(50), shifted, 2).unwrap().take().unwrap();
    let moves = samples.iter().map(|sample| [i32::from(sample.mirror), sample.shift.0, sample.shift.1]);
    assert!(batch.moves.into_iter().eq(moves));
}
