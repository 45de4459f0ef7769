//! Fusion: an elementwise node moves into the epilogue of the node that makes its input, where the op allows it.
//!
//! conv -> prelu -> add becomes one launch, and so does gradient of conv -> add -> gradient of prelu. A value that others still read
//! (the one before PReLU, which the backward pass needs) is kept as a second output of the fused op. The gradient of a bias, a sum
//! over what such a gradient makes, moves into it as well.

use super::{Graph, Node, Storage, Value};
use crate::ops::Epilogue;

impl Graph {
    /// Fuses until nothing more fits.
    pub(super) fn fuse(&mut self) {
        let mut index = 0;
        while index < self.nodes.len() {
            while self.fuse_next(index) {}
            index += 1;
        }
    }

    /// Tries to move one consumer of node `index` into it.
    fn fuse_next(&mut self, index: usize) -> bool {
        let Some(result) = self.nodes[index].outputs.first().copied() else { return false };
        // A value with a fixed place, or one that is read from outside, must really be written.
        let info = &self.values[result.0];
        let observed = info.fetched || info.storage != Storage::Arena;
        let users: Vec<usize> =
            (index + 1..self.nodes.len()).filter(|user| self.nodes[*user].inputs.contains(&result)).collect();
        users.iter().any(|user| self.fuse_pair(index, *user, result, users.len() > 1 || observed))
            || users.iter().any(|user| self.fuse_sums(index, *user, result))
    }

    fn fuse_pair(&mut self, index: usize, user: usize, result: Value, keep: bool) -> bool {
        let tail = &self.nodes[user];
        let Some(epilogue) = tail.op.epilogue() else { return false };
        let others = match (epilogue, tail.inputs.as_slice()) {
            (_, [first, others @ ..]) if *first == result => others.to_vec(),
            (Epilogue::Add, [other, _]) => vec![*other],
            _ => return false,
        };
        // The fused op runs where the first one stood, so its other operands must be there by then.
        if self.nodes[index..].iter().any(|node| node.outputs.iter().any(|value| others.contains(value))) {
            return false;
        }
        let Some(op) = self.nodes[index].op.absorb(epilogue, keep) else { return false };
        let tail = self.nodes.remove(user);
        let node: &mut Node = &mut self.nodes[index];
        node.op = op;
        node.inputs.extend(others);
        node.outputs[0] = tail.outputs[0];
        node.outputs.extend(keep.then_some(result));
        node.outputs.extend(&tail.outputs[1..]);
        true
    }

    /// Moves the sums over pixels of a value from a node that reads it to the one that makes it.
    fn fuse_sums(&mut self, index: usize, user: usize, result: Value) -> bool {
        let reader = &self.nodes[user];
        let (Some(sums), Some(rest)) = (reader.outputs.last().copied(), reader.op.without_sums()) else { return false };
        if reader.inputs.get(1) != Some(&result) {
            return false;
        }
        let Some(op) = self.nodes[index].op.absorb(Epilogue::Sums, false) else { return false };
        self.nodes[index].op = op;
        self.nodes[index].outputs.push(sums);
        self.nodes[user].op = rest;
        self.nodes[user].outputs.pop();
        true
    }
}
