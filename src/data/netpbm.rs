//! PGM and PPM (P2, P3, P5, P6; netpbm.sourceforge.net/doc) to RGB. Knows bytes, nothing of files.
//!
//! Samples are scaled to 255 with rounding where the file's maximum is another; a 16-bit sample is big-endian.

use super::image::{Picture, check_size};

/// Whether the bytes begin like a PGM or PPM file.
pub fn is_netpbm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'2' | b'3' | b'5' | b'6', next, ..] if next.is_ascii_whitespace() || *next == b'#')
}

/// Decodes a whole file; the error is a sentence without the file's name.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let kind = bytes.get(1).copied().unwrap_or_default();
    let mut reader = Reader { bytes, position: 2 };
    let (width, height, maximum) = (reader.number()?, reader.number()?, reader.number()?);
    check_size(width, height)?;
    if !(1..=65_535).contains(&maximum) {
        return Err(format!("the largest sample {maximum} is not in 1..65535"));
    }
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    let samples = (width * height) as usize * channels;
    let scaled = |sample: u64| ((sample.min(maximum) * 255 + maximum / 2) / maximum) as u8;
    let values: Vec<u8> = if matches!(kind, b'5' | b'6') {
        let width = if maximum > 255 { 2 } else { 1 };
        let data = reader.raster(samples * width)?;
        let value = |sample: &[u8]| scaled(sample.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)));
        data.chunks_exact(width).map(value).collect()
    } else {
        // A sample takes two bytes of text (the last one may take one), so a short file is refused before allocating.
        if samples > bytes.len().div_ceil(2) {
            return Err(format!("the file ends before its {samples} samples"));
        }
        (0..samples).map(|_| reader.number().map(scaled)).collect::<Result<_, _>>()?
    };
    let rgb = if channels == 3 { values } else { values.iter().flat_map(|grey| [*grey; 3]).collect() };
    Picture::new(width as usize, height as usize, rgb).map_err(|error| error.to_string())
}

struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// The next decimal number, after white space and `#` comments.
    fn number(&mut self) -> Result<u64, String> {
        while let Some(byte) = self.bytes.get(self.position) {
            if *byte == b'#' {
                let rest = &self.bytes[self.position..];
                self.position += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            } else if byte.is_ascii_whitespace() {
                self.position += 1;
            } else {
                break;
            }
        }
        let rest = &self.bytes[self.position.min(self.bytes.len())..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return Err(if rest.is_empty() {
                "the file ends too early".into()
            } else {
                "a number is missing".to_string()
            });
        }
        self.position += digits;
        Ok(rest[..digits].iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
    }

    /// The raster: one white space character, then exactly so many bytes (more may follow).
    fn raster(&mut self, length: usize) -> Result<&'a [u8], String> {
        if !self.bytes.get(self.position).is_some_and(u8::is_ascii_whitespace) {
            return Err("no white space before the pixels".into());
        }
        let rest = &self.bytes[self.position + 1..];
        rest.get(..length).ok_or_else(|| format!("{} of {length} bytes of pixels", rest.len()))
    }
}
