//! TensorBoard's event files: numbers over steps, written record by record. Knows tags and numbers, not what they mean; nothing here reads.
//!
//! A file is a sequence of TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of the data, little endian), each an
//! `Event` in protocol buffers: tensorflow/core/lib/io/record_writer.h, tensorflow/core/util/event.proto, framework/summary.proto.
//! The time of an event is its step, in seconds: the same run gives the same bytes, and TensorBoard's axis of steps is the one to look at.

/// The record that every file begins with.
pub fn header() -> Vec<u8> {
    let mut event = Vec::new();
    number(&mut event, WALL_TIME, &0f64.to_le_bytes());
    text(&mut event, FILE_VERSION, b"brain.Event:2");
    record(&event)
}

/// The record of some numbers at a step, each under its tag, such as `loss/pixel`.
pub fn scalars(step: u64, scalars: &[(String, f64)]) -> Vec<u8> {
    let mut event = Vec::new();
    number(&mut event, WALL_TIME, &(step as f64).to_le_bytes());
    event.push(STEP);
    varint(&mut event, step);
    let mut summary = Vec::new();
    for (tag, scalar) in scalars {
        let mut value = Vec::new();
        text(&mut value, TAG, tag.as_bytes());
        number(&mut value, SIMPLE_VALUE, &(*scalar as f32).to_le_bytes());
        text(&mut summary, VALUE, &value);
    }
    text(&mut event, SUMMARY, &summary);
    record(&event)
}

/// Keys of fields: their number in the message times 8, plus how they are laid out (0 varint, 1 eight bytes, 2 with a length, 5 four
/// bytes). `Event`:
const WALL_TIME: u8 = 8 + 1;
const STEP: u8 = 2 * 8;
const FILE_VERSION: u8 = 3 * 8 + 2;
const SUMMARY: u8 = 5 * 8 + 2;
/// `Summary`
const VALUE: u8 = 8 + 2;
/// `Summary.Value`
const TAG: u8 = 8 + 2;
const SIMPLE_VALUE: u8 = 2 * 8 + 5;

fn number(message: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    message.push(key);
    message.extend_from_slice(bytes);
}

fn text(message: &mut Vec<u8>, key: u8, bytes: &[u8]) {
    message.push(key);
    varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// The checksum as records hold it: turned and shifted, since a checksum of data with checksums inside is a poor one.
fn masked(data: &[u8]) -> [u8; 4] {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// CRC-32C (Castagnoli's polynomial, RFC 3720), byte by byte: an event is a few hundred bytes.
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc: u32, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};
