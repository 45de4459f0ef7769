//! Bicubic resampling of 8-bit pictures in its three flavours; a leaf: it knows slices of 3 interleaved channels and
//! nothing else of the crate.
//!
//! * `matlab`: the rule of MATLAB's `imresize` (a = -0.5, antialiased when shrinking, mirrored borders), height then width,
//!   no rounding between the passes, one `floor(v + 0.5)` and clamp at the end.
//! * `pillow`: `libImaging/Resample.c` (a = -0.5, antialiased, support cut at the border and renormalised), width then
//!   height, 22-bit fixed point, 8 bits between the passes.
//! * `opencv`: `cv2.resize` with `INTER_CUBIC` (a = -0.75, never antialiased, replicated borders), in single precision. These
//!   are the bytes of the packages of opencv-python for x86-64, which leave this work to Intel's IPP: the same at x1/4 and x4,
//!   and all but some five in a million elsewhere. OpenCV without IPP has 11-bit weights and is up to one level away.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Interleaved channels of a pixel.
const CHANNELS: usize = 3;
/// Fixed-point bits of a Pillow coefficient (`PRECISION_BITS` of `Resample.c`).
const PILLOW_BITS: u32 = 22;
/// Longer sides, and larger divisors, are refused: taps take memory in proportion.
const MAX_SIDE: usize = 1 << 20;
/// The MATLAB weights of x1/4 (and of x4 and x1/2) are multiples of 2^-12.
const MATLAB_BITS: u32 = 12;

/// Whose bicubic is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    #[default]
    Matlab,
    Pillow,
    Opencv,
}

impl FromStr for Flavour {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "matlab" => Ok(Flavour::Matlab),
            "pillow" => Ok(Flavour::Pillow),
            "opencv" => Ok(Flavour::Opencv),
            _ => Err(Error::Usage(format!("no flavour \"{name}\": use matlab, pillow or opencv"))),
        }
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Matlab => "matlab",
            Flavour::Pillow => "pillow",
            Flavour::Opencv => "opencv",
        })
    }
}

/// One direction of a resampling: output `o` is the sum over `k < width` of `weight[o * width + k]` times the input at
/// `index[o * width + k]`. The border rule is already in the indices; entries that are not used have weight 0 and a valid
/// index. The OpenCV weights are single-precision numbers; the Pillow ones are what [`Taps::fixed`] rounds to 22 bits.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Entries of each output.
    pub width: usize,
    /// Leading entries that `imresize` drops because their weights are 0 in every row: what whoever computes the same table
    /// elsewhere must leave out to get the same entries.
    pub skipped: usize,
    /// Input positions, `[outputs, width]`, each less than the number of inputs.
    pub index: Vec<u32>,
    /// Weights, `[outputs, width]`; each row sums to 1 (OpenCV: in single precision).
    pub weight: Vec<f64>,
}

impl Taps {
    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.index.len() / self.width.max(1)
    }

    /// Whether every weight is a multiple of 2^-12, as those of MATLAB's x1/4 are: integers then compute exactly.
    pub fn is_dyadic(&self) -> bool {
        self.weight.iter().all(|weight| (weight * f64::from(1 << MATLAB_BITS)).fract() == 0.0)
    }

    /// The weights times 2^bits, rounded half away from zero as Pillow does.
    pub fn fixed(&self, bits: u32) -> Vec<i32> {
        let scale = f64::from(1u32 << bits.min(30));
        self.weight.iter().map(|weight| (weight * scale).round() as i32).collect()
    }

    /// The (index, weight) pairs of one output, for weights in any number format.
    fn entries<'a, W: Copy>(&'a self, weights: &'a [W], output: usize) -> impl Iterator<Item = (usize, W)> + 'a {
        let range = output * self.width..(output + 1) * self.width;
        self.index[range.clone()].iter().map(|index| *index as usize).zip(weights[range].iter().copied())
    }
}

