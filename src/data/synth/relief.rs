//! The face as a height field: outline, bumps for its features, and what light makes of it (normals, hollows, cast shadows).
//!
//! It knows geometry only, no colours. Heights are pixels towards the viewer, on a grid of one pixel in the upright face.

use super::identity::Identity;
use super::noise::{bump, mix, step};
use super::picture::Picture;

/// The skull's half-width as a table over `v`.
pub struct Outline {
    half: Vec<f64>,
    chin: f64,
}

const OUTLINE_TOP: f64 = -24.0;
const OUTLINE_STEPS: usize = 340;

impl Outline {
    pub fn new(person: &Identity) -> Self {
        let skull = &person.skull;
        let half = |v: f64| {
            if v <= skull.widest {
                let t = ((skull.widest - v) / (skull.widest - skull.top)).min(1.0);
                // A little squarer than an ellipse: foreheads are.
                skull.width * (1.0 - t * t * t).max(0.0).sqrt()
            } else {
                let t = ((v - skull.widest) / (skull.chin - skull.widest)).min(1.0);
                skull.width * (1.0 - skull.taper * t) * (1.0 - t.powf(skull.jaw)).max(0.0).sqrt()
            }
        };
        Outline { half: (0..OUTLINE_STEPS).map(|i| half(OUTLINE_TOP + 0.5 * i as f64)).collect(), chin: skull.chin }
    }

    /// Half-width at `v`, and its slope.
    pub fn at(&self, v: f64) -> (f64, f64) {
        let place = ((v - OUTLINE_TOP) * 2.0).clamp(0.0, (OUTLINE_STEPS - 2) as f64 - 0.001);
        let (i, t) = (place as usize, place - (place as usize) as f64);
        let (a, b) = (self.half[i], self.half[i + 1]);
        (mix(a, b, t), (b - a) * 2.0)
    }

    /// Signed distance to the outline, negative inside (first order: horizontal distance over the slope's length).
    pub fn distance(&self, u: f64, v: f64) -> f64 {
        let (half, slope) = self.at(v);
        ((u.abs() - half) / (1.0 + slope * slope).sqrt()).max(v - self.chin)
    }
}

pub const LEFT: f64 = -50.0;
pub const TOP: f64 = -4.0;
const COLUMNS: usize = 101;
const ROWS: usize = 130;

/// A field over the upright face, read between its points.
struct Field(Vec<f64>);

impl Field {
    #[inline]
    fn at(&self, u: f64, v: f64) -> f64 {
        let x = (u - LEFT).clamp(0.0, COLUMNS as f64 - 1.001);
        let y = (v - TOP).clamp(0.0, ROWS as f64 - 1.001);
        let (i, j) = (x as usize, y as usize);
        let (fx, fy) = (x - i as f64, y - j as f64);
        let k = j * COLUMNS + i;
        let cell = &self.0[k..k + COLUMNS + 2];
        mix(mix(cell[0], cell[1], fx), mix(cell[COLUMNS], cell[COLUMNS + 1], fx), fy)
    }

    /// The mean over a window of 2r + 1 points square, by running sums, the border repeated.
    fn blurred(&self, radius: usize) -> Field {
        let across = smooth(&self.0, ROWS, COLUMNS, COLUMNS, 1, radius);
        Field(smooth(&across, COLUMNS, ROWS, 1, COLUMNS, radius))
    }
}

fn smooth(source: &[f64], lines: usize, length: usize, line: usize, stride: usize, radius: usize) -> Vec<f64> {
    let mut out = vec![0.0; source.len()];
    let width = (2 * radius + 1) as f64;
    for l in 0..lines {
        let at = |i: isize| source[l * line + (i.clamp(0, length as isize - 1) as usize) * stride];
        let r = radius as isize;
        let mut sum: f64 = (-r..=r).map(at).sum();
        for i in 0..length {
            out[l * line + i * stride] = sum / width;
            sum += at(i as isize + r + 1) - at(i as isize - r);
        }
    }
    out
}

/// What a point of the skin knows of its surroundings.
pub struct Surface {
    pub normal: [f64; 3],
    /// 1 in the open, less in hollows.
    pub open: f64,
    /// 1 in the light, 0 in a cast shadow.
    pub lit: f64,
}

/// The finished height field of one person with one expression.
pub struct Relief {
    height: Field,
    wide: Field,
    /// Mean depth of the five landmarks: the pose turns about it, as an aligned crop does.
    pub pivot: f64,
}

impl Relief {
    pub fn new(person: &Identity, picture: &Picture, outline: &Outline) -> Self {
        let mut height = vec![0.0; COLUMNS * ROWS];
        for (j, row) in height.chunks_exact_mut(COLUMNS).enumerate() {
            let v = TOP + j as f64;
            let half = outline.at(v).0;
            for (i, z) in row.iter_mut().enumerate() {
                *z = elevation(person, picture, LEFT + i as f64, v, half);
            }
        }
        let height = Field(height);
        let wide = height.blurred(4);
        let (eye, nose, mouth) = (&person.eyes, &person.nose, &person.mouth);
        let pivot =
            (2.0 * wide.at(eye.apart, eye.v) + wide.at(0.0, nose.tip) + 2.0 * wide.at(mouth.half_width, mouth.v)) / 5.0;
        Relief { height, wide, pivot }
    }

