//! Which algorithms of the cpu the cases of convolutions reach, and cases of those that the common ones reach without an epilogue.

use super::{Case, GEOMETRIES, Geometry, in_type, normal};
use hallucinet::ops::Type;
use hallucinet::ops::conv::{self, Algorithm, Conv, Job, TransposedConv};
use hallucinet::shape::Shape;

/// Otherwise an algorithm would not be compared with the plain loop.
#[test]
fn the_cases_reach_every_algorithm_of_the_cpu() {
    let taken = |job| {
        let each = GEOMETRIES.iter().map(move |(x, outputs, (kh, kw), stride, pad)| {
            conv::algorithm(job, *x, Shape::new(*outputs, x.c, *kh, *kw), *stride, *pad)
        });
        each.collect::<Vec<_>>()
    };
    for job in [Job::Forward, Job::Data, Job::Filter] {
        let [small, large] = [4, 6].map(Algorithm::Winograd);
        let forward = [Algorithm::FewPixels, Algorithm::FewOutputs, Algorithm::Windows];
        for algorithm in [Algorithm::Gathered, small, large, Algorithm::Phases].into_iter().chain(forward) {
            let can = match algorithm {
                Algorithm::Phases => job == Job::Data,
                _ if forward.contains(&algorithm) => job == Job::Forward,
                _ => algorithm != large || job != Job::Filter,
            };
            assert_eq!(taken(job).contains(&algorithm), can, "{job:?} by {algorithm:?}");
        }
    }
}

/// In bf16 where products are made in 16 bits: the same, and sums of several slices of 64 channels, in groups of 64 results.
#[test]
fn bf16_reaches_every_algorithm_and_sums_several_slices() {
    let of = |(x, outputs, (kh, kw), stride, pad): Geometry| {
        conv::bf16_algorithm(x, Shape::new(outputs, x.c, kh, kw), stride, pad)
    };
    let taken = GEOMETRIES.map(of);
    use Algorithm::{FewOutputs, FewPixels, Fixed, Gathered, Shifted, Windows};
    for algorithm in [Gathered, FewPixels, FewOutputs, Windows, Shifted, Fixed] {
        assert!(taken.contains(&algorithm), "{algorithm:?}");
    }
    let deep = (Shape::new(2, 80, 18, 14), 70, (3, 3), 1, 1);
    assert_eq!(of(deep), Algorithm::Fixed);
    let (x, w) = (deep.0, Shape::new(70, 80, 3, 3));
    let shapes = [x, w, Shape::vector(70), Shape::vector(70), Shape { c: 70, ..x }];
    let op = Conv { stride: 1, pad: 1, bias: true, prelu: true, add: true, keep: true };
    let case = Case::new(op, in_type(Type::Bf16, normal("deep", &shapes), 2..4));
    case.check();
    // Not the slope, which meets a value beside 0 in one of two roundings and not in the other.
    [0, 1, 2, 4].into_iter().for_each(|input| case.check_nan_at_least(input));
}

/// Large tiles and phases with everything that an epilogue can have.
#[test]
fn large_tiles_and_phases_with_whole_epilogues_equal_the_plain_loop() {
    let (x, w) = (Shape::new(1, 33, 30, 29), Shape::new(35, 33, 3, 3));
    assert_eq!(conv::algorithm(Job::Forward, x, w, 1, 1), Algorithm::Winograd(6));
    let shapes = [x, w, Shape::vector(35), Shape::vector(35), Shape { c: 35, ..x }];
    let op = Conv { stride: 1, pad: 1, bias: true, prelu: true, add: true, keep: true };
    Case::new(op, normal("large", &shapes)).check();
    let (x, w) = (Shape::new(1, 20, 12, 7), Shape::new(20, 64, 4, 4));
    let op = TransposedConv { stride: 2, pad: 1, prelu: true, keep: true };
    let case = Case::new(op, normal("phases", &[x, w, Shape::vector(64)]));
    case.check();
    (0..3).for_each(|input| case.check_nan_at_least(input));
}