/// The taps of one direction; the scale is `outputs / inputs`. No inputs give no taps.
pub fn taps(flavour: Flavour, inputs: usize, outputs: usize) -> Taps {
    taps_at_scale(flavour, inputs, outputs, outputs as f64 / inputs.max(1) as f64)
}

/// The size of a degraded picture in one direction: `ceil(n / scale)`.
pub fn degraded_size(n: usize, scale: usize) -> usize {
    n.div_ceil(scale.max(1))
}

/// A resampling of pictures of one size to another; build it once, run it often.
#[derive(Clone, Debug)]
pub struct Resampler {
    flavour: Flavour,
    from: (usize, usize),
    to: (usize, usize),
    rows: Taps,
    columns: Taps,
}

impl Resampler {
    /// From `(height, width)` to `(height, width)`; an empty picture is a [`Error::Shape`].
    pub fn new(flavour: Flavour, from: (usize, usize), to: (usize, usize)) -> Result<Self> {
        check_sizes(from, to)?;
        Ok(Resampler { flavour, from, to, rows: taps(flavour, from.0, to.0), columns: taps(flavour, from.1, to.1) })
    }

    /// Shrinks `(height, width)` by a whole number, rounding the size up. `matlab` is `imresize(im, 1/scale)`, whose scale
    /// stays exactly 1/scale also where the size is not a multiple; the others take the ratio of the sizes.
    pub fn shrinking(flavour: Flavour, from: (usize, usize), scale: usize) -> Result<Self> {
        if scale == 0 || scale > MAX_SIDE {
            return Err(Error::Shape(format!("a picture cannot be shrunk by {scale}")));
        }
        let to = (degraded_size(from.0, scale), degraded_size(from.1, scale));
        check_sizes(from, to)?;
        if flavour != Flavour::Matlab {
            return Resampler::new(flavour, from, to);
        }
        let shrink = |inputs, outputs| taps_at_scale(flavour, inputs, outputs, 1.0 / scale as f64);
        Ok(Resampler { flavour, from, to, rows: shrink(from.0, to.0), columns: shrink(from.1, to.1) })
    }

    /// Height and width of the result.
    pub fn to(&self) -> (usize, usize) {
        self.to
    }

    /// Resamples `src` (height x width x 3) into `dst`; slices of other lengths are a [`Error::Shape`].
    pub fn run(&self, src: &[u8], dst: &mut [u8]) -> Result<()> {
        for (name, length, (height, width)) in [("source", src.len(), self.from), ("target", dst.len(), self.to)] {
            if length != height * width * CHANNELS {
                return Err(Error::Shape(format!("{name} of {length} bytes is not a {width}x{height} RGB picture")));
            }
        }
        match self.flavour {
            Flavour::Matlab => self.run_matlab(src, dst),
            Flavour::Pillow => self.run_pillow(src, dst),
            Flavour::Opencv => self.run_opencv(src, dst),
        }
        Ok(())
    }

    /// Height then width. Where every weight is a multiple of 2^-12 the integers compute the same numbers as f64 would, and
    /// the same as any other machine does.
    fn run_matlab(&self, src: &[u8], dst: &mut [u8]) {
        if self.rows.is_dyadic() && self.columns.is_dyadic() {
            self.run_matlab_integer(src, dst);
        } else {
            self.run_matlab_float(src, dst);
        }
    }

