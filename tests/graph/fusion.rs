//! Fusion: what becomes one launch, what must not, and that the numbers are those of the ops one by one, bit for bit: the epilogue
//! does the same operations in the same order.

use crate::{every_training, load};
use hallucinet::graph::{Graph, Value};
use hallucinet::ops::add::Add;
use hallucinet::ops::conv::{Conv, ConvData, ConvFilter, TransposedConv};
use hallucinet::ops::prelu::{Prelu, PreluGradient};
use hallucinet::ops::{Desc, Op};
use hallucinet::random::Random;
use hallucinet::shape::Shape;
use std::sync::Arc;

const X: Shape = Shape::new(2, 5, 7, 9);
const W: Shape = Shape::new(5, 5, 3, 3);

fn normal(name: &str, shape: Shape) -> Vec<f32> {
    let mut random = Random::named(1, name);
    (0..shape.elements()).map(|_| random.normal() as f32).collect()
}

fn steps(graph: &Graph) -> Vec<&'static str> {
    graph.clone().plan().steps.iter().map(|step| step.op).collect()
}

/// Inputs x, w, bias, slope, skip, and the values read back after a run.
fn compute(graph: Graph, inputs: &[(Value, Vec<f32>)], wanted: &[Value]) -> Vec<Vec<u32>> {
    let program = load(graph);
    inputs.iter().for_each(|(value, numbers)| program.write(*value, numbers).unwrap());
    program.run().unwrap();
    let read = |value: &Value| program.read::<f32>(*value).unwrap().iter().map(|v| v.to_bits()).collect();
    wanted.iter().map(read).collect()
}

/// The outputs of one op alone, on the bits of earlier results.
fn alone(op: impl Op + 'static, inputs: &[(Shape, Vec<f32>)]) -> Vec<Vec<f32>> {
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|(shape, _)| graph.input(Desc::f32(*shape))).collect();
    let outputs = graph.apply_all(Arc::new(op), &values).unwrap();
    outputs.iter().for_each(|output| graph.fetch(*output));
    let given: Vec<_> = values.into_iter().zip(inputs.iter().map(|(_, numbers)| numbers.clone())).collect();
    compute(graph, &given, &outputs)
        .into_iter()
        .map(|output| output.into_iter().map(f32::from_bits).collect())
        .collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|v| v.to_bits()).collect()
}

struct Block {
    graph: Graph,
    inputs: Vec<(Value, Vec<f32>)>,
    before: Value,
    after: Value,
    sum: Value,
}

/// conv + bias, PReLU, and the sum with a skip on either side.
fn block(skip_first: bool) -> Block {
    let mut graph = Graph::new();
    let shapes = [("x", X), ("w", W), ("bias", Shape::vector(5)), ("slope", Shape::vector(5)), ("skip", X)];
    let inputs: Vec<_> =
        shapes.iter().map(|(name, shape)| (graph.input(Desc::f32(*shape)), normal(name, *shape))).collect();
    let value = |index: usize| inputs[index].0;
    let before = graph.apply(Conv::new(1, 1, true), &[value(0), value(1), value(2)]).unwrap();
    let after = graph.apply(Prelu, &[before, value(3)]).unwrap();
    let operands = if skip_first { [value(4), after] } else { [after, value(4)] };
    let sum = graph.apply(Add, &operands).unwrap();
    graph.fetch(sum);
    Block { graph, inputs, before, after, sum }
}

#[test]
fn conv_prelu_add_is_one_launch_with_the_bits_of_three() {
    let numbers = |name: &str, shape: Shape| (shape, normal(name, shape));
    let (vector, skip) = (Shape::vector(5), numbers("skip", X));
    let before = alone(Conv::new(1, 1, true), &[numbers("x", X), numbers("w", W), numbers("bias", vector)]).remove(0);
    let after = alone(Prelu, &[(X, before.clone()), numbers("slope", vector)]).remove(0);
    let sum = alone(Add, &[(X, after.clone()), skip]).remove(0);
    for skip_first in [false, true] {
        let plain = block(skip_first);
        let plan = plain.graph.clone().plan();
        assert_eq!((plan.steps.len(), plan.launches.len()), (1, 1));
        assert_eq!(compute(plain.graph, &plain.inputs, &[plain.sum]), [bits(&sum)]);

        // Somebody reads the value before PReLU: still one launch, which writes it as well.
        let mut kept = block(skip_first);
        kept.graph.fetch(kept.before);
        assert_eq!(steps(&kept.graph), ["conv"]);
        assert_eq!(compute(kept.graph, &kept.inputs, &[kept.sum, kept.before]), [bits(&sum), bits(&before)]);

        // Somebody reads the value before the sum: the sum is left to itself.
        let mut observed = block(skip_first);
        observed.graph.fetch(observed.after);
        assert_eq!(steps(&observed.graph), ["conv", "add"]);
        let wanted = [observed.sum, observed.after];
        assert_eq!(compute(observed.graph, &observed.inputs, &wanted), [bits(&sum), bits(&after)]);
    }
}

