//! Convolution, its transpose, both gradients, and every epilogue.

mod algorithms;

use crate::harness::{Case, Oracle, Plain, Tensor, positions, refuses};
use crate::number::Number;
use hallucinet::ops::conv::{self, Conv, ConvData, ConvFilter, GradientTail, Job, TransposedConv, TransposedConvData};
use hallucinet::ops::prelu::PreluGradient;
use hallucinet::ops::{Desc, Op, Type};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

/// Every tap of a convolution: the position in y, the position in the filter, and the position in x where that is inside.
fn taps(
    (x, w, y): (Shape, Shape, Shape),
    stride: usize,
    pad: usize,
    mut tap: impl FnMut((usize, usize, usize, usize), (usize, usize, usize), (usize, usize)),
) {
    for at in positions(y) {
        for (_, c, p, q) in positions(Shape { n: 1, ..w }) {
            let (row, column) = (at.2 * stride + p, at.3 * stride + q);
            if row >= pad && column >= pad && row - pad < x.h && column - pad < x.w {
                tap(at, (c, p, q), (row - pad, column - pad));
            }
        }
    }
}

fn add_to<N: Number>(sum: &mut N, term: N) {
    *sum = *sum + term;
}

/// Bias, kept value, PReLU and residual over a finished product, as far as they are there.
fn finish<N: Number>(
    mut y: Plain<N>,
    bias: Option<&Plain<N>>,
    slope: Option<&Plain<N>>,
    residual: Option<&Plain<N>>,
    keep: bool,
) -> Vec<Plain<N>> {
    let all: Vec<_> = positions(y.shape).collect();
    if let Some(bias) = bias {
        all.iter().for_each(|(n, o, i, j)| add_to(y.at_mut(*n, *o, *i, *j), bias.numbers[*o]));
    }
    let before = y.clone();
    if let Some(slope) = slope {
        for (n, o, i, j) in &all {
            let value = y.at_mut(*n, *o, *i, *j);
            *value = if *value > N::of(0.0) { *value } else { slope.numbers[*o] * *value };
        }
    }
    if let Some(residual) = residual {
        y.numbers.iter_mut().zip(&residual.numbers).for_each(|(y, residual)| add_to(y, *residual));
    }
    if keep { vec![y, before] } else { vec![y] }
}

/// Skip, kept value, gradient of PReLU with its slopes, and sums for a bias, as far as they are there.
fn finish_gradient<N: Number>(mut dx: Plain<N>, tail: GradientTail, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
    let mut inputs = inputs.iter();
    if tail.add {
        let skip = inputs.next().unwrap();
        dx.numbers.iter_mut().zip(&skip.numbers).for_each(|(dx, skip)| add_to(dx, *skip));
    }
    let (Some(z), Some(slope)) = (inputs.next(), inputs.next()) else { return vec![dx] };
    let before = dx.clone();
    let mut results = PreluGradient.plain(&[dx, z.clone(), slope.clone()]);
    let mut dbias = Plain::zeros(slope.shape);
    positions(z.shape).for_each(|(n, c, i, j)| add_to(&mut dbias.numbers[c], results[0].at(n, c, i, j)));
    results.extend(tail.bias.then_some(dbias));
    if tail.keep {
        results.insert(1, before);
    }
    results
}

impl Oracle for Conv {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let (x, w) = (&inputs[0], &inputs[1]);
        let extent = |input: usize, kernel: usize| (input + 2 * self.pad - kernel) / self.stride + 1;
        let shape = Shape::new(x.shape.n, w.shape.n, extent(x.shape.h, w.shape.h), extent(x.shape.w, w.shape.w));
        let mut y = Plain::zeros(shape);
        taps((x.shape, w.shape, shape), self.stride, self.pad, |(n, o, i, j), (c, p, q), (row, column)| {
            add_to(y.at_mut(n, o, i, j), x.at(n, c, row, column) * w.at(o, c, p, q));
        });
        let mut rest = inputs[2..].iter();
        let (bias, slope) = (self.bias.then(|| rest.next().unwrap()), self.prelu.then(|| rest.next().unwrap()));
        finish(y, bias, slope, rest.next(), self.keep)
    }

    fn noise(&self, inputs: &[Shape]) -> f64 {
        conv::algorithm(Job::Forward, inputs[0], inputs[1], self.stride, self.pad).noise()
    }

    fn bf16_noise(&self, inputs: &[Shape]) -> f64 {
        conv::bf16_noise(inputs[0], inputs[1], self.stride, self.pad)
    }

    fn gradient_noise(&self, inputs: &[Shape]) -> f64 {
        let noise = |job| conv::algorithm(job, inputs[0], inputs[1], self.stride, self.pad).noise();
        noise(Job::Data).max(noise(Job::Filter))
    }
}

