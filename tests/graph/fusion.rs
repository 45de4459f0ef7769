//! Fusion: what becomes one launch, what must not, and that the numbers are those of the ops one by one, bit for bit: the epilogue
//! does the same operations in the same order.

use crate::{every_training, load};
use hallucinet::graph::{Graph, Value};
use hallucinet::ops::add::Add;
use hallucinet::ops::conv::{Conv, ConvData, TransposedConv};
use hallucinet::ops::prelu::Prelu;
use hallucinet::ops::{Desc, Op};
use hallucinet::random::Random;
use hallucinet::shape::Shape;

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

/// One op alone, on the bits of earlier results.
fn alone(op: impl Op + 'static, inputs: &[(Shape, Vec<f32>)]) -> Vec<f32> {
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|(shape, _)| graph.input(Desc::f32(*shape))).collect();
    let y = graph.apply(op, &values).unwrap();
    graph.fetch(y);
    let given: Vec<_> = values.into_iter().zip(inputs.iter().map(|(_, numbers)| numbers.clone())).collect();
    compute(graph, &given, &[y]).remove(0).into_iter().map(f32::from_bits).collect()
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
    let before = alone(Conv::new(1, 1, true), &[numbers("x", X), numbers("w", W), numbers("bias", vector)]);
    let after = alone(Prelu, &[(X, before.clone()), numbers("slope", vector)]);
    let sum = alone(Add, &[(X, after.clone()), skip]);
    let bits = |numbers: &[f32]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
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
    let unfused = alone(Add, &[(X, alone(ConvData::new(1, 1), &[dy, w, x])), skip]);
    assert!(fused.into_iter().eq(unfused.iter().map(|v| v.to_bits())));
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

/// I7: in a training step no PReLU and no sum of pictures is left alone; every one rides on a convolution or on its gradient. What is
/// left is the sum of the two losses' gradients to the feature, a few kilobytes.
#[test]
fn a_training_step_has_no_elementwise_step_left() {
    for (name, _, graph, _) in every_training() {
        let left = graph.plan().steps.into_iter().filter(|step| ["prelu", "add"].contains(&step.op));
        let left: Vec<String> = left.map(|step| format!("{} in {}", step.op, step.label)).collect();
        let expected: &[&str] =
            if name.starts_with("hallucination") { &[] } else { &["add in recognizer.fc6 backward"] };
        assert_eq!(left, expected, "{name}");
    }
}