#[test]
fn transposed_conv_takes_prelu_and_data_gradient_takes_a_sum() {
    let mut graph = Graph::new();
    let input = |graph: &mut Graph, shape| graph.input(Desc::f32(shape));
    let (x, up) = (input(&mut graph, X), input(&mut graph, Shape::new(5, 3, 4, 4)));
    let slope = input(&mut graph, Shape::vector(3));
    let y = graph.apply(TransposedConv::new(2, 1), &[x, up]).unwrap();
    let y = graph.apply(Prelu, &[y, slope]).unwrap();
    graph.fetch(y);
    assert_eq!(steps(&graph), ["transposed_conv"]);

    let mut graph = Graph::new();
    let (dy, w, x, skip) = (input(&mut graph, X), input(&mut graph, W), input(&mut graph, X), input(&mut graph, X));
    let dx = graph.apply(ConvData::new(1, 1), &[dy, w, x]).unwrap();
    let sum = graph.apply(Add, &[dx, skip]).unwrap();
    graph.fetch(sum);
    assert_eq!(steps(&graph), ["conv_data"]);
    let given = [(dy, "dy", X), (w, "w", W), (x, "x", X), (skip, "skip", X)];
    let inputs = given.map(|(value, name, shape)| (value, normal(name, shape)));
    let fused = compute(graph, &inputs, &[sum]).remove(0);
    let [dy, w, x, skip] = given.map(|(_, name, shape)| (shape, normal(name, shape)));
    let data = alone(ConvData::new(1, 1), &[dy, w, x]).remove(0);
    assert_eq!(fused, bits(&alone(Add, &[(X, data), skip])[0]));
}

#[test]
fn a_sum_with_itself_or_with_a_later_value_stays() {
    let mut graph = Graph::new();
    let (x, w) = (graph.input(Desc::f32(X)), graph.input(Desc::f32(W)));
    let y = graph.apply(Conv::new(1, 1, false), &[x, w]).unwrap();
    let twice = graph.apply(Add, &[y, y]).unwrap();
    graph.fetch(twice);
    assert_eq!(steps(&graph), ["conv", "add"]);

    // The first convolution cannot wait for the second; the second can take the first.
    let mut graph = Graph::new();
    let (x, w) = (graph.input(Desc::f32(X)), graph.input(Desc::f32(W)));
    let first = graph.apply(Conv::new(1, 1, false), &[x, w]).unwrap();
    let second = graph.apply(Conv::new(1, 1, false), &[first, w]).unwrap();
    let sum = graph.apply(Add, &[first, second]).unwrap();
    graph.fetch(sum);
    let plan = graph.plan();
    assert_eq!(plan.steps.iter().map(|step| step.op).collect::<Vec<_>>(), ["conv", "conv"]);
}

/// The end of a layer's backward pass and the beginning of the one before it: dx of a convolution, where `skip` says so the sum with
/// a skip's gradient, the gradient of PReLU, and the gradients of the filter and the bias before that.
struct Backward {
    graph: Graph,
    inputs: Vec<(Value, Vec<f32>)>,
    /// The value before PReLU's gradient.
    before: Value,
    /// dz, dw, dslope, dbias.
    results: [Value; 4],
}

