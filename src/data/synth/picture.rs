//! What changes from picture to picture of one person: pose, alignment error, expression, light, background, camera.
//!
//! It knows nothing of who is in the picture. Angles are radians, positions pixels of the 96x112 crop.

use super::noise::{Rgb, blend, linear, mix, scale};
use crate::random::Random;

pub struct Pose {
    pub yaw: f64,
    pub pitch: f64,
    pub roll: f64,
    pub zoom: f64,
    pub shift: [f64; 2],
}

pub struct Expression {
    pub smile: f64,
    pub open: f64,
    pub brows: f64,
    /// 1 = lids wide open, 0 = shut.
    pub lids: f64,
    pub gaze: [f64; 2],
}

pub struct Light {
    /// Unit vector towards the key light: right, down, towards the viewer.
    pub towards: [f64; 3],
    pub key: Rgb,
    pub ambient: Rgb,
    pub hard: f64,
}

pub struct Camera {
    pub gain: f64,
    pub gamma: f64,
    pub saturation: f64,
    pub blur: f64,
    pub noise: f64,
}

pub struct Scene {
    pub wall: [Rgb; 3],
    pub direction: [f64; 2],
    pub busy: f64,
    pub shirt: Rgb,
    pub collar: f64,
}

/// How the hair is worn today; see `Hair::restyle`.
pub struct Style {
    pub volume: f64,
    pub fringe: f64,
    pub length: f64,
    pub tied: bool,
}

/// One exposure.
pub struct Picture {
    pub salt: u32,
    pub pose: Pose,
    pub expression: Expression,
    pub light: Light,
    pub camera: Camera,
    pub scene: Scene,
    /// Multiplies the hair's colour and shifts its parting: nobody's hair is the same twice.
    pub hair_tone: f64,
    pub hair_shift: f64,
    pub glasses: bool,
    pub style: Style,
    pub flush: f64,
}

impl Picture {
    /// Picture number `image` of person `identity` in the world `seed`.
    pub fn draw(seed: u64, identity: u32, image: u32) -> Self {
        let mut random = Random::keyed(seed, &[0x91_c7, u64::from(identity), u64::from(image)]);
        let random = &mut random;
        Picture {
            salt: random.bits() as u32,
            pose: Pose {
                yaw: 0.17 * random.normal().clamp(-2.0, 2.0),
                pitch: 0.10 * random.normal().clamp(-2.0, 2.0),
                roll: 0.035 * random.normal().clamp(-2.0, 2.0),
                zoom: 1.0 + 0.02 * random.normal().clamp(-2.0, 2.0),
                shift: [0.8 * random.normal().clamp(-2.0, 2.0), 0.8 * random.normal().clamp(-2.0, 2.0)],
            },
            expression: expression(random),
            light: light(random),
            camera: Camera {
                gain: (0.2 * random.normal().clamp(-2.0, 2.0)).exp(),
                gamma: 1.0 + 0.08 * random.normal().clamp(-2.0, 2.0),
                saturation: random.between(0.9, 1.22),
                blur: random.unit() * random.unit() * 0.75,
                noise: 0.8 + 3.2 * random.unit() * random.unit(),
            },
            scene: scene(random),
            hair_tone: random.between(0.85, 1.2),
            hair_shift: random.normal().clamp(-2.0, 2.0),
            glasses: random.unit() < 0.06,
            style: Style {
                volume: random.between(0.75, 1.25),
                fringe: random.between(0.55, 1.25),
                length: random.between(0.85, 1.12),
                tied: random.unit() < 0.2,
            },
            flush: random.between(0.5, 1.4),
        }
    }
}

fn expression(random: &mut Random) -> Expression {
    let smile = (0.35 + 0.4 * random.normal()).clamp(-0.2, 1.0);
    let talking = random.unit() < 0.25;
    let open = if talking { random.between(0.1, 0.8) } else { (smile - 0.45).max(0.0) * random.between(0.0, 1.4) };
    let blink = random.unit() < 0.04;
    Expression {
        smile,
        open,
        brows: 0.8 * random.normal().clamp(-1.5, 2.2),
        lids: if blink {
            random.between(0.0, 0.35)
        } else {
            (1.0 - 0.12 * smile.max(0.0) + 0.1 * random.normal()).clamp(0.7, 1.2)
        },
        gaze: [1.1 * random.normal().clamp(-1.8, 1.8), 0.35 * random.normal().clamp(-1.8, 1.8)],
    }
}

fn light(random: &mut Random) -> Light {
    let (azimuth, elevation) = (0.62 * random.normal().clamp(-1.9, 1.9), random.between(0.05, 0.95));
    let towards = [azimuth.sin() * elevation.cos(), -elevation.sin(), azimuth.cos() * elevation.cos()];
    // Tungsten to open shade; the camera's white balance takes most of it back.
    let warmth = 0.13 * random.normal().clamp(-2.0, 2.0);
    let hard = random.unit();
    let key = scale([1.0 + warmth, 1.0, 1.0 - warmth], mix(0.75, 1.15, hard));
    let cast = 0.06 * random.normal().clamp(-2.0, 2.0);
    let ambient = scale([1.0 + cast, 1.0, 1.0 - cast], mix(0.52, 0.2, hard));
    Light { towards, key, ambient, hard }
}

fn scene(random: &mut Random) -> Scene {
    let mut colour = |low: f64, high: f64| {
        let grey = random.between(low, high);
        let vivid = linear(random.below(256) as u8, random.below(256) as u8, random.below(256) as u8);
        blend([grey, grey, grey], vivid, random.unit() * 0.6)
    };
    let wall = [colour(0.02, 0.75), colour(0.02, 0.6), colour(0.0, 0.9)];
    let shirt = colour(0.01, 0.8);
    let turn = random.between(0.0, std::f64::consts::TAU);
    Scene { wall, direction: [turn.cos(), turn.sin()], busy: random.unit(), shirt, collar: random.unit() }
}
