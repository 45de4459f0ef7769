//! .npy: there and back, NumPy's own file, and headers that lie.

use hallucinet::formats::npy::{Matrix, decode, read, write};
use proptest::prelude::*;

const NUMPY_WROTE: &[u8] = include_bytes!("../golden/features.npy");

/// A file of version 1.0 with this dictionary and this many bytes of data.
fn file(dictionary: &str, data: usize) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn numpys_own_file_is_read_and_written_to_the_byte() {
    let values: Vec<f32> = (0..15).map(|i| i as f32 / 4.0 - 1.0).collect();
    assert_eq!(decode(NUMPY_WROTE).unwrap(), Matrix { rows: 3, columns: 5, values: values.clone() });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.npy");
    write(&path, 3, 5, &values).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), NUMPY_WROTE);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary was left behind");
}

#[cfg(unix)]
#[test]
fn a_written_file_is_as_readable_as_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (ours, plain) = (folder.path().join("a.npy"), folder.path().join("plain"));
    write(&ours, 1, 1, &[0.0]).unwrap();
    std::fs::write(&plain, "").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn every_prefix_and_every_surplus_is_refused() {
    for length in 0..NUMPY_WROTE.len() {
        assert!(decode(&NUMPY_WROTE[..length]).is_err(), "{length} bytes were accepted");
    }
    assert!(decode(&[NUMPY_WROTE, &[0]].concat()).is_err());
}

#[test]
fn lying_and_odd_headers_are_refused() {
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    assert!(decode(&file(&header("(2, 2)"), 16)).is_ok());
    for shape in
        ["(2,)", "()", "(2, 2, 1)", "(-2, -2)", "(2, +2)", "(2 2)", "(2, 2", "2, 2", "(, 2)", "(2, 2,,)", "[2, 2]"]
    {
        assert!(decode(&file(&header(shape), 16)).is_err(), "{shape}");
    }
    // Products that wrap around 2^64 to the 16 bytes that are there, and numbers past usize.
    for shape in [
        "(9223372036854775809, 4)",
        "(4611686018427387905, 4)",
        "(18446744073709551616, 2)",
        "(4294967296, 4294967296)",
    ] {
        assert!(decode(&file(&header(shape), 16)).is_err(), "{shape}");
    }
    for dictionary in [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1)}",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 2)}",
        "{'descr': '<f4', 'shape': (2, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'shape': (2, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), 'more': 1}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 2)}",
        "{'descr' '<f4'}",
        "{'",
        "{}",
        "",
        "__import__('os').system('true')",
    ] {
        assert!(decode(&file(dictionary, 16)).is_err(), "{dictionary}");
    }
    assert!(decode(&file("{\"shape\":(2,2,),\"fortran_order\":False,\"descr\":\"<f4\"}", 16)).is_ok());
}

#[test]
fn versions_and_header_lengths_have_limits() {
    let long = |version: u8, length: u32| {
        let dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }";
        let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
        bytes.extend(length.to_le_bytes());
        bytes.extend(dictionary.bytes());
        bytes.resize((12 + length as usize).min(1 << 20), b' ');
        bytes.extend([0; 4]);
        decode(&bytes)
    };
    assert!(long(2, 116).is_ok() && long(3, 64 * 1024).is_ok());
    assert!(long(2, 64 * 1024 + 1).unwrap_err().contains("longer than 65536"));
    assert!(long(2, u32::MAX).unwrap_err().contains("longer than 65536"));
    assert!(long(4, 116).unwrap_err().contains("version 4.0"));
}

#[test]
fn errors_name_the_file_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("none").join("x.npy");
    assert_eq!(read(&absent).unwrap_err().exit_code(), 3, "a file that is not there is bad input");
    assert_eq!(write(&absent, 1, 1, &[0.0]).unwrap_err().exit_code(), 5);
    assert_eq!(read(folder.path()).unwrap_err().exit_code(), 3);
    let text = folder.path().join("text.npy");
    std::fs::write(&text, "hello").unwrap();
    let error = read(&text).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("text.npy: not a .npy file"), "{error}");
    assert_eq!(write(&text, 2, 2, &[0.0]).unwrap_err().exit_code(), 2);
    assert_eq!(write(&text, usize::MAX, 2, &[0.0]).unwrap_err().exit_code(), 2);
    assert_eq!(std::fs::read(&text).unwrap(), b"hello", "a refused write touched the file");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

proptest! {
    #[test]
    fn there_and_back(rows in 0_usize..5, columns in 0_usize..5, bits in prop::collection::vec(any::<u32>(), 25)) {
        let values: Vec<f32> = bits[..rows * columns].iter().map(|b| f32::from_bits(*b)).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, rows, columns, &values).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        prop_assert_eq!((bytes.len() - 4 * values.len()) % 64, 0);
        let back = read(&path).unwrap();
        prop_assert_eq!((back.rows, back.columns), (rows, columns));
        let same: Vec<u32> = back.values.iter().map(|v| v.to_bits()).collect();
        prop_assert_eq!(&same[..], &bits[..rows * columns]);
    }

    #[test]
    fn damage_is_never_a_panic(at in 0..NUMPY_WROTE.len(), byte in any::<u8>(), cut in 0..=NUMPY_WROTE.len()) {
        let mut bytes = NUMPY_WROTE.to_vec();
        bytes[at] = byte;
        let _ = decode(&bytes[..cut]);
        if let Ok(matrix) = decode(&bytes) {
            prop_assert_eq!(matrix.rows * matrix.columns, matrix.values.len());
        }
    }
}
