//! NumPy's .npz, writing only: a zip archive of .npy files, stored without compression, so that `numpy.load` reads them by name.
//! Format: numpy/lib/_npyio_impl.py (`savez`); PKWARE's APPNOTE.TXT 4.3, without its 64-bit extensions.
//!
//! Every entry carries the first date that the format can express, so that the bytes are a pure function of the arrays.

use crate::error::{Error, Result};
use crate::formats::npy;

/// One named f32 array.
#[derive(Clone, Debug)]
pub struct Array<'a> {
    pub name: &'a str,
    pub extents: Vec<usize>,
    /// The last extent runs fastest.
    pub values: &'a [f32],
}

/// Version 2.0 of the format is enough to read a stored entry.
const VERSION: u16 = 20;
/// 1 January 1980, midnight.
const DATE: u16 = 1 << 5 | 1;

/// The bytes of the archive, in the order given.
///
/// # Errors
/// `Shape` where an array has another number of values than its extents say, or the archive would need more than 4 GiB.
pub fn encode(arrays: &[Array]) -> Result<Vec<u8>> {
    let (mut files, mut directory) = (Vec::new(), Vec::new());
    for array in arrays {
        let name = format!("{}.npy", array.name);
        let data = npy::encode(&array.extents, array.values)?;
        let place = short(files.len())?;
        let about = about(&name, &data)?;
        files.extend_from_slice(b"PK\x03\x04");
        files.extend_from_slice(&about);
        files.extend_from_slice(name.as_bytes());
        files.extend_from_slice(&data);
        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&VERSION.to_le_bytes());
        directory.extend_from_slice(&about);
        // No comment, first disk, no attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&place.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (count, size, place) = (arrays.len() as u16, short(directory.len())?, short(files.len())?);
    files.extend_from_slice(&directory);
    files.extend_from_slice(b"PK\x05\x06");
    files.extend_from_slice(&[0; 4]);
    files.extend_from_slice(&[count.to_le_bytes(), count.to_le_bytes()].concat());
    files.extend_from_slice(&[size.to_le_bytes(), place.to_le_bytes()].concat());
    files.extend_from_slice(&[0; 2]);
    Ok(files)
}

/// What an entry says about itself before its name, in the archive and again in the directory: version, flags, method (stored),
/// time, date, checksum, both sizes, length of the name, no extra field.
fn about(name: &str, data: &[u8]) -> Result<Vec<u8>> {
    let size = short(data.len())?;
    let mut bytes: Vec<u8> = [VERSION, 0, 0, 0, DATE].into_iter().flat_map(u16::to_le_bytes).collect();
    bytes.extend([crc32fast::hash(data), size, size].into_iter().flat_map(u32::to_le_bytes));
    bytes.extend([name.len() as u16, 0].into_iter().flat_map(u16::to_le_bytes));
    Ok(bytes)
}

/// A size or place as the format has room for it.
fn short(bytes: usize) -> Result<u32> {
    u32::try_from(bytes).map_err(|_| Error::Shape("an .npz archive of more than 4 GiB cannot be written".into()))
}
