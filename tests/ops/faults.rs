//! The harness must see what it says it sees: an op with one deliberate fault each, and the question that finds it.

use crate::harness::{Case, Oracle, Plain, Tensor};
use crate::number::Number;
use hallucinet::backend::cpu::HostArgs;
use hallucinet::backend::{Kernel, Launch};
use hallucinet::error::Result;
use hallucinet::ops::{Desc, Gradient, Io, Op, Operand, elementwise};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

/// `y = 3 x`, or nearly.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// The result of one element is off by 4 ulp.
    Inexact,
    /// The last element stays as it was.
    Unwritten,
    /// What is behind the output is written.
    Outside,
    /// The result depends on the number of threads.
    Threads,
    /// The gradient is that of 2 x.
    Gradient,
    /// A NaN becomes 0.
    Swallowed,
}

static TRIPLE: Kernel = Kernel { room: "faults", entry: "triple", host: triple_host };

fn triple_host(mut args: HostArgs) {
    let fault = args.params::<u64>();
    let is = |other: Fault| fault == other as u64;
    let x = args.input::<f32>(0);
    let [y] = args.outputs::<f32, 1>();
    let written = x.len() - usize::from(is(Fault::Unwritten));
    y.iter_mut().zip(x).take(written).for_each(|(y, x)| *y = 3.0 * x);
    if is(Fault::Inexact) {
        y[0] *= 1.0 + 4.0 * f32::EPSILON;
    }
    if is(Fault::Outside) {
        y[x.len()] = 0.0;
    }
    if is(Fault::Threads) {
        y[0] *= 1.0 + f32::EPSILON * (rayon::current_num_threads() - 1) as f32;
    }
    if is(Fault::Swallowed) {
        y.iter_mut().for_each(|y| *y = if y.is_nan() { 0.0 } else { *y });
    }
}

impl Op for Fault {
    fn name(&self) -> &'static str {
        "triple"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        Ok(inputs.to_vec())
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let mut region = io.write(0);
        region.bytes += if *self == Fault::Outside { 4 } else { 0 };
        vec![elementwise(&TRIPLE, io.output(0).elements(), vec![io.read(0)], vec![region], *self as u64)]
    }

    fn gradient(&self, _needed: &[bool]) -> Gradient {
        let op = std::sync::Arc::new(Fault::None);
        let emitted: Vec<_> =
            if *self == Fault::Gradient { vec![] } else { vec![(op as _, vec![Operand::Upstream(0)])] };
        let of = if emitted.is_empty() { Operand::Upstream(0) } else { Operand::Emitted(0, 0) };
        Gradient { emitted, of_input: vec![Some(of)] }
    }
}

impl Oracle for Fault {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let numbers = inputs[0].numbers.iter().map(|x| N::of(3.0) * *x).collect();
        vec![Plain { shape: inputs[0].shape, numbers }]
    }
}

fn case(fault: Fault) -> Case<Fault> {
    Case::new(fault, [Tensor::normal(&mut Random::named(1, "faults"), Shape::new(2, 3, 5, 7))])
}

#[test]
fn no_fault_passes() {
    let case = case(Fault::None);
    case.check();
    case.check_gradient(&[0]);
    case.check_nan(0);
}

#[test]
#[should_panic(expected = "is not")]
fn four_ulp_are_seen() {
    case(Fault::Inexact).check();
}

#[test]
#[should_panic(expected = "is not")]
fn an_unwritten_element_is_seen() {
    case(Fault::Unwritten).check();
}

#[test]
#[should_panic(expected = "wrote byte")]
fn a_write_outside_is_seen() {
    case(Fault::Outside).check();
}

#[test]
#[should_panic(expected = "number of threads")]
fn bits_that_depend_on_threads_are_seen() {
    case(Fault::Threads).check();
}

#[test]
#[should_panic(expected = "d input 0")]
fn a_wrong_gradient_is_seen() {
    case(Fault::Gradient).check_gradient(&[0]);
}

#[test]
#[should_panic(expected = "NaN at")]
fn a_swallowed_nan_is_seen() {
    case(Fault::Swallowed).check_nan(0);
}