impl Oracle for ConvData {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let (dy, w, x) = (&inputs[0], &inputs[1], inputs[2].shape);
        let mut dx = Plain::zeros(x);
        taps((x, w.shape, dy.shape), self.stride, self.pad, |(n, o, i, j), (c, p, q), (row, column)| {
            add_to(dx.at_mut(n, c, row, column), dy.at(n, o, i, j) * w.at(o, c, p, q));
        });
        finish_gradient(dx, self.tail, &inputs[3..])
    }

    fn noise(&self, inputs: &[Shape]) -> f64 {
        conv::algorithm(Job::Data, inputs[2], inputs[1], self.stride, self.pad).noise()
    }
}

impl Oracle for TransposedConvData {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let dx = Conv::new(self.stride, self.pad, false).plain(&inputs[..2]).remove(0);
        finish_gradient(dx, self.tail, &inputs[2..])
    }

    fn noise(&self, inputs: &[Shape]) -> f64 {
        conv::algorithm(Job::Forward, inputs[0], inputs[1], self.stride, self.pad).noise()
    }
}

impl Oracle for ConvFilter {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let (x, dy, w) = (&inputs[0], &inputs[1], inputs[2].shape);
        let (mut dw, mut db) = (Plain::zeros(w), Plain::zeros(Shape::vector(w.n)));
        taps((x.shape, w, dy.shape), self.stride, self.pad, |(n, o, i, j), (c, p, q), (row, column)| {
            add_to(dw.at_mut(o, c, p, q), dy.at(n, o, i, j) * x.at(n, c, row, column));
        });
        positions(dy.shape).for_each(|(n, o, i, j)| add_to(&mut db.numbers[o], dy.at(n, o, i, j)));
        if self.bias { vec![dw, db] } else { vec![dw] }
    }

    fn noise(&self, inputs: &[Shape]) -> f64 {
        conv::algorithm(Job::Filter, inputs[0], inputs[2], self.stride, self.pad).noise()
    }
}

impl Oracle for TransposedConv {
    fn plain<N: Number>(&self, inputs: &[Plain<N>]) -> Vec<Plain<N>> {
        let (x, w) = (&inputs[0], &inputs[1]);
        let extent = |input: usize, kernel: usize| (input - 1) * self.stride + kernel - 2 * self.pad;
        let shape = Shape::new(x.shape.n, w.shape.c, extent(x.shape.h, w.shape.h), extent(x.shape.w, w.shape.w));
        let mut y = Plain::zeros(shape);
        taps((shape, w.shape, x.shape), self.stride, self.pad, |(n, o, i, j), (c, p, q), (row, column)| {
            add_to(y.at_mut(n, c, row, column), x.at(n, o, i, j) * w.at(o, c, p, q));
        });
        finish(y, None, inputs.get(2), None, self.keep)
    }

    fn noise(&self, inputs: &[Shape]) -> f64 {
        noise_of(self, Job::Data, inputs)
    }

    fn gradient_noise(&self, inputs: &[Shape]) -> f64 {
        noise_of(self, Job::Forward, inputs).max(noise_of(self, Job::Filter, inputs))
    }
}

/// What a job of the convolution may lose whose data gradient a transposed convolution is.
fn noise_of(op: &TransposedConv, job: Job, inputs: &[Shape]) -> f64 {
    let y = output(&TransposedConv::new(op.stride, op.pad), &inputs[..2]);
    conv::algorithm(job, y, inputs[1], op.stride, op.pad).noise()
}

/// Shape of x, outputs, filter extents, stride, pad.
type Geometry = (Shape, usize, (usize, usize), usize, usize);

