//! The file for TensorBoard, read by a reader of its own: checksums bit by bit, protocol buffers field by field.

use hallucinet::checkpoint::{EVENTS_FILE, Metrics};
use serde_json::{Value, json};
use std::path::Path;

/// CRC-32C, bit by bit; its check value (of "123456789") is 0xe3069283.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for bit in data.iter().flat_map(|byte| (0..8).map(move |bit| u32::from(byte >> bit & 1))) {
        let odd = (crc ^ bit) & 1 == 1;
        crc >>= 1;
        if odd {
            crc ^= 0x82f6_3b78;
        }
    }
    !crc
}

fn unmasked(bytes: &[u8]) -> u32 {
    let turned = u32::from_le_bytes(bytes.try_into().unwrap()).wrapping_sub(0xa282_ead8);
    turned.rotate_left(15)
}

/// The data of every record, checksums checked.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_at(8);
        assert_eq!(unmasked(&rest[..4]), crc32c(length));
        let (data, rest) = rest[4..].split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        assert_eq!(unmasked(&rest[..4]), crc32c(data));
        found.push(data.to_vec());
        bytes = &rest[4..];
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

/// Number and content of every field of a message; a varint is given as its eight bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                found.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("no wire type {other} is used"),
        };
        let (content, rest) = bytes.split_at(length);
        found.push((key >> 3, content.to_vec()));
        bytes = rest;
    }
    found
}

/// Step, tag and number of every scalar in a file that begins as it should.
fn scalars(folder: &Path) -> Vec<(u64, String, f32)> {
    let records = records(&std::fs::read(folder.join(EVENTS_FILE)).unwrap());
    let (first, others) = records.split_first().unwrap();
    assert_eq!(fields(first)[1], (3, b"brain.Event:2".to_vec()));
    let mut found = Vec::new();
    for event in others {
        let event = fields(event);
        let number = |content: &[u8]| u64::from_le_bytes(content.try_into().unwrap());
        let step = event.iter().find(|(field, _)| *field == 2).map(|(_, content)| number(content)).unwrap();
        for (_, summary) in event.iter().filter(|(field, _)| *field == 5) {
            for (field, value) in fields(summary) {
                let value = fields(&value);
                assert_eq!((field, value[0].0, value[1].0), (1, 1, 2));
                let number = f32::from_le_bytes(value[1].1.as_slice().try_into().unwrap());
                found.push((step, String::from_utf8(value[0].1.clone()).unwrap(), number));
            }
        }
    }
    found
}

fn line(step: u64) -> Value {
    let samples = json!({ "images": 8, "hallucinated": 27.5 });
    json!({ "step": step, "pixel": step as f64 + 0.5, "softmax": null, "mode": "joint", "samples": samples })
}

#[test]
fn the_reader_knows_its_checksum() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn every_number_of_a_line_is_a_scalar_under_its_name() {
    let place = tempfile::tempdir().unwrap();
    let mut metrics = Metrics::open(&place.path().join("metrics.jsonl"), 0).unwrap();
    assert_eq!(scalars(place.path()), []);
    for step in [1, 300] {
        metrics.append(&line(step)).unwrap();
    }
    metrics.append(&json!({ "step": 301, "error": "no number" })).unwrap();
    metrics.sync().unwrap();
    let wanted: Vec<(u64, String, f32)> = [1, 300]
        .into_iter()
        .flat_map(|step| {
            let numbers = [("pixel", step as f32 + 0.5), ("samples/hallucinated", 27.5), ("samples/images", 8.0)];
            numbers.map(|(tag, number)| (step, tag.to_owned(), number))
        })
        .collect();
    assert_eq!(scalars(place.path()), wanted);
}

#[test]
fn events_follow_the_lines_however_a_run_was_stopped() {
    let whole = tempfile::tempdir().unwrap();
    let mut metrics = Metrics::open(&whole.path().join("metrics.jsonl"), 0).unwrap();
    (1..=5).for_each(|step| metrics.append(&line(step)).unwrap());
    let wanted = std::fs::read(whole.path().join(EVENTS_FILE)).unwrap();
    let events = |spoil: &dyn Fn(&Path)| {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("metrics.jsonl");
        let mut metrics = Metrics::open(&path, 0).unwrap();
        (1..=4).for_each(|step| metrics.append(&line(step)).unwrap());
        drop(metrics);
        spoil(&place.path().join(EVENTS_FILE));
        // The checkpoint is older than the metrics: steps 3 and 4 are repeated.
        let mut metrics = Metrics::open(&path, 2).unwrap();
        (3..=5).for_each(|step| metrics.append(&line(step)).unwrap());
        std::fs::read(place.path().join(EVENTS_FILE)).unwrap()
    };
    assert!(events(&|_| ()) == wanted);
    assert!(events(&|file| std::fs::remove_file(file).unwrap()) == wanted);
    assert!(events(&|file| std::fs::File::options().write(true).open(file).unwrap().set_len(99).unwrap()) == wanted);
    assert!(events(&|file| std::fs::write(file, "not events").unwrap()) == wanted);
}
