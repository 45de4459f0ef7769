//! Eigenvalues and eigenvectors of a real symmetric matrix, all of them, to f64 rounding.
//!
//! Householder reflections bring the matrix to tridiagonal form, the implicit QL method takes that to a diagonal (Golub and Van
//! Loan, Matrix Computations, 8.3; EISPACK's tred2 and imtql2). Own code, because covariances of features are at most 1024 wide,
//! where this takes seconds, and the crates that do it cost more build time than the rest of this program's dependencies.

use crate::error::{Error, Result};
use crate::metrics::dot;
use rayon::prelude::*;

/// QL steps that one eigenvalue may take; in practice it is two.
const MOST_STEPS: usize = 64;

/// What a symmetric matrix does to space.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// In descending order.
    pub values: Vec<f64>,
    /// One of unit length for each value, orthogonal to the others; the sign is arbitrary.
    pub vectors: Vec<Vec<f64>>,
}

/// Decomposes a symmetric matrix, `[side, side]`; its eigenvectors are given for the `wanted` largest values alone.
///
/// # Errors
/// [`Error::Shape`] where the matrix is not square or too small for so many, [`Error::Numeric`] where it is not finite.
pub fn symmetric(matrix: &[f64], side: usize, wanted: usize) -> Result<Eigen> {
    if side == 0 || side.checked_mul(side) != Some(matrix.len()) || wanted > side {
        let numbers = matrix.len();
        return Err(Error::Shape(format!("{numbers} numbers are no {side}x{side} matrix with {wanted} eigenvectors")));
    }
    if matrix.iter().any(|number| !number.is_finite()) {
        return Err(Error::Numeric("a matrix that is not finite has no eigenvalues".into()));
    }
    let mut rows: Vec<Vec<f64>> = matrix.chunks_exact(side).map(<[f64]>::to_vec).collect();
    let (mut tridiagonal, reflections) = reduce(&mut rows);
    let mut vectors = identity(side);
    tridiagonal.diagonalise(&mut vectors)?;
    let mut order: Vec<usize> = (0..side).collect();
    order.sort_by(|a, b| tridiagonal.diagonal[*b].total_cmp(&tridiagonal.diagonal[*a]));
    let values = order.iter().map(|i| tridiagonal.diagonal[*i]).collect();
    order.truncate(wanted);
    let mut vectors: Vec<Vec<f64>> = order.into_iter().map(|i| std::mem::take(&mut vectors[i])).collect();
    // The vectors are those of the tridiagonal matrix so far; the reflections, the last one first, turn them back.
    vectors.par_iter_mut().for_each(|vector| reflections.iter().rev().for_each(|one| one.apply(vector)));
    Ok(Eigen { values, vectors })
}

/// A symmetric matrix with two diagonals: `beside[i]` couples `i` and `i + 1`, the last one is 0.
struct Tridiagonal {
    diagonal: Vec<f64>,
    beside: Vec<f64>,
}

/// `x - scale (x . normal) normal` over the coordinates from `first` on.
struct Reflection {
    first: usize,
    normal: Vec<f64>,
    scale: f64,
}

impl Reflection {
    fn apply(&self, vector: &mut [f64]) {
        let part = &mut vector[self.first..];
        let along = self.scale * dot(part, &self.normal);
        part.iter_mut().zip(&self.normal).for_each(|(x, n)| *x -= along * n);
    }
}

/// Reflects a matrix until only two diagonals are left.
fn reduce(rows: &mut [Vec<f64>]) -> (Tridiagonal, Vec<Reflection>) {
    let side = rows.len();
    let mut beside = vec![0.0; side];
    let mut reflections = Vec::new();
    for k in 0..side.saturating_sub(1) {
        let first = k + 1;
        // Symmetric, so that row k holds column k.
        let mut normal = rows[k][first..].to_vec();
        let length = dot(&normal, &normal).sqrt();
        let end = if normal[0] > 0.0 { -length } else { length };
        beside[k] = end;
        normal[0] -= end;
        let square = dot(&normal, &normal);
        if square == 0.0 {
            continue;
        }
        let scale = 2.0 / square;
        let rest = &mut rows[first..];
        let mut moved: Vec<f64> = rest.par_iter().map(|row| scale * dot(&row[first..], &normal)).collect();
        let half = 0.5 * scale * dot(&moved, &normal);
        moved.iter_mut().zip(&normal).for_each(|(m, n)| *m -= half * n);
        rest.par_iter_mut().enumerate().for_each(|(i, row)| {
            let (a, b) = (normal[i], moved[i]);
            row[first..].iter_mut().zip(&moved).zip(&normal).for_each(|((x, m), n)| *x -= a * m + b * n);
        });
        reflections.push(Reflection { first, normal, scale });
    }
    let diagonal = rows.iter().enumerate().map(|(i, row)| row[i]).collect();
    (Tridiagonal { diagonal, beside }, reflections)
}

impl Tridiagonal {
    /// Implicit QL steps until `beside` is nothing; `vectors`, one a row, take part in every rotation.
    fn diagonalise(&mut self, vectors: &mut [Vec<f64>]) -> Result<()> {
        for low in 0..self.diagonal.len() {
            let mut steps = 0;
            while let Some(high) = self.coupled(low) {
                if steps == MOST_STEPS {
                    return Err(Error::Numeric("the eigenvalues of a matrix do not converge".into()));
                }
                steps += 1;
                self.step(low, high, vectors);
            }
        }
        Ok(())
    }

    /// The end of the block that begins at `low`; nothing where `low` stands alone.
    fn coupled(&self, low: usize) -> Option<usize> {
        let small = |i: usize| {
            let size = self.diagonal[i].abs() + self.diagonal[i + 1].abs();
            self.beside[i].abs() <= f64::EPSILON * size
        };
        let high = (low..self.diagonal.len() - 1).find(|i| small(*i)).unwrap_or(self.diagonal.len() - 1);
        (high > low).then_some(high)
    }

    /// One QL step with Wilkinson's shift over the block from `low` to `high`.
    fn step(&mut self, low: usize, high: usize, vectors: &mut [Vec<f64>]) {
        let Tridiagonal { diagonal: d, beside: e } = self;
        let slope = (d[low + 1] - d[low]) / (2.0 * e[low]);
        let mut g = d[high] - d[low] + e[low] / (slope + slope.hypot(1.0).copysign(slope));
        let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
        for i in (low..high).rev() {
            let (f, b) = (sine * e[i], cosine * e[i]);
            let r = f64::hypot(f, g);
            e[i + 1] = r;
            if r == 0.0 {
                // The block has come apart in the middle: what is left of the step would divide by nothing.
                d[i + 1] -= shift;
                e[high] = 0.0;
                return;
            }
            (sine, cosine) = (f / r, g / r);
            g = d[i + 1] - shift;
            let r = (d[i] - g) * sine + 2.0 * cosine * b;
            shift = sine * r;
            d[i + 1] = g + shift;
            g = cosine * r - b;
            rotate(vectors, i, sine, cosine);
        }
        d[low] -= shift;
        e[low] = g;
        e[high] = 0.0;
    }
}

/// Turns rows `i` and `i + 1` in their common plane.
fn rotate(rows: &mut [Vec<f64>], i: usize, sine: f64, cosine: f64) {
    if let Some([first, second]) = rows.get_mut(i..i + 2) {
        for (x, y) in first.iter_mut().zip(second) {
            (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
        }
    }
}

fn identity(side: usize) -> Vec<Vec<f64>> {
    (0..side)
        .map(|i| {
            let mut row = vec![0.0; side];
            row[i] = 1.0;
            row
        })
        .collect()
}