/// Odd everything: tiles of 6, 12 and 24 rows and panels of 16 and 64 columns are never filled, depth passes the blocks of 256 and
/// the pieces of 640, pixels pass the chunks of 256.
const GEOMETRIES: [Geometry; 34] = [
    (Shape::new(1, 1, 1, 1), 1, (1, 1), 1, 0),
    (Shape::new(1, 3, 1, 1), 5, (3, 3), 1, 1),
    (Shape::new(1, 3, 7, 5), 2, (1, 1), 1, 0),
    (Shape::new(3, 3, 13, 11), 7, (3, 3), 1, 0),
    (Shape::new(2, 5, 7, 9), 17, (3, 3), 1, 1),
    (Shape::new(1, 3, 23, 19), 5, (3, 3), 1, 1),
    (Shape::new(1, 5, 5, 5), 67, (3, 3), 1, 1),
    (Shape::new(1, 73, 5, 4), 13, (3, 3), 1, 1),
    (Shape::new(2, 3, 9, 8), 4, (2, 2), 1, 0),
    (Shape::new(2, 3, 9, 8), 5, (2, 2), 2, 0),
    (Shape::new(1, 4, 10, 7), 3, (4, 4), 2, 1),
    (Shape::new(1, 3, 11, 13), 2, (5, 5), 1, 2),
    (Shape::new(1, 2, 9, 10), 3, (9, 9), 1, 4),
    (Shape::new(1, 3, 8, 11), 4, (3, 5), 1, 1),
    (Shape::new(2, 3, 11, 7), 3, (3, 5), 2, 2),
    (Shape::new(1, 3, 13, 10), 5, (3, 3), 3, 1),
    (Shape::new(2, 3, 11, 29), 32, (3, 3), 1, 1),
    (Shape::new(1, 2, 19, 53), 16, (3, 5), 2, 2),
    // A stride larger than the filter: some pixels of x are never read and have gradient 0. And padding alone at the border.
    (Shape::new(1, 3, 7, 7), 2, (1, 2), 3, 3),
    // Channels in eights, as tensor cores are fed 16 bytes at a time: slices of 32 depths full and not, tiles of 128 pixels, of 64 and 128
    // channels full and passed.
    (Shape::new(2, 8, 9, 8), 16, (3, 3), 1, 1),
    (Shape::new(1, 40, 10, 7), 24, (4, 4), 2, 1),
    (Shape::new(1, 16, 12, 11), 72, (1, 1), 1, 0),
    (Shape::new(2, 24, 11, 7), 8, (3, 5), 2, 2),
    // First and last layers: tiles of 8 x 16 pixels passed, few channels on either side, several slices of 32 channels.
    (Shape::new(2, 3, 17, 19), 64, (3, 3), 1, 1),
    (Shape::new(1, 72, 9, 18), 3, (3, 3), 1, 1),
    (Shape::new(1, 16, 9, 17), 3, (5, 5), 2, 2),
    (Shape::new(1, 3, 19, 35), 8, (9, 9), 2, 4),
    // What the cpu does by Winograd's algorithm: tiles of 4 cut off at either edge, blocks of 12 and 16 of them passed, one group of
    // 64 channels passed, panels of 16 not filled, every padding.
    (Shape::new(1, 16, 13, 18), 16, (3, 3), 1, 1),
    (Shape::new(1, 72, 6, 7), 68, (3, 3), 1, 0),
    (Shape::new(1, 80, 7, 6), 20, (3, 3), 1, 2),
    (Shape::new(2, 17, 8, 12), 33, (3, 3), 1, 1),
    // The same in tiles of 6.
    (Shape::new(1, 35, 29, 35), 33, (3, 3), 1, 1),
    // Gradients to the input phase by phase: several in one group of 64 channels, and one each; odd pictures, whose phases differ.
    (Shape::new(2, 32, 19, 14), 17, (4, 4), 2, 1),
    (Shape::new(1, 64, 25, 11), 20, (4, 4), 2, 1),
];

fn normal(name: &str, shapes: &[Shape]) -> Vec<Tensor> {
    let mut random = Random::named(1, name);
    shapes.iter().map(|shape| Tensor::normal(&mut random, *shape)).collect()
}

const TYPES: [Type; 2] = [Type::F32, Type::Bf16];

/// All of these tensors in one type of activations, except for vectors with one number per channel, which stay f32.
fn in_type(dtype: Type, tensors: Vec<Tensor>, vectors: std::ops::Range<usize>) -> Vec<Tensor> {
    let tensors = tensors.into_iter().enumerate();
    tensors.map(|(index, tensor)| if vectors.contains(&index) { tensor } else { tensor.rounded(dtype) }).collect()
}

fn output(op: &dyn Op, shapes: &[Shape]) -> Shape {
    op.infer(&shapes.iter().map(|shape| Desc::f32(*shape)).collect::<Vec<_>>()).unwrap()[0].shape
}

