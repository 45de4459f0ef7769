//! Caffe's trained networks (`.caffemodel`): layers by name, and the arrays each of them learned. Knows no network;
//! which layer is which, and that Caffe's pictures are BGR, is the reader's business.
//!
//! ```text
//! NetParameter      name 1, layers 2 (V1LayerParameter, of old), layer 100 (LayerParameter)
//! LayerParameter    name 1, blobs 7           V1LayerParameter  name 4, blobs 6
//! BlobProto         shape 7 (BlobShape, dim 1) or num 1, channels 2, height 3, width 4;
//!                   data 5, double_data 8, packed or not
//! ```
//!
//! Everything else is passed over. Format: BVLC/caffe `src/caffe/proto/caffe.proto`.

mod wire;

use std::path::Path;

use super::read_whole;
use super::safetensors::Tensor;
use crate::error::{Error, Result, excerpt};
use wire::{Field, Fields};

/// Larger files are refused unread: fifteen times the center-loss authors' net.
const MAX_FILE: u64 = 2 << 30;
/// Layers of a net, and arrays of a layer.
const MOST_LAYERS: usize = 1 << 14;
const MOST_BLOBS: usize = 8;
/// Caffe's own limit.
const MOST_AXES: usize = 32;

type Outcome<T> = std::result::Result<T, String>;

/// A layer that learned something.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    pub name: String,
    /// Weights, then biases, where there are any; of old files, shapes have four extents.
    pub blobs: Vec<Tensor>,
}

/// Reads the layers of a file that have arrays, in its order.
///
/// # Errors
/// `Input`, naming the file and the byte or the layer, for anything that is not a whole caffemodel of finite numbers;
/// `Io`.
pub fn read(path: &Path) -> Result<Vec<Layer>> {
    let bytes = read_whole(path, MAX_FILE)?;
    decode(&bytes).map_err(|why| Error::Input(format!("{}: not a usable caffemodel: {why}", path.display())))
}

/// The layers of a file in memory; the error is half a sentence.
pub fn decode(bytes: &[u8]) -> Outcome<Vec<Layer>> {
    let mut net = Fields::of_file(bytes);
    let mut layers = Vec::new();
    let mut seen = 0;
    while let Some((number, field)) = net.take()? {
        let (name, blobs) = match number {
            100 => (1, 7),
            2 => (4, 6),
            _ => continue,
        };
        let Field::Bytes(message) = field else {
            return Err(format!("a layer that is a number before byte {}", net.at()));
        };
        seen += 1;
        if seen > MOST_LAYERS {
            return Err(format!("it has more than {MOST_LAYERS} layers"));
        }
        let layer = layer(Fields::inside(&net, message), name, blobs)?;
        if !layer.blobs.is_empty() {
            layers.push(layer);
        }
    }
    if layers.is_empty() {
        return Err("it has no layer with weights".into());
    }
    Ok(layers)
}

/// A layer whose name and arrays have these numbers.
fn layer(mut fields: Fields, name: u64, blobs: u64) -> Outcome<Layer> {
    let mut layer = Layer { name: String::new(), blobs: Vec::new() };
    while let Some((number, field)) = fields.take()? {
        match field {
            Field::Bytes(text) if number == name => layer.name = String::from_utf8_lossy(text).into_owned(),
            Field::Bytes(message) if number == blobs => {
                if layer.blobs.len() == MOST_BLOBS {
                    return Err(format!("a layer with more than {MOST_BLOBS} arrays before byte {}", fields.at()));
                }
                layer.blobs.push(blob(Fields::inside(&fields, message))?);
            }
            _ => (),
        }
    }
    for (index, tensor) in layer.blobs.iter().enumerate() {
        if let Some(at) = tensor.data.iter().position(|number| !number.is_finite()) {
            return Err(format!("number {at} of array {index} of layer {} is not finite", excerpt(&layer.name)));
        }
    }
    Ok(layer)
}

fn blob(mut fields: Fields) -> Outcome<Tensor> {
    let start = fields.at();
    let (mut shape, mut legacy, mut has_legacy) = (None, [1usize; 4], false);
    let mut data = Vec::new();
    let extent = |number: u64| usize::try_from(number).map_err(|_| format!("an extent of {number}"));
    while let Some((number, field)) = fields.take()? {
        match (number, field) {
            (1..=4, Field::Varint(value)) => {
                has_legacy = true;
                let place = legacy.get_mut(number as usize - 1);
                place.map_or(Ok(()), |place| extent(value).map(|extent| *place = extent))?;
            }
            (7, Field::Bytes(message)) => {
                shape.get_or_insert_with(Vec::new).extend(dimensions(Fields::inside(&fields, message))?);
            }
            (5, Field::Bytes(packed)) if packed.len() % 4 == 0 => {
                let (numbers, _) = packed.as_chunks();
                data.extend(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            (5, Field::Fixed32(bytes)) => data.push(f32::from_le_bytes(bytes)),
            (8, Field::Bytes(packed)) if packed.len() % 8 == 0 => {
                let (numbers, _) = packed.as_chunks();
                data.extend(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32));
            }
            (8, Field::Fixed64(bytes)) => data.push(f64::from_le_bytes(bytes) as f32),
            (1..=5 | 7 | 8, _) => {
                return Err(format!("an array with a field {number} of the wrong kind before byte {}", fields.at()));
            }
            _ => (),
        }
    }
    let shape = match shape {
        Some(shape) => shape,
        None if has_legacy => legacy.to_vec(),
        None => vec![data.len()],
    };
    Tensor::new(&shape, data).map_err(|error| format!("the array at byte {start}: {error}"))
}

/// The extents of a BlobShape, packed or one by one.
fn dimensions(mut fields: Fields) -> Outcome<Vec<usize>> {
    let mut shape = Vec::new();
    while let Some((number, field)) = fields.take()? {
        let mut numbers = Vec::new();
        match (number, field) {
            (1, Field::Varint(extent)) => numbers.push(extent),
            (1, Field::Bytes(packed)) => {
                let mut packed = Fields::inside(&fields, packed);
                while !packed.is_empty() && numbers.len() <= MOST_AXES {
                    numbers.push(packed.varint()?);
                }
            }
            _ => (),
        }
        for extent in numbers {
            shape.push(
                usize::try_from(extent).map_err(|_| format!("an extent of {extent} before byte {}", fields.at()))?,
            );
        }
        if shape.len() > MOST_AXES {
            return Err(format!("an array of more than {MOST_AXES} dimensions before byte {}", fields.at()));
        }
    }
    Ok(shape)
}
