//! Transposed convolution: the data gradient of a convolution, run forward (an up-sampling layer).
//!
//! `y[n,c,i*stride+p-pad,...] += x[n,o,i,j] * w[o,c,p,q]`; w is `[in, out, kh, kw]`, `oh = (h - 1) stride - 2 pad + kh`.

use super::data::{data_launches, data_workspace};
use super::{Conv, ConvFilter, EPILOGUE_KEEP, EPILOGUE_PRELU, Geometry};
use crate::backend::{Launch, Region};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Gradient, Io, Op, Operand, mismatch};
use crate::shape::Shape;
use std::sync::Arc;

/// Transposed convolution without bias. Inputs: x, w, then with `prelu` the slopes; outputs: y, then with `keep` the value before PReLU.
#[derive(Clone, Debug)]
pub struct TransposedConv {
    pub stride: usize,
    pub pad: usize,
    pub prelu: bool,
    pub keep: bool,
}

impl TransposedConv {
    /// A plain one, as models build it; the planner adds the epilogue.
    pub fn new(stride: usize, pad: usize) -> Self {
        TransposedConv { stride, pad, prelu: false, keep: false }
    }
}

impl Op for TransposedConv {
    fn name(&self) -> &'static str {
        "transposed_conv"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let number = inputs.first().is_some_and(|x| x.dtype.is_number());
        if inputs.len() != 2 + usize::from(self.prelu) || !number || inputs[1].dtype != inputs[0].dtype {
            return Err(mismatch(self, inputs, "x and w, both f32 or both bf16, and with prelu the slopes in f32"));
        }
        let (x, w) = (inputs[0].shape, inputs[1].shape);
        let extent =
            |input: usize, kernel: usize| ((input.max(1) - 1) * self.stride + kernel).checked_sub(2 * self.pad);
        let (Some(h), Some(width), true) = (extent(x.h, w.h), extent(x.w, w.w), x.c == w.n) else {
            return Err(mismatch(self, inputs, "w is [x's channels, out, kh, kw] and larger than the padding"));
        };
        if h == 0
            || width == 0
            || self.stride == 0
            || inputs[2..].iter().any(|desc| *desc != Desc::f32(Shape::vector(w.c)))
        {
            return Err(mismatch(self, inputs, "a non-empty output and one slope per output channel, f32"));
        }
        let y = Shape::new(x.n, w.c, h, width);
        y.checked_elements()?;
        Ok(vec![Desc { shape: y, ..inputs[0] }; 1 + usize::from(self.keep)])
    }

    fn workspace(&self, inputs: &[Desc], _outputs: &[Desc]) -> usize {
        data_workspace(inputs[1])
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let bits = [(self.prelu, EPILOGUE_PRELU), (self.keep, EPILOGUE_KEEP)];
        let flags = bits.iter().map(|(on, bit)| if *on { *bit } else { 0 }).sum();
        let geometry = Geometry::new(io.output(0), io.input(1), io.input(0), self.stride, self.pad, flags);
        data_launches(geometry, io, io.read(2), Region::ABSENT)
    }

    // y is the data gradient of a convolution C with filter w:  dx = C(dy),  dw = filter gradient of C at (dy, x)
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let mut gradient = Gradient { emitted: Vec::new(), of_input: vec![None; needed.len()] };
        if needed[0] {
            gradient.of_input[0] = Some(Operand::Emitted(0, 0));
            let conv = Conv::new(self.stride, self.pad, false);
            gradient.emitted.push((Arc::new(conv), vec![Operand::Upstream(0), Operand::Input(1)]));
        }
        if needed[1] {
            gradient.of_input[1] = Some(Operand::Emitted(gradient.emitted.len(), 0));
            let filter = ConvFilter { stride: self.stride, pad: self.pad, bias: false };
            let operands = vec![Operand::Upstream(0), Operand::Input(0), Operand::Input(1)];
            gradient.emitted.push((Arc::new(filter), operands));
        }
        gradient
    }

    fn absorb(&self, tail: Epilogue, keep: bool) -> Option<Arc<dyn Op>> {
        let plain = tail == Epilogue::Prelu && !self.prelu;
        plain.then(|| Arc::new(TransposedConv { prelu: true, keep, ..self.clone() }) as _)
    }
}
