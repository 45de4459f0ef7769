//! A picture of any size to the 96x112 face the networks know: as it is, by a rectangle, by five landmarks, or by the centre.
//! Knows pictures and points, nothing of folders or packs.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::image::Picture;
pub use super::landmarks::Landmarks;
use crate::error::{Error, Result};
use crate::resample::{Flavour, resize_u8};
use crate::shape::HR;

/// Left eye, right eye, nose, left and right mouth corner (left of the picture) in a 96x112 face, x then y, pixel centres at
/// whole numbers from 0. From SphereFace's preprocessing, whose MATLAB coordinates begin at 1.
pub const TEMPLATE: Points =
    [[29.2946, 50.6963], [64.5318, 50.5014], [47.0252, 70.7366], [32.5493, 91.3655], [61.7299, 91.2041]];

/// Five points, x then y, in the order of [`TEMPLATE`].
pub type Points = [[f64; 2]; 5];

/// A rectangle of a picture, in pixels; in files `[x, y, w, h]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[usize; 4]", into = "[usize; 4]")]
pub struct Crop {
    pub x: usize,
    pub y: usize,
    pub w: usize,
    pub h: usize,
}

impl From<[usize; 4]> for Crop {
    fn from([x, y, w, h]: [usize; 4]) -> Self {
        Crop { x, y, w, h }
    }
}

impl From<Crop> for [usize; 4] {
    fn from(Crop { x, y, w, h }: Crop) -> Self {
        [x, y, w, h]
    }
}

impl FromStr for Crop {
    type Err = Error;

    /// `x,y,w,h` with or without brackets, as on the command line.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::Usage(format!("\"{text}\" is not a rectangle: write x,y,w,h in pixels, for instance 4,2,115,134"))
        };
        let inside = text.trim().trim_start_matches('[').trim_end_matches(']');
        let numbers: Vec<usize> = inside
            .split(',')
            .map(|number| number.trim().parse())
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| wrong())?;
        <[usize; 4]>::try_from(numbers).map(Crop::from).map_err(|_| wrong())
    }
}

/// How pictures that are not 96x112 become so.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Alignment {
    /// The centre, cut to 6:7.
    #[default]
    None,
    /// The same rectangle of every picture.
    Crop(Crop),
    /// Each picture's five points onto the template.
    Landmarks(Landmarks),
}

impl std::fmt::Display for Alignment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Alignment::None => f.write_str("centre"),
            Alignment::Crop(Crop { x, y, w, h }) => write!(f, "crop [{x}, {y}, {w}, {h}]"),
            Alignment::Landmarks(_) => f.write_str("landmarks"),
        }
    }
}

/// Makes a 96x112 face of a picture, and says whether that took the centre for want of anything better. A picture of that size
/// is used as it is. `relative_path` is the picture's path under the data folder: the key of its landmarks, and its name in
/// errors.
pub fn prepare(picture: &Picture, relative_path: &str, alignment: &Alignment) -> Result<(Picture, bool)> {
    if (picture.height, picture.width) == HR {
        return Ok((picture.clone(), false));
    }
    match alignment {
        Alignment::None => Ok((resized(&cut(picture, centre(picture))?)?, true)),
        Alignment::Crop(crop) => {
            let inside = |start: usize, length: usize, end: usize| {
                length > 0 && start.checked_add(length).is_some_and(|stop| stop <= end)
            };
            if !inside(crop.x, crop.w, picture.width) || !inside(crop.y, crop.h, picture.height) {
                return Err(Error::Input(format!(
                    "{relative_path}: the rectangle x {}, y {}, {}x{} is not inside the {}x{} picture: give another crop",
                    crop.x, crop.y, crop.w, crop.h, picture.width, picture.height
                )));
            }
            Ok((resized(&cut(picture, *crop)?)?, false))
        }
        Alignment::Landmarks(landmarks) => {
            let points = landmarks.of(relative_path).ok_or_else(|| {
                Error::Input(format!("{relative_path} has no row in {}: add its landmarks", landmarks.file().display()))
            })?;
            let face = by_points(picture, points).ok_or_else(|| {
                Error::Input(format!("{relative_path}: its landmarks in {} fit no face", landmarks.file().display()))
            })?;
            Ok((face, false))
        }
    }
}

/// Longer sides than this, in pixels, are a photograph's: crops of faces are 112 to 512 wide in the sets people use.
const LONGEST_CUT: usize = 640;
/// Names in a warning.
const NAMED: usize = 3;

/// Pictures that were cut in the centre for want of anything better, so that it can be said once, and which of them look like whole
/// photographs: squeezing those gives no face.
#[derive(Clone, Debug, Default)]
pub struct CentreCuts {
    count: usize,
    uncut: usize,
    named: Vec<String>,
}

