//! The sum of two tensors.

use crate::harness::{Case, FORMATS, Oracle, Plain, Tensor, refuses};
use crate::number::Number;
use hallucinet::ops::add::Add;
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Add {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [a, b] = inputs else { panic!("two inputs") };
        let numbers = a.numbers.iter().zip(&b.numbers).map(|(a, b)| *a + *b).collect();
        vec![Plain { shape: a.shape, numbers }]
    }
}

fn cases() -> Vec<Case<Add>> {
    let mut random = Random::named(1, "add");
    // The last one is longer than the piece of a task, and no multiple of it.
    [Shape::scalar(), Shape::new(1, 3, 5, 7), Shape::new(3, 17, 13, 11), Shape::new(2, 67, 31, 29)]
        .into_iter()
        .flat_map(|shape| FORMATS.map(|dtype| (shape, dtype)))
        .map(|(shape, dtype)| {
            let mut normal = || Tensor::normal(&mut random, shape).rounded(dtype);
            Case::new(Add, [normal(), normal()])
        })
        .collect()
}

#[test]
fn equals_the_plain_loop() {
    for case in cases() {
        case.check();
        case.check_gradient(&[0, 1]);
        case.check_gradient(&[1]);
        case.check_nan(0);
        case.check_nan(1);
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let a = Desc::f32(Shape::new(2, 3, 4, 5));
    refuses(&Add, &[a, Desc::f32(Shape::new(2, 3, 5, 4))]);
    refuses(&Add, &[a]);
    refuses(&Add, &[a, a.of(Type::Bf16)]);
    refuses(&Add, &[Desc { dtype: Type::U8, ..a }; 2]);
}