#[test]
fn forward_equals_the_plain_loop() {
    for (x, outputs, (kh, kw), stride, pad) in GEOMETRIES {
        let w = Shape::new(outputs, x.c, kh, kw);
        let tensors = normal("conv", &[x, w, Shape::vector(outputs)]);
        for dtype in TYPES {
            let case = Case::new(Conv::new(stride, pad, true), in_type(dtype, tensors.clone(), 2..3));
            case.check();
            (0..3).for_each(|input| case.check_nan_at_least(input));
        }
        Case::new(Conv::new(stride, pad, true), tensors).check_gradient(&[0, 1, 2]);
    }
}

#[test]
fn gradients_come_where_they_are_wanted() {
    let (x, w) = (Shape::new(2, 3, 7, 5), Shape::new(4, 3, 3, 3));
    let plain = Case::new(Conv::new(1, 1, false), normal("plain", &[x, w]));
    let bias = Case::new(Conv::new(1, 1, true), normal("bias", &[x, w, Shape::vector(4)]));
    for wanted in [vec![0], vec![1], vec![0, 1]] {
        plain.check_gradient(&wanted);
    }
    bias.check_gradient(&[0]);
    bias.check_gradient(&[1, 2]);
}

#[test]
fn every_epilogue_equals_the_plain_loop() {
    let geometries = [
        GEOMETRIES[4],
        GEOMETRIES[1],
        (Shape::new(1, 4, 9, 7), 21, (3, 3), 2, 1),
        (Shape::new(1, 16, 5, 7), 24, (3, 3), 1, 1),
        (Shape::new(1, 8, 9, 5), 5, (3, 3), 1, 1),
    ];
    for (geometry, bits) in (0..geometries.len() * 16).map(|index| (geometries[index / 16], index % 16)) {
        let (x, outputs, (kh, kw), stride, pad) = geometry;
        let on = |bit: usize| bits >> bit & 1 == 1;
        let op = Conv { stride, pad, bias: on(0), prelu: on(1), add: on(2), keep: on(3) };
        let mut shapes = vec![x, Shape::new(outputs, x.c, kh, kw)];
        let y = output(&Conv::new(stride, pad, false), &shapes);
        shapes.extend((0..usize::from(op.bias) + usize::from(op.prelu)).map(|_| Shape::vector(outputs)));
        shapes.extend(op.add.then_some(y));
        let vectors = 2..2 + usize::from(op.bias) + usize::from(op.prelu);
        for dtype in TYPES {
            let case = Case::new(op.clone(), in_type(dtype, normal("epilogue", &shapes), vectors.clone()));
            case.check();
            (0..shapes.len()).for_each(|input| case.check_nan_at_least(input));
        }
    }
}

#[test]
fn data_gradient_equals_the_plain_loop() {
    for (x, outputs, (kh, kw), stride, pad) in GEOMETRIES {
        let w = Shape::new(outputs, x.c, kh, kw);
        let dy = output(&Conv::new(stride, pad, false), &[x, w]);
        for dtype in TYPES {
            Case::new(ConvData::new(stride, pad), in_type(dtype, normal("data", &[dy, w, x]), 0..0)).check();
            // The fullest tail; every other one is asked for below, of fewer shapes.
            let tail = GradientTail { add: true, prelu: true, keep: true, bias: true };
            let tensors = in_type(dtype, normal("data", &[dy, w, x, x, x, Shape::vector(x.c)]), 5..6);
            let case = Case::new(ConvData { stride, pad, tail }, tensors);
            case.check();
            [0, 3, 4, 5].into_iter().for_each(|input| case.check_nan_at_least(input));
        }
    }
}

/// Every tail that fusion can make.
fn tails() -> Vec<GradientTail> {
    let bits = |bits: usize| [0, 1, 2, 3].map(|bit| bits >> bit & 1 == 1);
    let all = (0..16).map(bits).map(|[add, prelu, keep, bias]| GradientTail { add, prelu, keep, bias });
    all.filter(|tail| tail.prelu || !tail.keep && !tail.bias).collect()
}

/// Shapes and types of a tail's inputs for a gradient of this shape; the slopes are f32 always.
fn tail_inputs(name: &str, own: &[Shape], tail: GradientTail, dx: Shape, dtype: Type) -> Vec<Tensor> {
    let mut shapes = own.to_vec();
    shapes.extend(tail.add.then_some(dx));
    shapes.extend(tail.prelu.then_some(dx));
    let vector = shapes.len();
    shapes.extend(tail.prelu.then_some(Shape::vector(dx.c)));
    in_type(dtype, normal(name, &shapes), vector..vector + 1)
}

