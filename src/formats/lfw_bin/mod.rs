//! InsightFace's verification packs (`lfw.bin`, `cfp_fp.bin`, ...): encoded pictures, two a pair, and whether each pair
//! shows one person. Knows encoded bytes, not pictures.
//!
//! A pack is a Python pickle of `([picture, picture, ...], [same, ...])`, 2 n pictures and n truths. A picture is
//! `bytes`, Python 2's `str`, or a numpy array of bytes; `same` is a list of truths or numbers, or a numpy array of
//! them. Read by a closed machine ([`pickle`]) that can call nothing; written as protocol 3, which every Python 3 and
//! InsightFace's `load_bin` read. Layout: insightface `lfw2pack.py` (writes) and `verification.py` (reads).

mod blob;
mod pickle;

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

use super::read_whole;
use crate::error::{Error, Result};
use crate::files::Pending;
use blob::Blob;
use pickle::{Machine, Value};

/// Larger packs are refused unread; the published ones are a hundredth of it.
const MAX_FILE: u64 = 8 << 30;
/// Objects that are appended to a list at a time, as Python's own pickler does.
const BATCH: usize = 1000;

/// Two pictures, and whether they show the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Indices into [`Pack::pictures`].
    pub a: usize,
    pub b: usize,
    pub same: bool,
}

/// What a verification pack holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pack {
    /// Encoded pictures. One that Python shared among several pairs is here once.
    pub pictures: Vec<Vec<u8>>,
    /// In the order of the file, which the folds are consecutive parts of.
    pub pairs: Vec<Pair>,
}

/// Whether a file that begins like this may be a verification pack: a pickle begins with its protocol or, of old, a
/// mark.
pub fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 0..=5, ..] | [b'(', b'(' | b']', ..])
}

/// Reads a whole file.
///
/// # Errors
/// `Input`, naming the file and the byte, for anything that is not a verification pack; `Io`.
pub fn read(path: &Path) -> Result<Pack> {
    let bytes = read_whole(path, MAX_FILE)?;
    decode(&bytes).map_err(|why| {
        Error::Input(format!("{}: not a verification pack of pictures and truths: {why}", path.display()))
    })
}

/// The bytes of a pack; the error is half a sentence that says at which byte what is wrong.
pub fn decode(bytes: &[u8]) -> std::result::Result<Pack, String> {
    let machine = Machine::run(bytes)?;
    let (pictures, same) = match machine.result() {
        [pictures, same] => (*pictures, *same),
        others => return Err(format!("it holds {} things, where two lists are needed", others.len())),
    };
    let same = truths(&machine, same)?;
    let Value::List(_) = pictures else { return Err("the pictures are not a list".into()) };
    let listed = machine.items(pictures);
    if same.is_empty() || Some(listed.len()) != same.len().checked_mul(2) {
        return Err(format!("{} pictures do not make {} pairs", listed.len(), same.len()));
    }
    let mut pack = Pack::default();
    let mut places: HashMap<(Blob, Option<i64>), usize> = HashMap::new();
    let mut order = Vec::with_capacity(listed.len());
    for (number, value) in listed.iter().enumerate() {
        let blob = machine.bytes_of(*value).ok_or_else(|| format!("picture {} is not bytes", number + 1))?;
        let place = match places.get(&blob) {
            Some(place) => *place,
            None => {
                pack.pictures.push(machine.materialise(*value)?);
                places.insert(blob, pack.pictures.len() - 1);
                pack.pictures.len() - 1
            }
        };
        order.push(place);
    }
    let pairs = order.chunks_exact(2).zip(same);
    pack.pairs = pairs.filter_map(|(two, same)| Some(Pair { a: *two.first()?, b: *two.last()?, same })).collect();
    Ok(pack)
}

fn truths(machine: &Machine, value: Value) -> std::result::Result<Vec<bool>, String> {
    let truth = |number: i64| match number {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("{other} does not say whether a pair is one person: True or False is needed")),
    };
    match value {
        Value::List(_) => machine
            .items(value)
            .iter()
            .map(|item| match item {
                Value::Bool(same) => Ok(*same),
                Value::Int(number) => truth(*number),
                _ => Err("the list of truths holds something else".to_owned()),
            })
            .collect(),
        Value::Array(_) => machine.materialise(value)?.into_iter().map(|byte| truth(byte.into())).collect(),
        _ => Err("the truths are not a list".into()),
    }
}

/// Writes a pack, whole or not at all.
///
/// # Errors
/// `Shape` where a pair names a picture that is not there or a picture is 4 GiB; `Io`.
pub fn write(path: &Path, pack: &Pack) -> Result<()> {
    let mut pictures = Vec::with_capacity(2 * pack.pairs.len());
    for index in pack.pairs.iter().flat_map(|pair| [pair.a, pair.b]) {
        let picture = pack.pictures.get(index).filter(|picture| u32::try_from(picture.len()).is_ok());
        pictures.push(
            picture.ok_or_else(|| Error::Shape(format!("picture {index} of a verification pack cannot be written")))?,
        );
    }
    let pending = Pending::create(path)?.fill(|file| {
        file.write_all(b"\x80\x03]")?;
        for batch in pictures.chunks(BATCH) {
            file.write_all(b"(")?;
            for picture in batch {
                file.write_all(b"B")?;
                file.write_all(&(picture.len() as u32).to_le_bytes())?;
                file.write_all(picture)?;
            }
            file.write_all(b"e")?;
        }
        file.write_all(b"]")?;
        for batch in pack.pairs.chunks(BATCH) {
            let truths: Vec<u8> = batch.iter().map(|pair| if pair.same { 0x88 } else { 0x89 }).collect();
            file.write_all(&[b"(", truths.as_slice(), b"e"].concat())?;
        }
        file.write_all(b"\x86.")
    })?;
    pending.commit()
}
