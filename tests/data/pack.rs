//! Hostile packs: cut at every byte, a bit flipped at every byte, every length at its extremes, an index that lies. None may
//! panic, and none may be taken for whole.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use hallucinet::data::align::Alignment;
use hallucinet::data::faces::Source;
use hallucinet::data::pack::{FACE, Pack};
use serde_json::{Value, json};

use crate::faces::paint;
use crate::folder;

/// A pack of two faces of two people, and its bytes.
fn made(root: &Path) -> (PathBuf, Vec<u8>) {
    paint(&root.join("in"), "A/1.png", 3, (96, 112));
    paint(&root.join("in"), "B/1.png", 200, (96, 112));
    let path = root.join("a.pack");
    Source::open(&root.join("in")).unwrap().pack(&Alignment::None, &path, &mut |_, _| Ok(())).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

fn opens_whole(path: &Path) -> bool {
    Pack::open(path).and_then(|pack| pack.check()).is_ok()
}

#[test]
fn every_cut_is_refused() {
    let folder = folder();
    let (path, bytes) = made(folder.path());
    assert!(opens_whole(&path));
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    for length in (0..bytes.len() as u64).rev() {
        file.set_len(length).unwrap();
        let error = Pack::open(&path).expect_err("a pack that was cut");
        assert!(error.exit_code() == 3 && error.to_string().contains("a.pack"), "{error}");
    }
    std::fs::write(&path, [bytes.as_slice(), b" "].concat()).unwrap();
    assert!(Pack::open(&path).is_err(), "a byte too many");
}

#[test]
fn every_flipped_bit_is_found() {
    use std::os::unix::fs::FileExt;
    let folder = folder();
    let (path, bytes) = made(folder.path());
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let crops = 4096..4096 + 2 * FACE;
    // All of what stands around the crops; of the crops, which one checksum covers, some.
    for (at, byte) in bytes.iter().enumerate().filter(|(at, _)| !crops.contains(at) || at % 41 == 0) {
        file.write_all_at(&[byte ^ (1 << (at % 8))], at as u64).unwrap();
        assert!(!opens_whole(&path), "byte {at}");
        file.write_all_at(&[*byte], at as u64).unwrap();
    }
    assert!(opens_whole(&path));
}

/// Puts the checksums right again, so that what lies behind them is met.
fn seal(bytes: &mut [u8], index: usize) {
    let checksum = crc32fast::hash(&bytes[index..]);
    bytes[48..52].copy_from_slice(&checksum.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[16..64]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn extreme_lengths_are_refused() {
    let folder = folder();
    let (path, bytes) = made(folder.path());
    let index = 4096 + 2 * FACE;
    for field in [16, 24, 32, 40] {
        let now = u64::from_le_bytes(bytes[field..field + 8].try_into().unwrap());
        let extremes =
            [0, 1, now - 1, now + 1, u64::from(u32::MAX), 1 << 32, 1 << 60, i64::MAX as u64, u64::MAX - 1, u64::MAX];
        for value in extremes.into_iter().filter(|value| *value != now) {
            let mut broken = bytes.clone();
            broken[field..field + 8].copy_from_slice(&value.to_le_bytes());
            seal(&mut broken, index);
            std::fs::write(&path, broken).unwrap();
            let error = Pack::open(&path).expect_err(&format!("{value} at {field}"));
            assert_eq!(error.exit_code(), 3, "{error}");
        }
    }
    let mut broken = bytes.clone();
    broken[8] = 2;
    seal(&mut broken, index);
    std::fs::write(&path, broken).unwrap();
    assert!(Pack::open(&path).unwrap_err().to_string().contains("version 2"));
}

#[test]
fn an_index_that_lies_is_refused() {
    let folder = folder();
    let (path, bytes) = made(folder.path());
    let at = 4096 + 2 * FACE;
    let good: Value = serde_json::from_slice(&bytes[at..]).unwrap();
    let with = |index: &Value| {
        let mut broken = bytes[..at].to_vec();
        broken.extend(serde_json::to_vec(index).unwrap());
        let length = (broken.len() - at) as u64;
        broken[40..48].copy_from_slice(&length.to_le_bytes());
        seal(&mut broken, at);
        std::fs::write(&path, broken).unwrap();
        Pack::open(&path)
    };
    with(&good).unwrap().check().unwrap();
    for (key, value) in [
        ("labels", json!([0, 2])),
        ("labels", json!([0, 0])),
        ("labels", json!([1, 0])),
        ("labels", json!([0, u32::MAX])),
        ("labels", json!([0, -1])),
        ("labels", json!([0, 1u64 << 32])),
        ("labels", json!([0])),
        ("labels", json!([0, 1, 1])),
        ("names", json!(["A/1.png"])),
        ("names", json!(["A/1.png", "A/1.png"])),
        ("names", json!(["B/1.png", "A/1.png"])),
        ("names", json!(["A/1.png", "B/../../1.png"])),
        ("names", json!(["A/1.png", "/B/1.png"])),
        ("names", json!(["A/1.png", "B/"])),
        ("names", json!(["A", "B"])),
        ("identities", json!(["A"])),
        ("identities", json!(["A", "A"])),
        ("identities", json!(["B", "A"])),
        ("identities", json!(["A", "B", "C"])),
        ("identities", json!(["", "B"])),
        ("checksums", json!([])),
        ("checksums", json!([1, 2])),
        ("origin", json!(null)),
        ("more", json!(1)),
    ] {
        let mut index = good.clone();
        index[key] = value.clone();
        let error = with(&index).expect_err(&format!("{key}: {value}"));
        assert!(error.exit_code() == 3 && error.to_string().contains("a.pack"), "{error}");
    }
    for index in [json!(null), json!([]), json!("x"), json!({})] {
        assert_eq!(with(&index).unwrap_err().exit_code(), 3);
    }
}

#[test]
fn damaged_faces_are_named() {
    let folder = folder();
    let (path, mut bytes) = made(folder.path());
    bytes[4096 + FACE] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let pack = Pack::open(&path).expect("opening reads no face");
    assert!(pack.check().unwrap_err().to_string().contains("faces 1 to 2"));
}

#[test]
fn other_files_are_not_packs() {
    let folder = folder();
    let path = folder.path().join("x");
    for content in
        [vec![], vec![0; 3], vec![0; 5000], b"HALLPACK".to_vec(), [b"HALLPACK".to_vec(), vec![0xff; 5000]].concat()]
    {
        std::fs::write(&path, content).unwrap();
        assert_eq!(Pack::open(&path).unwrap_err().exit_code(), 3);
    }
    assert_eq!(Pack::open(folder.path()).unwrap_err().exit_code(), 3);
}
