//! Pictures as 8-bit RGB: JPEG, PNG, PGM and PPM in, PNG out. Knows files and pixels, nothing of faces.
//!
//! The content decides the format, never the name. Grey is repeated into the three channels, 16 bits are cut to 8, alpha is
//! dropped (not blended), colour profiles and the EXIF orientation are not applied: what the file stores is what comes out.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::netpbm;
use crate::error::{Error, Result};

/// More pixels than this are refused before anything is allocated for them.
pub const MAX_PIXELS: u64 = 64 << 20;
/// Longer sides are refused too; a JPEG cannot be larger anyway.
const MAX_SIDE: u64 = 65_535;
/// Larger files are refused unread: no picture under [`MAX_PIXELS`] needs as much.
const MAX_FILE: u64 = 1 << 30;
/// Endings of the names that count as pictures when a folder is listed.
pub const EXTENSIONS: [&str; 5] = ["jpg", "jpeg", "png", "pgm", "ppm"];
/// The decoders, as a pack remembers them: another JPEG decoder may differ by a level.
pub const DECODERS: &str = "zune-jpeg 0.5.15, png 0.18.1";

/// A picture of 8-bit RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// `[height, width, 3]`, rows from top to bottom.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// A picture from its bytes; a length that is not width x height x 3 is an [`Error::Shape`].
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self> {
        let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        if expected != Some(rgb.len()) || rgb.is_empty() {
            return Err(Error::Shape(format!("{} bytes are not a {width}x{height} RGB picture", rgb.len())));
        }
        Ok(Picture { width, height, rgb })
    }

    /// The same picture seen in a mirror.
    pub fn mirror(&self) -> Picture {
        Picture { width: self.width, height: self.height, rgb: mirrored(&self.rgb, self.width) }
    }
}

/// Rows of `width` RGB pixels, of one picture or of several, each row the other way round.
pub fn mirrored(rgb: &[u8], width: usize) -> Vec<u8> {
    let mut mirrored = Vec::with_capacity(rgb.len());
    for row in rgb.chunks_exact(width * 3) {
        mirrored.extend(row.rchunks_exact(3).flatten());
    }
    mirrored
}

/// Whether a file's name ends like a picture's.
pub fn has_picture_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The ending of the name of a file with this content; a JPEG's for what is no picture, which its reader will say.
pub fn extension_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [b'P', b'2' | b'5', ..] => "pgm",
        [b'P', b'3' | b'6', ..] => "ppm",
        _ => "jpg",
    }
}

/// Reads a picture; what is not a whole picture is an [`Error::Input`] that names the file.
pub fn read(path: &Path) -> Result<Picture> {
    let bytes = read_bounded(path, MAX_FILE)?;
    decode(&bytes).map_err(|reason| Error::Input(format!("{}: {reason}", path.display())))
}

/// Reads a regular file of at most `limit` bytes; pipes and devices, which may never end, are refused.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let cannot = || Error::reading(path);
    let metadata = std::fs::metadata(path).map_err(cannot())?;
    if !metadata.is_file() {
        return Err(Error::Input(format!("{} is not a file", path.display())));
    }
    if metadata.len() > limit {
        return Err(Error::Input(format!(
            "{}: {} bytes are more than the {limit} allowed",
            path.display(),
            metadata.len()
        )));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot())?;
    Ok(bytes)
}

/// Decodes a picture in memory; the error is a sentence without the file's name.
pub fn decode(bytes: &[u8]) -> std::result::Result<Picture, String> {
    if bytes.starts_with(&[0xff, 0xd8]) {
        decode_jpeg(bytes).map_err(|reason| format!("broken JPEG ({reason})"))
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        decode_png(bytes).map_err(|reason| format!("broken PNG ({reason})"))
    } else if netpbm::is_netpbm(bytes) {
        netpbm::decode(bytes).map_err(|reason| format!("broken PGM or PPM ({reason})"))
    } else if bytes.is_empty() {
        Err("the file is empty, not a picture".into())
    } else {
        Err("not a picture: neither JPEG, PNG, PGM nor PPM".into())
    }
}