    /// Depth for the pose's warp: smooth, so that the warp can be inverted by iteration.
    pub fn depth(&self, u: f64, v: f64) -> f64 {
        self.wide.at(u, v)
    }

    /// Normal, hollowness and shadow at a point, for a light from `towards`.
    pub fn surface(&self, u: f64, v: f64, towards: [f64; 3]) -> Surface {
        let here = self.height.at(u, v);
        let dx = (self.height.at(u + 0.8, v) - self.height.at(u - 0.8, v)) / 1.6;
        let dy = (self.height.at(u, v + 0.8) - self.height.at(u, v - 0.8)) / 1.6;
        let length = (1.0 + dx * dx + dy * dy).sqrt();
        let open = 1.0 - 0.16 * (self.wide.at(u, v) - here).clamp(-1.0, 3.5);
        // Three steps towards the light: does the skin there rise above the ray?
        let mut above: f64 = -1.0;
        for k in [2.5, 5.0, 8.5] {
            let there = self.height.at(u + k * towards[0], v + k * towards[1]);
            above = above.max(there - here - k * towards[2].max(0.25));
        }
        Surface { normal: [-dx / length, -dy / length, 1.0 / length], open, lit: 1.0 - step(-0.6, 2.2, above) }
    }
}

/// Height of the skin at (u, v), where the outline is `half` wide.
fn elevation(person: &Identity, picture: &Picture, u: f64, v: f64, half: f64) -> f64 {
    let (skull, eyes) = (&person.skull, &person.eyes);
    // Below the chin the outline is empty; the height field goes on, falling, so that the edge has a normal.
    let across = (u / (half.max(14.0) + 2.5)).abs();
    let down = (v - 62.0) / if v > 62.0 { skull.chin - 62.0 + 22.0 } else { 88.0 };
    let base = 31.0 * (1.0 - across * across - down * down).max(0.02).sqrt();
    let side = u.abs();
    let smile = picture.expression.smile;
    let lift = 2.0 * smile.max(0.0);
    let socket = -5.2 * bump((side - eyes.apart + 1.0) / 14.0, (v - eyes.v + 1.5) / 10.5);
    let ball = 2.4 * bump((side - eyes.apart) / 9.5, (v - eyes.v) / 6.5);
    let brow = 2.6 * bump((side - 15.0) / 20.0, (v - eyes.v + person.brows.height) / 8.0);
    let cheek = (3.2 + 1.5 * smile) * bump((side - 22.0) / 17.0, (v - 70.0 + lift) / 17.0);
    let hollow = -1.5 * person.skin.age * bump((side - 25.0) / 12.0, (v - 86.0) / 14.0);
    let temple = -2.5 * bump((side - 36.0) / 12.0, (v - 38.0) / 22.0);
    let chin = 3.6 * bump(u / 14.0, (v - skull.chin + 8.0) / 10.0);

    let features =
        socket + ball + brow + cheek + hollow + temple + chin + nose(person, u, v) + mouth(person, picture, u, v);
    base - 9.0 * step(skull.chin - 6.0, skull.chin + 6.0, v) + skull.relief * features
}

fn nose(person: &Identity, u: f64, v: f64) -> f64 {
    let (nose, top) = (&person.nose, person.eyes.v - 7.0);
    let t = ((v - top) / (nose.tip - top)).max(0.0);
    let u = u - nose.bend * bump((t - 0.55) / 0.5, 0.0);
    let rise =
        if t <= 1.0 { mix(1.5, 6.6, t * (0.35 + 0.65 * t)) } else { 6.6 * (1.0 - step(-1.0, 8.5, v - nose.tip)) };
    let wide = mix(nose.bridge, 6.6 * nose.width, t.min(1.0) * t.min(1.0));
    let ridge = rise * step(-0.12, 0.18, t) * bump(u / (wide * 1.65), 0.0);
    let tip = 2.9 * nose.ball * bump(u / (7.0 * nose.width), (v - nose.tip) / 6.5);
    let wings = 2.6 * bump((u.abs() - 6.3 * nose.width) / 4.4, (v - nose.tip - 2.0) / 4.6);
    nose.height * (ridge + tip) + wings
}

fn mouth(person: &Identity, picture: &Picture, u: f64, v: f64) -> f64 {
    let (mouth, open) = (&person.mouth, 5.0 * picture.expression.open);
    let muzzle = 3.2 * bump(u / 22.0, (v - mouth.v + 3.0) / 16.0);
    let upper = 1.7
        * bump(
            u / (mouth.half_width + 1.0),
            (v - mouth.v + 0.5 * mouth.upper + 0.3 * open) / (mouth.upper * 0.9 + 1.0),
        );
    let lower = 2.3
        * bump(
            u / (mouth.half_width - 1.0),
            (v - mouth.v - 0.5 * mouth.lower - 0.6 * open) / (mouth.lower * 0.8 + 1.0),
        );
    let sulcus = -2.0 * bump(u / 11.0, (v - mouth.v - mouth.lower - 3.6 - 0.6 * open) / 4.2);
    let philtrum = -0.9 * bump(u / 2.8, (v - 0.5 * (person.nose.tip + 6.0 + mouth.v)) / 6.0);
    let corner = -1.3 * bump((u.abs() - mouth.half_width - 0.8) / 3.5, (v - mouth.v) / 4.0);
    muzzle + upper + lower + sulcus + philtrum + corner
}
