//! Sum of two tensors of one shape: the residual add, and how gradients of a value with several users come together.

use crate::backend::Launch;
use crate::backend::cpu::{HostArgs, team};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Formats, Gradient, Io, Number, Op, Operand, flat, formats, mismatch};
use rayon::prelude::*;

/// `y = a + b`. Inputs: a, b; output: y.
#[derive(Clone, Debug)]
pub struct Add;

static ADD: Formats = formats!("add", "add", add_host);

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [a, b] if a == b && a.dtype.is_number() => Ok(vec![*a]),
            _ => Err(mismatch(self, inputs, "two tensors of one shape, both f32 or both bf16")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let elements = io.output(0).elements();
        vec![flat(ADD.of(io.dtype(0)), elements, vec![io.read(0), io.read(1)], vec![io.write(0)], elements as u64)]
    }

    // d(a + b)/da = 1
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let of_input = needed.iter().map(|needed| needed.then_some(Operand::Upstream(0))).collect();
        Gradient { emitted: Vec::new(), of_input }
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(Epilogue::Add)
    }
}

const PIECE: usize = 1 << 15;

fn add_host<N: Number>(mut args: HostArgs) {
    let (a, b) = (args.input::<N>(0), args.input::<N>(1));
    let y = args.output::<N>(0);
    team::each(y.par_chunks_mut(PIECE).zip(a.par_chunks(PIECE)).zip(b.par_chunks(PIECE)), |((y, a), b)| {
        y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = N::round(a.widen() + b.widen()));
    });
}
