//! Who a person is: geometry and colours, drawn once per identity from continuous distributions.
//!
//! Nothing here knows of a picture: pose, light and expression are `picture.rs`. Two hidden numbers, `masculine` and `melanin`,
//! tie the features together (beards with heavy brows, dark hair with dark eyes), so that people look like people and
//! near neighbours exist. Lengths are pixels of the 96x112 crop, `u` from the midline (x = 47), `v` from the top.

use super::noise::{Rgb, blend, linear, mix, scale};
use crate::random::Random;

/// The skull's outline: half-width by height.
pub struct Skull {
    pub width: f64,
    pub widest: f64,
    pub top: f64,
    pub chin: f64,
    pub taper: f64,
    pub jaw: f64,
    pub relief: f64,
    pub ears: f64,
}

pub struct Skin {
    pub tone: Rgb,
    pub redness: f64,
    pub freckles: f64,
    pub age: f64,
    pub circles: f64,
    /// u, v, radius.
    pub moles: [[f64; 3]; 3],
}

pub struct Eyes {
    pub apart: f64,
    pub v: f64,
    pub half_width: f64,
    pub upper: f64,
    pub lower: f64,
    pub slant: f64,
    pub iris: Rgb,
    pub iris_radius: f64,
    pub crease: f64,
    pub lashes: f64,
}

pub struct Brows {
    pub height: f64,
    pub thickness: f64,
    pub arch: f64,
    pub tilt: f64,
    pub density: f64,
    pub inner: f64,
    pub outer: f64,
}

pub struct Nose {
    pub tip: f64,
    pub width: f64,
    pub bridge: f64,
    pub ball: f64,
    pub height: f64,
    pub bend: f64,
}

pub struct Mouth {
    pub v: f64,
    pub half_width: f64,
    pub upper: f64,
    pub lower: f64,
    pub bow: f64,
    pub red: f64,
}

pub struct Hair {
    pub colour: Rgb,
    /// The hairline on the midline, and how far it comes down or recedes towards the temples.
    pub line: f64,
    pub temple: f64,
    pub recede: f64,
    /// Thickness above the skull and beside it.
    pub top: f64,
    pub side: f64,
    /// Where the side hair ends, and how far it covers the face's edge.
    pub end: f64,
    pub cover: f64,
    /// A fringe hangs this far below the hairline, slanting by `sweep` per pixel.
    pub fringe: f64,
    pub sweep: f64,
    pub parting: f64,
    pub curl: f64,
    pub wave: f64,
    pub density: f64,
    pub shine: f64,
}

pub struct Beard {
    pub stubble: f64,
    pub full: f64,
    pub moustache: f64,
    pub low: f64,
}

/// A person.
pub struct Identity {
    /// Chooses this person's noise: freckles, strands, wrinkles.
    pub salt: u32,
    pub skull: Skull,
    pub skin: Skin,
    pub eyes: Eyes,
    pub brows: Brows,
    pub nose: Nose,
    pub mouth: Mouth,
    pub hair: Hair,
    pub beard: Beard,
    pub lipstick: f64,
    pub glasses: bool,
    pub lopsided: f64,
}

/// The hidden numbers and the stream they came from.
struct Latent<'a> {
    random: &'a mut Random,
    masculine: f64,
    melanin: f64,
    age: f64,
}

impl Latent<'_> {
    /// A normal deviate cut at two and a half sigma: no monsters.
    fn around(&mut self, mean: f64, sigma: f64) -> f64 {
        mean + sigma * self.random.normal().clamp(-2.5, 2.5)
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.unit() < share
    }
}

impl Identity {
    /// The person number `identity` of the world `seed`.
    pub fn draw(seed: u64, identity: u32) -> Self {
        let mut random = Random::keyed(seed, &[0x5f_ace, u64::from(identity)]);
        let salt = random.bits() as u32;
        let masculine = random.unit();
        let melanin = (random.unit() * 1.15 - 0.05).clamp(0.0, 1.0);
        let age = random.unit();
        let mut latent = Latent { random: &mut random, masculine, melanin, age };
        let skull = latent.skull();
        let (eyes, nose, mouth) = (latent.eyes(), latent.nose(), latent.mouth());
        let (brows, hair) = (latent.brows(), latent.hair());
        let (beard, skin) = (latent.beard(), latent.skin());
        let lipstick = if latent.chance(0.45 * (1.0 - masculine)) { latent.random.between(0.25, 0.7) } else { 0.0 };
        let glasses = latent.chance(0.06);
        let lopsided = latent.around(0.0, 0.4);
        Identity { salt, skull, skin, eyes, brows, nose, mouth, hair, beard, lipstick, glasses, lopsided }
    }

