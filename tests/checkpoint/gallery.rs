//! The gallery's file: what is written is read, and what was damaged or made to hurt is refused in a sentence.

use hallucinet::formats::gallery::{Entry, Gallery, Origin};
use std::path::Path;

fn origin() -> Origin {
    Origin { model_sha256: "ab".repeat(32), mirror: true, input: "hr".to_owned() }
}

fn entry(person: &str, picture: &str) -> Entry {
    Entry(person.to_owned(), picture.to_owned())
}

fn small() -> Gallery {
    let mut gallery = Gallery::new(origin(), 2);
    let entries = [entry("b", "1"), entry("a", "2"), entry("b", "0")];
    gallery.add(&entries, &[0.0, 1.0, 1.0, 0.0, 0.6, 0.8]).unwrap();
    gallery
}

fn read(path: &Path, bytes: &[u8]) -> Result<Gallery, hallucinet::Error> {
    std::fs::write(path, bytes).unwrap();
    Gallery::read(path)
}

#[test]
fn rows_are_sorted_and_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g");
    let mut gallery = small();
    assert_eq!(gallery.entries(), [entry("a", "2"), entry("b", "0"), entry("b", "1")]);
    assert_eq!(gallery.features(), [1.0, 0.0, 0.6, 0.8, 0.0, 1.0]);
    assert_eq!(gallery.people(), (vec!["a", "b"], vec![0, 1, 1]));
    gallery.write(&path).unwrap();
    assert_eq!(Gallery::read(&path).unwrap(), gallery);
    // A row that is there already is replaced, also within one list.
    assert_eq!(gallery.add(&[entry("b", "0"), entry("b", "0")], &[1.0, 0.0, 0.8, 0.6]).unwrap(), 2);
    assert_eq!(gallery.features(), [1.0, 0.0, 0.8, 0.6, 0.0, 1.0]);
    assert_eq!((gallery.remove("b"), gallery.remove("b"), gallery.entries().len()), (2, 0, 1));
    assert_eq!(gallery.remove("a"), 1);
    gallery.write(&path).unwrap();
    assert_eq!(Gallery::read(&path).unwrap(), Gallery::new(origin(), 2));
    assert!(gallery.add(&[entry("a", "1")], &[1.0]).is_err());
}

#[test]
fn names_may_be_anything() {
    let folder = tempfile::tempdir().unwrap();
    let mut gallery = Gallery::new(origin(), 1);
    let names = ["", "../../etc/passwd", "a\nb", "\0", "Zoë", "\u{202e}", "\"", "-1", "𝕏"];
    let entries: Vec<Entry> = names.iter().map(|name| entry(name, name)).collect();
    gallery.add(&entries, &vec![1.0; names.len()]).unwrap();
    gallery.write(&folder.path().join("g")).unwrap();
    assert_eq!(Gallery::read(&folder.path().join("g")).unwrap(), gallery);
}

#[test]
fn every_cut_and_every_changed_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g");
    let bytes = small().to_bytes().unwrap();
    for length in 0..bytes.len() {
        let error = read(&path, &bytes[..length]).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("/g"), "{length}: {error}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(read(&path, &longer).unwrap_err().exit_code(), 3);
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for at in 0..bytes.len() {
        for bit in [1, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= bit;
            match read(&path, &changed) {
                Err(error) => assert_eq!(error.exit_code(), 3, "{at}: {error}"),
                // A fingerprint may have become another one; nothing of the features may.
                Ok(gallery) => assert!(at < header && gallery.features() == small().features(), "{at}"),
            }
        }
    }
}

#[test]
fn sizes_that_are_claimed_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g");
    let file = |header: &str, data: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        read(&path, &bytes)
    };
    let about = r#""__metadata__":{"hallucinet":"{\"crc32\":0,\"gallery\":1,\"input\":\"hr\",\"mirror\":true,\"model_sha256\":\"\"}"}"#;
    let arrays = |entries: &str, features: &str| format!("{{{about},\"entries\":{entries},\"features\":{features}}}");
    let ok = r#"{"dtype":"U8","shape":[2],"data_offsets":[0,2]}"#;
    for header in [
        arrays(ok, r#"{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[2,2]}"#),
        arrays(ok, r#"{"dtype":"F32","shape":[18446744073709551615,18446744073709551615],"data_offsets":[2,2]}"#),
        arrays(ok, r#"{"dtype":"F32","shape":[1000000,1024],"data_offsets":[2,4096000002]}"#),
        arrays(ok, r#"{"dtype":"F32","shape":[18446744073709551615,0],"data_offsets":[2,2]}"#),
        arrays(ok, r#"{"dtype":"F32","shape":[0],"data_offsets":[2,2]}"#),
        arrays(ok, r#"{"dtype":"F64","shape":[0,4],"data_offsets":[2,2]}"#),
        arrays(
            r#"{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#,
            r#"{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}"#,
        ),
        arrays(
            r#"{"dtype":"U8","shape":[2],"data_offsets":[0,1]}"#,
            r#"{"dtype":"F32","shape":[0,4],"data_offsets":[1,1]}"#,
        ),
        arrays(ok, r#"{"dtype":"F32","shape":[0,4],"data_offsets":[1,1]}"#),
        format!("{{{about}}}"),
        format!("{{\"entries\":{ok}}}"),
        "{\"__metadata__\":{\"hallucinet\":\"[]\"}}".to_owned(),
        "{\"__metadata__\":{\"hallucinet\":\"{\"}}".to_owned(),
        "[".repeat(50_000),
    ] {
        let error = file(&header, b"[]").unwrap_err();
        assert_eq!(error.exit_code(), 3, "{header:.200}: {error}");
    }
    let error = Gallery::read(folder.path()).unwrap_err();
    assert!(error.to_string().contains("not a file"), "{error}");
}

/// The checksum is right and the content is not.
#[test]
fn features_that_are_no_directions_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("g");
    for wrong in [f32::NAN, f32::INFINITY, 0.0, 1.1, -3.0] {
        let mut gallery = Gallery::new(origin(), 1);
        gallery.add(&[entry("a", "1")], &[wrong]).unwrap();
        gallery.write(&path).unwrap();
        let error = Gallery::read(&path).unwrap_err();
        assert!(error.to_string().contains("unit length"), "{wrong}: {error}");
    }
}
