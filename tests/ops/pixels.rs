//! Moving, mirroring and normalising u8 pictures; all exact.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, device, positions, refuses, run};
use crate::number::Number;
use hallucinet::ops::pixels::{Augment, Normalize};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Augment {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [pixels, moves] = inputs else { panic!("two inputs") };
        let mut out = pixels.clone();
        let back = |position: usize, by: f64, extent: usize| (position as f64 - by).clamp(0.0, extent as f64 - 1.0);
        for (n, c, i, j) in positions(pixels.shape) {
            let [mirror, down, right] = [0, 1, 2].map(|which| moves.at(n, which, 0, 0).value());
            let j_before = if mirror == 0.0 { j } else { pixels.shape.w - 1 - j };
            let from = (back(i, down, pixels.shape.h), back(j_before, right, pixels.shape.w));
            *out.at_mut(n, c, i, j) = pixels.at(n, c, from.0 as usize, from.1 as usize);
        }
        let normalized = Normalize { output: self.output }.plain(std::slice::from_ref(&out));
        [vec![out], normalized].concat()
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

/// Mirrored or not, moved by nothing, by a few pixels and out of sight.
const MOVES: [[i32; 3]; 6] = [[1, 0, 0], [0, 0, 0], [255, 2, -1], [0, -3, 2], [1, 40, -7], [-1, i32::MIN, i32::MAX]];

fn moves(n: usize) -> Tensor {
    let moves: Vec<i32> = (0..n).flat_map(|n| MOVES[n % MOVES.len()]).collect();
    Tensor::i32(Shape::matrix(n, 3), &moves)
}

#[test]
fn augment_equals_the_plain_loop_and_mirroring_undoes_itself() {
    let mut random = Random::named(1, "augment");
    for (shape, output) in SHAPES.into_iter().flat_map(|shape| FORMATS.map(|output| (shape, output))) {
        let pixels = Tensor::pixels(&mut random, shape);
        Case::new(Augment { output }, [pixels.clone(), moves(shape.n)]).check();
        let mirror = Tensor::i32(Shape::matrix(shape.n, 3), &[1, 0, 0].repeat(shape.n));
        let once = run(device(), &Augment { output }, &[pixels.clone(), mirror.clone()], 0xFF);
        let twice = run(device(), &Augment { output }, &[once[0].clone(), mirror], 0xFF);
        assert!(twice[0] == pixels);
    }
}

/// How the host moved faces before the kernel did it, copied as it was: the kernel gives the same bytes, then mirrored.
#[test]
fn augment_moves_as_the_host_did() {
    const HR: (usize, usize) = (112, 96);
    fn moved(face: &[u8], (down, right): (isize, isize), to: &mut [u8]) {
        if (down, right) == (0, 0) {
            return to.copy_from_slice(face);
        }
        let (height, width) = (HR.0 as isize, HR.1 as isize);
        for (y, row) in to.chunks_exact_mut(3 * HR.1).enumerate() {
            let from = (y as isize - down).clamp(0, height - 1) as usize * 3 * HR.1;
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                let at = from + (x as isize - right).clamp(0, width - 1) as usize * 3;
                pixel.copy_from_slice(&face[at..at + 3]);
            }
        }
    }
    let shape = Shape::new(MOVES.len(), 3, HR.0, HR.1);
    let pixels = Tensor::pixels(&mut Random::named(2, "augment"), shape);
    let [got, _] = &run(device(), &Augment { output: Type::F32 }, &[pixels.clone(), moves(shape.n)], 0xFF)[..] else {
        panic!("two outputs")
    };
    let mut expected = vec![0; pixels.bytes.len()];
    let faces = expected.chunks_exact_mut(shape.image()).zip(pixels.bytes.chunks_exact(shape.image()));
    for ((to, face), [mirror, down, right]) in faces.zip(MOVES) {
        moved(face, (down as isize, right as isize), to);
        if mirror != 0 {
            for row in to.chunks_exact_mut(3 * HR.1) {
                let reversed: Vec<u8> = row.chunks_exact(3).rev().flatten().copied().collect();
                row.copy_from_slice(&reversed);
            }
        }
    }
    assert!(got.bytes == expected);
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
    let moves = Desc { shape: Shape::matrix(2, 3), dtype: Type::I32 };
    let augment = Augment { output: Type::F32 };
    refuses(&augment, &[pixels, Desc { shape: Shape::matrix(3, 3), ..moves }]);
    refuses(&augment, &[pixels, moves.of(Type::U8)]);
    refuses(&Augment { output: Type::U8 }, &[pixels, moves]);
    refuses(&Normalize { output: Type::F32 }, &[Desc::f32(pixels.shape)]);
    refuses(&Normalize { output: Type::U8 }, &[pixels]);
}
