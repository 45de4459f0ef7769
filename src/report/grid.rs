//! Sheets of pictures: rows of tiles under captions, as one RGB buffer, and that buffer as PNG.
//!
//! It knows bytes and sizes; what the pictures show (LR, bicubic, hallucinated, HR) only the captions say.

use super::font;
use crate::data::image::{self, Compression};
use crate::error::{Error, Result};
use crate::shape::HR;

/// Pixels between tiles and round the sheet.
pub const MARGIN: usize = 6;
/// Height of the caption band above the first row; none where no caption is given.
pub const BAND: usize = font::HEIGHT + MARGIN;

/// Height of a note under a tile, with the gap above it.
pub const NOTE: usize = font::HEIGHT + 3;

const PAPER: [u8; 3] = [250, 250, 250];
const INK: [u8; 3] = [32, 34, 38];

/// One picture of a sheet, RGB bytes, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    pub width: usize,
    pub height: usize,
    pub rgb: &'a [u8],
}

/// An RGB picture of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    pub width: usize,
    pub height: usize,
    /// `height` x `width` x 3 bytes.
    pub rgb: Vec<u8>,
}

/// Lays out rows of tiles, each enlarged (or cut down) to 96x112 by its nearest pixel; one caption a column.
///
/// # Errors
/// [`Error::Shape`] where a tile's bytes do not fit its size, or the sheet is too large for a machine.
pub fn sheet(captions: &[&str], rows: &[Vec<Tile>]) -> Result<Sheet> {
    let plain: Vec<Vec<Noted>> =
        rows.iter().map(|tiles| tiles.iter().map(|tile| (*tile, String::new())).collect()).collect();
    lay_out(captions, &plain, HR.0)
}

/// A tile and what is written under it, such as `27.40 dB 0.83`: 16 characters have room.
pub type Noted<'a> = (Tile<'a>, String);

/// As [`sheet`], with room for a note under every tile.
///
/// # Errors
/// As [`sheet`].
pub fn noted(captions: &[&str], rows: &[Vec<Noted>]) -> Result<Sheet> {
    lay_out(captions, rows, HR.0 + NOTE)
}

/// Rows are so high, and `MARGIN` apart.
fn lay_out(captions: &[&str], rows: &[Vec<Noted>], height: usize) -> Result<Sheet> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(captions.len());
    let top = MARGIN + if captions.is_empty() { 0 } else { BAND };
    let mut sheet = blank(extent(columns, HR.1, MARGIN)?, extent(rows.len(), height, top)?)?;
    for (column, caption) in captions.iter().enumerate() {
        write(&mut sheet, place(column, HR.1, MARGIN), MARGIN, caption);
    }
    for (row, tiles) in rows.iter().enumerate() {
        for (column, (tile, note)) in tiles.iter().enumerate() {
            check(tile, row, column)?;
            let (left, top) = (place(column, HR.1, MARGIN), place(row, height, top));
            lay(&mut sheet, left, top, tile);
            if height > HR.0 {
                write(&mut sheet, left, top + HR.0 + NOTE - font::HEIGHT, note);
            }
        }
    }
    Ok(sheet)
}

/// Where tile number `index` begins.
pub const fn place(index: usize, size: usize, first: usize) -> usize {
    first + index * (size + MARGIN)
}

fn extent(count: usize, size: usize, first: usize) -> Result<usize> {
    let end = (size + MARGIN).checked_mul(count).and_then(|length| length.checked_add(first));
    end.ok_or_else(|| Error::Shape(format!("a sheet of {count} tiles in a row is too large")))
}

fn blank(width: usize, height: usize) -> Result<Sheet> {
    let pixels = width.checked_mul(height).filter(|pixels| *pixels <= 1 << 28);
    let pixels = pixels.ok_or_else(|| Error::Shape(format!("a sheet of {width}x{height} pixels is too large")))?;
    Ok(Sheet { width, height, rgb: PAPER.repeat(pixels) })
}

fn check(tile: &Tile, row: usize, column: usize) -> Result<()> {
    let bytes = tile.width.checked_mul(tile.height).and_then(|pixels| pixels.checked_mul(3));
    if bytes == Some(tile.rgb.len()) && !tile.rgb.is_empty() {
        return Ok(());
    }
    let (width, height, length) = (tile.width, tile.height, tile.rgb.len());
    Err(Error::Shape(format!("tile {column} of row {row}: {length} bytes are no RGB picture of {width}x{height}")))
}

fn lay(sheet: &mut Sheet, left: usize, top: usize, tile: &Tile) {
    for y in 0..HR.0 {
        let from = y * tile.height / HR.0 * tile.width;
        let to = ((top + y) * sheet.width + left) * 3;
        for (x, pixel) in sheet.rgb[to..to + HR.1 * 3].chunks_exact_mut(3).enumerate() {
            let source = (from + x * tile.width / HR.1) * 3;
            pixel.copy_from_slice(&tile.rgb[source..source + 3]);
        }
    }
}

/// Writes a caption in the middle over a tile's width; what does not fit is cut and ends in two dots.
fn write(sheet: &mut Sheet, left: usize, top: usize, caption: &str) {
    let room = HR.1 / (font::WIDTH + 1);
    let mut text: Vec<char> = caption.chars().collect();
    if text.len() > room {
        text.truncate(room - 2);
        text.extend(['.', '.']);
    }
    let start = left + (HR.1 + 1 - text.len() * (font::WIDTH + 1)) / 2;
    for (k, character) in text.into_iter().enumerate() {
        for (y, bits) in font::glyph(character).into_iter().enumerate() {
            for x in (0..font::WIDTH).filter(|x| bits >> (font::WIDTH - 1 - x) & 1 == 1) {
                let to = ((top + y) * sheet.width + start + k * (font::WIDTH + 1) + x) * 3;
                sheet.rgb[to..to + 3].copy_from_slice(&INK);
            }
        }
    }
}

impl Sheet {
    /// The picture as PNG.
    ///
    /// # Errors
    /// [`Error::Output`] where the encoder refuses: a side of 0 pixels, or bytes that do not fit the size.
    pub fn png(&self) -> Result<Vec<u8>> {
        image::encode(self.width, self.height, &self.rgb, Compression::Balanced)
            .map_err(|error| Error::Output(error.to_string()))
    }
}
