//! Hair: where it grows, how its strands run, how they shine.
//!
//! It knows the person's style and the skull's outline. Behind the face and before it are two questions, because the face
//! is painted between them.

use super::identity::Identity;
use super::noise::{Rgb, bump, cover, mix, noise, ripple, scale, step};
use super::picture::Picture;
use super::relief::Outline;

/// Signed distance to the outer contour of head and hair, negative inside.
pub fn contour(person: &Identity, u: f64, v: f64) -> f64 {
    let (hair, skull) = (&person.hair, &person.skull);
    let lumps = if hair.curl > 0.0 {
        hair.curl
            * (2.2 * noise(u * 0.16, v * 0.16, person.salt ^ 0xb1) + 1.3 * noise(u * 0.4, v * 0.4, person.salt ^ 0xb2))
    } else {
        0.0
    };
    let fray = 0.5 * noise(u * 0.45, v * 0.45, person.salt ^ 0xb3) + lumps;
    if v < skull.widest {
        // Between an ellipse and a rounder square: heads of hair are neither.
        let half = skull.width + hair.side;
        let (x, y) = (u / half, (skull.widest - v) / (skull.widest - skull.top + hair.top));
        let (x, y) = (x * x, y * y);
        (0.5 * ((x + y).sqrt() + (x * x + y * y).sqrt().sqrt()) - 1.0) * half - fray
    } else {
        let wave = hair.wave
            * ripple((v - skull.widest) * 0.021 + f64::from(person.salt & 7) * 0.13)
            * step(0.0, 20.0, v - skull.widest);
        u.abs() - skull.width - hair.side - 0.07 * (v - skull.widest) - wave - fray
    }
}

/// Coverage of the hair that hangs or stands behind the face.
pub fn behind(person: &Identity, contour: f64, v: f64, u: f64) -> f64 {
    let ragged = 5.0 * noise(u * 0.5, 0.0, person.salt ^ 0xb4);
    cover(contour, 2.0) * step(2.0, -3.0, v - person.hair.end + ragged) * person.hair.density
}

/// True where no hair can lie over the face: most of it, and worth knowing before any noise is computed.
pub fn bare(person: &Identity, outline: &Outline, u: f64, v: f64) -> bool {
    let hair = &person.hair;
    let near = (outline.at(v).0 - hair.cover - 5.0).min(0.6 * person.skull.width);
    v > hair.line + hair.fringe + 16.0 && u.abs() < near
}

/// Coverage of the hair before the face: above the hairline, and down the sides.
pub fn before(person: &Identity, picture: &Picture, outline: &Outline, contour: f64, [u, v]: [f64; 2]) -> f64 {
    let (hair, side) = (&person.hair, u.abs());
    if contour > 1.5 || v > hair.end + 8.0 {
        return 0.0;
    }
    if bare(person, outline, u, v) {
        return 0.0;
    }
    let half = outline.at(v).0;
    let t = side / person.skull.width;
    let x = u - 1.5 * picture.hair_shift;
    let strand = noise(x * 0.75, v * 0.12, person.salt ^ 0xb5);
    let curls = if hair.curl > 0.0 { hair.curl * noise(x * 0.35, v * 0.35, person.salt ^ 0xb6) } else { 0.0 };
    let fringe = hair.fringe * (1.0 - 0.5 * bump((x - hair.parting) / 9.0, 0.0)) * step(1.15, 0.5, t);
    let line = hair.line + hair.temple * t * t * t * t - hair.recede * bump((side - 19.0) / 12.0, 0.0)
        + fringe
        + hair.sweep * x * step(0.0, 4.0, fringe);
    let ragged = (0.9 + 0.13 * fringe) * strand + 1.6 * curls;
    let front = (v - line - ragged) * 0.85;
    let temple = (half - hair.cover - side - 0.8 * strand - 1.2 * curls).max(v - hair.end - 3.0 * strand);
    let soft = mix(3.4, 1.8, step(0.0, 6.0, fringe));
    let amount = cover(front, soft).max(cover(temple, 2.2)) * cover(contour, 2.0);
    // Cropped hair lets the scalp through.
    amount
        * mix(
            hair.density * (0.85 + 0.25 * noise(u * 0.8, v * 0.8, person.salt ^ 0xb7)),
            1.0,
            step(0.8, 1.0, hair.density),
        )
        .min(1.0)
}

/// Colour of a strand at (u, v), lit.
pub fn colour(person: &Identity, picture: &Picture, contour: f64, [u, v]: [f64; 2]) -> Rgb {
    let hair = &person.hair;
    let (across, along) = flow(person, picture, u, v);
    let salt = person.salt ^ 0xb8;
    let curly = if hair.curl > 0.0 {
        hair.curl * noise(u * 0.38 + 0.8 * noise(u * 0.2, v * 0.2, salt), v * 0.38, salt ^ 0x21)
    } else {
        0.0
    };
    let locks = noise(across * 0.28, along * 0.035, salt ^ 1);
    let strands = noise(across * 0.62, along * 0.06, salt ^ 2);
    let fine = noise(across * 1.05, along * 0.12, salt ^ 3);
    let texture = 0.30 * locks + 0.26 * strands + 0.20 * fine + 0.42 * curly;
    // The head under the hair is an ellipsoid for the light.
    let (l, skull) = (picture.light.towards, &person.skull);
    let (nx, ny) = (u / (skull.width + 16.0), (v - 44.0) / 86.0);
    let nz = (1.0 - nx * nx - ny * ny).max(0.04).sqrt();
    let cosine = nx * l[0] + ny * l[1] + nz * l[2];
    let diffuse = ((cosine + 0.35) / 1.35).max(0.0);
    // Light glides along strands: a band where the head turns towards the light, broken by the locks.
    let band = bump((along - 26.0 - 10.0 * l[1] - 5.0 * locks) / 15.0, (u - 22.0 * l[0]) / 42.0)
        * step(0.0, 0.7, hair.shine + 0.4);
    let shine = hair.shine * band * (0.5 + 0.6 * strands + 0.4 * fine).max(0.0) * diffuse;
    let depth =
        mix(1.0, 0.62, step(-1.0, -9.0, contour) * step(70.0, 110.0, v)) * mix(0.72, 1.0, step(0.0, -3.0, contour));
    let base = scale(hair.colour, picture.hair_tone * (1.0 + texture).max(0.18) * depth);
    let (key, ambient) = (picture.light.key, picture.light.ambient);
    let mut out = [0.0; 3];
    for c in 0..3 {
        let gloss = shine * mix(0.055 + 0.5 * hair.colour[c], 0.14, 0.25);
        out[c] = base[c] * (diffuse * key[c] + ambient[c]) + gloss * key[c];
    }
    out
}

/// Coordinates across and along the strands: rays from the parting on top that bend until they hang.
fn flow(person: &Identity, picture: &Picture, u: f64, v: f64) -> (f64, f64) {
    let hair = &person.hair;
    let (x, y) = (u - hair.parting - 1.5 * picture.hair_shift, (v + 24.0).max(2.0));
    // `y / (1 + y / 90)` saturates: far below the parting, equal `across` means equal u.
    let wave = hair.wave * 0.3 * y / 60.0 * ripple(v * 0.021 + f64::from(person.salt & 7) * 0.13);
    let across = 62.0 * (x - wave) / (0.35 * x.abs() + 10.0 + y / (1.0 + y / 90.0));
    (across, (x * x * 0.8 + y * y).sqrt())
}
