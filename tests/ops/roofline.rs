//! The loops that others are measured by compute what they say they do: a peak of something else would be no peak.

use crate::harness::{Case, Oracle, Plain, Tensor, refuses};
use crate::number::Number;
use hallucinet::ops::roofline::{Chains, Copy, FACTOR, TERM, Tiles};
use hallucinet::ops::{Desc, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

impl Oracle for Copy {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        inputs.to_vec()
    }
}

impl Oracle for Chains {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let (factor, term) = (N::of(f64::from(FACTOR)), N::of(f64::from(TERM)));
        let chain = |x: &N| (0..self.turns).fold(*x, |v, _| v * factor + term);
        vec![Plain { shape: inputs[0].shape, numbers: inputs[0].numbers.iter().map(chain).collect() }]
    }
}

impl Oracle for Tiles {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let [x, w] = inputs else { panic!("two inputs") };
        let mut numbers = Vec::new();
        for x in x.numbers.chunks_exact(16) {
            for w in w.numbers.chunks_exact(16) {
                let terms = (0..self.turns).flat_map(|_| x.iter().zip(w));
                numbers.push(terms.fold(N::of(0.0), |sum, (x, w)| sum + *x * *w));
            }
        }
        vec![Plain { shape: Shape::matrix(x.shape.n, 64), numbers }]
    }
}

#[test]
fn equals_the_plain_loop() {
    let mut random = Random::named(1, "roofline");
    // Less than a vector, one over a block of the card, longer than the piece of a task.
    for elements in [1, 2049, 55_555] {
        let x = Tensor::normal(&mut random, Shape::vector(elements));
        Case::new(Copy, [x.clone()]).check();
        Case::new(Chains { turns: 7 }, [x]).check();
    }
    for (rows, turns) in [(16, 1), (144, 3)] {
        let mut normal = |rows| Tensor::normal(&mut random, Shape::matrix(rows, 16)).rounded(Type::Bf16);
        Case::new(Tiles { turns }, [normal(rows), normal(64)]).check();
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let bf16 = |n, c| Desc { shape: Shape::matrix(n, c), dtype: Type::Bf16 };
    refuses(&Copy, &[bf16(2, 2)]);
    refuses(&Chains { turns: 1 }, &[]);
    refuses(&Tiles { turns: 1 }, &[bf16(17, 16), bf16(64, 16)]);
    refuses(&Tiles { turns: 1 }, &[bf16(16, 16), bf16(32, 16)]);
}
