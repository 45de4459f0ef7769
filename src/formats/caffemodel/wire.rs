//! Protocol buffers on the wire, as far as reading a caffemodel needs them: fields one after the other. Knows no
//! message. Format: protobuf.dev/programming-guides/encoding.

/// One field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    /// A message, a text, or numbers packed together.
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// The fields of a message, taken one by one. Where its bytes are in the file is kept for errors.
pub struct Fields<'a> {
    bytes: &'a [u8],
    /// Where in the file `bytes` ends.
    end: usize,
}

impl<'a> Fields<'a> {
    /// The fields of a message that is a file.
    pub fn of_file(bytes: &'a [u8]) -> Self {
        Fields { bytes, end: bytes.len() }
    }

    /// The byte of the file that is next.
    pub fn at(&self) -> usize {
        self.end - self.bytes.len()
    }

    /// The fields of the message that was taken last.
    pub fn inside(&self, message: &'a [u8]) -> Self {
        Fields { bytes: message, end: self.at() }
    }

    /// Number and content of the next field; nothing at the end of the message. The error is half a sentence.
    pub fn take(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let start = self.at();
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.array()?),
            2 => {
                let length = self.varint()?;
                let (now, left) =
                    usize::try_from(length).ok().and_then(|length| self.bytes.split_at_checked(length)).ok_or_else(
                        || format!("a field of {length} bytes at byte {start} does not end where its message does"),
                    )?;
                self.bytes = left;
                Field::Bytes(now)
            }
            5 => Field::Fixed32(self.array()?),
            kind => {
                return Err(format!(
                    "a field of kind {kind} at byte {start}, and there is no such kind in a caffemodel"
                ));
            }
        };
        match tag >> 3 {
            0 => Err(format!("a field without a number at byte {start}")),
            number => Ok(Some((number, field))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let at = self.at();
        let (now, left) = self.bytes.split_first_chunk().ok_or_else(|| format!("a number is cut off at byte {at}"))?;
        self.bytes = left;
        Ok(*now)
    }

    /// A number of up to 64 bits, seven a byte, the lowest first.
    pub fn varint(&mut self) -> Result<u64, String> {
        let start = self.at();
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let Some((byte, left)) = self.bytes.split_first() else {
                return Err(format!("a number is cut off at byte {start}"));
            };
            self.bytes = left;
            let bits = u64::from(byte & 127);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if byte & 128 == 0 {
                return Ok(number);
            }
        }
        Err(format!("a number longer than 64 bits at byte {start}"))
    }

    /// Whether the message is at its end.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
