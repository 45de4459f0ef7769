//! safetensors files: bytes are a pure function of content, and hostile bytes are refused with a sentence.

use std::path::Path;

use hallucinet::Error;
use hallucinet::formats::safetensors::{Contents, Tensor, Tensors, canonical_json, read, read_from, to_bytes};
use proptest::prelude::*;

use crate::{some_bytes, some_tensors};

fn parse(bytes: &[u8]) -> hallucinet::Result<Contents> {
    read_from("test.safetensors", bytes.len() as u64, &mut &bytes[..])
}

/// A file with this header, followed by zero bytes.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn what_was_written_is_read() {
    let metadata = serde_json::json!({ "z": [1, {}, []], "a": { "y": 1.5, "x": "\"quoted\"" } });
    let bytes = to_bytes(&some_tensors(1), &metadata).unwrap();
    let contents = parse(&bytes).unwrap();
    assert_eq!(contents.tensors, some_tensors(1));
    assert_eq!(contents.metadata, Some(metadata.clone()));
    assert_eq!(bytes, to_bytes(&contents.tensors, &metadata).unwrap());
}

#[test]
fn metadata_is_canonical_json_under_one_key() {
    let metadata = serde_json::json!({ "z": [1, {}, []], "a": { "y": 1.5, "x": null } });
    assert_eq!(canonical_json(&metadata), r#"{"a":{"x":null,"y":1.5},"z":[1,{},[]]}"#);
    let bytes = to_bytes(&Tensors::new(), &metadata).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let entries = header.metadata().clone().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries["hallucinet"], canonical_json(&metadata));
}

#[test]
fn arrays_lie_in_the_order_of_their_names() {
    let bytes = some_bytes(1);
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.offset_keys(), ["a", "b.weight", "empty", "scalar"]);
}

#[test]
fn an_array_that_does_not_fill_its_shape_is_refused() {
    assert!(matches!(Tensor::new(&[2, 2], vec![0.0; 3]), Err(Error::Shape(_))));
    assert!(matches!(Tensor::new(&[usize::MAX, 2], vec![0.0; 3]), Err(Error::Shape(_))));
    let torn = Tensors::from([("a".to_owned(), Tensor { shape: vec![2], data: vec![0.0; 3] })]);
    assert!(matches!(to_bytes(&torn, &serde_json::Value::Null), Err(Error::Shape(_))));
}

#[test]
fn every_shorter_file_and_every_longer_one_is_refused() {
    let bytes = some_bytes(1);
    for length in 0..bytes.len() {
        let error = parse(&bytes[..length]).unwrap_err();
        assert_eq!(error.exit_code(), 3, "{length}: {error}");
        assert!(error.to_string().starts_with("test.safetensors: "), "{error}");
    }
    assert!(parse(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn hostile_headers_are_refused_by_name() {
    let huge = u64::MAX.to_le_bytes().to_vec();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("giant header", huge, "claims 18446744073709551615 bytes"),
        ("not JSON", with_header("{", 0), "not a usable"),
        ("other type", with_header(r#"{"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#, 4), "F16"),
        (
            "overlap",
            with_header(
                r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                4,
            ),
            "not a usable",
        ),
        (
            "beyond the file",
            with_header(r#"{"a":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}"#, 4),
            "do not end",
        ),
        ("shape lies", with_header(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,4]}}"#, 4), "not a usable"),
        (
            "overflow",
            with_header(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,4]}}"#, 4),
            "not a usable",
        ),
        (
            "offsets at the end of the world",
            with_header(
                r#"{"a":{"dtype":"F32","shape":[2305843009213693951],"data_offsets":[0,9223372036854775804]}}"#,
                4,
            ),
            "not a usable",
        ),
        ("bad metadata", with_header(r#"{"__metadata__":{"hallucinet":"{"}}"#, 0), "metadata hallucinet is not JSON"),
        ("deep JSON", with_header(&"[".repeat(100_000), 0), "not a usable"),
    ];
    for (name, bytes, part) in cases {
        match parse(&bytes) {
            Err(error @ Error::Input(_)) => assert!(error.to_string().contains(part), "{name}: {error}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let tensors = Tensors::from([("a".to_owned(), Tensor::new(&[3], vec![0.0, bad, 1.0]).unwrap())]);
        let error = parse(&to_bytes(&tensors, &serde_json::Value::Null).unwrap()).unwrap_err();
        assert!(error.to_string().contains("number 1 of \"a\" is not finite"), "{error}");
    }
}

#[test]
fn a_file_without_our_metadata_is_read_without_it() {
    let bytes = with_header(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 4);
    let contents = parse(&bytes).unwrap();
    assert_eq!(contents.metadata, None);
    assert_eq!(contents.tensors["a"].data, [0.0]);
}

#[test]
fn a_path_that_is_no_file_is_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read(&folder.path().join("absent")).unwrap_err().exit_code(), 3);
    assert_eq!(read(folder.path()).unwrap_err().exit_code(), 3);
    assert_eq!(read(Path::new("/dev/zero")).unwrap_err().exit_code(), 3);
    // A file of a terabyte of nothing must neither be read nor be made room for.
    let sparse = folder.path().join("sparse");
    std::fs::File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(read(&sparse).unwrap_err().exit_code(), 3);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), short in any::<bool>()) {
        if short && bytes.len() >= 8 {
            let header = (bytes.len() as u64 - 8) / 2;
            bytes[..8].copy_from_slice(&header.to_le_bytes());
        }
        let _ = parse(&bytes);
    }

    #[test]
    fn a_flipped_bit_never_makes_the_reader_panic(at in 0usize..500, bit in 0u8..8) {
        let mut bytes = some_bytes(1);
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let _ = parse(&bytes);
    }
}
