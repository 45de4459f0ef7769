//! Numbers that say how good a picture or a recogniser is: pure functions of slices, in f64, with a fixed order of summation.
//!
//! This layer knows nothing of files, networks or devices; whoever calls it has the pictures and the scores at hand. A score
//! that is not finite is an error here and never a silent zero, because a sort with a NaN in it has no meaning.

pub mod eigen;
pub mod identification;
pub mod interval;
pub mod paired;
pub mod projection;
pub mod psnr;
pub mod ssim;
pub mod verification;

use crate::error::{Error, Result};

/// The four restoration numbers of one picture, each named by its recipe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Restoration {
    /// [`psnr::psnr_rgb`], dB.
    pub psnr_rgb: f64,
    /// [`psnr::psnr_y`], dB.
    pub psnr_y: f64,
    /// [`psnr::psnr_y_crop4`], dB.
    pub psnr_y_crop4: f64,
    /// [`ssim::ssim`], at most 1.
    pub ssim: f64,
}

/// All restoration numbers of `restored` against `reference`, both u8 RGB [height, width, 3].
///
/// # Errors
/// As the four functions: other lengths than `size` says, or a picture under 11x11 pixels.
pub fn restoration(restored: &[u8], reference: &[u8], size: (usize, usize)) -> Result<Restoration> {
    Ok(Restoration {
        psnr_rgb: psnr::psnr_rgb(restored, reference, size)?,
        psnr_y: psnr::psnr_y(restored, reference, size)?,
        psnr_y_crop4: psnr::psnr_y_crop4(restored, reference, size)?,
        ssim: ssim::ssim(restored, reference, size)?,
    })
}

/// The mean of per-picture numbers: `None` of an empty list, infinite as soon as one PSNR is (a JSON writer says `null`
/// to both, since JSON has no infinity).
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Inner product, in eight partial sums so that it runs at the speed of the memory.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((blocks_a, rest_a), (blocks_b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in blocks_a.iter().zip(blocks_b) {
        sums.iter_mut().zip(a).zip(b).for_each(|((sum, a), b)| *sum += a * b);
    }
    rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>() + sums.iter().sum::<f64>()
}

/// Refuses two pictures that are not both RGB of `size` (height, width).
fn check_pictures(a: &[u8], b: &[u8], (height, width): (usize, usize)) -> Result<()> {
    let bytes = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(3));
    if bytes == Some(0) || bytes != Some(a.len()) || a.len() != b.len() {
        let (a, b) = (a.len(), b.len());
        return Err(Error::Shape(format!("pictures of {a} and {b} bytes compared as {width}x{height} RGB")));
    }
    Ok(())
}
