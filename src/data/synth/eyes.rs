//! Eyes, brows and glasses, painted over lit skin in coordinates of one eye: outwards and down from its centre.
//!
//! They know the person, the expression and the light's direction; the skin under them is told to them.

use super::identity::{Identity, darker};
use super::noise::{Rgb, blend, bump, cover, linear, mix, noise, scale, step, tint};
use super::picture::Picture;

/// Paints eye, lids and brow of the side on which `u` lies. `shade` is the light's strength here.
pub fn paint(person: &Identity, picture: &Picture, u: f64, v: f64, skin: Rgb, shade: Rgb) -> Rgb {
    let eyes = &person.eyes;
    let side = if u < 0.0 { -1.0 } else { 1.0 };
    let lift = person.lopsided * side * 0.5;
    let (x, y) = (u * side - eyes.apart, v - eyes.v - lift);
    if x.abs() > 17.0 || !(-24.0..12.0).contains(&y) {
        return skin;
    }
    let skin = brow(person, picture, [x, y, side], skin, shade);
    if x.abs() > eyes.half_width + 4.0 || y.abs() > 11.0 {
        return skin;
    }
    let (x, y) = (x - y * eyes.slant, y + x * eyes.slant);
    eye(person, picture, [x, y, side], skin, shade)
}

/// Upper and lower lid at `t` = x / half-width, for lids `open` (1 = awake).
fn lids(person: &Identity, t: f64, open: f64) -> (f64, f64) {
    let eyes = &person.eyes;
    let inside = (1.0 - t * t).max(0.0);
    // The upper lid peaks towards the nose, the lower towards the temple.
    let lower = eyes.lower * inside * (1.0 + 0.28 * t);
    let upper = -eyes.upper * (0.55 * inside + 0.45 * inside.sqrt()) * (1.0 - 0.18 * t);
    (mix(lower * 0.8, upper, open), lower)
}

fn eye(person: &Identity, picture: &Picture, [x, y, side]: [f64; 3], skin: Rgb, shade: Rgb) -> Rgb {
    let eyes = &person.eyes;
    let t = x / eyes.half_width;
    let open = picture.expression.lids;
    let (upper, lower) = lids(person, t.clamp(-1.0, 1.0), open);
    let past = (t.abs() - 1.0) * eyes.half_width;
    let mut colour = lid(person, [x, y, t, upper, past], skin);
    let inside = cover((upper - y).max(y - lower).max(past), 1.0);
    if inside > 0.0 && open > 0.05 {
        colour = blend(colour, ball(person, picture, [x, y, side, upper, lower], shade), inside);
    }
    // Lashes: a dark line on the upper lid, thicker outwards, hairs above it; a faint one below.
    let dark = blend(darker(person.hair.colour), [0.012, 0.009, 0.008], 0.75);
    let reach = step(1.28, 1.02, t) * step(-1.12, -0.95, t);
    let tail = if t > 1.0 { (t - 1.0) * -4.0 } else { 0.0 };
    let thick = (0.55 + 0.35 * (t + 1.0) * eyes.lashes).min(1.8);
    let line = cover((y - upper - tail + 0.25).abs() - thick * 0.62, 1.1) * reach;
    let hairs = 0.55
        * eyes.lashes
        * step(-0.5, 0.9, t)
        * reach
        * step(-2.9 * eyes.lashes, -0.6, y - upper)
        * step(0.4, -0.2, y - upper);
    let hairs = hairs * (0.35 + 0.8 * noise(x * 1.4 - y * 0.8, y * 0.3, person.salt ^ 0x91)).clamp(0.0, 1.0);
    colour = blend(colour, dark, (0.92 * line).max(hairs));
    let under = 0.36 * cover((y - lower).abs() - 0.35, 1.0) * step(1.05, 0.85, t.abs()) * (0.6 + 0.4 * t);
    blend(colour, tint(skin, [0.35, 0.25, 0.22]), under)
}

/// Skin of the lids: the crease, the lid's own colour, the wet inner corner, the bag below.
fn lid(person: &Identity, [x, y, t, upper, past]: [f64; 5], skin: Rgb) -> Rgb {
    let eyes = &person.eyes;
    let fold = upper - eyes.crease * (1.0 - 0.35 * t * t) + past.max(0.0) * 0.6;
    let reach = step(1.25, 0.8, t.abs());
    let crease = 0.5 * reach * bump((y - fold) / 1.25, 0.0);
    let between = reach * step(fold - 0.5, fold + 0.8, y) * step(upper + 0.5, upper - 0.5, y);
    let painted = blend([1.0; 3], [0.62, 0.5, 0.55], (person.lipstick * 0.9).min(0.5));
    let mut colour = tint(skin, blend([1.0; 3], tint([0.94, 0.86, 0.86], painted), between));
    colour = tint(colour, blend([1.0; 3], [0.36, 0.26, 0.24], crease));
    let bag = (0.10 + 0.22 * person.skin.age) * reach * bump((y - eyes.lower - 3.6 - 0.02 * x * x) / 1.5, 0.0);
    tint(colour, blend([1.0; 3], [0.5, 0.42, 0.42], bag))
}

