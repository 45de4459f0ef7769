//! Shapes `[n, c, h, w]` with checked arithmetic; in memory the order is NHWC.

use crate::error::{Error, Result};

/// Height and width of a high-resolution face, in pixels.
pub const HR: (usize, usize) = (112, 96);
/// Height and width of a low-resolution face, in pixels: HR down-sampled by 4.
pub const LR: (usize, usize) = (28, 24);

/// Four extents, named as the field names them. A filter is `[out, in, kh, kw]`, a vector `[1, c, 1, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub n: usize,
    pub c: usize,
    pub h: usize,
    pub w: usize,
}

impl Shape {
    /// All four extents.
    pub const fn new(n: usize, c: usize, h: usize, w: usize) -> Self {
        Shape { n, c, h, w }
    }

    /// One number per channel.
    pub const fn vector(c: usize) -> Self {
        Shape::new(1, c, 1, 1)
    }

    /// `n` rows of `c` numbers.
    pub const fn matrix(n: usize, c: usize) -> Self {
        Shape::new(n, c, 1, 1)
    }

    /// A single number.
    pub const fn scalar() -> Self {
        Shape::vector(1)
    }

    /// Number of elements; a shape that a machine cannot hold is an error, never a wrapped number.
    pub fn checked_elements(&self) -> Result<usize> {
        [self.c, self.h, self.w]
            .iter()
            .try_fold(self.n, |product, extent| product.checked_mul(*extent))
            .filter(|elements| *elements <= isize::MAX as usize / 8)
            .ok_or_else(|| Error::Shape(format!("shape {self} has too many elements")))
    }

    /// Number of elements of a shape that was checked when it entered the graph.
    pub const fn elements(&self) -> usize {
        self.n * self.c * self.h * self.w
    }

    /// Pixels of the whole batch.
    pub const fn pixels(&self) -> usize {
        self.n * self.h * self.w
    }

    /// Elements of one image.
    pub const fn image(&self) -> usize {
        self.c * self.h * self.w
    }

    /// Position in memory (NHWC) of one element.
    pub const fn at(&self, n: usize, c: usize, h: usize, w: usize) -> usize {
        ((n * self.h + h) * self.w + w) * self.c + c
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}x{}", self.n, self.c, self.h, self.w)
    }
}
