//! Reverse mode over values that are used several times. All numbers are small integers, so f32 is exact and so are the tests.

use crate::load;
use hallucinet::graph::{Graph, Value};
use hallucinet::ops::Desc;
use hallucinet::ops::add::Add;
use hallucinet::ops::conv::Conv;
use hallucinet::ops::pixel_loss::PixelLoss;
use hallucinet::ops::prelu::Prelu;
use hallucinet::shape::Shape;

const SHAPE: Shape = Shape::new(1, 1, 2, 3);
const X: [f32; 6] = [-3.0, 1.0, 4.0, -1.0, 5.0, -9.0];
const TARGET: [f32; 6] = [2.0, 7.0, -1.0, 8.0, -2.0, 8.0];
const W: f32 = 3.0;
const SLOPE: f32 = 2.0;

struct Small {
    graph: Graph,
    x: Value,
    w: Value,
    slope: Value,
    target: Value,
}

/// x, one 1x1 filter and one slope that learn, and a target. The pixel loss of a batch of 1 and weight 1 sends back `y - target`.
fn small() -> Small {
    let mut graph = Graph::new();
    let x = graph.stored(Desc::f32(SHAPE), true);
    let w = graph.stored(Desc::f32(Shape::scalar()), true);
    let slope = graph.stored(Desc::f32(Shape::vector(1)), true);
    let target = graph.input(Desc::f32(SHAPE));
    Small { graph, x, w, slope, target }
}

impl Small {
    fn conv(&mut self, x: Value) -> Value {
        self.graph.apply(Conv::new(1, 0, false), &[x, self.w]).unwrap()
    }

    fn prelu(&mut self, x: Value) -> Value {
        self.graph.apply(Prelu, &[x, self.slope]).unwrap()
    }

    fn add(&mut self, a: Value, b: Value) -> Value {
        self.graph.apply(Add, &[a, b]).unwrap()
    }

    /// Loss and gradients of x, w and slope.
    fn gradients(mut self, y: Value) -> (f32, [Option<Vec<f32>>; 3]) {
        let loss = self.graph.apply(PixelLoss { weight: 1.0 }, &[y, self.target]).unwrap();
        self.graph.fetch(loss);
        let gradients = self.graph.backward().unwrap();
        let wanted = [self.x, self.w, self.slope].map(|value| gradients.get(&value).copied());
        wanted.iter().flatten().for_each(|value| self.graph.fetch(*value));
        let program = load(self.graph);
        program.write(self.x, &X).unwrap();
        program.write(self.w, &[W]).unwrap();
        // A value that no node reads has no place; the store's always have one.
        program.write(self.slope, &[SLOPE]).unwrap();
        program.write(self.target, &TARGET).unwrap();
        program.run().unwrap();
        let read = |value: Value| program.read::<f32>(value).unwrap();
        (read(loss)[0], wanted.map(|value| value.map(read)))
    }
}

fn map(f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    X.iter().zip(TARGET).map(|(x, t)| f(*x, t)).collect()
}

fn prelu(x: f32) -> f32 {
    if x > 0.0 { x } else { SLOPE * x }
}

#[test]
fn diamond() {
    let mut small = small();
    // y = w x + prelu(x) + x
    let (left, right) = (small.conv(small.x), small.prelu(small.x));
    let sum = small.add(left, right);
    let y = small.add(sum, small.x);
    let (loss, [dx, dw, dslope]) = small.gradients(y);
    let dy = |x: f32, t: f32| W * x + prelu(x) + x - t;
    assert_eq!(loss, map(|x, t| dy(x, t) * dy(x, t) / 2.0).iter().sum::<f32>());
    let through = |x: f32| W + if x > 0.0 { 1.0 } else { SLOPE } + 1.0;
    assert_eq!(dx.unwrap(), map(|x, t| dy(x, t) * through(x)));
    assert_eq!(dw.unwrap(), [map(|x, t| dy(x, t) * x).iter().sum::<f32>()]);
    assert_eq!(dslope.unwrap(), [map(|x, t| dy(x, t) * x.min(0.0)).iter().sum::<f32>()]);
}

#[test]
fn both_operands_are_one_value() {
    let mut small = small();
    let y = small.add(small.x, small.x);
    let (_, [dx, dw, dslope]) = small.gradients(y);
    assert_eq!(dx.unwrap(), map(|x, t| 2.0 * (2.0 * x - t)));
    assert!(dw.is_none() && dslope.is_none());
}

#[test]
fn a_parameter_of_two_nodes() {
    let mut small = small();
    // y = w (w x): dw = sum of dy (w x) + (w dy) x
    let once = small.conv(small.x);
    let y = small.conv(once);
    let (_, [dx, dw, _]) = small.gradients(y);
    let dy = |x: f32, t: f32| W * W * x - t;
    assert_eq!(dx.unwrap(), map(|x, t| W * W * dy(x, t)));
    assert_eq!(dw.unwrap(), [map(|x, t| 2.0 * W * x * dy(x, t)).iter().sum::<f32>()]);
}

#[test]
fn two_losses_add_up() {
    let mut small = small();
    let y = small.conv(small.x);
    small.graph.apply(PixelLoss { weight: 4.0 }, &[y, small.target]).unwrap();
    let z = small.prelu(y);
    let (_, [dx, ..]) = small.gradients(z);
    let dz = |x: f32, t: f32| prelu(W * x) - t;
    let dy = |x: f32, t: f32| 4.0 * (W * x - t) + dz(x, t) * if x > 0.0 { 1.0 } else { SLOPE };
    assert_eq!(dx.unwrap(), map(|x, t| W * dy(x, t)));
}

#[test]
fn no_gradient_flows_through_a_stop() {
    let mut small = small();
    let stopped = small.conv(small.x);
    small.graph.stop_gradient(stopped);
    let y = small.add(stopped, small.x);
    let (_, [dx, dw, _]) = small.gradients(y);
    assert_eq!(dx.unwrap(), map(|x, t| (W + 1.0) * x - t));
    assert!(dw.is_none());
}

/// Nothing is computed for values that nobody wants the gradient of.
#[test]
fn frozen_values_cost_nothing() {
    let mut graph = Graph::new();
    let x = graph.input(Desc::f32(SHAPE));
    let frozen = graph.stored(Desc::f32(Shape::scalar()), false);
    let w = graph.stored(Desc::f32(Shape::scalar()), true);
    let target = graph.input(Desc::f32(SHAPE));
    let y = graph.apply(Conv::new(1, 0, false), &[x, frozen]).unwrap();
    let y = graph.apply(Conv::new(1, 0, false), &[y, w]).unwrap();
    graph.apply(PixelLoss { weight: 1.0 }, &[y, target]).unwrap();
    let gradients = graph.backward().unwrap();
    assert!(!gradients.contains_key(&x) && !gradients.contains_key(&frozen));
    graph.fetch(gradients[&w]);
    let ops: Vec<&str> = graph.plan().steps.iter().map(|step| step.op).collect();
    assert_eq!(ops, ["conv", "conv", "pixel_loss", "conv_filter"]);
}
