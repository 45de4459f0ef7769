//! Bicubic resampling, its transpose, and the exact down-sampling of u8 pictures.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, cpu, device, positions, refuses, run};
use crate::number::{Number, UNIT};
use hallucinet::backend::cpu::simd::Level;
use hallucinet::ops::resize::{Degrade, Resize, ResizeTransposed};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::resample::{Flavour, Taps, resize_u8, taps};
use hallucinet::shape::Shape;

const FLAVOURS: [Flavour; 3] = [Flavour::Matlab, Flavour::Pillow, Flavour::Opencv];

/// The table of one direction as (input, weight) pairs of every output.
fn list<N: Number>(taps: &Taps) -> Vec<Vec<(usize, N)>> {
    let pair = |(index, weight): (&u32, &f64)| (*index as usize, N::of(*weight));
    let pairs: Vec<(usize, N)> = taps.index.iter().zip(&taps.weight).map(pair).collect();
    pairs.chunks(taps.width).map(<[_]>::to_vec).collect()
}

impl Oracle for Resize {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let x = &inputs[0];
        let rows = list::<N>(&taps(self.flavour, x.shape.h, self.height));
        let columns = list::<N>(&taps(self.flavour, x.shape.w, self.width));
        let mut between = Plain::zeros(Shape { h: self.height, ..x.shape });
        for (n, c, i, j) in positions(between.shape) {
            for (source, weight) in &rows[i] {
                *between.at_mut(n, c, i, j) = between.at(n, c, i, j) + *weight * x.at(n, c, *source, j);
            }
        }
        let mut y = Plain::zeros(Shape { w: self.width, ..between.shape });
        for (n, c, i, j) in positions(y.shape) {
            for (source, weight) in &columns[j] {
                *y.at_mut(n, c, i, j) = y.at(n, c, i, j) + *weight * between.at(n, c, i, *source);
            }
        }
        vec![y]
    }
}

impl Oracle for ResizeTransposed {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [dy, x] = inputs else { panic!("two inputs") };
        let rows = list::<N>(&taps(self.flavour, x.shape.h, dy.shape.h));
        let columns = list::<N>(&taps(self.flavour, x.shape.w, dy.shape.w));
        let mut between = Plain::zeros(Shape { h: x.shape.h, ..dy.shape });
        for (n, c, i, j) in positions(dy.shape) {
            for (target, weight) in &rows[i] {
                let sum = between.at(n, c, *target, j) + *weight * dy.at(n, c, i, j);
                *between.at_mut(n, c, *target, j) = sum;
            }
        }
        let mut dx = Plain::zeros(x.shape);
        for (n, c, i, j) in positions(between.shape) {
            for (target, weight) in &columns[j] {
                *dx.at_mut(n, c, i, *target) = dx.at(n, c, i, *target) + *weight * between.at(n, c, i, j);
            }
        }
        vec![dx]
    }
}

/// From and to: x4, x1/4 of a face, one pixel, primes, growing in one direction and shrinking in the other, and no change.
const SIZES: [(Shape, (usize, usize)); 8] = [
    (Shape::new(2, 3, 28, 24), (112, 96)),
    (Shape::new(1, 3, 112, 96), (28, 24)),
    (Shape::new(1, 3, 1, 1), (4, 4)),
    (Shape::new(1, 1, 5, 7), (1, 1)),
    (Shape::new(3, 5, 7, 11), (13, 17)),
    (Shape::new(1, 17, 13, 9), (5, 4)),
    (Shape::new(2, 3, 6, 19), (23, 7)),
    (Shape::new(1, 3, 5, 4), (5, 4)),
];

fn cases() -> impl Iterator<Item = (Flavour, Shape, (usize, usize))> {
    FLAVOURS.into_iter().flat_map(|flavour| SIZES.map(|(x, to)| (flavour, x, to)))
}

#[test]
fn forward_equals_the_plain_loop() {
    let mut random = Random::named(1, "resize");
    for (flavour, x, (height, width)) in cases() {
        let x = Tensor::normal(&mut random, x);
        for case in FORMATS.map(|dtype| Case::new(Resize { flavour, height, width }, [x.clone().rounded(dtype)])) {
            case.check();
            case.check_gradient(&[0]);
        }
    }
}

