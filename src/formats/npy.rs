//! NumPy's .npy: an f32 array, row by row, little endian.
//!
//! Written as version 1.0 with the data aligned to 64 bytes; read as 1.0, 2.0 or 3.0. Nothing but `<f4`, C order and two
//! dimensions is read: this file knows features, not NumPy's type system, and never a pickled object. The shape that a
//! header claims must agree with the file's length before anything is allocated for it.
//! Format: numpy/lib/format.py (NEP 1).

use std::path::Path;

use crate::error::{Error, Result, excerpt};
use crate::files;

const MAGIC: &[u8] = b"\x93NUMPY";
const ALIGNMENT: usize = 64;
/// Longest header read; NumPy's own limit is 10 000 bytes, ours leaves room for wide padding.
const HEADER_CAP: usize = 64 * 1024;

/// A matrix of f32.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// [rows, columns], row by row.
    pub values: Vec<f32>,
}

/// Writes `values` [rows, columns] to `path`, whole or not at all: a temporary with a dot name beside it, then a rename.
///
/// # Errors
/// [`Error::Shape`] where the lengths disagree, [`Error::Io`] where the system refuses.
pub fn write(path: &Path, rows: usize, columns: usize, values: &[f32]) -> Result<()> {
    files::write(path, &encode(&[rows, columns], values)?)
}

/// The bytes of a .npy file with an array of these extents, the last one running fastest.
///
/// # Errors
/// [`Error::Shape`] where there are other than as many values as the extents say.
pub fn encode(extents: &[usize], values: &[f32]) -> Result<Vec<u8>> {
    let elements = extents.iter().try_fold(1usize, |product, extent| product.checked_mul(*extent));
    if elements != Some(values.len()) {
        return Err(Error::Shape(format!("{} values are not an array of {extents:?}", values.len())));
    }
    let mut bytes = header(extents);
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(bytes)
}

/// Reads a two-dimensional `<f4` array.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read, [`Error::Input`] where it is not such an array.
pub fn read(path: &Path) -> Result<Matrix> {
    // A pipe or a device has no length to check a shape against, and might never end.
    let about = std::fs::metadata(path).map_err(Error::reading(path))?;
    if !about.is_file() {
        return Err(Error::Input(format!("{}: not a regular file; give the path of a .npy file", path.display())));
    }
    let bytes = std::fs::read(path).map_err(Error::reading(path))?;
    decode(&bytes)
        .map_err(|why| Error::Input(format!("{}: {why}; give a two-dimensional float32 .npy", path.display())))
}

/// The bytes of a .npy file to a matrix; the error is half a sentence.
pub fn decode(bytes: &[u8]) -> std::result::Result<Matrix, String> {
    let (text, data) = split(bytes)?;
    let (rows, columns) = parse_header(text)?;
    let length = rows.checked_mul(columns).and_then(|count| count.checked_mul(4));
    if length != Some(data.len()) {
        return Err(format!("its header says {rows}x{columns} but {} bytes of data follow", data.len()));
    }
    let values = data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok(Matrix { rows, columns, values })
}

/// Magic, version and dictionary, padded with spaces so that the data begins at a multiple of 64 bytes.
fn header(extents: &[usize]) -> Vec<u8> {
    let shape: Vec<String> = extents.iter().map(|extent| extent.to_string()).collect();
    // A tuple of one element is told from a number by its comma.
    let comma = if extents.len() == 1 { "," } else { "" };
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}", shape.join(", "));
    let before = MAGIC.len() + 4;
    let total = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', total - before - text.len() - 1));
    text.push('\n');
    // An extent takes at most 22 bytes and an array here has a handful, so the length fits the two bytes of version 1.0.
    [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
}

/// Header text and data of a file.
fn split(bytes: &[u8]) -> std::result::Result<(&str, &[u8]), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a .npy file")?;
    let (length, rest) = match rest {
        [1, 0, a, b, rest @ ..] => (u32::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, 0, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]), rest),
        [major, minor, ..] if !(1..=3).contains(major) || *minor != 0 => {
            return Err(format!("unknown .npy version {major}.{minor}"));
        }
        _ => return Err("it ends inside its header".into()),
    };
    let length = length as usize;
    if length > HEADER_CAP {
        return Err(format!("its header of {length} bytes is longer than {HEADER_CAP}"));
    }
    let (text, data) = rest.split_at_checked(length).ok_or("it ends inside its header")?;
    let text = std::str::from_utf8(text).map_err(|_| "its header is not text")?;
    Ok((text, data))
}

/// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (R, C), }`: the three keys in any order, once each, nothing else.
fn parse_header(text: &str) -> std::result::Result<(usize, usize), String> {
    let mut rest = text
        .trim()
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
        .ok_or("its header is no dictionary")?
        .trim();
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = quoted(rest).ok_or("its header is no dictionary of names")?;
        let after = after.trim_start().strip_prefix(':').ok_or("its header lacks a colon")?.trim_start();
        let (taken, after) = match key {
            "descr" => quoted(after).map(|(value, after)| (descr.replace(value).is_none(), after)),
            "fortran_order" => boolean(after).map(|(value, after)| (fortran.replace(value).is_none(), after)),
            "shape" => pair(after).map(|(value, after)| (shape.replace(value).is_none(), after)),
            _ => return Err(format!("its header has an unknown key {}", excerpt(key))),
        }
        .ok_or_else(|| format!("its header's {key} is not that of a two-dimensional float32 array"))?;
        if !taken {
            return Err(format!("its header says {key} twice"));
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.is_empty() => after,
            None => return Err("its header lacks a comma".into()),
        };
    }
    match (descr, fortran, shape) {
        (Some("<f4"), Some(false), Some(shape)) => Ok(shape),
        (Some("<f4"), Some(true), Some(_)) => Err("its array is in Fortran order".into()),
        (Some(other), Some(_), Some(_)) => Err(format!("its numbers are of type {}, not \"<f4\"", excerpt(other))),
        _ => Err("its header lacks descr, fortran_order or shape".into()),
    }
}

/// A string in single or double quotes, without escapes.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
    let (value, rest) = text.get(1..)?.split_once(quote)?;
    (!value.contains('\\')).then_some((value, rest))
}

fn boolean(text: &str) -> Option<(bool, &str)> {
    let word = |name| text.strip_prefix(name);
    word("False").map(|rest| (false, rest)).or_else(|| word("True").map(|rest| (true, rest)))
}

/// `(R, C)`, a comma after C allowed, as two numbers.
fn pair(text: &str) -> Option<((usize, usize), &str)> {
    let (inside, rest) = text.strip_prefix('(')?.split_once(')')?;
    let mut numbers = inside.split(',').map(str::trim);
    let mut next = || numbers.next().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok();
    let shape = (next()?, next()?);
    match (numbers.next(), numbers.next()) {
        (None | Some(""), None) => Some((shape, rest)),
        _ => None,
    }
}
