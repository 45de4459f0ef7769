//! Transposed convolution: the data gradient of a convolution, run forward (an up-sampling layer).
//!
//! `y[n,c,i*stride+p-pad,...] += x[n,o,i,j] * w[o,c,p,q]`; w is `[in, out, kh, kw]`, `oh = (h - 1) stride - 2 pad + kh`.

use super::data::{data_launches, filter_bytes};
use super::epilogue::{GradientTail, Operands};
use super::forward::{GRADIENT, forward_launch, forward_sums, forward_workspace};
use super::{Conv, ConvFilter, EPILOGUE_KEEP, EPILOGUE_PRELU, Geometry};
use crate::backend::{Launch, Region};
use crate::error::Result;
use crate::ops::{Desc, Epilogue, Gradient, Io, Op, Operand, mismatch, part};
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

/// Gradient to the input of a transposed convolution: a convolution of dy. Inputs: dy, w, then what the tail takes; outputs: the tail's.
#[derive(Clone, Debug)]
pub struct TransposedConvData {
    pub stride: usize,
    pub pad: usize,
    pub tail: GradientTail,
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
        filter_bytes(inputs[1])
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let bits = [(self.prelu, EPILOGUE_PRELU), (self.keep, EPILOGUE_KEEP)];
        let flags = bits.iter().map(|(on, bit)| if *on { *bit } else { 0 }).sum();
        let geometry = Geometry::new(io.output(0), io.input(1), io.input(0), self.stride, self.pad, flags);
        let [residual, z, dslope, dbias] = [Region::ABSENT; 4];
        let operands = Operands { residual, z, slope: io.read(2), before: io.write(1), dslope, dbias };
        data_launches(geometry, io, &GradientTail::default(), &operands)
    }

    // y is the data gradient of a convolution C with filter w:  dx = C(dy),  dw = filter gradient of C at (dy, x)
    fn gradient(&self, needed: &[bool]) -> Gradient {
        let mut gradient = Gradient { emitted: Vec::new(), of_input: vec![None; needed.len()] };
        if needed[0] {
            gradient.of_input[0] = Some(Operand::Emitted(0, 0));
            let data = TransposedConvData { stride: self.stride, pad: self.pad, tail: GradientTail::default() };
            gradient.emitted.push((Arc::new(data), vec![Operand::Upstream(0), Operand::Input(1)]));
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

impl Op for TransposedConvData {
    fn name(&self) -> &'static str {
        "transposed_conv_data"
    }

    fn infer(&self, inputs: &[Desc]) -> Result<Vec<Desc>> {
        let [dy, w, ..] = inputs else { return Err(mismatch(self, inputs, "dy, w, then what the tail takes")) };
        // An error of the forward op would name that one, not this.
        match Conv::new(self.stride, self.pad, false).infer(&[*dy, *w]).as_deref() {
            Ok([dx]) => self.tail.infer(self, inputs, 2, *dx),
            _ => Err(mismatch(self, inputs, "dy and w, both f32 or both bf16, that can be convolved")),
        }
    }

    fn workspace(&self, inputs: &[Desc], outputs: &[Desc]) -> usize {
        let geometry = self.geometry([inputs[0], inputs[1], outputs[0]].map(|desc| desc.shape));
        forward_sums(&geometry, inputs[0].dtype, &self.tail).workspace(forward_workspace(inputs[1]))
    }

    fn launches(&self, io: &Io) -> Vec<Launch> {
        let geometry = self.geometry([io.input(0), io.input(1), io.output(0)]);
        let operands = self.tail.regions(io, 2);
        let sums = forward_sums(&geometry, io.dtype(0), &self.tail);
        let offset = forward_workspace(io.inputs[1].desc);
        let (filter, partials) = (part(io.workspace, 0, offset), sums.partials(io.workspace, offset));
        let first = forward_launch(&GRADIENT, geometry, io, Region::ABSENT, &operands, filter, partials);
        [first].into_iter().chain(sums.launches(io.workspace, offset, &operands)).collect()
    }

    fn absorb(&self, tail: Epilogue, keep: bool) -> Option<Arc<dyn Op>> {
        self.tail.absorb(tail, keep).map(|tail| Arc::new(TransposedConvData { tail, ..self.clone() }) as _)
    }
}

impl TransposedConvData {
    fn geometry(&self, [x, w, y]: [Shape; 3]) -> Geometry {
        Geometry::new(x, w, y, self.stride, self.pad, self.tail.flags())
    }
}
