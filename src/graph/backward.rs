//! Reverse mode: walks the nodes backwards and asks each op for its gradient, which lands in the same graph.

use super::{Graph, Value};
use crate::error::Result;
use crate::ops::Operand;
use crate::ops::add::Add;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Graph {
    /// Adds the gradient of the sum of all losses in the graph, and returns it for every value that has one.
    ///
    /// Losses carry their own weight, so no seed is needed. A value with several users gets the sum of what they send back,
    /// in the order of the walk, which is fixed.
    pub fn backward(&mut self) -> Result<BTreeMap<Value, Value>> {
        let mut gradients: BTreeMap<Value, Value> = BTreeMap::new();
        for index in (0..self.nodes.len()).rev() {
            let node = self.nodes[index].clone();
            let upstream: Vec<Option<Value>> = node.outputs.iter().map(|value| gradients.get(value).copied()).collect();
            let needed: Vec<bool> = node.inputs.iter().map(|value| self.values[value.0].learns).collect();
            let reached = node.op.is_loss() || upstream.iter().any(Option::is_some);
            if !reached || !needed.contains(&true) {
                continue;
            }
            self.label(format!("{} backward", node.label));
            let gradient = node.op.gradient(&needed);
            let mut emitted: Vec<Vec<Value>> = Vec::with_capacity(gradient.emitted.len());
            let find = |operand: &Operand, emitted: &[Vec<Value>]| match *operand {
                Operand::Input(input) => Some(node.inputs[input]),
                Operand::Output(output) => Some(node.outputs[output]),
                Operand::Upstream(output) => upstream[output],
                Operand::Emitted(op, output) => Some(emitted[op][output]),
            };
            for (op, operands) in &gradient.emitted {
                let inputs: Option<Vec<Value>> = operands.iter().map(|operand| find(operand, &emitted)).collect();
                // Only output 0 of an op carries gradients, and it was reached; anything else is a mistake in the op.
                let inputs = inputs.ok_or_else(|| crate::Error::Shape(format!("{}: no upstream", node.op.name())))?;
                emitted.push(self.apply_all(Arc::clone(op), &inputs)?);
            }
            for (input, operand) in node.inputs.iter().zip(&gradient.of_input) {
                let Some(part) = operand.as_ref().and_then(|operand| find(operand, &emitted)) else { continue };
                if !self.values[input.0].learns {
                    continue;
                }
                let owner = self.values[input.0].stands_for.unwrap_or(*input);
                if self.desc(part) != self.desc(owner) {
                    let (name, desc) = (node.op.name(), self.desc(part));
                    return Err(crate::Error::Shape(format!(
                        "{name}: a gradient of {desc:?} for {:?}",
                        self.desc(owner)
                    )));
                }
                let sum = match gradients.get(&owner) {
                    Some(so_far) => self.apply(Add, &[part, *so_far])?,
                    None => part,
                };
                gradients.insert(owner, sum);
            }
        }
        self.label("");
        Ok(gradients)
    }
}