fn backward(skip: bool) -> Backward {
    let mut graph = Graph::new();
    let shapes =
        [("dy", X), ("w", W), ("x", X), ("skip", X), ("z", X), ("slope", Shape::vector(5)), ("input", X), ("v", W)];
    let inputs: Vec<_> =
        shapes.iter().map(|(name, shape)| (graph.input(Desc::f32(*shape)), normal(name, *shape))).collect();
    let value = |index: usize| inputs[index].0;
    let mut before = graph.apply(ConvData::new(1, 1), &[value(0), value(1), value(2)]).unwrap();
    if skip {
        before = graph.apply(Add, &[before, value(3)]).unwrap();
    }
    let prelu = graph.apply_all(Arc::new(PreluGradient), &[before, value(4), value(5)]).unwrap();
    let filter = ConvFilter { stride: 1, pad: 1, bias: true };
    let filter = graph.apply_all(Arc::new(filter), &[value(6), prelu[0], value(7)]).unwrap();
    let results = [prelu[0], filter[0], prelu[1], filter[1]];
    results.iter().for_each(|value| graph.fetch(*value));
    let read =
        if skip { inputs } else { inputs.into_iter().enumerate().filter(|(i, _)| *i != 3).map(|(_, g)| g).collect() };
    Backward { graph, inputs: read, before, results }
}

/// I7: PReLU's gradient, its slopes' and the bias's sums ride on the gradient of the convolution before them. Everything but the sums has
/// the bits of the ops one by one; those are added in another order.
#[test]
fn gradient_of_conv_takes_the_gradients_of_prelu_and_of_the_bias() {
    let vector = Shape::vector(5);
    let numbers = |name: &str, shape: Shape| (shape, normal(name, shape));
    for skip in [false, true] {
        let mut before = alone(ConvData::new(1, 1), &[numbers("dy", X), numbers("w", W), numbers("x", X)]).remove(0);
        if skip {
            before = alone(Add, &[(X, before), numbers("skip", X)]).remove(0);
        }
        let prelu = alone(PreluGradient, &[(X, before.clone()), numbers("z", X), numbers("slope", vector)]);
        let filter = ConvFilter { stride: 1, pad: 1, bias: true };
        let filter = alone(filter, &[numbers("input", X), (X, prelu[0].clone()), numbers("v", W)]);
        for keep in [false, true] {
            let mut fused = backward(skip);
            if keep {
                fused.graph.fetch(fused.before);
            }
            assert_eq!(steps(&fused.graph), ["conv_data", "conv_filter"]);
            let wanted: Vec<Value> = fused.results.into_iter().chain(keep.then_some(fused.before)).collect();
            let got = compute(fused.graph, &fused.inputs, &wanted);
            assert_eq!(got[0], bits(&prelu[0]), "dz");
            assert_eq!(got[1], bits(&filter[0]), "dw");
            assert!(!keep || got[4] == bits(&before), "before");
            let terms = |of: &dyn Fn(usize) -> f32| (0..X.elements()).map(|at| of(at).abs()).sum::<f32>();
            let slopes = terms(&|at| before[at] * normal("z", X)[at].min(0.0));
            let biases = terms(&|at| prelu[0][at]);
            for (got, one_by_one, sizes) in [(&got[2], &prelu[1], slopes), (&got[3], &filter[1], biases)] {
                for (got, expected) in got.iter().map(|v| f32::from_bits(*v)).zip(one_by_one) {
                    // Two sums of the same terms, each off by at most a rounding a term of the sum of their sizes.
                    let allowed = 2.0 * X.pixels() as f32 * f32::EPSILON / 2.0 * sizes;
                    assert!((got - expected).abs() <= allowed, "{got} is not {expected}");
                }
            }
        }
    }
}

/// I7: in a training step no PReLU and no sum of pictures is left alone; every one rides on a convolution or on its gradient. What is
/// left is the sum of the two losses' gradients to the feature, a few kilobytes, and the gradients of those PReLUs that no convolution
/// follows: before the pools and at fc5.
#[test]
fn a_training_step_has_no_elementwise_step_left() {
    for (name, _, graph, _) in every_training() {
        let ops = ["prelu", "add", "prelu_gradient"];
        let left = graph.plan().steps.into_iter().filter(|step| ops.contains(&step.op));
        let left: Vec<String> = left.map(|step| format!("{} in {}", step.op, step.label)).collect();
        let pooled = ["conv5_6", "conv4", "conv3", "conv2", "conv1b"];
        let pooled = pooled.map(|layer| format!("prelu_gradient in recognizer.{layer} backward"));
        let expected: Vec<String> = ["add in recognizer.fc6 backward".to_owned()].into_iter().chain(pooled).collect();
        assert_eq!(left, if name.starts_with("hallucination") { Vec::new() } else { expected }, "{name}");
    }
}
