//! Between the two formats of activations: f32 to bf16, rounded to nearest with ties to even, and bf16 to f32, which is exact.
//!
//! The copies of the filters that bf16 convolutions read are made by this op at the start of a step. A rounding has no useful
//! derivative of its own; its gradient is that of the identity, cast back.

use crate::backend::cpu::{HostArgs, team};
use crate::backend::{Kernel, Launch};
use crate::error::Result;
use crate::ops::{Desc, Gradient, Io, Number, Op, Operand, Type, bf16, flat, mismatch};
use rayon::prelude::*;
use std::sync::Arc;

/// `y = x` in the other format. Input: x, f32 or bf16; output: y, of type `to`.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The type of y; x has the other one.
    pub to: Type,
}

static NARROW: Kernel = Kernel { room: "cast", entry: "cast_narrow", host: cast_host::<f32, bf16> };
static WIDEN: Kernel = Kernel { room: "cast", entry: "cast_widen", host: cast_host::<bf16, f32> };

impl Cast {
    /// The other one of the two formats, which x has.
    fn from(&self) -> Type {
        if self.to == Type::Bf16 { Type::F32 } else { Type::Bf16 }
    }
}

impl Op for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        match inputs {
            [x] if self.to.is_number() && x.dtype == self.from() => Ok(vec![x.of(self.to)]),
            _ => Err(mismatch(self, inputs, "one tensor, f32 to become bf16 or bf16 to become f32")),
        }
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let kernel = if self.to == Type::Bf16 { &NARROW } else { &WIDEN };
        let elements = io.output(0).elements();
        vec![flat(kernel, elements, vec![io.read(0)], vec![io.write(0)], elements as u64)]
    }

    fn gradient(&self, needed: &[bool]) -> Gradient {
        let back = Arc::new(Cast { to: self.from() });
        let of_input = vec![needed[0].then_some(Operand::Emitted(0, 0))];
        Gradient { emitted: vec![(back, vec![Operand::Upstream(0)])], of_input }
    }
}

const PIECE: usize = 1 << 15;

fn cast_host<From: Number, To: Number>(mut args: HostArgs) {
    let x = args.input::<From>(0);
    let y = args.output::<To>(0);
    team::each(y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)), |(y, x)| {
        y.iter_mut().zip(x).for_each(|(y, x)| *y = To::round(x.widen()));
    });
}
