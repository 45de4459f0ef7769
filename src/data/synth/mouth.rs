//! The mouth: lips with creases and gloss, the line between them, teeth when it opens.
//!
//! It paints over lit skin; it knows the person and the expression.

use super::identity::Identity;
use super::noise::{Rgb, blend, bump, cover, linear, mix, noise, scale, step, tint};
use super::picture::Picture;

/// Paints the mouth at (u, v). `shade` is the light's strength here.
pub fn paint(person: &Identity, picture: &Picture, u: f64, v: f64, skin: Rgb, shade: Rgb) -> Rgb {
    let (mouth, smile) = (&person.mouth, picture.expression.smile);
    let half = mouth.half_width * (1.0 + 0.10 * smile);
    let (x, y) = (u - 0.5 * person.lopsided, v - mouth.v);
    let t = x / half;
    if t.abs() > 1.25 || y.abs() > 16.0 {
        return skin;
    }
    let inside = (1.0 - t * t).max(0.0);
    let line = 2.6 * smile * (inside - 0.55) + 0.45 * bump(t / 0.35, 0.0) + 0.04 * person.lopsided * x;
    let gap = 7.5 * picture.expression.open * inside;
    let (top, bottom) = (line - 0.3 * gap, line + 0.7 * gap);
    let bow = 1.0 - mouth.bow * bump(t / 0.24, 0.0);
    let thin = 1.0 - 0.22 * smile.max(0.0);
    let upper = top - mouth.upper * thin * (0.75 * inside + 0.25 * inside.sqrt()) * bow;
    let lower = bottom + mouth.lower * thin * (0.4 * inside + 0.6 * inside.sqrt());
    let past = (t.abs() - 1.0) * half;
    let lips = cover((upper - y).max(y - lower).max(past), 1.4);
    let mut colour = blend(skin, lip(person, [x, y, line], skin, picture), 0.88 * lips);
    if gap > 0.6 {
        let hole = cover((top - y).max(y - bottom).max(past), 1.0);
        colour = blend(colour, within([x, y - top, t, gap], shade), hole);
    }
    // The line between the lips, darkest at the corners; the shadow under the lower lip.
    let seam =
        cover((y - line).abs() - 0.35, 1.2) * step(1.06, 0.92, t.abs()) * step(2.5, 0.5, gap) * mix(0.62, 0.95, t * t);
    colour = blend(colour, tint(skin, [0.16, 0.07, 0.06]), seam);
    let pit = 0.5 * bump((t.abs() - 1.03) / 0.13, (y - line) / 2.0);
    let under = 0.30 * bump(t / 0.75, (y - lower - 1.4) / 2.2) * (1.0 - lips);
    tint(colour, blend([1.0; 3], [0.45, 0.34, 0.32], pit.max(under)))
}

fn lip(person: &Identity, [x, y, line]: [f64; 3], skin: Rgb, picture: &Picture) -> Rgb {
    let mouth = &person.mouth;
    let natural = blend([0.88, 0.62, 0.6], [0.82, 0.42, 0.43], mouth.red);
    let worn = person.lipstick * step(0.55, 0.75, picture.flush);
    let colour = blend(tint(skin, natural), tint(linear(196, 44, 66), scale([1.0; 3], luminance(skin) * 1.9)), worn);
    let crease = 1.0 + 0.17 * noise(x * 0.95, y * 0.16, person.salt ^ 0xa1);
    // The upper lip faces down and is darker; a highlight lies on the lower.
    let facing = if y < line { 0.80 } else { 1.0 };
    let l = picture.light.towards;
    let shine = 0.16 * (0.5 + worn) * bump((x - 3.0 * l[0]) / 7.0, (y - line - 0.52 * mouth.lower) / 1.7) * crease;
    let key = picture.light.key;
    let lit = scale(colour, facing * crease);
    [lit[0] + shine * key[0], lit[1] + shine * key[1], lit[2] + shine * key[2]]
}

/// Teeth and the dark behind them; `down` is the distance below the upper lip.
fn within([x, down, t, gap]: [f64; 4], shade: Rgb) -> Rgb {
    let dark = [0.035, 0.010, 0.010];
    let length = (0.8 * gap).min(4.6);
    let parted = ((x + 26.0) / 2.7).fract();
    let seam = 1.0 - 0.30 * bump((parted - 0.5) / 0.2, 0.0);
    let enamel =
        tint(scale(linear(232, 224, 208), seam * (1.0 - 0.5 * t * t) * mix(0.7, 1.0, step(0.0, 1.5, down))), shade);
    blend(dark, scale(enamel, 0.85), step(length + 0.4, length - 0.4, down) * step(0.95, 0.7, t.abs()))
}

fn luminance(colour: Rgb) -> f64 {
    0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
}
