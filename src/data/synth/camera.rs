//! From light to bytes: exposure, tone curve, saturation, lens blur, sensor noise.
//!
//! It knows a buffer of linear light and a camera; what is in the picture it does not know.

use super::noise::{Rgb, mix};
use super::picture::Camera;
use crate::random::Random;

const CURVE: usize = 1024;

/// Develops `height` x `width` pixels of linear light to RGB bytes. `level` is the exposure, `random` the sensor's noise.
pub fn develop(mut light: Vec<Rgb>, width: usize, camera: &Camera, level: f64, random: &mut Random) -> Vec<u8> {
    let curve = curve(camera);
    for pixel in &mut light {
        *pixel = tone(*pixel, camera, level, &curve);
    }
    if camera.blur > 0.05 {
        blur(&mut light, width, camera.blur);
    }
    let mut bytes = Vec::with_capacity(light.len() * 3);
    for pixel in &light {
        // The three channels share half of the noise, as a demosaiced sensor's do. A sum of four uniforms is normal enough.
        let word = random.bits();
        let part = |k: u32| ((word >> (8 * k)) & 0xff) as f64 / 127.5 - 1.0;
        let common = part(0) + part(1);
        for (c, value) in pixel.iter().enumerate() {
            let own = part(2 + 2 * c as u32) + part((3 + 2 * c as u32) % 8);
            let noisy = value * 255.0 + camera.noise * (0.6 * common + 0.6 * own);
            bytes.push((noisy + 0.5).clamp(0.0, 255.0) as u8);
        }
    }
    bytes
}

/// Linear light 0..2 to the screen: a soft shoulder above 0.7 keeps highlights from clipping flat, then the power 1 / 2.2.
fn curve(camera: &Camera) -> Vec<f64> {
    let power = camera.gamma / 2.2;
    let shoulder = |x: f64| if x < 0.7 { x } else { 0.7 + 0.3 * (x - 0.7) / (x - 0.4) };
    // Spaced by squares, so that the dark end, where the power is steep, is well sampled.
    (0..=CURVE).map(|i| shoulder(2.0 * (i as f64 / CURVE as f64).powi(2)).powf(power)).collect()
}

fn tone(pixel: Rgb, camera: &Camera, level: f64, curve: &[f64]) -> Rgb {
    let grey = 0.2126 * pixel[0] + 0.7152 * pixel[1] + 0.0722 * pixel[2];
    pixel.map(|value| {
        let exposed = mix(grey, value, camera.saturation) * level * camera.gain;
        let place = (exposed.clamp(0.0, 1.999) / 2.0).sqrt() * CURVE as f64;
        let i = (place as usize).min(CURVE - 1);
        mix(curve[i], curve[i + 1], place - i as f64)
    })
}

/// A separable three-tap blur of standard deviation `sigma` < 0.8 pixel, in place, the border repeated.
fn blur(picture: &mut [Rgb], width: usize, sigma: f64) {
    let side = (0.5 * sigma * sigma).min(0.32);
    let taps = |a: Rgb, b: Rgb, c: Rgb| [0, 1, 2].map(|k| side * (a[k] + c[k]) + (1.0 - 2.0 * side) * b[k]);
    for row in picture.chunks_exact_mut(width) {
        let mut before = row[0];
        for x in 0..width {
            let (here, after) = (row[x], row[(x + 1).min(width - 1)]);
            row[x] = taps(before, here, after);
            before = here;
        }
    }
    let mut above = picture[..width].to_vec();
    let last = picture.len() - width;
    for i in 0..picture.len() {
        let (here, below) = (picture[i], picture[if i < last { i + width } else { i }]);
        picture[i] = taps(above[i % width], here, below);
        above[i % width] = here;
    }
}