/// Refuses empty and giant pictures by the size in their header.
pub(super) fn check_size(width: u64, height: u64) -> std::result::Result<(), String> {
    match width.checked_mul(height) {
        Some(0) => Err(format!("{width}x{height} has no pixels")),
        Some(pixels) if pixels <= MAX_PIXELS && width.max(height) <= MAX_SIDE => Ok(()),
        _ => Err(format!("{width}x{height} is too large ({MAX_PIXELS} pixels and sides of {MAX_SIDE} are allowed)")),
    }
}

/// Whether a JPEG goes on to its end marker. Segments are skipped by their length (a thumbnail inside has an end marker of
/// its own), coded data up to the next marker that is not a restart; what follows the end marker is nobody's concern.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut position = 2;
    while let Some(rest) = bytes.get(position..) {
        match rest {
            [0xff, 0xd9, ..] => return true,
            [0xff, 0x01 | 0xd0..=0xd8, ..] => position += 2,
            // Coded data, stuffed zeros and fill bytes.
            [0xff, 0x00 | 0xff, ..] => position += 1,
            [0xff, _, high, low, ..] => position += 2 + usize::from(u16::from_be_bytes([*high, *low])),
            [0xff, ..] | [] => return false,
            _ => position += 1,
        }
    }
    false
}

fn decode_jpeg(bytes: &[u8]) -> std::result::Result<Picture, String> {
    // The decoder fills what a cut file lacks with grey and says nothing, so look for the end first; strict finds the rest.
    if !jpeg_is_whole(bytes) {
        return Err("the file ends before the picture does".into());
    }
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| error.to_string())?;
    let info = decoder.info().ok_or("no size")?;
    check_size(u64::from(info.width), u64::from(info.height))?;
    let rgb = decoder.decode().map_err(|error| error.to_string())?;
    Picture::new(usize::from(info.width), usize::from(info.height), rgb).map_err(|error| error.to_string())
}

fn decode_png(bytes: &[u8]) -> std::result::Result<Picture, String> {
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 1 << 30 });
    decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(|error| error.to_string())?;
    check_size(u64::from(header.width), u64::from(header.height))?;
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let frame = reader.next_frame(&mut pixels).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    pixels.truncate(frame.buffer_size());
    let rgb = match frame.color_type {
        png::ColorType::Rgb => pixels,
        png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
        png::ColorType::Grayscale => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        png::ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        png::ColorType::Indexed => return Err("its palette cannot be expanded".into()),
    };
    Picture::new(frame.width as usize, frame.height as usize, rgb).map_err(|error| error.to_string())
}

/// How hard a PNG is squeezed. Any of them stores the same pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// For many noisy pictures, which do not compress anyway.
    Fast,
    Balanced,
}

/// The bytes of a PNG file; the same picture gives the same bytes.
pub fn encode_png(picture: &Picture) -> Result<Vec<u8>> {
    encode(picture.width, picture.height, &picture.rgb, Compression::Balanced)
}

/// The bytes of a PNG file of RGB rows; an [`Error::Shape`] where there are no pixels, or not as many as the size says.
pub fn encode(width: usize, height: usize, rgb: &[u8], compression: Compression) -> Result<Vec<u8>> {
    let failed = |reason: String| Error::Shape(format!("cannot encode a {width}x{height} PNG: {reason}"));
    let side = |length: usize| u32::try_from(length).map_err(|_| failed("it is too large".into()));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(width)?, side(height)?);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(match compression {
        Compression::Fast => png::Compression::Fast,
        Compression::Balanced => png::Compression::Balanced,
    });
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(rgb)?;
        writer.finish()
    });
    written.map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

/// Writes a PNG file, whole or not at all.
pub fn write_png(path: &Path, picture: &Picture) -> Result<()> {
    crate::files::write(path, &encode_png(picture)?)
}
