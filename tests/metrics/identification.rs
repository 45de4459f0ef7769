//! Search against comparing everybody with everybody, and rank-k and DIR against plain counting.

use hallucinet::metrics::identification::{Features, Identification, Match, nearest, normalised};
use hallucinet::metrics::verification::cosine;
use hallucinet::random::Random;
use proptest::prelude::*;

/// Rows of a few coarse numbers, so that equal cosines are common.
fn rows(random: &mut Random, count: usize, width: usize) -> Vec<f32> {
    let row = |random: &mut Random| loop {
        let row: Vec<f32> = (0..width).map(|_| random.below(5) as f32 - 2.0).collect();
        if let Ok(row) = normalised(&row) {
            return row;
        }
    };
    (0..count).flat_map(|_| row(random)).collect()
}

fn plain(gallery: &[f32], person: &[u32], probe: &[f32], count: usize) -> Vec<Match> {
    let width = probe.len();
    let mut best: Vec<Option<Match>> = vec![None; person.iter().max().map_or(0, |last| *last as usize + 1)];
    for (row, feature) in gallery.chunks_exact(width).enumerate() {
        let found = Match { person: person[row], row, cosine: cosine(feature, probe).unwrap() };
        let best = &mut best[person[row] as usize];
        if best.is_none_or(|best| found.cosine > best.cosine) {
            *best = Some(found);
        }
    }
    let mut all: Vec<Match> = best.into_iter().flatten().collect();
    all.sort_by(|a, b| b.cosine.partial_cmp(&a.cosine).unwrap().then(a.person.cmp(&b.person)));
    all.truncate(count);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_nearest_are_those_of_a_full_comparison(
        seed: u64, width in 1_usize..40, images in 1_usize..4, people in 1_u32..30, probes in 1_usize..40, count in 0_usize..12,
    ) {
        let mut random = Random::keyed(seed, &[1]);
        let person: Vec<u32> = (0..people).flat_map(|person| std::iter::repeat_n(person, images)).collect();
        let (gallery, asked) = (rows(&mut random, person.len(), width), rows(&mut random, probes, width));
        let found = nearest(Features { width, rows: &gallery }, &person, Features { width, rows: &asked }, count).unwrap();
        prop_assert_eq!(found.len(), probes);
        for (found, probe) in found.iter().zip(asked.chunks_exact(width)) {
            prop_assert_eq!(found, &plain(&gallery, &person, probe, count));
        }
    }

    #[test]
    fn ranks_and_detections_are_counts(
        mated in prop::collection::vec((-8_i32..=8, prop::option::of(1_usize..6)), 1..40),
        impostors in prop::collection::vec(-8_i32..=8, 1..40),
    ) {
        let score = |k: i32| f64::from(k) / 8.0;
        let found = Identification {
            mated: mated.iter().map(|(k, place)| (score(*k), *place)).collect(),
            impostors: impostors.iter().map(|k| score(*k)).collect(),
        };
        for k in 1..7 {
            prop_assert_eq!(found.within(k), mated.iter().filter(|(_, place)| place.is_some_and(|place| place <= k)).count());
        }
        for far in [0.02, 0.1, 0.5, 1.0] {
            let allowed = (impostors.len() as f64 * far + 1e-9).floor() as usize;
            let got = found.detection(far).unwrap();
            prop_assert_eq!(got.is_none(), allowed < 1);
            // Every threshold is tried.
            let most = (-9..=9).map(score).filter(|t| found.impostors.iter().filter(|s| *s >= t).count() <= allowed);
            let right = |t: f64| found.mated.iter().filter(|(s, place)| *s >= t && *place == Some(1)).count();
            if let Some(got) = got {
                prop_assert_eq!(got.right, most.map(right).max().unwrap());
                prop_assert_eq!(got.right, right(got.threshold));
            }
        }
    }
}

/// Two rows whose cosines with the probe are nearer than f32 can tell: the pass in f32 must not decide between them.
#[test]
fn rounding_never_decides() {
    let width = 1024;
    let mut random = Random::keyed(5, &[2]);
    let probe = normalised(&(0..width).map(|_| random.normal() as f32).collect::<Vec<_>>()).unwrap();
    let near = |random: &mut Random| {
        let row: Vec<f32> = probe.iter().map(|x| x + 1e-4 * random.normal() as f32).collect();
        normalised(&row).unwrap()
    };
    let gallery: Vec<f32> = (0..300).flat_map(|_| near(&mut random)).collect();
    let person: Vec<u32> = (0..300).collect();
    let found = nearest(Features { width, rows: &gallery }, &person, Features { width, rows: &probe }, 10).unwrap();
    assert_eq!(found, [plain(&gallery, &person, &probe, 10)]);
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let gallery = Features { width: 2, rows: &[1.0, 0.0, 0.0, 1.0] };
    let probe = Features { width: 3, rows: &[1.0, 0.0, 0.0] };
    assert_eq!(nearest(gallery, &[0, 1], probe, 1).unwrap_err().exit_code(), 2);
    assert_eq!(nearest(gallery, &[0], gallery, 1).unwrap_err().exit_code(), 2);
    let broken = Features { width: 2, rows: &[f32::NAN, 0.0] };
    assert_eq!(nearest(gallery, &[0, 1], broken, 1).unwrap_err().exit_code(), 6);
    assert_eq!(nearest(broken, &[0], gallery, 1).unwrap_err().exit_code(), 6);
    assert!(normalised(&[0.0, 0.0]).is_err() && normalised(&[f32::INFINITY]).is_err());
    assert_eq!(nearest(Features { width: 2, rows: &[] }, &[], gallery, 3).unwrap(), [vec![], vec![]]);
}

#[test]
fn without_impostors_or_with_too_few_there_is_no_detection() {
    let mut found = Identification { mated: vec![(0.5, Some(1))], impostors: vec![] };
    assert_eq!(found.detection(1.0).unwrap(), None);
    found.impostors = vec![0.4; 9];
    assert_eq!(found.detection(0.1).unwrap(), None);
    assert_eq!(found.detection(0.2).unwrap().map(|found| found.right), Some(1));
}