    fn run_matlab_integer(&self, src: &[u8], dst: &mut [u8]) {
        let (down, across) = (self.rows.fixed(MATLAB_BITS), self.columns.fixed(MATLAB_BITS));
        let stride = self.from.1 * CHANNELS;
        let mut line = vec![0i32; stride];
        for (row, out) in dst.chunks_exact_mut(self.to.1 * CHANNELS).enumerate() {
            line.fill(0);
            for (index, weight) in self.rows.entries(&down, row) {
                // At most 255 * 4096 * the sum of |weights| (under 2): 22 bits, so the wrapping sum never wraps.
                for (sum, value) in line.iter_mut().zip(&src[index * stride..(index + 1) * stride]) {
                    *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value)));
                }
            }
            for (column, pixel) in out.chunks_exact_mut(CHANNELS).enumerate() {
                let mut sums = [1i64 << (2 * MATLAB_BITS - 1); CHANNELS];
                for (index, weight) in self.columns.entries(&across, column) {
                    for (sum, value) in sums.iter_mut().zip(&line[index * CHANNELS..(index + 1) * CHANNELS]) {
                        *sum = sum.wrapping_add(i64::from(weight).wrapping_mul(i64::from(*value)));
                    }
                }
                for (value, sum) in pixel.iter_mut().zip(sums) {
                    *value = (sum >> (2 * MATLAB_BITS)).clamp(0, 255) as u8;
                }
            }
        }
    }

    fn run_matlab_float(&self, src: &[u8], dst: &mut [u8]) {
        let stride = self.from.1 * CHANNELS;
        let mut line = vec![0f64; stride];
        for (row, out) in dst.chunks_exact_mut(self.to.1 * CHANNELS).enumerate() {
            line.fill(0.0);
            for (index, weight) in self.rows.entries(&self.rows.weight, row) {
                for (sum, value) in line.iter_mut().zip(&src[index * stride..(index + 1) * stride]) {
                    *sum += weight * f64::from(*value);
                }
            }
            for (column, pixel) in out.chunks_exact_mut(CHANNELS).enumerate() {
                let mut sums = [0f64; CHANNELS];
                for (index, weight) in self.columns.entries(&self.columns.weight, column) {
                    for (sum, value) in sums.iter_mut().zip(&line[index * CHANNELS..(index + 1) * CHANNELS]) {
                        *sum += weight * value;
                    }
                }
                for (value, sum) in pixel.iter_mut().zip(sums) {
                    *value = (sum + 0.5).floor().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }

    /// `ImagingResample`: width then height, each pass skipped where the size stays.
    fn run_pillow(&self, src: &[u8], dst: &mut [u8]) {
        let ((height, width), (out_height, out_width)) = (self.from, self.to);
        let mut between = Vec::new();
        let narrowed = if width == out_width {
            src
        } else if height == out_height {
            return self.pillow_across(src, dst);
        } else {
            between.resize(height * out_width * CHANNELS, 0);
            self.pillow_across(src, &mut between);
            &between
        };
        if height == out_height {
            dst.copy_from_slice(narrowed);
        } else {
            self.pillow_down(narrowed, dst);
        }
    }

    fn pillow_across(&self, src: &[u8], dst: &mut [u8]) {
        let weights = self.columns.fixed(PILLOW_BITS);
        let lines = src.chunks_exact(self.from.1 * CHANNELS).zip(dst.chunks_exact_mut(self.to.1 * CHANNELS));
        for (line, out) in lines {
            for (column, pixel) in out.chunks_exact_mut(CHANNELS).enumerate() {
                let mut sums = [1i32 << (PILLOW_BITS - 1); CHANNELS];
                for (index, weight) in self.columns.entries(&weights, column) {
                    for (sum, value) in sums.iter_mut().zip(&line[index * CHANNELS..(index + 1) * CHANNELS]) {
                        *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value)));
                    }
                }
                for (value, sum) in pixel.iter_mut().zip(sums) {
                    *value = (sum >> PILLOW_BITS).clamp(0, 255) as u8;
                }
            }
        }
    }

    fn pillow_down(&self, src: &[u8], dst: &mut [u8]) {
        let weights = self.rows.fixed(PILLOW_BITS);
        let stride = self.to.1 * CHANNELS;
        let mut sums = vec![0i32; stride];
        for (row, out) in dst.chunks_exact_mut(stride).enumerate() {
            sums.fill(1 << (PILLOW_BITS - 1));
            for (index, weight) in self.rows.entries(&weights, row) {
                for (sum, value) in sums.iter_mut().zip(&src[index * stride..(index + 1) * stride]) {
                    *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(*value)));
                }
            }
            for (value, sum) in out.iter_mut().zip(&sums) {
                *value = (sum >> PILLOW_BITS).clamp(0, 255) as u8;
            }
        }
    }

    /// Width then height in single precision, summed in tap order without fused multiply-adds, rounded half to even.
    fn run_opencv(&self, src: &[u8], dst: &mut [u8]) {
        let single = |taps: &Taps| taps.weight.iter().map(|weight| *weight as f32).collect::<Vec<f32>>();
        let (down, across) = (single(&self.rows), single(&self.columns));
        let stride = self.to.1 * CHANNELS;
        // The four source rows of an output row follow each other, so row r is kept in slot r % 4.
        let mut lines = [(); 4].map(|()| (usize::MAX, vec![0f32; stride]));
        let mut sums = vec![0f32; stride];
        for (row, out) in dst.chunks_exact_mut(stride).enumerate() {
            sums.fill(0.0);
            for (index, weight) in self.rows.entries(&down, row) {
                let (held, line) = &mut lines[index % 4];
                if *held != index {
                    self.opencv_across(&src[index * self.from.1 * CHANNELS..], &across, line);
                    *held = index;
                }
                for (sum, value) in sums.iter_mut().zip(line.iter()) {
                    *sum += weight * value;
                }
            }
            for (value, sum) in out.iter_mut().zip(&sums) {
                *value = sum.round_ties_even().clamp(0.0, 255.0) as u8;
            }
        }
    }

    fn opencv_across(&self, line: &[u8], weights: &[f32], out: &mut [f32]) {
        for (column, pixel) in out.chunks_exact_mut(CHANNELS).enumerate() {
            pixel.fill(0.0);
            for (index, weight) in self.columns.entries(weights, column) {
                for (sum, value) in pixel.iter_mut().zip(&line[index * CHANNELS..(index + 1) * CHANNELS]) {
                    *sum += weight * f32::from(*value);
                }
            }
        }
    }
}