/// The eyeball between the lids.
fn ball(person: &Identity, picture: &Picture, [x, y, side, upper, lower]: [f64; 5], shade: Rgb) -> Rgb {
    let (eyes, gaze) = (&person.eyes, picture.expression.gaze);
    let t = x / eyes.half_width;
    let veins = 0.05 * noise(x * 0.9, y * 1.6, person.salt ^ 0x92);
    let white = tint(
        linear(214, 206, 202),
        [1.0, 0.97 - 0.06 * person.skin.age - veins, 0.95 - 0.08 * person.skin.age - veins],
    );
    let round = 1.0 - 0.42 * t * t;
    let mut colour = scale(white, round);
    let corner = bump((t + 1.0) / 0.28, y / 3.0);
    colour = blend(colour, tint(person.skin.tone, [0.9, 0.5, 0.48]), 0.8 * corner);
    let (ix, iy) = (x * side - gaze[0], y + 0.55 - gaze[1]);
    let r = (ix * ix + iy * iy).sqrt() / eyes.iris_radius;
    if r < 1.3 {
        let fibre = noise(8.0 * ix / (r + 0.2), 8.0 * iy / (r + 0.2), person.salt ^ 0x93);
        let glow = 1.0 + 0.5 * (iy / eyes.iris_radius) + 0.22 * fibre;
        let iris = scale(eyes.iris, glow.max(0.3) * mix(1.35, 0.4, step(0.5, 1.02, r)));
        colour = blend(colour, iris, step(1.12, 0.88, r));
        colour = blend(colour, [0.006, 0.005, 0.005], step(0.52, 0.36, r));
    }
    // The lid and its lashes shade the ball's upper part; then the window's reflection lies on top of everything.
    let shadow = mix(0.32, 1.0, step(-0.4, 2.6, y - upper)) * mix(0.8, 1.0, step(0.0, 1.2, lower - y));
    colour = tint(scale(colour, shadow), shade);
    let l = picture.light.towards;
    let glint = bump((ix - 1.4 * l[0]) / 1.2, (iy + 0.5 - 1.3 * l[1].max(-0.7)) / 1.2);
    blend(colour, scale(picture.light.key, 1.1), (1.5 * glint).min(0.9) * step(1.2, 0.9, r))
}

fn brow(person: &Identity, picture: &Picture, [x, y, _]: [f64; 3], skin: Rgb, shade: Rgb) -> Rgb {
    let brows = &person.brows;
    let raise = 1.6 * picture.expression.brows;
    let frown = (-picture.expression.brows).max(0.0) * step(4.0, -8.0, x);
    let t = (x - brows.inner) / (brows.outer - brows.inner);
    if !(-0.2..1.2).contains(&t) {
        return skin;
    }
    let peak = 0.64;
    let bend = if t < peak { (t - peak) / peak } else { (t - peak) / (1.0 - peak) * 1.15 };
    let middle = -brows.height - raise + 1.2 * frown - brows.arch * (1.0 - bend * bend) + brows.tilt * x;
    let thick = brows.thickness * (0.72 + 0.5 * step(0.0, 0.3, t) - 0.75 * step(0.4, 1.05, t)).max(0.15);
    let d = (y - middle).abs() - thick;
    let ends = step(-0.12, 0.12, t) * step(1.12, 0.92, t);
    // Hairs stand up at the inner end and lie down towards the outer.
    let lean = mix(0.9, 0.15, t.clamp(0.0, 1.0));
    let strand = 0.72
        + 0.38 * noise(x * (0.7 * lean + 0.12) + y * 0.3, y * 0.8 * (1.0 - 0.6 * lean) - x * 0.15, person.salt ^ 0x94);
    let amount = brows.density * ends * cover(d, 1.9) * strand.clamp(0.15, 1.0);
    let soft = 0.32 * brows.density * ends * cover(d - 0.4, 3.0);
    let colour = tint(blend(darker(person.hair.colour), scale(person.skin.tone, 0.12), 0.35), shade);
    blend(skin, colour, amount.max(soft).min(0.95))
}

/// Glasses: rims, bridge, temples, and a reflection. Returns the painted colour.
pub fn glasses(person: &Identity, picture: &Picture, u: f64, v: f64, under: Rgb) -> Rgb {
    let side = u.abs();
    let (x, y) = (side - person.eyes.apart - 0.4, v - person.eyes.v - 2.0);
    if !(-14.0..14.0).contains(&y) {
        return under;
    }
    // The picture decides between a round wire and a thick square frame.
    let kind = f64::from(person.salt >> 8 & 0xff) / 255.0;
    let (half_w, half_h, round) = (mix(12.5, 14.0, kind), mix(11.0, 8.5, kind), mix(9.5, 3.5, kind));
    let (qx, qy) = ((x.abs() - half_w + round).max(0.0), (y.abs() - half_h + round).max(0.0));
    let d = (qx * qx + qy * qy).sqrt() - round;
    let rim = cover(d.abs() - mix(0.5, 1.3, kind), 1.0);
    let bridge = cover((v - person.eyes.v + 1.0 - 0.03 * u * u).abs() - mix(0.5, 1.0, kind), 1.0)
        * step(-half_w + 1.0, -half_w, x);
    let temple = cover((v - person.eyes.v + 2.0).abs() - 0.9, 1.0) * step(half_w - 0.5, half_w + 0.5, x);
    let frame = blend(linear(30, 24, 24), linear(120, 84, 56), f64::from(person.salt >> 16 & 0xff) / 255.0);
    let gloss = scale(
        picture.light.key,
        0.16 * step(0.5, 0.9, noise((u + v) * 0.09, picture.hair_shift, picture.salt)) * cover(d, 1.0),
    );
    let glass = blend(
        under,
        [under[0] * 0.94 + gloss[0], under[1] * 0.95 + gloss[1], under[2] * 0.96 + gloss[2]],
        cover(d, 1.0),
    );
    blend(glass, frame, rim.max(bridge).max(temple) * 0.95)
}
