//! The plainest interpreter of the operators that our ONNX files use, written from `onnx/docs/Operators.md` and from nothing of the
//! engine's. It sums in f64, or rounds every product and sum to f32, to know what honest rounding amounts to.

use super::protobuf::{File, Node};
use std::collections::BTreeMap;

/// Extents and numbers, the last extent running fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub extents: Vec<usize>,
    pub values: Vec<f64>,
}

impl Tensor {
    pub fn new(extents: &[usize], values: &[f32]) -> Tensor {
        assert_eq!(extents.iter().product::<usize>(), values.len());
        Tensor { extents: extents.to_vec(), values: values.iter().map(|value| f64::from(*value)).collect() }
    }

    fn zeros(extents: Vec<usize>) -> Tensor {
        let values = vec![0.0; extents.iter().product()];
        Tensor { extents, values }
    }

    /// Four extents of pictures or filters.
    fn four(&self) -> [usize; 4] {
        self.extents.as_slice().try_into().unwrap()
    }
}

/// What every step of the arithmetic is rounded to.
pub type Rounding = fn(f64) -> f64;

pub const DOUBLE: Rounding = |value| value;
pub const SINGLE: Rounding = |value| f64::from(value as f32);

/// Runs a file on one input and gives its outputs by name.
pub fn run(file: &File, image: Tensor, round: Rounding) -> BTreeMap<String, Tensor> {
    let mut values: BTreeMap<String, Tensor> =
        file.weights.iter().map(|(name, array)| (name.clone(), Tensor::new(&array.extents, &array.values))).collect();
    values.insert(file.inputs[0].0.clone(), image);
    for node in &file.nodes {
        let inputs: Vec<&Tensor> = node.inputs.iter().map(|name| &values[name]).collect();
        let output = compute(node, &inputs, round);
        assert!(values.insert(node.output.clone(), output).is_none(), "{} is made twice", node.output);
    }
    file.outputs.iter().map(|(name, _)| (name.clone(), values.remove(name).unwrap())).collect()
}

fn compute(node: &Node, inputs: &[&Tensor], round: Rounding) -> Tensor {
    match node.operator.as_str() {
        "Conv" => conv(node, inputs, round),
        "ConvTranspose" => transposed(node, inputs, round),
        "PRelu" => prelu(inputs, round),
        "Add" => {
            assert_eq!(inputs[0].extents, inputs[1].extents);
            let sums = inputs[0].values.iter().zip(&inputs[1].values).map(|(a, b)| round(a + b));
            Tensor { extents: inputs[0].extents.clone(), values: sums.collect() }
        }
        "MaxPool" => pool(node, inputs[0]),
        "MatMul" => product(inputs[0], inputs[1], round),
        "Flatten" => {
            assert_eq!(node.attributes["axis"], [1]);
            let rows = inputs[0].extents[0];
            Tensor { extents: vec![rows, inputs[0].values.len() / rows], ..inputs[0].clone() }
        }
        "Gemm" => gemm(node, inputs, round),
        other => panic!("an operator that our files do not use: {other}"),
    }
}

/// Both numbers of an attribute for height and width, which are equal here.
fn square(node: &Node, name: &str) -> usize {
    let numbers = &node.attributes[name];
    assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "{name} {numbers:?}");
    numbers[0] as usize
}

fn conv(node: &Node, inputs: &[&Tensor], round: Rounding) -> Tensor {
    let ([n, c, h, w], [out, inner, kh, kw]) = (inputs[0].four(), inputs[1].four());
    let pad = square(node, "pads");
    assert_eq!((inner, kh, kw, square(node, "strides")), (c, kw, square(node, "kernel_shape"), 1));
    let (oh, ow) = (h + 2 * pad + 1 - kh, w + 2 * pad + 1 - kw);
    let (x, filter) = (&inputs[0].values, &inputs[1].values);
    let mut y = Tensor::zeros(vec![n, out, oh, ow]);
    for (plane, values) in y.values.chunks_exact_mut(oh * ow).enumerate() {
        let (picture, o) = (plane / out, plane % out);
        values.fill(inputs.get(2).map_or(0.0, |bias| bias.values[o]));
        for (channel, p, q) in (0..c).flat_map(|c| (0..kh).flat_map(move |p| (0..kw).map(move |q| (c, p, q)))) {
            let weight = filter[((o * c + channel) * kh + p) * kw + q];
            for row in pad.saturating_sub(p)..oh.min(h + pad - p) {
                let line = &x[((picture * c + channel) * h + row + p - pad) * w..][..w];
                for column in pad.saturating_sub(q)..ow.min(w + pad - q) {
                    let sum = &mut values[row * ow + column];
                    *sum = round(*sum + round(weight * line[column + q - pad]));
                }
            }
        }
    }
    y
}

