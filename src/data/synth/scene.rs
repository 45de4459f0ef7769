//! What surrounds the face: wall, shirt, neck, ears. And the order in which everything is painted.
//!
//! It knows all the layers and nothing of files; a pixel comes in, its light goes out.

use super::identity::Identity;
use super::noise::{Rgb, blend, bump, cover, mix, noise, scale, step, tint};
use super::picture::Picture;
use super::relief::{Outline, Relief};
use super::{eyes, hair, mouth, skin};

/// Everything needed to paint one picture, prepared once.
pub struct Portrait<'a> {
    person: &'a Identity,
    picture: &'a Picture,
    outline: Outline,
    relief: Relief,
    sines: [f64; 4],
}

impl<'a> Portrait<'a> {
    pub fn new(person: &'a Identity, picture: &'a Picture) -> Self {
        let outline = Outline::new(person);
        let relief = Relief::new(person, picture, &outline);
        let pose = &picture.pose;
        let sines = [pose.yaw.sin(), pose.pitch.sin(), pose.roll.sin(), pose.roll.cos()];
        Portrait { person, picture, outline, relief, sines }
    }

    /// The point of the upright, frontal face that is seen at pixel (x, y).
    fn unpose(&self, x: f64, y: f64) -> [f64; 2] {
        let (pose, [yaw, pitch, sin, cos]) = (&self.picture.pose, self.sines);
        let (dx, dy) = (x - 47.0 - pose.shift[0], y - 70.0 - pose.shift[1]);
        let (px, py) = ((cos * dx + sin * dy) / pose.zoom, (cos * dy - sin * dx) / pose.zoom);
        // Deeper points move against the turn: solve u = p - sin(yaw) (depth(u) - pivot) by iteration.
        let (mut u, mut v) = (px, py + 70.0);
        for _ in 0..3 {
            let depth = self.relief.depth(u, v) - self.relief.pivot;
            u = 0.2 * u + 0.8 * (px - yaw * depth);
            v = 0.2 * v + 0.8 * (py + 70.0 + pitch * depth);
        }
        [u, v]
    }

    /// The light that reaches the camera at pixel (x, y).
    pub fn pixel(&self, x: f64, y: f64) -> Rgb {
        let (person, picture) = (self.person, self.picture);
        let [u, v] = self.unpose(x, y);
        let d = self.outline.distance(u, v);
        let inner = d < -2.0 && v < person.skull.chin - 4.0;
        let contour = if inner && hair::bare(person, &self.outline, u, v) { -9.0 } else { hair::contour(person, u, v) };
        let mut colour = if inner { [0.0; 3] } else { self.surroundings(x, y, u, v, contour) };
        let face = cover(d, 1.2) * step(person.skull.chin + 1.5, person.skull.chin - 1.0, v);
        let before = hair::before(person, picture, &self.outline, contour, [u, v]);
        if face > 0.0 && before < 1.0 {
            colour = blend(colour, self.face(u, v, d), face);
        }
        if picture.glasses != person.glasses {
            colour = eyes::glasses(person, picture, u, v, colour);
        }
        if before > 0.0 {
            colour = blend(colour, hair::colour(person, picture, contour, [u, v]), before);
        }
        colour
    }

    fn face(&self, u: f64, v: f64, d: f64) -> Rgb {
        let (person, picture) = (self.person, self.picture);
        let surface = self.relief.surface(u, v, picture.light.towards);
        let forehead = bump(u / 24.0, (v - 28.0) / 18.0);
        let oil = person.skin.redness * mix(0.5, 1.1, forehead.max(bump(u / 7.0, (v - 64.0) / 12.0))) + 0.15;
        // Hair throws a shadow on the forehead below it.
        let eaves = hair::before(person, picture, &self.outline, -5.0, [u, v - 3.5]);
        let (shade, gloss) = skin::light_on(&surface, &picture.light, oil);
        let mut colour = tint(skin::albedo(person, picture, u, v), shade);
        for c in 0..3 {
            colour[c] += gloss[c];
        }
        colour = blend(colour, tint(scale(person.skin.tone, 0.045), shade), skin::nostrils(person, u, v));
        let beard = skin::beard(person, u, v, d);
        if beard > 0.0 {
            let strands = tint(scale(person.hair.colour, 0.85 * picture.hair_tone), shade);
            colour = blend(colour, strands, beard);
        }
        colour = mouth::paint(person, picture, u, v, colour, shade);
        colour = eyes::paint(person, picture, u, v, colour, shade);
        scale(colour, 1.0 - 0.38 * eaves)
    }

