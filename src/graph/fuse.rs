//! Fusion: an elementwise node moves into the epilogue of the node that makes its input, where the op allows it.
//!
//! conv -> prelu -> add becomes one launch. A value that others still read (the one before PReLU, which the backward pass
//! needs) is kept as a second output of the fused op.

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
    }

    fn fuse_pair(&mut self, index: usize, user: usize, result: Value, keep: bool) -> bool {
        let tail = &self.nodes[user];
        let Some(epilogue) = tail.op.epilogue() else { return false };
        let other = match (epilogue, tail.inputs.as_slice()) {
            (_, [first, other]) if *first == result && *other != result => *other,
            (Epilogue::Add, [other, second]) if *second == result && *other != result => *other,
            _ => return false,
        };
        // The fused op runs where the first one stood, so its other operand must be there by then.
        if self.nodes[index..].iter().any(|node| node.outputs.contains(&other)) {
            return false;
        }
        let Some(op) = self.nodes[index].op.absorb(epilogue, keep) else { return false };
        let tail = self.nodes.remove(user);
        let node: &mut Node = &mut self.nodes[index];
        node.op = op;
        node.inputs.push(other);
        node.outputs[0] = tail.outputs[0];
        if keep {
            node.outputs.push(result);
        }
        true
    }
}
