//! The norm of all gradients and the step of every parameter.

use crate::harness::{Case, Oracle, Plain, Tensor, device, refuses, run};
use crate::number::Number;
use hallucinet::ops::sgd::{Norm, Segment, Sgd};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Norm {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let mut sum = N::of(0.0);
        for gradient in &inputs[0].numbers {
            sum = sum + *gradient * *gradient;
        }
        vec![Plain::scalar(sum.sqrt())]
    }
}

impl Oracle for Sgd {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [gradients, rates, norm, segments, weights, velocities] = inputs else { panic!("six inputs") };
        let (norm, constant) = (norm.numbers[0], |value: f32| N::of(f64::from(value)));
        let (mut weights, mut velocities) = (weights.clone(), velocities.clone());
        let bytes: Vec<u8> = segments.numbers.iter().map(|byte| byte.value() as u8).collect();
        for segment in bytes.chunks_exact(size_of::<Segment>()).map(bytemuck::pod_read_unaligned::<Segment>) {
            let clips = segment.clipped == 1 && self.clip > 0.0 && norm > constant(self.clip);
            let rate = constant(segment.lr_mult) * rates.numbers[segment.rate as usize];
            for i in 0..segment.length as usize {
                let w = &mut weights.numbers[segment.weight as usize + i];
                let v = &mut velocities.numbers[segment.gradient as usize + i];
                let g = gradients.numbers[segment.gradient as usize + i];
                let g = if clips { g * (constant(self.clip) / norm) } else { g };
                let decay = constant(segment.decay_mult) * constant(self.weight_decay) * *w;
                *v = constant(self.momentum) * *v + rate * (g + decay);
                *w = *w - *v;
            }
        }
        vec![weights, velocities]
    }
}

/// A weight and a gradient block with gaps between the segments; gradients lie in another order and at other places than weights.
fn inputs(random: &mut Random, norm: f32) -> Vec<Tensor> {
    let segment = |weight, gradient, length, rate, lr_mult, decay_mult, clipped| Segment {
        weight,
        gradient,
        length,
        rate,
        lr_mult,
        decay_mult,
        clipped,
        reserved: 0,
    };
    // The longest is more than a task's piece. The centers' segment is not clipped; a frozen stretch of weights has no segment.
    let segments = [
        segment(64, 20_160, 1, 0, 1.0, 1.0, 1),
        segment(128, 0, 20_011, 0, 1.0, 1.0, 1),
        segment(20_160, 20_224, 17, 1, 2.0, 0.0, 1),
        segment(20_224, 20_288, 67, 0, 1.0, 2.0, 0),
    ];
    let block = Shape::vector(20_400);
    vec![
        Tensor::normal(random, block),
        Tensor::f32(Shape::vector(2), &[0.1, 0.01]),
        Tensor::f32(Shape::scalar(), &[norm]),
        Tensor::u8(Shape::vector(segments.len() * 32), bytemuck::cast_slice(&segments)),
        Tensor::normal(random, block),
        Tensor::normal(random, block),
    ]
}

const SGD: Sgd = Sgd { momentum: 0.9, weight_decay: 0.0005, clip: 0.0 };

#[test]
fn norm_equals_the_plain_loop() {
    let mut random = Random::named(1, "norm");
    for length in [1, 17, 16_384, 50_021] {
        let case = Case::new(Norm, [Tensor::normal(&mut random, Shape::vector(length))]);
        case.check();
        case.check_nan(0);
    }
}

#[test]
fn norm_of_large_and_small_gradients_is_neither_infinite_nor_zero() {
    for size in [1e30f32, 1e-30] {
        let block = Tensor::f32(Shape::vector(4), &[size; 4]);
        let norm = run(device(), &Norm, &[block], 0xFF).remove(0).values()[0];
        assert!((norm - 2.0 * f64::from(size)).abs() <= f64::from(size) * 2f64.powi(-23), "{norm}");
    }
}

#[test]
fn step_equals_the_plain_loop() {
    let mut random = Random::named(2, "sgd");
    // No clipping, a norm below the limit, one at the limit, one above.
    for (clip, norm) in [(0.0, 100.0), (1.0, 0.5), (2.0, 2.0), (1.0, 140.0)] {
        let inputs = inputs(&mut random, norm);
        let after = Case::new(Sgd { clip, ..SGD }, inputs.clone()).check();
        // Outside the segments nothing moves.
        let weights = inputs[4].values();
        let kept = |range: std::ops::Range<usize>| after[0].values()[range.clone()] == weights[range];
        assert!(kept(0..64) && kept(65..128) && kept(20_291..20_400));
    }
}

#[test]
fn a_norm_that_is_not_finite_changes_nothing() {
    let mut random = Random::named(3, "sgd");
    for norm in [f32::NAN, f32::INFINITY] {
        for clip in [0.0, 1.0] {
            let inputs = inputs(&mut random, norm);
            let after = run(device(), &Sgd { clip, ..SGD }, &inputs, 0xFF);
            assert!(after == inputs[4..]);
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let block = |length| Desc::f32(Shape::vector(length));
    let segments = Desc { shape: Shape::vector(32), dtype: Type::U8 };
    refuses(&Norm, &[segments]);
    refuses(&Norm, &[block(4), block(4)]);
    refuses(&SGD, &[block(4), block(2), block(1), segments, block(9), block(5)]);
    refuses(&SGD, &[block(4), block(2), block(2), segments, block(9), block(4)]);
    refuses(&SGD, &[block(4), block(2), block(1), block(32), block(9), block(4)]);
}
