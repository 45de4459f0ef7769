//! Ops that no step launches by themselves, because plans fuse them, and formats that no network mixes: beside the portable
//! instruction set. With the steps they make every kernel launched.

use super::self_test::{Check, Given, ROUNDING, SelfTest, numbers};
use crate::backend::Device;
use crate::backend::cpu::Cpu;
use crate::backend::cpu::simd::Level;
use crate::error::Result;
use crate::ops::add::Add;
use crate::ops::linear::LinearFilter;
use crate::ops::pixel_loss::PixelLoss;
use crate::ops::pixels::{Augment, Normalize};
use crate::ops::prelu::Prelu;
use crate::ops::resize::{Resize, ResizeTransposed};
use crate::ops::{Desc, Op, Type, bf16};
use crate::resample::Flavour;
use crate::shape::Shape;
use std::sync::Arc;

/// An op on some inputs, and how many roundings one of its numbers goes through.
struct Lone {
    name: &'static str,
    op: Arc<dyn Op>,
    inputs: Vec<Given>,
    roundings: usize,
}

fn cases() -> Vec<Lone> {
    let (x, slope) = (Shape::new(2, 5, 12, 8), Shape::vector(5));
    let (rows, filter) = (Shape::matrix(3, 40), Shape::matrix(7, 40));
    let of = |name: &str, shape: Shape, dtype: Type| given(name, shape, dtype);
    let flavour = Flavour::Matlab;
    let mut list = Vec::new();
    let mut case = |name, op: Arc<dyn Op>, inputs, roundings| list.push(Lone { name, op, inputs, roundings });
    for (name, dtype) in [("prelu, f32", Type::F32), ("prelu, bf16", Type::Bf16)] {
        case(name, Arc::new(Prelu), vec![of("x", x, dtype), of("slope", slope, Type::F32)], 1);
    }
    let loss = |a, b| vec![of("y", x, a), of("target", x, b)];
    for (name, a, b) in [
        ("pixel loss, bf16", Type::Bf16, Type::Bf16),
        ("pixel loss, f32 and bf16", Type::F32, Type::Bf16),
        ("pixel loss, bf16 and f32", Type::Bf16, Type::F32),
    ] {
        case(name, Arc::new(PixelLoss { weight: 0.5 }), loss(a, b), x.elements() + 2);
    }
    case("add, bf16", Arc::new(Add), loss(Type::Bf16, Type::Bf16), 1);
    case("normalize, bf16", Arc::new(Normalize { output: Type::Bf16 }), vec![of("pixels", x, Type::U8)], 1);
    let moves = of("moves", Shape::matrix(x.n, 3), Type::I32);
    case("augment, bf16", Arc::new(Augment { output: Type::Bf16 }), vec![of("pixels", x, Type::U8), moves], 1);
    // Four taps each way, and their weights.
    let (small, large) = (Shape::new(2, 3, 7, 6), Shape::new(2, 3, 28, 24));
    let resize = Resize { flavour, height: large.h, width: large.w };
    case("resize, bf16", Arc::new(resize), vec![of("x", small, Type::Bf16)], 16);
    let transposed = vec![of("dy", large, Type::F32), of("x", small, Type::F32)];
    case("resize transposed", Arc::new(ResizeTransposed { flavour }), transposed, 16 * 16);
    let operands =
        vec![of("x", rows, Type::Bf16), of("dy", Shape::matrix(3, 7), Type::Bf16), of("w", filter, Type::Bf16)];
    case("linear filter, bf16", Arc::new(LinearFilter), operands, 3);
    list
}

fn given(name: &str, shape: Shape, dtype: Type) -> Given {
    let numbers = numbers(name, shape.elements());
    let bytes = match dtype {
        Type::Bf16 => numbers.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        Type::U8 => numbers.iter().map(|v| (128.0 + 40.0 * v) as u8).collect(),
        Type::I32 => numbers.iter().flat_map(|v| ((2.0 * v) as i32).to_le_bytes()).collect(),
        _ => numbers.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    (Desc { shape, dtype }, bytes)
}

impl SelfTest<'_> {
    /// Every case on the device and on the portable instruction set. A number may be off by its roundings on both devices, of the largest
    /// number there is, and by one of its own format.
    pub fn lone_ops(&mut self) -> Result<Vec<Check>> {
        let portable: Arc<dyn Device> = Arc::new(Cpu::with_level(Some(1), Level::Portable)?);
        let mut checks = Vec::new();
        for Lone { name, op, inputs, roundings } in cases() {
            let here = self.outputs(self.device, &op, &inputs)?;
            let there = self.outputs(&portable, &op, &inputs)?;
            let mut worst = 0.0f64;
            for ((desc, here), (_, there)) in here.iter().zip(&there) {
                let own = if desc.dtype == Type::Bf16 { 1.0 / 256.0 } else { 0.0 };
                let size = there.iter().map(|v| v.abs()).fold(f64::MIN_POSITIVE, f64::max);
                let allowed = size * (2.0 * roundings as f64 * ROUNDING + own);
                for (a, b) in here.iter().zip(there) {
                    let error = (a - b).abs() / allowed;
                    worst = if worst.is_nan() || error <= worst { worst } else { error };
                }
            }
            checks.push(Check::new(format!("{name}: like the portable one"), worst));
        }
        Ok(checks)
    }
}