    /// Everything behind the face, back to front.
    fn surroundings(&self, x: f64, y: f64, u: f64, v: f64, contour: f64) -> Rgb {
        let (person, picture) = (self.person, self.picture);

        let behind = hair::behind(person, contour, v, u);
        let mut colour = if behind < 1.0 { self.shirt(u, v, self.wall(x, y)) } else { [0.0; 3] };
        if behind > 0.0 {
            colour = blend(colour, scale(hair::colour(person, picture, contour, [u, v]), 0.72), behind);
        }
        colour = self.neck(u, v, colour);
        self.ear(u, v, colour)
    }

    fn wall(&self, x: f64, y: f64) -> Rgb {
        let (scene, salt) = (&self.picture.scene, self.picture.salt);
        let t = 0.5 + (scene.direction[0] * (x - 48.0) + scene.direction[1] * (y - 56.0)) / 120.0;
        let plain = blend(scene.wall[0], scene.wall[1], step(0.0, 1.0, t));
        let blobs = step(0.1, 0.5, noise(x * 0.045, y * 0.045, salt) + 0.3 * noise(x * 0.12, y * 0.12, salt ^ 1));
        let grain = 1.0 + 0.12 * scene.busy * noise(x * 0.5, y * 0.2, salt ^ 2);
        scale(blend(plain, scene.wall[2], blobs * scene.busy), grain)
    }

    fn neck(&self, u: f64, v: f64, under: Rgb) -> Rgb {
        let (person, light) = (self.person, &self.picture.light);
        let chin = person.skull.chin;
        let half = person.skull.width * mix(0.68, 0.8, person.beard.stubble.min(1.0))
            + 0.05 * (v - chin).powi(2) * step(chin, chin + 10.0, v);
        let inside = cover(u.abs() - half, 1.4) * step(chin - 34.0, chin - 30.0, v);
        if inside <= 0.0 {
            return under;
        }
        let across = u / (half + 4.0);
        let cosine = (across * light.towards[0] + (1.0 - across * across).max(0.0).sqrt() * light.towards[2]).max(0.0);
        let jaw = mix(0.34, 0.75, step(chin + 1.0, chin + 16.0, v));
        let shade = |c: usize| (cosine * light.key[c] * 0.8 + light.ambient[c]) * jaw;
        blend(under, tint(skin::plain(person, 1.0), [shade(0), shade(1), shade(2)]), inside)
    }

    fn shirt(&self, u: f64, v: f64, under: Rgb) -> Rgb {
        let (scene, light) = (&self.picture.scene, &self.picture.light);
        let shoulder = self.person.skull.chin - 2.0 - 5.0 * scene.collar + 0.004 * u * u;
        let inside = cover(shoulder - v, 1.4);
        let weave = 1.0
            + 0.1 * noise(u * 0.8, v * 0.8, self.picture.salt ^ 3)
            + 0.12 * noise(u * 0.1, v * 0.1, self.picture.salt ^ 4);
        let power = 0.7 + 0.3 * light.towards[2];
        blend(under, scale(scene.shirt, weave * power), inside)
    }

    fn ear(&self, u: f64, v: f64, under: Rgb) -> Rgb {
        let (person, light) = (self.person, &self.picture.light);
        let (middle, tall) = (person.eyes.v + 11.0, 11.5 * person.skull.ears);
        let half = self.outline.at(middle).0;
        let x = u.abs() - half - 0.12 * (middle - v);
        let (ex, ey) = (x / (5.6 * person.skull.ears), (v - middle) / tall);
        let r = (ex * ex + ey * ey).sqrt();
        let inside = cover((r - 1.0) * 5.0, 1.2);
        if inside <= 0.0 {
            return under;
        }
        let rim = 1.0 - 0.42 * bump((r - 0.62) / 0.3, 0.0) - 0.25 * bump((ex - 0.1) / 0.5, (ey - 0.1) / 0.4);
        let facing = (0.45 + 0.55 * light.towards[0] * u.signum()).max(0.05);
        let shade = |c: usize| (facing * light.key[c] + light.ambient[c]) * rim * 0.85;
        blend(under, tint(tint(skin::plain(person, 1.0), [1.0, 0.82, 0.8]), [shade(0), shade(1), shade(2)]), inside)
    }
}
