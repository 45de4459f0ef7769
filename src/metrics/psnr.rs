//! Peak signal-to-noise ratio of u8 RGB pictures, by three recipes, because papers differ in all of them and seldom say.
//!
//! PSNR = 10 log10(255^2 / MSE) of one picture; a data set's number is the mean of its pictures' PSNRs, not the PSNR of the
//! mean error. This file knows nothing of rounding: pictures are u8 already. Identical pictures have an **infinite** PSNR,
//! which stays infinite in a mean and is written as `null` in JSON: a cap (some print 100 dB) would be an invented number.

use crate::error::{Error, Result};
use crate::metrics::check_pictures;

/// Pixels that super-resolution practice drops on each side: the scale.
const CROP: usize = 4;
/// ITU-R BT.601 studio luma of R, G, B in [0, 1] (MATLAB's `rgb2ycbcr`), without its constant 16, which a difference cancels.
const LUMA: [f64; 3] = [65.481, 128.553, 24.966];

/// PSNR over all bytes of two RGB pictures of `size` (height, width), in dB.
///
/// # Errors
/// [`Error::Shape`] where the slices are not 3 x height x width bytes.
pub fn psnr_rgb(a: &[u8], b: &[u8], size: (usize, usize)) -> Result<f64> {
    check_pictures(a, b, size)?;
    // 255^2 x the bytes of any picture that fits memory is far below 2^64: the sum is exact.
    let squares: u64 = a.iter().zip(b).map(|(x, y)| u64::from(x.abs_diff(*y)).pow(2)).sum();
    Ok(decibels(squares as f64 / a.len() as f64))
}

/// PSNR of the luma Y = 16 + 65.481 R + 128.553 G + 24.966 B (R, G, B = u8 / 255), **not rounded** to integers, in dB.
///
/// # Errors
/// As [`psnr_rgb`].
pub fn psnr_y(a: &[u8], b: &[u8], size: (usize, usize)) -> Result<f64> {
    luma(a, b, size, 0)
}

/// [`psnr_y`] without the 4 outermost pixels of each side, in dB.
///
/// # Errors
/// As [`psnr_rgb`], and [`Error::Input`] where nothing is left inside.
pub fn psnr_y_crop4(a: &[u8], b: &[u8], size: (usize, usize)) -> Result<f64> {
    luma(a, b, size, CROP)
}

fn luma(a: &[u8], b: &[u8], size: (usize, usize), border: usize) -> Result<f64> {
    check_pictures(a, b, size)?;
    let (height, width) = size;
    if height.min(width) <= 2 * border {
        return Err(Error::Input(format!(
            "a {width}x{height} picture has no pixel left after cropping {border} on each side"
        )));
    }
    let mut squares = 0.0;
    for y in border..height - border {
        let row = 3 * (y * width + border)..3 * (y * width + width - border);
        for (p, q) in a[row.clone()].chunks_exact(3).zip(b[row].chunks_exact(3)) {
            let difference: f64 =
                LUMA.iter().zip(p.iter().zip(q)).map(|(k, (p, q))| k * (f64::from(*p) - f64::from(*q))).sum();
            squares += (difference / 255.0).powi(2);
        }
    }
    Ok(decibels(squares / ((height - 2 * border) * (width - 2 * border)) as f64))
}

fn decibels(mean_square: f64) -> f64 {
    if mean_square == 0.0 { f64::INFINITY } else { 10.0 * (255.0 * 255.0 / mean_square).log10() }
}
