//! The skin's colour before light: tone, blush, freckles, pores, wrinkles, nostrils, stubble; and how light falls on skin.
//!
//! It knows a person and an expression; where a pixel lies on the face is told to it.

use super::identity::Identity;
use super::noise::{Rgb, blend, bump, dots, linear, mix, noise, scale, step, tint};
use super::picture::{Light, Picture};
use super::relief::Surface;

/// Colour of the bare skin at (u, v).
pub fn albedo(person: &Identity, picture: &Picture, u: f64, v: f64) -> Rgb {
    let (skin, side) = (&person.skin, u.abs());
    let mottled = noise(u * 0.13, v * 0.13, person.salt ^ 0x11);
    let mut colour = scale(skin.tone, 1.0 + 0.05 * mottled);
    let blush = 0.75 * bump((side - 22.0) / 17.0, (v - 73.0) / 15.0) + 0.7 * bump(u / 9.0, (v - person.nose.tip) / 9.0);
    let red = skin.redness * picture.flush * (blush * (1.0 + 0.35 * mottled) + 0.08);
    colour = tint(colour, [1.0 + 0.04 * red, 1.0 - 0.24 * red, 1.0 - 0.22 * red]);
    // Thin skin under the eyes, and the forehead's yellow.
    let ring = skin.circles * bump((side - person.eyes.apart + 2.0) / 10.5, (v - person.eyes.v - 5.5) / 4.5);
    colour = tint(colour, [1.0 - 0.22 * ring, 1.0 - 0.28 * ring, 1.0 - 0.2 * ring]);
    // Pores: finer than a low-resolution pixel by far.
    let pores = noise(u * 0.9, v * 0.9, person.salt ^ 0x22) + 0.7 * noise(u * 0.45, v * 0.45, person.salt ^ 0x33);
    let coarse = mix(0.018, 0.05, skin.age);
    colour = scale(colour, 1.0 + coarse * pores);
    if skin.freckles > 0.0 {
        let near = 0.25 + 0.75 * bump(u / 36.0, (v - 66.0) / 26.0);
        // Bent coordinates hide the lattice that the dots grow on.
        let (bu, bv) = (
            u + 2.5 * noise(u * 0.2, v * 0.2, person.salt ^ 0x46),
            v + 2.5 * noise(v * 0.2, u * 0.2, person.salt ^ 0x47),
        );
        let spot = dots(bu * 0.27 + 0.11 * bv, bv * 0.29, 0.8 * near, 0.36, person.salt ^ 0x44)
            .max(0.6 * dots(bu * 0.42 - 0.16 * bv, bv * 0.4, 0.6 * near, 0.42, person.salt ^ 0x45));
        colour = tint(colour, blend([1.0; 3], [0.66, 0.5, 0.4], skin.freckles * spot));
    }
    for [mu, mv, radius] in skin.moles {
        if radius > 0.0 {
            let dark = bump((u - mu) / (radius * 1.5), (v - mv) / (radius * 1.5));
            colour = blend(colour, scale(skin.tone, 0.16), 0.9 * dark);
        }
    }
    scale(colour, wrinkles(person, picture, u, v))
}

/// Darkening by folds: nasolabial fold, forehead lines, frown, crow's feet. 1 = none.
fn wrinkles(person: &Identity, picture: &Picture, u: f64, v: f64) -> f64 {
    let (side, age) = (u.abs(), person.skin.age);
    let smile = picture.expression.smile.max(0.0);
    let mut dark = 0.0;
    let (from, to) = (person.nose.tip + 0.5, person.mouth.v + 1.0);
    let t = (v - from) / (to - from);
    if (-0.05..1.15).contains(&t) {
        let path = mix(
            8.2 * person.nose.width,
            person.mouth.half_width + 5.0 + 2.0 * smile,
            (0.25 + 0.75 * t.max(0.0)) * t.max(0.0),
        );
        let depth = (0.05 + 0.22 * age * age + 0.24 * smile) * step(-0.05, 0.15, t) * step(1.15, 0.75, t);
        dark += depth * bump((side - path) / 3.4, 0.0);
    }
    if v < person.eyes.v - 14.0 {
        let raise = picture.expression.brows.max(0.0);
        let line = v + 1.6 * noise(u * 0.07, 3.0, person.salt ^ 0x55) + 0.004 * u * u;
        let fold = bump(((line * 0.19).fract() - 0.5) / 0.24, 0.0);
        let reach = bump(u / 34.0, (v - person.eyes.v + 27.0) / 15.0);
        dark += (0.24 * age * age + 0.10 * raise) * fold * reach;
    }
    let feet = bump((side - person.eyes.apart - 14.0) / 6.0, (v - person.eyes.v) / 7.0);
    if feet > 0.0 {
        let ray = (v - person.eyes.v) / (side - person.eyes.apart).max(4.0) * 7.0;
        dark += (0.3 * age * age + 0.22 * smile * age) * feet * (0.5 + 0.5 * noise(ray, 0.0, person.salt ^ 0x66));
    }
    dark += 0.25 * age * age * bump((side - 3.0) / 1.5, (v - person.eyes.v + 9.0) / 5.0);
    1.0 - dark.min(0.7)
}

