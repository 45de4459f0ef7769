//! Bytes as pickles write them: where they are in the file, and what they are. Knows escapes, nothing of opcodes.

/// Longest name that is looked at.
const LONGEST_NAME: usize = 256;
/// Longest way to write a single byte is `\uXXXX`.
const SHORT: usize = 6;

/// How bytes are written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    Plain,
    /// As the characters 0 to 255, in UTF-8.
    Utf8,
    /// As the characters 0 to 255, in Latin-1 with `\uXXXX` for some.
    UnicodeEscape,
    /// As Python 2 shows a string.
    StringEscape,
}

/// Where bytes are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    pub encoding: Encoding,
    pub start: usize,
    pub end: usize,
}

impl Blob {
    /// Whether it can be a single byte.
    pub fn is_short(self) -> bool {
        self.end - self.start <= SHORT
    }

    /// As a text, for names; the rest of a long one is left out.
    pub fn text(self, file: &[u8]) -> String {
        let bytes = file.get(self.start..self.end).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(..bytes.len().min(LONGEST_NAME)).unwrap_or_default()).into_owned()
    }

    /// The bytes; the error is half a sentence.
    pub fn decoded(self, file: &[u8]) -> Result<Vec<u8>, String> {
        let raw = file.get(self.start..self.end).unwrap_or_default();
        match self.encoding {
            Encoding::Plain => Ok(raw.to_vec()),
            Encoding::Utf8 => {
                let text =
                    std::str::from_utf8(raw).map_err(|_| format!("the text at byte {} is not UTF-8", self.start))?;
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                bytes.ok_or_else(|| format!("the text at byte {} is not of bytes", self.start))
            }
            Encoding::UnicodeEscape | Encoding::StringEscape => unescaped(raw, self.encoding)
                .ok_or_else(|| format!("the string at byte {} has a wrong escape", self.start)),
        }
    }
}

/// `\uXXXX` of characters up to 255 in a Latin-1 text, or what Python 2 puts into the `repr` of a string.
fn unescaped(raw: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    let hexadecimal = |digits: &[u8]| {
        let number = digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?));
        number.and_then(|number| u8::try_from(number).ok())
    };
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        let (byte, left) = match (encoding, first, after) {
            (_, byte, _) if *byte != b'\\' => (*byte, after),
            (Encoding::UnicodeEscape, _, [b'u', a, b, c, d, left @ ..]) => (hexadecimal(&[*a, *b, *c, *d])?, left),
            // A backslash that begins no escape is itself.
            (Encoding::UnicodeEscape, ..) => (b'\\', after),
            (_, _, [b'x', a, b, left @ ..]) => (hexadecimal(&[*a, *b])?, left),
            (_, _, [b'n', left @ ..]) => (b'\n', left),
            (_, _, [b'r', left @ ..]) => (b'\r', left),
            (_, _, [b't', left @ ..]) => (b'\t', left),
            (_, _, [quoted @ (b'\\' | b'\'' | b'"'), left @ ..]) => (*quoted, left),
            _ => return None,
        };
        bytes.push(byte);
        rest = left;
    }
    Some(bytes)
}
