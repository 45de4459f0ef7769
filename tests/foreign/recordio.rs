//! RecordIO: records in parts, labels in arrays, InsightFace's ranges, indices; and files that are none.

use hallucinet::data::archive::Archive;
use hallucinet::data::image::{Picture, encode_png};
use hallucinet::formats::recordio::{image, read_index, record};
use hallucinet::{Error, Result};
use std::path::{Path, PathBuf};

const MAGIC: u32 = 0xced7_230a;

/// A record as dmlc's writer lays it out: split where the magic number stands at a multiple of four bytes.
fn framed(data: &[u8]) -> Vec<u8> {
    let cuts: Vec<usize> =
        (0..data.len() / 4).map(|word| 4 * word).filter(|at| data[*at..at + 4] == MAGIC.to_le_bytes()).collect();
    let mut file = Vec::new();
    let mut part = |kind: u32, data: &[u8]| {
        file.extend(MAGIC.to_le_bytes());
        file.extend((kind << 29 | data.len() as u32).to_le_bytes());
        file.extend(data);
        file.resize(file.len().next_multiple_of(4), 0);
    };
    let mut start = 0;
    for cut in &cuts {
        part(if start == 0 { 1 } else { 2 }, &data[start..*cut]);
        start = cut + 4;
    }
    part(if cuts.is_empty() { 0 } else { 3 }, &data[start..]);
    file
}

/// An image record: one label in its header, or an array of them behind it.
pub fn packed(labels: &[f32], id: u64, encoded: &[u8]) -> Vec<u8> {
    let (flag, label) = if let [label] = labels { (0, *label) } else { (labels.len() as u32, 0.0) };
    let mut record = Vec::new();
    record.extend(flag.to_le_bytes());
    record.extend(label.to_le_bytes());
    record.extend(id.to_le_bytes());
    record.extend(0u64.to_le_bytes());
    if flag > 0 {
        labels.iter().for_each(|label| record.extend(label.to_le_bytes()));
    }
    record.extend(encoded);
    record
}

/// The bytes of a `.rec` and the text of its `.idx`, keys from 0.
pub fn written(records: &[Vec<u8>]) -> (Vec<u8>, String) {
    let (mut file, mut index) = (Vec::new(), String::new());
    for (key, record) in records.iter().enumerate() {
        index += &format!("{key}\t{}\n", file.len());
        file.extend(framed(record));
    }
    (file, index)
}

/// A face of 96x112 in one colour, as PNG.
pub fn face(level: u8) -> Vec<u8> {
    encode_png(&Picture::new(96, 112, vec![level; 96 * 112 * 3]).unwrap()).unwrap()
}

/// As InsightFace makes it: ranges first and last, two pictures of label 7, one of label 2; every other label is an
/// array.
pub fn training(faces: &[(f32, Vec<u8>)]) -> Vec<Vec<u8>> {
    let end = faces.len() as f32 + 1.0;
    let mut records = vec![packed(&[end, end + 2.0], 0, b"")];
    for (key, (label, encoded)) in (1..).zip(faces) {
        let labels: &[f32] = if key % 2 == 0 { &[*label, 0.0] } else { &[*label] };
        records.push(packed(labels, key, encoded));
    }
    records.push(packed(&[1.0, 3.0], 4, b""));
    records.push(packed(&[3.0, end], 5, b""));
    records
}

pub fn faces() -> Vec<(f32, Vec<u8>)> {
    [(7.0, 10), (2.0, 20), (7.0, 30)].into_iter().map(|(label, level)| (label, face(level))).collect()
}

pub fn open(folder: &Path, file: &[u8], index: Option<&str>) -> Result<Archive> {
    let path = folder.join("train.rec");
    std::fs::write(&path, file).unwrap();
    let _ = std::fs::remove_file(folder.join("train.idx"));
    if let Some(index) = index {
        std::fs::write(folder.join("train.idx"), index).unwrap();
    }
    Archive::open(&path).map(|archive| archive.expect("a file of records"))
}

#[test]
fn records_come_back_whole_wherever_the_magic_number_stands() {
    let magic = MAGIC.to_le_bytes();
    let datas: [Vec<u8>; 8] = [
        vec![],
        vec![1],
        vec![1, 2, 3, 4, 5],
        magic.to_vec(),
        [&magic[..], &magic].concat(),
        [&magic[..], b"abcd", &magic, b"x"].concat(),
        [b"abcd", &magic[..], b"xy"].concat(),
        // Not at a multiple of four: nothing to split.
        [b"a", &magic[..], b"bcd"].concat(),
    ];
    let file: Vec<u8> = datas.iter().flat_map(|data| framed(data)).collect();
    let mut at = 0;
    for data in &datas {
        let (read, next) = record(&file, at).unwrap();
        assert_eq!(read.as_ref(), data);
        at = next;
    }
    assert_eq!(at, file.len());
}

#[test]
fn labels_stand_in_the_header_or_behind_it() {
    let one = packed(&[5.0], 9, b"picture");
    let read = image(&one).unwrap();
    assert_eq!((read.labels, read.id, read.id2, read.encoded), (vec![5.0], 9, 0, &b"picture"[..]));
    let two = packed(&[5.0, 0.25], 9, b"");
    let read = image(&two).unwrap();
    assert_eq!((read.labels, read.encoded), (vec![5.0, 0.25], &b""[..]));
}

