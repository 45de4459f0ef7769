//! An ONNX file read back, plainly and apart from what wrote it: protobuf fields to the few messages that our files have.

use std::collections::BTreeMap;

/// A field's content.
enum Content<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, in their order.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Content<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let content = match key & 7 {
            0 => Content::Integer(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (inside, rest) = bytes.split_at(length);
                bytes = rest;
                Content::Bytes(inside)
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, content));
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *bytes = &bytes[index + 1..];
            return value;
        }
    }
    panic!("a number without an end");
}

fn integers(bytes: &[u8], wanted: u64) -> Vec<i64> {
    let of = |(field, content)| match content {
        Content::Integer(value) if field == wanted => Some(value as i64),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn messages(bytes: &[u8], wanted: u64) -> Vec<&[u8]> {
    let of = |(field, content)| match content {
        Content::Bytes(inside) if field == wanted => Some(inside),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(of).collect()
}

fn texts(bytes: &[u8], wanted: u64) -> Vec<String> {
    messages(bytes, wanted).into_iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect()
}

fn text(bytes: &[u8], wanted: u64) -> String {
    let found = texts(bytes, wanted);
    assert_eq!(found.len(), 1, "field {wanted}");
    found[0].clone()
}

/// A node with its attributes, all of them whole numbers.
pub struct Node {
    pub operator: String,
    pub inputs: Vec<String>,
    pub output: String,
    pub attributes: BTreeMap<String, Vec<i64>>,
}

/// Extents and numbers.
#[derive(Clone)]
pub struct Array {
    pub extents: Vec<usize>,
    pub values: Vec<f32>,
}

/// A whole file.
pub struct File {
    pub ir_version: i64,
    pub opset: i64,
    pub metadata: BTreeMap<String, String>,
    pub nodes: Vec<Node>,
    pub weights: BTreeMap<String, Array>,
    /// Names with extents as texts.
    pub inputs: Vec<(String, Vec<String>)>,
    pub outputs: Vec<(String, Vec<String>)>,
}

pub fn read(bytes: &[u8]) -> File {
    let graph = messages(bytes, 7)[0];
    let entry = |entry: &[u8]| (text(entry, 1), text(entry, 2));
    let of = |field| messages(graph, field).into_iter();
    File {
        ir_version: integers(bytes, 1)[0],
        opset: integers(messages(bytes, 8)[0], 2)[0],
        metadata: messages(bytes, 14).into_iter().map(entry).collect(),
        nodes: of(1).map(node).collect(),
        weights: of(5).map(|tensor| (text(tensor, 8), array(tensor))).collect(),
        inputs: of(11).map(value).collect(),
        outputs: of(12).map(value).collect(),
    }
}

fn node(bytes: &[u8]) -> Node {
    let attribute = |bytes: &[u8]| {
        let kind = integers(bytes, 20)[0];
        let numbers = integers(bytes, if kind == 2 { 3 } else { 8 });
        (text(bytes, 1), numbers)
    };
    Node {
        operator: text(bytes, 4),
        inputs: texts(bytes, 1),
        output: text(bytes, 2),
        attributes: messages(bytes, 5).into_iter().map(attribute).collect(),
    }
}

fn array(bytes: &[u8]) -> Array {
    assert_eq!(integers(bytes, 2), [1], "only float");
    let extents: Vec<usize> = integers(bytes, 1).into_iter().map(|extent| extent as usize).collect();
    let raw = messages(bytes, 9)[0];
    let values: Vec<f32> = raw.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(values.len(), extents.iter().product::<usize>());
    Array { extents, values }
}

fn value(bytes: &[u8]) -> (String, Vec<String>) {
    let tensor = messages(messages(bytes, 2)[0], 1)[0];
    assert_eq!(integers(tensor, 1), [1], "only float");
    let extent = |dimension: &[u8]| {
        let numbers = integers(dimension, 1);
        numbers.first().map_or_else(|| text(dimension, 2), |number| number.to_string())
    };
    (text(bytes, 1), messages(messages(tensor, 2)[0], 1).into_iter().map(extent).collect())
}