fn transposed(node: &Node, inputs: &[&Tensor], round: Rounding) -> Tensor {
    let ([n, c, h, w], [inner, out, kh, kw]) = (inputs[0].four(), inputs[1].four());
    let (pad, stride) = (square(node, "pads"), square(node, "strides"));
    assert_eq!((inner, kh), (c, square(node, "kernel_shape")));
    let (oh, ow) = ((h - 1) * stride + kh - 2 * pad, (w - 1) * stride + kw - 2 * pad);
    let mut y = Tensor::zeros(vec![n, out, oh, ow]);
    for (at, x) in inputs[0].values.iter().enumerate() {
        let (picture, channel, row, column) = (at / (c * h * w), at / (h * w) % c, at / w % h, at % w);
        for (o, p, q) in (0..out).flat_map(|o| (0..kh).flat_map(move |p| (0..kw).map(move |q| (o, p, q)))) {
            let place = |from: usize, tap: usize, end: usize| {
                (from * stride + tap).checked_sub(pad).filter(|place| *place < end)
            };
            if let (Some(to_row), Some(to_column)) = (place(row, p, oh), place(column, q, ow)) {
                let sum = &mut y.values[((picture * out + o) * oh + to_row) * ow + to_column];
                *sum = round(*sum + round(x * inputs[1].values[((channel * out + o) * kh + p) * kw + q]));
            }
        }
    }
    y
}

fn prelu(inputs: &[&Tensor], round: Rounding) -> Tensor {
    let [_, c, h, w] = inputs[0].four();
    assert_eq!(inputs[1].extents, [c, 1, 1], "a slope for each channel, spread over pixels");
    let value = |(at, x): (usize, &f64)| if *x < 0.0 { round(x * inputs[1].values[at / (h * w) % c]) } else { *x };
    Tensor { extents: inputs[0].extents.clone(), values: inputs[0].values.iter().enumerate().map(value).collect() }
}

fn pool(node: &Node, x: &Tensor) -> Tensor {
    assert_eq!((square(node, "kernel_shape"), square(node, "strides")), (2, 2));
    let [n, c, h, w] = x.four();
    let mut y = Tensor::zeros(vec![n, c, h / 2, w / 2]);
    for (at, value) in y.values.iter_mut().enumerate() {
        let (plane, row, column) = (at / ((h / 2) * (w / 2)), at / (w / 2) % (h / 2), at % (w / 2));
        let seen = |p: usize, q: usize| x.values[(plane * h + 2 * row + p) * w + 2 * column + q];
        *value = seen(0, 0).max(seen(0, 1)).max(seen(1, 0)).max(seen(1, 1));
    }
    y
}

/// NumPy's matmul where one side is a matrix, the same for every plane of the other side.
fn product(a: &Tensor, b: &Tensor, round: Rounding) -> Tensor {
    let ends = |t: &Tensor| (t.extents[t.extents.len() - 2], t.extents[t.extents.len() - 1]);
    let ((rows, inner), (again, columns)) = (ends(a), ends(b));
    assert_eq!(inner, again);
    let planes = (a.values.len() / (rows * inner)).max(b.values.len() / (inner * columns));
    let long = if a.extents.len() > b.extents.len() { a } else { b };
    let mut y = Tensor::zeros([&long.extents[..long.extents.len() - 2], &[rows, columns]].concat());
    assert_eq!(y.values.len(), planes * rows * columns);
    for (at, value) in y.values.iter_mut().enumerate() {
        let (plane, row, column) = (at / (rows * columns), at / columns % rows, at % columns);
        let from = |t: &Tensor, size: usize| if t.values.len() == size { 0 } else { plane * size };
        let (a_at, b_at) = (from(a, rows * inner) + row * inner, from(b, inner * columns) + column);
        let terms = (0..inner).map(|k| round(a.values[a_at + k] * b.values[b_at + k * columns]));
        *value = terms.fold(0.0, |sum, term| round(sum + term));
    }
    y
}

/// `x w^T + bias`
fn gemm(node: &Node, inputs: &[&Tensor], round: Rounding) -> Tensor {
    assert_eq!(node.attributes["transB"], [1]);
    let (rows, inner) = (inputs[0].extents[0], inputs[0].extents[1]);
    let out = inputs[1].extents[0];
    assert_eq!((&inputs[1].extents, &inputs[2].extents), (&vec![out, inner], &vec![out]));
    let mut y = Tensor::zeros(vec![rows, out]);
    for (at, value) in y.values.iter_mut().enumerate() {
        let (x, w) = (&inputs[0].values[at / out * inner..][..inner], &inputs[1].values[at % out * inner..][..inner]);
        let sum = x.iter().zip(w).fold(0.0, |sum, (x, w)| round(sum + round(x * w)));
        *value = round(sum + inputs[2].values[at % out]);
    }
    y
}