#[test]
fn every_tail_of_a_gradient_equals_the_plain_loop() {
    // For every kernel: f32, tensor cores with and without channels in eights, few channels read, few written; blocks without pixels.
    let geometries = [
        (Shape::new(3, 3, 13, 11), 7, (3, 3), 1, 0),
        (Shape::new(1, 72, 12, 13), 24, (3, 3), 1, 1),
        (Shape::new(1, 16, 9, 17), 3, (5, 5), 2, 2),
        (Shape::new(1, 3, 9, 18), 72, (3, 3), 1, 1),
        (Shape::new(1, 3, 7, 7), 2, (1, 2), 3, 3),
        (Shape::new(1, 5, 1, 40), 9, (2, 2), 2, 1),
    ];
    for ((x, outputs, (kh, kw), stride, pad), tail) in
        geometries.into_iter().flat_map(|g| tails().into_iter().map(move |tail| (g, tail)))
    {
        let w = Shape::new(outputs, x.c, kh, kw);
        let dy = output(&Conv::new(stride, pad, false), &[x, w]);
        for dtype in TYPES {
            Case::new(ConvData { stride, pad, tail }, tail_inputs("tail", &[dy, w, x], tail, x, dtype)).check();
        }
    }
}

#[test]
fn every_tail_of_a_transposed_gradient_equals_the_plain_loop() {
    // dy, channels of x, kernel, stride, pad
    let geometries = [
        (Shape::new(2, 5, 14, 10), 3, (4, 4), 2, 1),
        (Shape::new(1, 24, 24, 26), 72, (4, 4), 2, 1),
        (Shape::new(1, 3, 18, 14), 24, (4, 4), 2, 1),
        (Shape::new(1, 40, 18, 22), 3, (3, 3), 1, 1),
    ];
    for ((dy, channels, (kh, kw), stride, pad), tail) in
        geometries.into_iter().flat_map(|g| tails().into_iter().map(move |tail| (g, tail)))
    {
        let w = Shape::new(channels, dy.c, kh, kw);
        let dx = output(&Conv::new(stride, pad, false), &[dy, w]);
        for dtype in TYPES {
            let case =
                Case::new(TransposedConvData { stride, pad, tail }, tail_inputs("tail", &[dy, w], tail, dx, dtype));
            case.check();
            (0..case.inputs.len()).for_each(|input| case.check_nan_at_least(input));
        }
    }
}

#[test]
fn filter_gradient_equals_the_plain_loop() {
    let more = (Shape::new(3, 7, 31, 29), 3, (3, 3), 1, 1);
    for (x, outputs, (kh, kw), stride, pad) in GEOMETRIES.into_iter().chain([more]) {
        let w = Shape::new(outputs, x.c, kh, kw);
        let dy = output(&Conv::new(stride, pad, false), &[x, w]);
        for (dtype, bias) in TYPES.into_iter().flat_map(|dtype| [(dtype, false), (dtype, true)]) {
            // w is there for its shape alone: the filter in bf16, or its f32 master.
            let masters = if bias { 2..3 } else { 0..0 };
            let tensors = in_type(dtype, normal("filter", &[x, dy, w]), masters);
            let case = Case::new(ConvFilter { stride, pad, bias }, tensors);
            case.check();
            case.check_nan_at_least(1);
        }
    }
}

