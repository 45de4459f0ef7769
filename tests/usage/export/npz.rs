//! An .npz archive read back, plainly and apart from what wrote it: by its central directory, as every reader of zip does.

use super::interpreter::Tensor;
use std::collections::BTreeMap;

/// The f32 arrays of an archive by name.
pub fn read(bytes: &[u8]) -> BTreeMap<String, Tensor> {
    let number = |at: usize, size: usize| bytes[at..at + size].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
    let end = bytes.len() - 22;
    assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
    let (count, size, mut at) = (number(end + 10, 2), number(end + 12, 4), number(end + 16, 4));
    assert_eq!(at + size, end);
    let mut arrays = BTreeMap::new();
    for _ in 0..count {
        assert_eq!(&bytes[at..at + 4], b"PK\x01\x02");
        let (method, checksum, stored, length) =
            (number(at + 10, 2), number(at + 16, 4), number(at + 20, 4), number(at + 24, 4));
        assert_eq!((method, stored), (0, length));
        let (name_length, local) = (number(at + 28, 2), number(at + 42, 4));
        let name = std::str::from_utf8(&bytes[at + 46..at + 46 + name_length]).unwrap();
        assert_eq!(&bytes[local..local + 4], b"PK\x03\x04");
        // What the entry says about itself is what the directory says.
        assert_eq!(bytes[local + 4..local + 30], bytes[at + 6..at + 32]);
        let data = &bytes[local + 30 + name_length..][..length];
        assert_eq!(crc32fast::hash(data) as usize, checksum, "{name}");
        arrays.insert(name.strip_suffix(".npy").unwrap().to_owned(), array(data));
        at += 46 + name_length;
    }
    arrays
}

fn array(bytes: &[u8]) -> Tensor {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!((10 + length).is_multiple_of(64));
    let header = std::str::from_utf8(&bytes[10..10 + length]).unwrap();
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': ("), "{header}");
    let (_, shape) = header.split_once("'shape': (").unwrap();
    let (shape, _) = shape.split_once(')').unwrap();
    let extents: Vec<usize> = shape.split(',').map(|extent| extent.trim().parse().unwrap()).collect();
    let values: Vec<f32> =
        bytes[10 + length..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    Tensor::new(&extents, &values)
}