impl CentreCuts {
    /// Counts a picture whose height and width `cut` is, where its centre was taken.
    pub fn add(&mut self, name: &str, cut: Option<(usize, usize)>) {
        let Some((height, width)) = cut else { return };
        self.count += 1;
        if looks_uncut(height, width) {
            self.uncut += 1;
            if self.named.len() < NAMED {
                self.named.push(format!("{name} ({width}x{height})"));
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What `sentence` says of their number, with the names of those that look uncut; nothing where there are none.
    pub fn warning(&self, sentence: impl Fn(usize) -> String) -> Option<String> {
        let uncut = match self.uncut {
            0 => String::new(),
            uncut => format!(
                "; {uncut} look like whole photographs, not like faces cut out: {}{}",
                self.named.join(", "),
                if uncut > self.named.len() { ", ..." } else { "" }
            ),
        };
        (self.count > 0).then(|| sentence(self.count) + &uncut)
    }
}

/// Whether a picture is larger than any crop of a face, or of a shape that none has: wider than 5:4 or narrower than 3:5.
fn looks_uncut(height: usize, width: usize) -> bool {
    height.max(width) > LONGEST_CUT || 4 * width > 5 * height || 5 * width < 3 * height
}

/// The 96x112 face whose five points come to lie on the template; nothing for points that fit no face.
pub fn by_points(picture: &Picture, points: &Points) -> Option<Picture> {
    Similarity::onto_template(points).and_then(|similarity| warp(picture, &similarity))
}

/// The largest rectangle of 6:7 (within a pixel) in the middle of a picture.
fn centre(picture: &Picture) -> Crop {
    let (width, height) = (picture.width, picture.height);
    let w = width.min((height * 6 / 7).max(1));
    let h = height.min((width * 7 / 6).max(1));
    Crop { x: (width - w) / 2, y: (height - h) / 2, w, h }
}

/// A rectangle of a picture, known to be inside it.
fn cut(picture: &Picture, crop: Crop) -> Result<Picture> {
    let mut rgb = Vec::with_capacity(crop.w * crop.h * 3);
    for row in picture.rgb.chunks_exact(picture.width * 3).skip(crop.y).take(crop.h) {
        rgb.extend_from_slice(&row[crop.x * 3..(crop.x + crop.w) * 3]);
    }
    Picture::new(crop.w, crop.h, rgb)
}

fn resized(picture: &Picture) -> Result<Picture> {
    let mut rgb = vec![0; HR.0 * HR.1 * 3];
    resize_u8(Flavour::Matlab, &picture.rgb, (picture.height, picture.width), &mut rgb, HR)?;
    Picture::new(HR.1, HR.0, rgb)
}

/// A rotation, scaling and shift of the plane, seen as complex numbers: z goes to `turn * z + shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    pub turn: [f64; 2],
    pub shift: [f64; 2],
}

impl Similarity {
    /// The similarity without reflection that brings the points nearest to the template, in least squares over the template's
    /// pixels (Umeyama, PAMI 13, 1991; in the plane one complex division). Nothing for points that are all the same.
    pub fn onto_template(points: &Points) -> Option<Similarity> {
        let mean = |points: &Points, axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / 5.0;
        let (from, to) = ([mean(points, 0), mean(points, 1)], [mean(&TEMPLATE, 0), mean(&TEMPLATE, 1)]);
        let (mut real, mut imaginary, mut spread) = (0.0, 0.0, 0.0);
        for (point, target) in points.iter().zip(&TEMPLATE) {
            let (px, py) = (point[0] - from[0], point[1] - from[1]);
            let (qx, qy) = (target[0] - to[0], target[1] - to[1]);
            real += px * qx + py * qy;
            imaginary += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let turn = [real / spread, imaginary / spread];
        let shift = [to[0] - (turn[0] * from[0] - turn[1] * from[1]), to[1] - (turn[0] * from[1] + turn[1] * from[0])];
        let usable = (turn[0].powi(2) + turn[1].powi(2)).is_normal() && shift.iter().all(|value| value.is_finite());
        usable.then_some(Similarity { turn, shift })
    }

    /// The point that goes to `[x, y]`.
    pub fn before(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [real, imaginary] = self.turn;
        let (x, y, length) = (x - self.shift[0], y - self.shift[1], real * real + imaginary * imaginary);
        [(x * real + y * imaginary) / length, (y * real - x * imaginary) / length]
    }
}

/// The 96x112 face at the template: bilinear, 0 outside the picture, rounded half up.
fn warp(picture: &Picture, similarity: &Similarity) -> Option<Picture> {
    let mut rgb = Vec::with_capacity(HR.0 * HR.1 * 3);
    for y in 0..HR.0 {
        for x in 0..HR.1 {
            let [u, v] = similarity.before([x as f64, y as f64]);
            let (left, top) = (u.floor(), v.floor());
            let (right_share, bottom_share) = (u - left, v - top);
            let mut sums = [0.0; 3];
            for (dy, weight_y) in [(0.0, 1.0 - bottom_share), (1.0, bottom_share)] {
                for (dx, weight_x) in [(0.0, 1.0 - right_share), (1.0, right_share)] {
                    if let Some(pixel) = pixel_at(picture, left + dx, top + dy) {
                        for (sum, value) in sums.iter_mut().zip(pixel) {
                            *sum += weight_y * weight_x * f64::from(*value);
                        }
                    }
                }
            }
            rgb.extend(sums.map(|sum| (sum + 0.5).floor().clamp(0.0, 255.0) as u8));
        }
    }
    Picture::new(HR.1, HR.0, rgb).ok()
}

fn pixel_at(picture: &Picture, x: f64, y: f64) -> Option<&[u8]> {
    if !(0.0..picture.width as f64).contains(&x) || !(0.0..picture.height as f64).contains(&y) {
        return None;
    }
    let start = (y as usize * picture.width + x as usize) * 3;
    picture.rgb.get(start..start + 3)
}