#[test]
fn transposed_equals_the_plain_loop() {
    // x, outputs, kernel, stride, pad
    let geometries: [Geometry; 10] = [
        (Shape::new(1, 1, 1, 1), 1, (4, 4), 2, 1),
        (Shape::new(1, 16, 6, 7), 24, (4, 4), 2, 1),
        (Shape::new(1, 40, 9, 10), 3, (4, 4), 2, 1),
        (Shape::new(1, 3, 5, 9), 8, (4, 4), 2, 1),
        (Shape::new(2, 3, 7, 5), 5, (4, 4), 2, 1),
        (Shape::new(1, 17, 6, 7), 19, (4, 4), 2, 1),
        (Shape::new(1, 5, 4, 5), 3, (3, 3), 1, 1),
        (Shape::new(1, 3, 5, 4), 2, (3, 5), 3, 1),
        (Shape::new(2, 2, 3, 3), 4, (1, 1), 2, 0),
        (Shape::new(1, 67, 3, 5), 6, (2, 2), 2, 0),
    ];
    for (x, outputs, (kh, kw), stride, pad) in geometries {
        let w = Shape::new(x.c, outputs, kh, kw);
        let plain = Case::new(TransposedConv::new(stride, pad), normal("up", &[x, w]));
        plain.check();
        plain.check_gradient(&[0, 1]);
        plain.check_gradient(&[1]);
        for (dtype, keep) in TYPES.into_iter().flat_map(|dtype| [(dtype, false), (dtype, true)]) {
            let op = TransposedConv { stride, pad, prelu: true, keep };
            let case = Case::new(op, in_type(dtype, normal("up", &[x, w, Shape::vector(outputs)]), 2..3));
            case.check();
            (0..3).for_each(|input| case.check_nan_at_least(input));
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let f32 = |n, c, h, w| Desc::f32(Shape::new(n, c, h, w));
    let (x, w, bias) = (f32(2, 3, 8, 7), f32(5, 3, 3, 3), Desc::f32(Shape::vector(5)));
    let plain = Conv::new(1, 1, false);
    refuses(&plain, &[x, f32(5, 4, 3, 3)]);
    refuses(&plain, &[x, f32(5, 3, 11, 3)]);
    refuses(&plain, &[x, Desc { dtype: Type::U8, ..w }]);
    refuses(&plain, &[x, w, bias]);
    refuses(&Conv::new(0, 1, false), &[x, w]);
    refuses(&Conv::new(1, 1, true), &[x, w, Desc::f32(Shape::vector(3))]);
    refuses(&Conv { add: true, ..plain }, &[x, w, x]);
    refuses(&ConvData::new(1, 1), &[f32(2, 5, 8, 6), w, x]);
    refuses(&ConvData::new(1, 1), &[f32(2, 5, 8, 7), f32(5, 4, 3, 3), x]);
    let dy = f32(2, 5, 8, 7);
    let tail = |tail| ConvData { stride: 1, pad: 1, tail };
    refuses(&ConvData::new(1, 1), &[dy, w, x, x]);
    refuses(&tail(GradientTail { add: true, ..GradientTail::default() }), &[dy, w, x, dy]);
    refuses(&tail(GradientTail { prelu: true, ..GradientTail::default() }), &[dy, w, x, x, bias]);
    refuses(&tail(GradientTail { prelu: true, ..GradientTail::default() }), &[dy, w, x, Desc::f32(Shape::vector(3))]);
    refuses(&tail(GradientTail { keep: true, ..GradientTail::default() }), &[dy, w, x]);
    refuses(&tail(GradientTail { bias: true, ..GradientTail::default() }), &[dy, w, x]);
    refuses(&TransposedConvData { stride: 1, pad: 1, tail: GradientTail::default() }, &[x, f32(5, 4, 3, 3)]);
    refuses(&TransposedConvData { stride: 1, pad: 1, tail: GradientTail::default() }, &[x, w, dy]);
    refuses(&ConvFilter { stride: 1, pad: 0, bias: false }, &[x, f32(2, 5, 8, 7), w]);
    refuses(&ConvFilter { stride: 1, pad: 1, bias: false }, &[x, f32(2, 5, 8, 7), f32(5, 2, 3, 3)]);
    refuses(&TransposedConv::new(2, 1), &[x, f32(5, 3, 4, 4)]);
    refuses(&TransposedConv::new(2, 9), &[f32(1, 3, 1, 1), f32(3, 3, 4, 4)]);
    refuses(&TransposedConv::new(0, 1), &[x, f32(3, 5, 4, 4)]);
    let bf16 = |desc: Desc| desc.of(Type::Bf16);
    refuses(&plain, &[bf16(x), w]);
    refuses(&plain, &[x.of(Type::U8), w.of(Type::U8)]);
    refuses(&Conv::new(1, 1, true), &[bf16(x), bf16(w), bf16(bias)]);
    refuses(&Conv { add: true, ..plain }, &[bf16(x), bf16(w), f32(2, 5, 8, 7)]);
    refuses(&ConvData::new(1, 1), &[f32(2, 5, 8, 7), bf16(w), bf16(x)]);
    refuses(&ConvFilter { stride: 1, pad: 1, bias: false }, &[bf16(x), f32(2, 5, 8, 7), w]);
    refuses(&ConvFilter { stride: 1, pad: 1, bias: false }, &[x, f32(2, 5, 8, 7), w.of(Type::I32)]);
    refuses(&TransposedConv::new(2, 1), &[bf16(x), f32(3, 5, 4, 4)]);
    refuses(
        &TransposedConv { prelu: true, ..TransposedConv::new(2, 1) },
        &[bf16(x), bf16(f32(3, 5, 4, 4)), bf16(bias)],
    );
}