/// Nostrils and the crease round the wings: how dark, 0..1.
pub fn nostrils(person: &Identity, u: f64, v: f64) -> f64 {
    let (nose, side) = (&person.nose, u.abs());
    let dv = v - nose.tip;
    if !(-5.0..10.0).contains(&dv) || side > 15.0 {
        return 0.0;
    }
    let slope = dv - 4.6 + 0.12 * (side - 3.6);
    let hole = 0.8 * step(1.5, 0.5, (((side - 3.5 * nose.width) / 2.2).powi(2) + (slope / 1.15).powi(2)).sqrt());
    let radius = (((side - 5.4 * nose.width) / (4.6 * nose.width)).powi(2) + ((dv - 1.8) / 4.2).powi(2)).sqrt();
    let outer = step(4.0, 6.5, side / nose.width) * step(-4.0, -0.5, dv);
    let crease = 0.3 * outer * bump((radius - 1.0) / 0.3, 0.0);
    let under = 0.10 * bump(u / (6.5 * nose.width), (dv - 5.6) / 3.0);
    hole.max(crease).max(under)
}

/// Light on skin: what white skin would send back, and the highlight on top of it. Red wraps round the terminator farther
/// than blue, as it does under real skin; oil gives a soft gloss.
pub fn light_on(surface: &Surface, light: &Light, oil: f64) -> (Rgb, Rgb) {
    let (n, l) = (surface.normal, light.towards);
    let cosine = n[0] * l[0] + n[1] * l[1] + n[2] * l[2];
    let sky = (0.78 - 0.22 * n[1]) * surface.open;
    let half = {
        let h = [l[0], l[1], l[2] + 1.0];
        let length = (h[0] * h[0] + h[1] * h[1] + h[2] * h[2]).sqrt().max(1e-6);
        (n[0] * h[0] + n[1] * h[1] + n[2] * h[2]).max(0.0) / length
    };
    let (square, shade) = (half * half, mix(1.0, surface.lit, 0.45 + 0.4 * light.hard));
    let eighth = square * square * square * square;
    let gloss = oil * (0.10 * eighth * eighth + 0.05 * eighth) * shade;
    let mut out = [0.0; 3];
    for (c, wrap) in [0.34, 0.22, 0.17].into_iter().enumerate() {
        let diffuse = ((cosine + wrap) / (1.0 + wrap)).max(0.0) * shade * (0.4 + 0.6 * surface.open);
        out[c] = diffuse * light.key[c] + sky * light.ambient[c];
    }
    (out, scale(light.key, gloss))
}

/// The beard's share of the colour at (u, v), 0..1, and its strands. `d` is the distance to the face's outline.
pub fn beard(person: &Identity, u: f64, v: f64, d: f64) -> f64 {
    let (beard, mouth) = (&person.beard, &person.mouth);
    if beard.full + beard.moustache + beard.stubble <= 0.02 || v < person.nose.tip {
        return 0.0;
    }
    let side = u.abs();
    // Cheek line from the ear down to the mouth's corner; free lips; moustache between nose and lip.
    let cheek = 82.0 + beard.low - 0.55 * (side - 18.0).max(0.0) - 0.02 * (side - 18.0).max(0.0).powi(2);
    let jagged = 1.4 * noise(u * 0.5, v * 0.5, person.salt ^ 0x81);
    let jaw = step(-1.5, 3.5, v - cheek + jagged) * step(4.0, 9.0, (side - 2.0).abs().max((v - mouth.v - 6.0) * 1.2));
    let chin = step(mouth.lower + 3.0, mouth.lower + 6.5, v - mouth.v + jagged);
    let area = jaw.min(step(-2.0, 2.0, v - cheek)).max(chin * step(16.0, 10.0, side));
    let lip = step(-mouth.upper + 0.6, -mouth.upper - 1.4, v - mouth.v - 0.02 * u * u + 0.5 * jagged)
        * step(person.nose.tip + 5.8, person.nose.tip + 8.4, v + 0.6 * jagged - 0.022 * u * u)
        * step(mouth.half_width + 1.5, mouth.half_width - 4.0, side);
    let strand = 0.86
        + 0.14 * noise(u * 0.6 + 0.006 * u * v, v * 0.27, person.salt ^ 0x82)
        + 0.13 * noise(u * 0.95, v * 0.5, person.salt ^ 0x84);
    let grown = (area * beard.full).max(lip * beard.moustache);
    let shadow = 0.26 * beard.stubble * area.max(lip) * (0.9 + 0.4 * noise(u * 0.9, v * 0.9, person.salt ^ 0x83));
    (grown * 1.25 * strand).max(shadow).clamp(0.0, 0.97) * step(0.5, -1.5, d)
}

/// Skin of neck and ears: plain, in the jaw's shadow.
pub fn plain(person: &Identity, shade: f64) -> Rgb {
    tint(scale(person.skin.tone, shade), blend([1.0; 3], linear(255, 226, 218), 0.5))
}