#[test]
fn a_training_file_lists_pictures_by_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (file, index) = written(&training(&faces()));
    for index in [None, Some(index.as_str()), Some(index.replace('\n', "\r\n").as_str())] {
        let archive = open(folder.path(), &file, index).unwrap();
        let names = ["id_000002/id_000002_0001.png", "id_000007/id_000007_0001.png", "id_000007/id_000007_0002.png"];
        assert_eq!(archive.listing().names, names);
        assert_eq!(archive.listing().labels, [0, 1, 1]);
        assert!(archive.warnings().is_empty() && archive.pairs().is_none(), "{:?}", archive.warnings());
        for (row, level) in [20, 10, 30].into_iter().enumerate() {
            assert_eq!(archive.encoded(row).unwrap(), face(level));
            assert_eq!(archive.picture(row).unwrap().rgb[0], level);
        }
        assert_eq!(archive.encoded(3).unwrap_err().exit_code(), 3);
    }
    // An index that leaves a picture out leaves it out.
    let some: String = index.lines().filter(|line| !line.starts_with("2\t")).map(|line| format!("{line}\n")).collect();
    let archive = open(folder.path(), &file, Some(&some)).unwrap();
    assert_eq!(archive.listing().identities, ["id_000007"]);
    assert!(archive.warnings()[0].contains("promises 3 pictures, 2 are there"), "{:?}", archive.warnings());
}

#[test]
fn a_plain_file_of_im2rec_has_no_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = written(&[packed(&[0.0], 0, &face(1)), packed(&[16_777_215.0], 1, b"P5 1 1 255\n\x07")]);
    let archive = open(folder.path(), &file, None).unwrap();
    assert_eq!(archive.listing().names, ["id_000000/id_000000_0001.png", "id_16777215/id_16777215_0001.pgm"]);
    assert_eq!(archive.picture(1).unwrap().rgb, [7, 7, 7]);
}

fn index(text: &[u8]) -> std::result::Result<Vec<(u64, usize)>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("a.idx");
    std::fs::write(&path, text).unwrap();
    read_index(&path)
}

#[test]
fn broken_indices_name_the_line() {
    assert_eq!(index(b"2\t40\n0\t0\n\n1\t20").unwrap(), [(0, 0), (1, 20), (2, 40)]);
    for (text, part) in [
        (&b"0 0\n"[..], "line 1"),
        (b"0\t0\nx\t1\n", "line 2"),
        (b"0\t0\n1\t-4\n", "line 2"),
        (b"0\t0\n1\t99999999999999999999\n", "line 2"),
        (b"0\t0\n1\t\xff\n", "line 2"),
        (b"1\t0\n1\t4\n", "key 1 is there twice"),
        (b"1\t8\n2\t0\n3\t8\n", "offset 8 is there twice"),
    ] {
        let error = index(text).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(part), "{error}");
    }
}

#[test]
fn broken_records_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let file = |records: &[Vec<u8>]| written(records).0;
    let part = |kind: u32, length: u32| [MAGIC.to_le_bytes(), (kind << 29 | length).to_le_bytes()].concat();
    let good = file(&[packed(&[1.0], 0, &face(1))]);
    let long = (1u32 << 29) - 1;
    for (bytes, sentence) in [
        (part(0, 0), "0 bytes are too few"),
        (part(0, long), "the file ends inside the record at byte 0, which claims 536870911 bytes"),
        (part(1, 0), "the file ends inside the record at byte 8"),
        (part(2, 0), "is not the first of a record (kind 2)"),
        (part(7, 0), "is not the first of a record (kind 7)"),
        ([part(1, 0), part(0, 0)].concat(), "does not go on with the record at 0 (kind 0)"),
        ([part(1, 0), part(1, 0)].concat(), "does not go on with the record at 0 (kind 1)"),
        ([good.as_slice(), b"tail"].concat(), "the file ends inside the record"),
        ([good.as_slice(), b"tail and more"].concat(), "wrong magic number"),
        (file(&[packed(&[0.5], 0, b"x")]), "has the label 0.5, which is no identity's number"),
        (file(&[packed(&[-1.0], 0, b"x")]), "has the label -1"),
        (file(&[packed(&[f32::NAN], 0, b"x")]), "has the label NaN"),
        (file(&[packed(&[16_777_216.0], 0, b"x")]), "has the label 16777216"),
        (file(&[packed(&[9.0, 3.0], 0, b"")]), "has no pictures"),
    ] {
        let error = open(folder.path(), &bytes, None).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains(sentence), "{error}");
        assert!(error.to_string().contains("train.rec"), "{error}");
    }
    let mut flags = packed(&[1.0], 0, b"abc");
    flags[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = open(folder.path(), &file(&[flags]), None).unwrap_err().to_string();
    assert!(error.contains("4294967295 labels do not fit"), "{error}");
    let error = open(folder.path(), &good, Some("0\t4\n")).unwrap_err().to_string();
    assert!(error.contains("no record at byte 4") && error.contains("train.idx"), "{error}");
    let error = open(folder.path(), &good, Some("0\t18446744073709551615\n")).unwrap_err().to_string();
    assert!(error.contains("train.idx"), "{error}");
    // What is no picture is said by whoever wants to see it.
    let archive = open(folder.path(), &file(&[packed(&[1.0], 0, b"x")]), None).unwrap();
    let error = archive.picture(0).unwrap_err();
    assert!(error.to_string().contains("id_000001/id_000001_0001.jpg: not a picture"), "{error}");
}