/// A tap of weight 0 carries a NaN too in both loops, so the patterns agree where every input is reached, as by x4.
#[test]
fn nan_stays_seen() {
    let mut random = Random::named(2, "resize");
    let op = Resize { flavour: Flavour::Matlab, height: 112, width: 96 };
    Case::new(op, [Tensor::normal(&mut random, Shape::new(1, 3, 28, 24))]).check_nan(0);
}

#[test]
fn transpose_equals_the_plain_loop() {
    let mut random = Random::named(3, "resize");
    for (flavour, x, (h, w)) in cases() {
        let (dy, x) = (Tensor::normal(&mut random, Shape { h, w, ..x }), Tensor::normal(&mut random, x));
        for dtype in FORMATS {
            let inputs = [dy.clone().rounded(dtype), x.clone().rounded(dtype)];
            Case::new(ResizeTransposed { flavour }, inputs).check();
        }
    }
}

/// <R x, y> = <x, R' y>: each side is off by a walk of roundings over its terms, of which the largest sums are |R x| |y|.
#[test]
fn transpose_is_the_adjoint() {
    let mut random = Random::named(4, "resize");
    let device = device();
    for (flavour, x, (height, width)) in cases() {
        let (x, y) = (Tensor::normal(&mut random, x), Tensor::normal(&mut random, Shape { h: height, w: width, ..x }));
        let rx = run(device, &Resize { flavour, height, width }, std::slice::from_ref(&x), 0).remove(0).values();
        let ry = run(device, &ResizeTransposed { flavour }, &[y.clone(), x.clone()], 0).remove(0).values();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let length = |a: &[f64]| dot(a, a).sqrt();
        let (left, right) = (dot(&rx, &y.values()), dot(&x.values(), &ry));
        // Every element of R x and R' y is off by at most its few taps times a unit of the largest partial sum, independently
        // of the others, so the products are off by the lengths.
        let allowed = 16.0 * UNIT * (length(&rx) * length(&y.values())).max(length(&ry) * length(&x.values()));
        assert!((left - right).abs() <= allowed, "{flavour} {height}x{width}: {left} and {right}");
    }
}

#[test]
fn degrade_equals_the_resampler_byte_for_byte() {
    let mut random = Random::named(5, "resize");
    for flavour in FLAVOURS {
        for (shape, scale) in [
            (Shape::new(3, 3, 112, 96), 4),
            (Shape::new(1, 3, 4, 4), 4),
            (Shape::new(2, 3, 21, 15), 3),
            (Shape::new(5, 3, 10, 6), 2),
            (Shape::new(2, 3, 5, 7), 1),
        ] {
            let pixels = Tensor::pixels(&mut random, shape);
            let (from, to) = ((shape.h, shape.w), (shape.h / scale, shape.w / scale));
            let mut expected = Vec::new();
            for picture in pixels.bytes.chunks_exact(shape.image()) {
                let mut small = vec![0; to.0 * to.1 * 3];
                resize_u8(flavour, picture, from, &mut small, to).unwrap();
                expected.extend(small);
            }
            let inside = crate::standin::is_inside();
            for (threads, poison) in [(1, 0x00), (2, 0xFF), (3, 0x00)] {
                let got = run(
                    if inside { device() } else { cpu(Level::detect(), threads) },
                    &Degrade { flavour, scale },
                    std::slice::from_ref(&pixels),
                    poison,
                )
                .remove(0);
                assert!(got.bytes == expected, "{flavour} 1/{scale} of {shape}");
            }
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let flavour = Flavour::Matlab;
    let x = Shape::new(2, 3, 8, 12);
    let u8 = |shape| Desc { shape, dtype: Type::U8 };
    refuses(&Resize { flavour, height: 0, width: 4 }, &[Desc::f32(x)]);
    refuses(&Resize { flavour, height: 4, width: 4 }, &[u8(x)]);
    refuses(&ResizeTransposed { flavour }, &[Desc::f32(Shape { c: 4, ..x }), Desc::f32(x)]);
    refuses(&ResizeTransposed { flavour }, &[Desc::f32(x).of(Type::Bf16), Desc::f32(x)]);
    refuses(&Degrade { flavour, scale: 4 }, &[u8(Shape { h: 9, ..x })]);
    refuses(&Degrade { flavour, scale: 0 }, &[u8(x)]);
    refuses(&Degrade { flavour, scale: 4 }, &[u8(Shape { c: 1, ..x })]);
}
