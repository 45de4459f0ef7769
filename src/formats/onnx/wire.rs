//! Protobuf's wire format, writing only: varints and length-delimited fields. It knows no schema; field numbers are the caller's.
//! Format: protobuf.dev/programming-guides/encoding.

/// Wire type of whole numbers.
const VARINT: u64 = 0;
/// Wire type of texts, bytes and messages.
const DELIMITED: u64 = 2;

/// A message that grows field by field, in the order of the calls.
#[derive(Clone, Debug, Default)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Message::default()
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A whole number (int32, int64, enum); a negative one takes its ten bytes of two's complement.
    pub fn integer(&mut self, field: u64, value: i64) {
        self.varint(field << 3 | VARINT);
        self.varint(value.cast_unsigned());
    }

    /// A text.
    pub fn text(&mut self, field: u64, text: &str) {
        self.delimited(field, &[text.as_bytes()]);
    }

    /// A message inside this one.
    pub fn message(&mut self, field: u64, inner: &Message) {
        self.delimited(field, &[&inner.bytes]);
    }

    /// A message inside this one whose last field is `data` in field number `last`: large arrays are copied once.
    pub fn message_with(&mut self, field: u64, mut inner: Message, last: u64, data: &[u8]) {
        inner.varint(last << 3 | DELIMITED);
        inner.varint(data.len() as u64);
        self.delimited(field, &[&inner.bytes, data]);
    }

    /// The fields of another message after those of this one.
    pub fn append(&mut self, other: &Message) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    fn delimited(&mut self, field: u64, pieces: &[&[u8]]) {
        self.varint(field << 3 | DELIMITED);
        self.varint(pieces.iter().map(|piece| piece.len() as u64).sum());
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
    }

    /// Seven bits at a time, the lowest first; every byte but the last has its highest bit set.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}