/// Resamples a picture of `(height, width)` and 3 interleaved channels into `dst` of another `(height, width)`.
pub fn resize_u8(flavour: Flavour, src: &[u8], from: (usize, usize), dst: &mut [u8], to: (usize, usize)) -> Result<()> {
    Resampler::new(flavour, from, to)?.run(src, dst)
}

/// Degrades a picture of `(height, width)` by a whole number (see [`Resampler::shrinking`]); gives the pixels and their
/// `(height, width)`.
pub fn shrink_u8(
    flavour: Flavour,
    src: &[u8],
    from: (usize, usize),
    scale: usize,
) -> Result<(Vec<u8>, (usize, usize))> {
    let resampler = Resampler::shrinking(flavour, from, scale)?;
    let (height, width) = resampler.to();
    let mut dst = vec![0; height * width * CHANNELS];
    resampler.run(src, &mut dst)?;
    Ok((dst, (height, width)))
}

/// Refuses empty pictures, and sizes whose bytes cannot be counted.
fn check_sizes(from: (usize, usize), to: (usize, usize)) -> Result<()> {
    let fits = |(height, width): (usize, usize)| {
        let counted = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(CHANNELS * 4));
        height > 0 && width > 0 && height.max(width) <= MAX_SIDE && counted.is_some()
    };
    if fits(from) && fits(to) {
        return Ok(());
    }
    Err(Error::Shape(format!("cannot resample {}x{} to {}x{}", from.1, from.0, to.1, to.0)))
}

fn taps_at_scale(flavour: Flavour, inputs: usize, outputs: usize, scale: f64) -> Taps {
    if inputs == 0 {
        return Taps { width: 0, skipped: 0, index: Vec::new(), weight: Vec::new() };
    }
    match flavour {
        Flavour::Matlab => matlab_taps(inputs, outputs, scale),
        Flavour::Pillow => pillow_taps(inputs, outputs),
        Flavour::Opencv => opencv_taps(inputs, outputs),
    }
}

