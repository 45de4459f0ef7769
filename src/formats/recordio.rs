//! MXNet's RecordIO with image headers, as InsightFace's `train.rec` and `train.idx` use it. Knows records, labels and
//! encoded bytes; what a picture is, and who is on it, is said elsewhere.
//!
//! ```text
//! record   one part, or several where the data has the magic number at a multiple of 4 bytes: there it is left out
//! part     u32 0xced7230a, u32 kind << 29 | length, data, zeros up to a multiple of 4 bytes;
//!          kind 0 is a whole record, 1 the first part of one, 2 one in the middle, 3 the last
//! image    u32 flag, f32 label, u64 id, u64 id2, flag x f32 labels, the encoded picture; all little-endian
//! .idx     lines `key<TAB>offset of the record's first part`
//! ```
//!
//! Where InsightFace made the file, record 0 has no picture and two labels `[a, b]`: the pictures are the keys from 1
//! to a - 1, and keys a to b - 1 have no picture either but the first key of an identity and the one past its last.
//! Formats: dmlc-core `include/dmlc/recordio.h`, `src/recordio.cc`; MXNet `python/mxnet/recordio.py`,
//! `src/io/image_recordio.h`.

use std::borrow::Cow;
use std::path::Path;

use super::read_whole;
use crate::error::{Error, Result};

/// What every part of a record begins with.
pub const MAGIC: [u8; 4] = 0xced7_230a_u32.to_le_bytes();

/// Bytes of an image header before the labels.
const HEADER: usize = 24;
/// Larger indices are refused unread: a hundred million records.
const MAX_INDEX: u64 = 2 << 30;

/// An image record, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Image<'a> {
    /// One or more; the first is the identity.
    pub labels: Vec<f32>,
    pub id: u64,
    pub id2: u64,
    /// The encoded picture; empty in the records that InsightFace keeps its ranges in.
    pub encoded: &'a [u8],
}

/// The data of the record that begins at `offset`, and where the next one begins. The error is half a sentence.
pub fn record(bytes: &[u8], offset: usize) -> std::result::Result<(Cow<'_, [u8]>, usize), String> {
    let (kind, first, mut at) = part(bytes, offset)?;
    match kind {
        0 => return Ok((Cow::Borrowed(first), at)),
        1 => (),
        _ => return Err(format!("the part at byte {offset} is not the first of a record (kind {kind})")),
    }
    let mut whole = first.to_vec();
    loop {
        let (kind, data, next) = part(bytes, at)?;
        if !matches!(kind, 2 | 3) {
            return Err(format!("the part at byte {at} does not go on with the record at {offset} (kind {kind})"));
        }
        whole.extend_from_slice(&MAGIC);
        whole.extend_from_slice(data);
        at = next;
        if kind == 3 {
            return Ok((Cow::Owned(whole), at));
        }
    }
}

/// Kind and data of a part, and where the next one begins.
fn part(bytes: &[u8], offset: usize) -> std::result::Result<(u32, &[u8], usize), String> {
    let cut = || format!("the file ends inside the record at byte {offset}");
    let rest = bytes.get(offset..).ok_or_else(cut)?;
    let (head, rest) = rest.split_at_checked(8).ok_or_else(cut)?;
    if !head.starts_with(&MAGIC) {
        return Err(format!("there is no record at byte {offset} (wrong magic number)"));
    }
    let word = head.get(4..).map_or(0, little_endian) as u32;
    let (kind, length) = (word >> 29, (word & ((1 << 29) - 1)) as usize);
    let padded = length.next_multiple_of(4);
    if rest.len() < padded {
        return Err(format!("{}, which claims {length} bytes", cut()));
    }
    Ok((kind, rest.get(..length).unwrap_or_default(), offset + 8 + padded))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Takes an image record apart. The error is half a sentence.
pub fn image(record: &[u8]) -> std::result::Result<Image<'_>, String> {
    let short = || format!("{} bytes are too few for an image record", record.len());
    let (head, rest) = record.split_at_checked(HEADER).ok_or_else(short)?;
    let word = |at: usize, length: usize| head.get(at..at + length).map_or(0, little_endian);
    let (flag, label) = (word(0, 4) as usize, f32::from_bits(word(4, 4) as u32));
    let (labels, encoded) = flag
        .checked_mul(4)
        .and_then(|length| rest.split_at_checked(length))
        .ok_or_else(|| format!("{flag} labels do not fit into a record of {} bytes", record.len()))?;
    let labels = match flag {
        0 => vec![label],
        _ => labels.chunks_exact(4).map(|bytes| f32::from_bits(little_endian(bytes) as u32)).collect(),
    };
    Ok(Image { labels, id: word(8, 8), id2: word(16, 8), encoded })
}

/// Reads a `.idx` file: keys and offsets, in the order of the keys.
///
/// # Errors
/// `Input`, naming the file and the line, for anything that is not such a list or has a key or an offset twice; `Io`.
pub fn read_index(path: &Path) -> Result<Vec<(u64, usize)>> {
    let bytes = read_whole(path, MAX_INDEX)?;
    let mut entries = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let entry = std::str::from_utf8(line).ok().and_then(|line| {
            let (key, offset) = line.split_once('\t')?;
            Some((key.trim().parse().ok()?, offset.trim().parse().ok()?))
        });
        entries.push(entry.ok_or_else(|| {
            let place = path.display();
            Error::Input(format!("{place}, line {}: a key and an offset with a tab between are needed", index + 1))
        })?);
    }
    entries.sort_unstable();
    // A record that is listed many times would be read as often.
    let mut offsets: Vec<usize> = entries.iter().map(|(_, offset)| *offset).collect();
    offsets.sort_unstable();
    let twice = |what: String| Error::Input(format!("{}: the {what} is there twice", path.display()));
    if let Some([(key, _), ..]) = entries.windows(2).find(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
        return Err(twice(format!("key {key}")));
    }
    match offsets.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
        Some([offset, ..]) => Err(twice(format!("offset {offset}"))),
        _ => Ok(entries),
    }
}