    /// The same eyes, brows, nose, mouth, moles and noise on the skull, and in the colours, that all siblings of a world share.
    /// Nobody's own glasses: their frames would say who it is.
    pub fn sibling_in(self, seed: u64) -> Self {
        let Identity { salt, skin: Skin { moles, .. }, eyes, brows, nose, mouth, lopsided, .. } = self;
        let parent = Identity::draw(seed, u32::MAX);
        let (skin, eyes) = (Skin { moles, ..parent.skin }, Eyes { iris: parent.eyes.iris, ..eyes });
        Identity { salt, skin, eyes, brows, nose, mouth, lopsided, glasses: false, ..parent }
    }
}

impl Latent<'_> {
    fn skull(&mut self) -> Skull {
        let m = self.masculine;
        Skull {
            width: self.around(36.8, 2.0),
            widest: self.around(57.0, 3.0),
            top: self.around(-13.0, 3.0),
            chin: self.around(mix(108.0, 111.5, m), 2.2),
            taper: self.around(mix(0.30, 0.22, m), 0.05).clamp(0.1, 0.42),
            jaw: self.around(mix(3.3, 4.6, m), 0.6).clamp(2.4, 6.5),
            relief: self.around(1.0, 0.12),
            ears: self.around(1.0, 0.15),
        }
    }

    fn skin(&mut self) -> Skin {
        let stops = [linear(245, 204, 182), linear(224, 168, 134), linear(166, 108, 76), linear(92, 57, 41)];
        let place = self.melanin * 2.999;
        let (low, high) = (stops[place as usize], stops[place as usize + 1]);
        let warm = self.around(0.0, 0.05);
        let tone = blend(low, high, place.fract());
        let freckled = self.melanin < 0.45 && self.chance(0.3);
        let freckles = if freckled { self.random.between(0.25, 1.0) } else { 0.0 };
        let mut moles = [[0.0; 3]; 3];
        for mole in &mut moles {
            let radius = if self.chance(0.4) { self.random.between(0.8, 1.6) } else { 0.0 };
            *mole = [self.random.between(-30.0, 30.0), self.random.between(58.0, 104.0), radius];
        }
        let (redness, circles) = (self.random.between(0.1, 0.9), self.random.between(0.0, 1.0));
        Skin {
            tone: [tone[0] * (1.0 + warm), tone[1], tone[2] * (1.0 - warm)],
            redness,
            freckles,
            age: self.age,
            circles,
            moles,
        }
    }

    fn eyes(&mut self) -> Eyes {
        let dark = blend(linear(52, 30, 20), linear(92, 58, 34), self.random.unit());
        let light = match self.random.below(4) {
            0 => linear(70, 108, 150),
            1 => linear(98, 124, 140),
            2 => linear(80, 106, 66),
            _ => linear(124, 86, 42),
        };
        let lightness = (self.random.unit() - 1.3 * self.melanin + 0.25).clamp(0.0, 1.0);
        let narrow = self.random.unit();
        Eyes {
            apart: self.around(17.6, 0.7),
            v: self.around(50.6, 0.9),
            half_width: self.around(8.7, 0.55),
            upper: self.around(mix(4.4, 3.2, narrow * narrow), 0.35).max(2.2),
            lower: self.around(2.3, 0.35).max(1.3),
            slant: self.around(0.05, 0.06),
            iris: blend(dark, light, lightness),
            iris_radius: self.around(3.5, 0.18),
            crease: self.random.between(1.2, 4.2),
            lashes: self.around(mix(1.0, 0.5, self.masculine), 0.2).clamp(0.2, 1.5),
        }
    }

    fn brows(&mut self) -> Brows {
        let m = self.masculine;
        Brows {
            height: self.around(mix(11.5, 9.8, m), 1.1),
            thickness: self.around(mix(1.7, 2.6, m), 0.45).clamp(0.9, 3.8),
            arch: self.around(mix(2.2, 1.2, m), 0.7),
            tilt: self.around(-0.04, 0.07),
            density: self.around(mix(0.8, 1.0, m), 0.15).clamp(0.35, 1.2),
            inner: self.around(-8.8, 1.0),
            outer: self.around(12.0, 1.0),
        }
    }

    fn nose(&mut self) -> Nose {
        let m = self.melanin;
        Nose {
            tip: self.around(70.7, 1.7),
            width: self.around(mix(0.95, 1.15, m), 0.1),
            bridge: self.around(mix(4.6, 5.4, m), 0.6),
            ball: self.around(1.0, 0.18),
            height: self.around(mix(1.05, 0.85, m), 0.15),
            bend: self.around(0.0, 0.5),
        }
    }

    fn mouth(&mut self) -> Mouth {
        let m = self.masculine;
        Mouth {
            v: self.around(91.2, 1.2),
            half_width: self.around(14.2, 1.2),
            upper: self.around(mix(3.3, 2.5, m) + 0.7 * self.melanin, 0.6).clamp(1.2, 5.5),
            lower: self.around(mix(4.6, 3.9, m) + 0.9 * self.melanin, 0.7).clamp(2.2, 7.0),
            bow: self.random.between(0.1, 0.5),
            red: self.random.between(0.25, 1.0),
        }
    }

    fn hair_colour(&mut self) -> Rgb {
        let black = linear(26, 22, 22);
        let brown = blend(linear(58, 38, 26), linear(112, 76, 48), self.random.unit());
        let fair = blend(linear(172, 128, 76), linear(214, 184, 134), self.random.unit());
        let red = linear(142, 68, 32);
        let lightness = (self.random.unit() - 1.1 * self.melanin + 0.3).clamp(0.0, 1.0);
        let base = if lightness < 0.45 {
            blend(black, brown, lightness / 0.45)
        } else {
            blend(brown, fair, (lightness - 0.45) / 0.55)
        };
        let base = if self.melanin < 0.4 && self.chance(0.14) { blend(base, red, 0.8) } else { base };
        let grey = ((self.age - 0.62) * 3.0).clamp(0.0, 1.0) * self.random.unit();
        blend(base, linear(168, 166, 164), grey)
    }

    fn hair(&mut self) -> Hair {
        let colour = self.hair_colour();
        let long = self.chance(mix(0.85, 0.1, self.masculine));
        let curl = if self.chance(mix(0.15, 0.75, self.melanin)) { self.random.between(0.4, 1.0) } else { 0.0 };
        let bald = !long && self.chance(mix(0.02, 0.25, self.masculine) * (0.4 + self.age));
        let fringed = !bald && self.chance(if long { 0.35 } else { 0.3 });
        let side = if long { self.random.between(6.0, 15.0) } else { self.random.between(0.5, 3.5) };
        Hair {
            colour,
            line: if bald { self.random.between(-14.0, 2.0) } else { self.around(15.0, 3.4) },
            temple: self.around(26.0, 6.0).max(8.0),
            recede: self.random.between(0.0, 1.0) * mix(0.2, 1.0, self.masculine) * mix(2.0, 9.0, self.age),
            top: if bald { 0.5 } else { self.random.between(4.0, 12.0) + 6.0 * curl },
            side: side + 5.0 * curl * f64::from(u8::from(!bald)),
            end: if long { self.random.between(78.0, 150.0) } else { self.random.between(50.0, 62.0) },
            cover: if long { self.random.between(1.5, 7.0) } else { self.random.between(0.5, 3.0) },
            fringe: if fringed { self.random.between(5.0, 17.0) } else { 0.0 },
            sweep: self.around(0.0, 0.18),
            parting: self.around(0.0, 11.0),
            curl,
            wave: self.random.between(0.0, 3.0),
            density: if !long && self.chance(0.2) { self.random.between(0.45, 0.8) } else { 1.0 },
            shine: self.random.between(0.2, 1.0),
        }
    }

    fn beard(&mut self) -> Beard {
        let grown = ((self.masculine - 0.5) * 2.0).max(0.0);
        let full = if self.chance(0.35 * grown.sqrt()) { self.random.between(0.3, 1.0) } else { 0.0 };
        let moustache = if self.chance(0.25 * grown.sqrt()) { self.random.between(0.4, 1.0) } else { full };
        Beard { stubble: grown * self.random.unit(), full, moustache, low: self.random.between(0.0, 8.0) }
    }
}

impl Hair {
    /// The same hair on another day: `volume`, `fringe` and `length` multiply, `tied` long hair goes behind the head.
    pub fn restyle(&mut self, volume: f64, fringe: f64, length: f64, tied: bool) {
        self.top *= volume;
        self.side *= volume;
        self.fringe *= fringe;
        self.line += 1.5 * (1.0 - fringe);
        if self.end > 70.0 {
            self.end *= length;
            if tied {
                (self.end, self.side, self.cover) = (62.0, 2.0, self.cover.min(2.5));
            }
        }
    }
}

/// The colour of brows and beards: the hair's, darker.
pub fn darker(hair: Rgb) -> Rgb {
    scale(hair, 0.6)
}
