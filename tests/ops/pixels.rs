//! Mirroring and normalising u8 pictures; both exact.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, positions, refuses};
use crate::number::Number;
use hallucinet::ops::pixels::{Mirror, Normalize};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Mirror {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [pixels, flags] = inputs else { panic!("two inputs") };
        let mut out = pixels.clone();
        for (n, c, i, j) in positions(pixels.shape) {
            let from = if flags.numbers[n].value() == 0.0 { j } else { pixels.shape.w - 1 - j };
            *out.at_mut(n, c, i, j) = pixels.at(n, c, i, from);
        }
        vec![out]
    }
}

impl Oracle for Normalize {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let numbers = inputs[0].numbers.iter().map(|pixel| (*pixel - N::of(127.5)) / N::of(128.0)).collect();
        vec![Plain { shape: inputs[0].shape, numbers }]
    }
}

const SHAPES: [Shape; 4] =
    [Shape::new(1, 3, 1, 1), Shape::new(5, 3, 7, 11), Shape::new(3, 1, 2, 5), Shape::new(4, 3, 28, 24)];

#[test]
fn mirror_equals_the_plain_loop_and_undoes_itself() {
    let mut random = Random::named(1, "mirror");
    for shape in SHAPES {
        let pixels = Tensor::pixels(&mut random, shape);
        let flags: Vec<u8> = (0..shape.n).map(|n| [1, 0, 255][n % 3]).collect();
        let flags = Tensor::u8(Shape::matrix(shape.n, 1), &flags);
        let once = Case::new(Mirror, [pixels.clone(), flags.clone()]).check();
        let twice = Case::new(Mirror, [once[0].clone(), flags]).check();
        assert!(twice == [pixels]);
    }
}

#[test]
fn normalize_equals_the_formula_for_every_byte() {
    let all: Vec<u8> = (0..=255).collect();
    let exact: Vec<f64> = all.iter().map(|byte| (f64::from(*byte) - 127.5) / 128.0).collect();
    for output in FORMATS {
        let out = Case::new(Normalize { output }, [Tensor::u8(Shape::new(1, 1, 16, 16), &all)]).check();
        assert_eq!(out[0].values(), exact);
        let mut random = Random::named(1, "normalize");
        for shape in SHAPES {
            Case::new(Normalize { output }, [Tensor::pixels(&mut random, shape)]).check();
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let pixels = Desc { shape: Shape::new(2, 3, 4, 5), dtype: Type::U8 };
    refuses(&Mirror, &[pixels, Desc { shape: Shape::matrix(3, 1), dtype: Type::U8 }]);
    refuses(&Mirror, &[pixels, Desc { shape: Shape::matrix(2, 1), dtype: Type::I32 }]);
    refuses(&Normalize { output: Type::F32 }, &[Desc::f32(pixels.shape)]);
    refuses(&Normalize { output: Type::U8 }, &[pixels]);
}