/// Keys' cubic convolution kernel with a = -0.5 (IEEE Trans. ASSP 29, 1981), support 2.
fn cubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// `contributions` of MATLAB's `imresize.m` (positions from 1 there, from 0 here).
fn matlab_taps(inputs: usize, outputs: usize, scale: f64) -> Taps {
    let shrink = scale.min(1.0);
    let support = 4.0 / shrink;
    let width = support.ceil() as usize + 2;
    let mut index = Vec::with_capacity(outputs * width);
    let mut weight = Vec::with_capacity(outputs * width);
    for output in 1..=outputs {
        let center = output as f64 / scale + 0.5 * (1.0 - 1.0 / scale);
        let left = (center - support / 2.0).floor();
        let row = (0..width).map(|k| shrink * cubic(shrink * (center - (left + k as f64))));
        let sum: f64 = row.clone().sum();
        weight.extend(row.map(|value| value / sum));
        index.extend((0..width as i64).map(|k| mirrored(left as i64 - 1 + k, inputs)));
    }
    trimmed(width, index, weight)
}

/// A position outside `0..inputs` mirrored at the border with the edge pixel repeated, as often as needed.
fn mirrored(position: i64, inputs: usize) -> u32 {
    let inputs = inputs as i64;
    let around = position.rem_euclid(2 * inputs);
    around.min(2 * inputs - 1 - around) as u32
}

/// Drops the leading and trailing columns whose weights are all 0, as `imresize` does.
fn trimmed(width: usize, index: Vec<u32>, weight: Vec<f64>) -> Taps {
    let used = |k: &usize| weight.iter().skip(*k).step_by(width).any(|value| *value != 0.0);
    let first = (0..width).find(used).unwrap_or(0);
    let last = (0..width).rev().find(used).unwrap_or(0);
    let index = index.chunks_exact(width).flat_map(|row| row[first..=last].iter().copied()).collect();
    let weight = weight.chunks_exact(width).flat_map(|row| row[first..=last].iter().copied()).collect();
    Taps { width: last - first + 1, skipped: first, index, weight }
}

/// `precompute_coeffs` of Pillow's `Resample.c`.
fn pillow_taps(inputs: usize, outputs: usize) -> Taps {
    let scale = inputs as f64 / outputs.max(1) as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let width = (support.ceil() as usize * 2 + 1).min(inputs);
    let mut index = Vec::with_capacity(outputs * width);
    let mut weight = Vec::with_capacity(outputs * width);
    for output in 0..outputs {
        let center = (output as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(inputs);
        let used = end.saturating_sub(first).min(width);
        let row = (0..used).map(|k| cubic(((k + first) as f64 - center + 0.5) * (1.0 / stretch)));
        let sum: f64 = row.clone().sum();
        weight.extend(row.map(|value| if sum != 0.0 { value * (1.0 / sum) } else { value }));
        index.extend((0..used).map(|k| (k + first) as u32));
        weight.resize((output + 1) * width, 0.0);
        index.resize((output + 1) * width, first.min(inputs - 1) as u32);
    }
    Taps { width, skipped: 0, index, weight }
}

/// `INTER_CUBIC`: a = -0.75, four taps whatever the scale, the position's fraction and the weights in single precision.
fn opencv_taps(inputs: usize, outputs: usize) -> Taps {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let scale = 1.0 / (outputs as f64 / inputs as f64);
    let mut index = Vec::with_capacity(outputs * 4);
    let mut weight = Vec::with_capacity(outputs * 4);
    for output in 0..outputs {
        let position = (output as f64 + 0.5) * scale - 0.5;
        let x = f64::from((position - position.floor()) as f32);
        weight.extend([far(x + 1.0), near(x), near(1.0 - x), far(2.0 - x)].map(|value| f64::from(value as f32)));
        let first = position.floor() as i64;
        index.extend((-1..3).map(|k| (first + k).clamp(0, inputs as i64 - 1) as u32));
    }
    Taps { width: 4, skipped: 0, index, weight }
}
