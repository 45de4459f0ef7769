//! Casts between f32 and bf16.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, device, refuses, run};
use crate::number::Number;
use hallucinet::ops::cast::Cast;
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Cast {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        vec![inputs[0].clone()]
    }
}

/// The other one of the two formats.
fn other(dtype: Type) -> Type {
    if dtype == Type::F32 { Type::Bf16 } else { Type::F32 }
}

#[test]
fn equals_the_plain_loop() {
    let mut random = Random::named(1, "cast");
    for shape in [Shape::scalar(), Shape::new(1, 3, 5, 7), Shape::new(3, 17, 13, 11), Shape::new(2, 67, 31, 29)] {
        for to in FORMATS {
            let case = Case::new(Cast { to }, [Tensor::normal(&mut random, shape).rounded(other(to))]);
            case.check();
            case.check_nan(0);
        }
    }
}

/// The derivative of a staircase is not what is wanted, so the gradient is looked at and not differenced.
#[test]
fn the_gradient_is_cast_back() {
    use hallucinet::ops::{Op, Operand};
    for to in FORMATS {
        let gradient = Cast { to }.gradient(&[true]);
        let [(op, operands)] = &gradient.emitted[..] else { panic!("one op") };
        assert_eq!(
            (operands.as_slice(), &gradient.of_input),
            (&[Operand::Upstream(0)][..], &vec![Some(Operand::Emitted(0, 0))])
        );
        let upstream = Desc { shape: Shape::vector(5), dtype: to };
        assert_eq!(op.infer(&[upstream]).unwrap(), [upstream.of(other(to))]);
    }
}

/// Ties go to the even neighbour, the largest numbers become infinite, signs of zeros stay, small numbers keep their bits.
#[test]
fn rounds_to_nearest_even() {
    let step = 2f32.powi(-7);
    let pairs = [
        (1.0 + 0.5 * step, 1.0),
        (1.0 + 1.5 * step, 1.0 + 2.0 * step),
        (1.0 + 0.5 * step + f32::EPSILON, 1.0 + step),
        (f32::MAX, f32::INFINITY),
        (-f32::INFINITY, -f32::INFINITY),
        (f32::from_bits(0x0001_0000), f32::from_bits(0x0001_0000)),
        (f32::from_bits(0x0000_8000), 0.0),
        (f32::from_bits(0x0000_8001), f32::from_bits(0x0001_0000)),
        (-0.0, -0.0),
    ];
    let x = Tensor::f32(Shape::vector(pairs.len()), &pairs.map(|(x, _)| x));
    let device = device();
    let narrow = run(device, &Cast { to: Type::Bf16 }, &[x], 0xFF);
    let wide = run(device, &Cast { to: Type::F32 }, &narrow, 0xFF);
    assert_eq!(wide[0].bytes, bytemuck::cast_slice::<f32, u8>(&pairs.map(|(_, y)| y)));
}

#[test]
fn every_bf16_survives_the_way_there_and_back() {
    let all: Vec<u8> = (0..=u16::MAX).filter(|bits| bits & 0x7FFF <= 0x7F80).flat_map(u16::to_le_bytes).collect();
    let desc = Desc { shape: Shape::vector(all.len() / 2), dtype: Type::Bf16 };
    let device = device();
    let wide = run(device, &Cast { to: Type::F32 }, &[Tensor { desc, bytes: all.clone() }], 0x00);
    let narrow = run(device, &Cast { to: Type::Bf16 }, &wide, 0x00);
    assert!(narrow[0].bytes == all);
}

#[test]
fn refuses_what_does_not_fit() {
    let x = Desc::f32(Shape::vector(4));
    refuses(&Cast { to: Type::F32 }, &[x]);
    refuses(&Cast { to: Type::Bf16 }, &[x.of(Type::Bf16)]);
    refuses(&Cast { to: Type::U8 }, &[x]);
    refuses(&Cast { to: Type::Bf16 }, &[x.of(Type::U8)]);
    refuses(&Cast { to: Type::Bf16 }, &[x, x]);
}
