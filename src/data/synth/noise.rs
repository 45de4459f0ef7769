//! Small arithmetic that every layer of a face uses: lattice noise, soft steps, colours in linear light.
//!
//! It knows numbers only, nothing of faces. Everything is f64 with basic operations (and `powf` once per constant colour),
//! so the same arguments give the same bits on every x86-64 machine with the same std.

/// Red, green, blue in linear light, 1 = white.
pub type Rgb = [f64; 3];

/// A colour of the screen (sRGB bytes, approximated by the power 2.2) in linear light.
pub fn linear(r: u8, g: u8, b: u8) -> Rgb {
    [r, g, b].map(|byte| (f64::from(byte) / 255.0).powf(2.2))
}

/// `a` at t = 0, `b` at t = 1.
pub fn mix(a: f64, b: f64, t: f64) -> f64 {
    a + (b - a) * t
}

/// `mix` for colours.
pub fn blend(a: Rgb, b: Rgb, t: f64) -> Rgb {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

/// A colour times a number.
pub fn scale(a: Rgb, k: f64) -> Rgb {
    [a[0] * k, a[1] * k, a[2] * k]
}

/// A colour seen through a filter or under a light.
pub fn tint(a: Rgb, b: Rgb) -> Rgb {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

/// 0 below `low`, 1 above `high`, a cubic between. `low > high` gives the falling step.
pub fn step(low: f64, high: f64, x: f64) -> f64 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Coverage of a pixel whose centre lies `d` pixels outside an edge (negative: inside); `soft` widens the edge.
pub fn cover(d: f64, soft: f64) -> f64 {
    (0.5 - d / soft).clamp(0.0, 1.0)
}

/// A round bump of height 1 with compact support: (1 - r^2)^2 inside the ellipse, 0 outside. `x`, `y` in radii.
pub fn bump(x: f64, y: f64) -> f64 {
    let inside = (1.0 - x * x - y * y).max(0.0);
    inside * inside
}

/// Uniform in [0, 1), a pure function of a lattice point and a salt.
pub fn hash(x: i32, y: i32, salt: u32) -> f64 {
    finish(row(y, salt) ^ column(x))
}

// A lattice cell needs its four corners: two columns, two rows, mixed once each, then combined.
fn column(x: i32) -> u32 {
    (x as u32).wrapping_mul(0x9e37_79b1)
}

fn row(y: i32, salt: u32) -> u32 {
    (y as u32).wrapping_mul(0x85eb_ca77).rotate_left(13) ^ salt.wrapping_mul(0xc2b2_ae3d)
}

fn finish(mut h: u32) -> f64 {
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    // 31 bits, because signed conversion is one instruction.
    f64::from(((h ^ (h >> 15)) >> 1) as i32) * (1.0 / 2_147_483_648.0)
}

/// The whole number below x and the rest, for |x| < 2^31.
#[inline]
fn floor(x: f64) -> (i32, f64) {
    // `f64::floor` is a library call on baseline x86-64. Adding 1.5 * 2^52 rounds to the nearest whole number, which then
    // stands in the low bits.
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    let shifted = x + MAGIC;
    let (whole, rest) = (shifted.to_bits() as i32, x - (shifted - MAGIC));
    let below = i32::from(rest < 0.0);
    (whole.wrapping_sub(below), rest + f64::from(below))
}

/// A sine of period 1 to the eye, without a library call: two parabolas.
pub fn ripple(x: f64) -> f64 {
    let t = 2.0 * floor(x).1 - 1.0;
    -4.0 * t * (1.0 - t.abs())
}

/// Value noise in [-1, 1] with one feature per unit.
#[inline]
pub fn noise(x: f64, y: f64, salt: u32) -> f64 {
    let ((ix, fx), (iy, fy)) = (floor(x), floor(y));
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (left, right, top, bottom) =
        (column(ix), column(ix.wrapping_add(1)), row(iy, salt), row(iy.wrapping_add(1), salt));
    let above = mix(finish(top ^ left), finish(top ^ right), sx);
    let below = mix(finish(bottom ^ left), finish(bottom ^ right), sx);
    2.0 * mix(above, below, sy) - 1.0
}

/// Dots scattered one to a unit cell: 1 in a dot's middle, 0 between. `share` of the cells carry a dot of radius `radius`.
pub fn dots(x: f64, y: f64, share: f64, radius: f64, salt: u32) -> f64 {
    let ((ix, fx), (iy, fy)) = (floor(x), floor(y));
    if hash(ix, iy, salt) >= share {
        return 0.0;
    }
    let (cx, cy) = (mix(0.3, 0.7, hash(ix, iy, salt ^ 0x51)), mix(0.3, 0.7, hash(ix, iy, salt ^ 0xa7)));
    let size = radius * mix(0.6, 1.0, hash(ix, iy, salt ^ 0x3c));
    bump((fx - cx) / size, (fy - cy) / size)
}
