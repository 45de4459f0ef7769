//! Named f32 arrays in the safetensors format: reading with suspicion, writing the same bytes for the same content. It
//! knows no network; names, shapes and the text of the metadata are the caller's.
//!
//! A file is `u64 n`, then `n` bytes of JSON (name, type, shape, place of each array), then the arrays. The metadata holds
//! exactly one key, `hallucinet`, whose text is canonical JSON: sorted keys, no white space, nothing about time or host.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorView};

use crate::error::{Error, Result, excerpt};

// Arrays are little-endian in files and are written straight from memory.
const _: () = assert!(cfg!(target_endian = "little"));

/// The one metadata key.
pub const METADATA_KEY: &str = "hallucinet";

/// The largest header read, in bytes: the paper's own net needs 30 kB.
const LARGEST_HEADER: u64 = 16 << 20;

/// One array: `data` holds as many numbers as the product of `shape`, the last extent running fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

/// Arrays by name, in the order they are written.
pub type Tensors = BTreeMap<String, Tensor>;

/// What a file holds: the arrays, and the metadata under `hallucinet` where the file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    pub tensors: Tensors,
    pub metadata: Option<serde_json::Value>,
}

impl Tensor {
    /// An array of these extents.
    ///
    /// # Errors
    /// `Shape` where `data` has another number of elements.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Result<Tensor> {
        let elements = shape.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
        if elements != Some(data.len()) {
            return Err(Error::Shape(format!("{} numbers do not fill an array of {shape:?}", data.len())));
        }
        Ok(Tensor { shape: shape.to_vec(), data })
    }
}

/// Reads a whole file.
///
/// # Errors
/// `Input`, naming the file, for anything that is not a complete safetensors file of finite f32 arrays; `Io` where the
/// operating system refuses.
pub fn read(path: &Path) -> Result<Contents> {
    let place = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Input(format!("{place}: there is no such file")),
        _ => Error::io("cannot read", path)(error),
    })?;
    let about = file.metadata().map_err(Error::io("cannot read", path))?;
    if !about.is_file() {
        return Err(Error::Input(format!("{place}: not a file; a .safetensors file is needed")));
    }
    read_from(&place, about.len(), &mut std::io::BufReader::with_capacity(1 << 20, file))
}

/// Reads from any source that is known to be `length` bytes long; `place` is its name in messages. No more memory is
/// taken than `length` justifies.
///
/// # Errors
/// As [`read`].
pub fn read_from(place: &str, length: u64, source: &mut dyn Read) -> Result<Contents> {
    let complain = |what: String| complain(place, &what);
    let metadata = read_header(place, length, source)?;
    let mut tensors = Tensors::new();
    for name in metadata.offset_keys() {
        let Some(about) = metadata.info(&name) else { continue };
        if about.dtype != Dtype::F32 {
            return Err(complain(format!(
                "{} is {:?}, and only F32 is read; convert it first",
                excerpt(&name),
                about.dtype
            )));
        }
        // The header has been checked: this length is the product of the shape, and within the file.
        let bytes = about.data_offsets.1.saturating_sub(about.data_offsets.0);
        let mut data = vec![0f32; bytes / 4];
        source.read_exact(bytemuck::cast_slice_mut(&mut data)).map_err(|error| broken(place, error))?;
        if let Some(at) = data.iter().position(|number| !number.is_finite()) {
            return Err(complain(format!("number {at} of {} is not finite", excerpt(&name))));
        }
        tensors.insert(name, Tensor { shape: about.shape.clone(), data });
    }
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
    let metadata = match text.map(|text| serde_json::from_str(text)) {
        None => None,
        Some(Ok(value)) => Some(value),
        Some(Err(error)) => return Err(complain(format!("its metadata {METADATA_KEY} is not JSON: {error}"))),
    };
    Ok(Contents { tensors, metadata })
}

/// The header of a file of `length` bytes, checked: the arrays lie one after the other, as long as their shapes say, up to the end of
/// the file.
///
/// # Errors
/// As [`read`].
pub(super) fn read_header(place: &str, length: u64, source: &mut dyn Read) -> Result<Metadata> {
    let complain = |what: String| complain(place, &what);
    let broken = |error: std::io::Error| broken(place, error);
    let mut prefix = [0u8; 8];
    source.read_exact(&mut prefix).map_err(broken)?;
    let header_length = u64::from_le_bytes(prefix);
    if header_length > LARGEST_HEADER || header_length > length.saturating_sub(8) {
        return Err(complain(format!("its header claims {header_length} bytes of a file of {length}")));
    }
    let mut header = vec![0u8; header_length as usize];
    source.read_exact(&mut header).map_err(broken)?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| complain(error.to_string()))?;
    let claimed = (metadata.data_len() as u64).checked_add(8 + header_length);
    if claimed != Some(length) {
        return Err(complain(format!("its arrays do not end where the file does, after {length} bytes")));
    }
    Ok(metadata)
}

fn complain(place: &str, what: &str) -> Error {
    Error::Input(format!("{place}: not a usable safetensors file: {what}"))
}

fn broken(place: &str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => complain(place, "it is cut short"),
        _ => Error::io("cannot read", Path::new(place))(error),
    }
}

/// The bytes of a file: a pure function of the arrays and the metadata.
///
/// # Errors
/// `Shape` where an array has another number of elements than its shape says.
pub fn to_bytes(tensors: &Tensors, metadata: &serde_json::Value) -> Result<Vec<u8>> {
    let unusable = |error: safetensors::SafeTensorError| Error::Shape(format!("cannot lay out the arrays: {error}"));
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let bytes = bytemuck::cast_slice(&tensor.data);
        views.push((name, TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(unusable)?));
    }
    let about = HashMap::from([(METADATA_KEY.to_owned(), canonical_json(metadata))]);
    safetensors::serialize(views, Some(about)).map_err(unusable)
}

/// JSON with sorted keys and no white space, whatever order the value keeps its keys in.
pub fn canonical_json(value: &serde_json::Value) -> String {
    let mut text = String::new();
    append_canonical(value, &mut text);
    text
}

fn append_canonical(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                text.push(if index == 0 { '[' } else { ',' });
                append_canonical(item, text);
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        serde_json::Value::Object(entries) => {
            let sorted: BTreeMap<_, _> = entries.iter().collect();
            for (index, (key, item)) in sorted.iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                append_canonical(&serde_json::Value::String((*key).clone()), text);
                text.push(':');
                append_canonical(item, text);
            }
            text.push_str(if entries.is_empty() { "{}" } else { "}" });
        }
        // Writing to a String cannot fail.
        scalar => drop(write!(text, "{scalar}")),
    }
}
