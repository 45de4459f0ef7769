//! ONNX models, writing only: a graph of nodes over named values, with its weights inside, opset 17. It knows the format's messages
//! and neither networks nor what an operator computes; operators, attributes and shapes are the caller's.
//! Format: onnx/onnx.proto (IR version 8), docs/IR.md.
//!
//! The bytes are a pure function of the graph and its metadata: no time, host or path is in them.

mod wire;

use crate::error::{Error, Result};
use wire::Message;

// Weights are little-endian in files and are written straight from memory.
const _: () = assert!(cfg!(target_endian = "little"));

/// Version of the operators.
pub const OPSET: i64 = 17;
/// Version of the file format that came with opset 17 (ONNX 1.12).
const IR_VERSION: i64 = 8;
/// A protobuf message must stay under 2 GiB; beside the weights there are kilobytes.
const LARGEST: usize = (1 << 31) - (1 << 20);

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i64 = 1;
/// `AttributeProto.AttributeType`.
const INT: i64 = 2;
const INTS: i64 = 7;

/// One extent of an input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Any number of pictures; every such extent of a graph is the same number.
    Batch,
    Fixed(usize),
}

/// An attribute of a node.
#[derive(Clone, Debug)]
pub enum Attribute {
    Int(&'static str, i64),
    Ints(&'static str, Vec<i64>),
}

/// A graph while it is built. Values are known by their names; a node must come after what it reads.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    nodes: Message,
    weights: Message,
    inputs: Message,
    outputs: Message,
    /// Bytes of all weights.
    bytes: usize,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        let [nodes, weights, inputs, outputs] = [(); 4].map(|()| Message::new());
        Graph { name: name.to_owned(), nodes, weights, inputs, outputs, bytes: 0 }
    }

    /// Declares an f32 input.
    pub fn input(&mut self, name: &str, extents: &[Extent]) {
        self.inputs.message(11, &value_info(name, extents));
    }

    /// Declares that a value is an f32 output.
    pub fn output(&mut self, name: &str, extents: &[Extent]) {
        self.outputs.message(12, &value_info(name, extents));
    }

    /// Puts an array into the file, the last extent running fastest.
    ///
    /// # Errors
    /// `Shape` where `data` has another number of elements than `extents` say, or the file would be too large for the format.
    pub fn weight(&mut self, name: &str, extents: &[usize], data: &[f32]) -> Result<()> {
        let elements = extents.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        if elements != Some(data.len()) {
            return Err(Error::Shape(format!("{} numbers do not fill {name} of {extents:?}", data.len())));
        }
        let raw: &[u8] = bytemuck::cast_slice(data);
        self.bytes = self.bytes.saturating_add(raw.len());
        if self.bytes > LARGEST {
            return Err(Error::Shape(format!("{}: an ONNX file holds less than 2 GiB of weights", self.name)));
        }
        // TensorProto: dims, data_type, name, raw_data.
        let mut tensor = Message::new();
        extents.iter().for_each(|extent| tensor.integer(1, *extent as i64));
        tensor.integer(2, FLOAT);
        tensor.text(8, name);
        self.weights.message_with(5, tensor, 9, raw);
        Ok(())
    }

    /// Adds a node of operator `operator` that makes the value `output`, which is the node's name as well.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        let mut node = Message::new();
        inputs.iter().for_each(|input| node.text(1, input));
        node.text(2, output);
        node.text(3, output);
        node.text(4, operator);
        attributes.iter().for_each(|attribute| node.message(5, &attribute_message(attribute)));
        self.nodes.message(1, &node);
    }

    /// The bytes of the file. `description` is for people, `metadata` are keys and texts for programs.
    pub fn to_bytes(&self, description: &str, metadata: &[(&str, &str)]) -> Vec<u8> {
        let mut graph = self.nodes.clone();
        graph.text(2, &self.name);
        [&self.weights, &self.inputs, &self.outputs].into_iter().for_each(|fields| graph.append(fields));
        let mut model = Message::new();
        model.integer(1, IR_VERSION);
        model.text(2, env!("CARGO_PKG_NAME"));
        model.text(3, env!("CARGO_PKG_VERSION"));
        model.text(6, description);
        model.message(7, &graph);
        let mut opset = Message::new();
        opset.text(1, "");
        opset.integer(2, OPSET);
        model.message(8, &opset);
        for (key, text) in metadata {
            let mut entry = Message::new();
            entry.text(1, key);
            entry.text(2, text);
            model.message(14, &entry);
        }
        model.into_bytes()
    }
}

/// `AttributeProto`: name, i or ints, type.
fn attribute_message(attribute: &Attribute) -> Message {
    let mut message = Message::new();
    match attribute {
        Attribute::Int(name, value) => {
            message.text(1, name);
            message.integer(3, *value);
            message.integer(20, INT);
        }
        Attribute::Ints(name, values) => {
            message.text(1, name);
            values.iter().for_each(|value| message.integer(8, *value));
            message.integer(20, INTS);
        }
    }
    message
}

/// `ValueInfoProto` of an f32 tensor.
fn value_info(name: &str, extents: &[Extent]) -> Message {
    let mut shape = Message::new();
    for extent in extents {
        let mut dimension = Message::new();
        match extent {
            Extent::Batch => dimension.text(2, "batch"),
            Extent::Fixed(extent) => dimension.integer(1, *extent as i64),
        }
        shape.message(1, &dimension);
    }
    let mut tensor = Message::new();
    tensor.integer(1, FLOAT);
    tensor.message(2, &shape);
    let mut kind = Message::new();
    kind.message(1, &tensor);
    let mut info = Message::new();
    info.text(1, name);
    info.message(2, &kind);
    info
}
