//! Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004) of u8 RGB pictures.
//!
//! Recipe: 11x11 Gaussian window of sigma 1.5, only positions where the window lies inside the picture, C1 = (0.01 x 255)^2,
//! C2 = (0.03 x 255)^2, mean over the map, each channel by itself and then the mean of the three (BasicSR's
//! `calculate_ssim`). The window is a product of two vectors, so it is applied along rows and then along columns.

use crate::error::{Error, Result};
use crate::metrics::check_pictures;

const WINDOW: usize = 11;
const SIGMA: f64 = 1.5;
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// SSIM of two RGB pictures of `size` (height, width): 1 for identical ones, smaller otherwise.
///
/// # Errors
/// [`Error::Shape`] where the slices are not 3 x height x width bytes, [`Error::Input`] for pictures under 11x11.
pub fn ssim(a: &[u8], b: &[u8], size: (usize, usize)) -> Result<f64> {
    check_pictures(a, b, size)?;
    let (height, width) = size;
    if height.min(width) < WINDOW {
        return Err(Error::Input(format!(
            "SSIM needs pictures of {WINDOW}x{WINDOW} pixels or more, not {width}x{height}"
        )));
    }
    let window = window();
    let channels = (0..3).map(|channel| {
        let plane =
            |picture: &[u8]| -> Vec<f64> { picture.iter().skip(channel).step_by(3).map(|v| f64::from(*v)).collect() };
        similarity(&plane(a), &plane(b), size, &window)
    });
    Ok(channels.sum::<f64>() / 3.0)
}

/// Mean of the SSIM map of two planes [height, width].
fn similarity(a: &[f64], b: &[f64], size: (usize, usize), window: &[f64; WINDOW]) -> f64 {
    let product = |x: &[f64], y: &[f64]| -> Vec<f64> { x.iter().zip(y).map(|(x, y)| x * y).collect() };
    let mean_a = filter(a, size, window);
    let mean_b = filter(b, size, window);
    let square_a = filter(&product(a, a), size, window);
    let square_b = filter(&product(b, b), size, window);
    let cross = filter(&product(a, b), size, window);
    let mut total = 0.0;
    for (i, (ma, mb)) in mean_a.iter().zip(&mean_b).enumerate() {
        let (variance_a, variance_b, covariance) = (square_a[i] - ma * ma, square_b[i] - mb * mb, cross[i] - ma * mb);
        let luminance = (2.0 * ma * mb + C1) / (ma * ma + mb * mb + C1);
        total += luminance * (2.0 * covariance + C2) / (variance_a + variance_b + C2);
    }
    total / mean_a.len() as f64
}

/// Weighted means of a plane [height, width] at every window position: [height - 10, width - 10].
fn filter(plane: &[f64], (height, width): (usize, usize), window: &[f64; WINDOW]) -> Vec<f64> {
    let (rows, columns) = (height + 1 - WINDOW, width + 1 - WINDOW);
    let mut along_rows = Vec::with_capacity(height * columns);
    for row in plane.chunks_exact(width) {
        along_rows.extend(row.windows(WINDOW).map(|pixels| pixels.iter().zip(window).map(|(p, w)| p * w).sum::<f64>()));
    }
    let mut out = vec![0.0; rows * columns];
    for (y, out_row) in out.chunks_exact_mut(columns).enumerate() {
        for (source, weight) in along_rows[y * columns..].chunks_exact(columns).zip(window) {
            for (out, value) in out_row.iter_mut().zip(source) {
                *out += weight * value;
            }
        }
    }
    out
}

/// One side of the separable window, of sum 1.
fn window() -> [f64; WINDOW] {
    let mut weights: [f64; WINDOW] = std::array::from_fn(|i| {
        let distance = i as f64 - (WINDOW / 2) as f64;
        (-distance * distance / (2.0 * SIGMA * SIGMA)).exp()
    });
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}
