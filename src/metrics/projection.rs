//! Features moved and turned before they are compared: the mean of other features taken off, and where asked for only their
//! first principal components kept. Knows numbers in rows; which features are fitted and which are judged is the caller's.
//!
//! The sums that a fit needs are taken fold by fold ([`Moments`]) and added up over all folds but one, so that ten fits cost one
//! pass over the features. Components are those of the covariance, not whitened, as scikit-learn's `PCA(n)` gives them.

use crate::error::{Error, Result};
use crate::metrics::{dot, eigen};
use rayon::prelude::*;

/// Sums over features of `width` numbers.
#[derive(Clone, Debug)]
pub struct Moments {
    /// How many features.
    pub count: usize,
    sum: Vec<f64>,
    /// Sums of products, `[width, width]`; empty where nobody asks for components.
    products: Vec<f64>,
}

/// A fit: the mean, and the principal axes where there are any.
#[derive(Clone, Debug)]
pub struct Projection {
    mean: Vec<f64>,
    axes: Vec<Vec<f64>>,
}

impl Moments {
    /// The sums over some features; a feature given twice counts twice.
    ///
    /// # Errors
    /// [`Error::Shape`] where a feature has not `width` numbers.
    pub fn new(features: &[&[f32]], width: usize, products: bool) -> Result<Moments> {
        if let Some(odd) = features.iter().find(|feature| feature.len() != width) {
            return Err(Error::Shape(format!("a feature of {} numbers among those of {width}", odd.len())));
        }
        let mut sum = vec![0.0; width];
        for feature in features {
            sum.iter_mut().zip(*feature).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let mut moments = Moments { count: features.len(), sum, products: Vec::new() };
        if products {
            moments.products = vec![0.0; width * width];
            moments.products.par_chunks_exact_mut(width.max(1)).enumerate().for_each(|(i, row)| {
                for feature in features {
                    let factor = f64::from(feature[i]);
                    row.iter_mut().zip(*feature).for_each(|(sum, x)| *sum += factor * f64::from(*x));
                }
            });
        }
        Ok(moments)
    }

    /// The sums over all of them together.
    ///
    /// # Errors
    /// [`Error::Shape`] where there are none, or of another width.
    pub fn total<'a>(parts: impl IntoIterator<Item = &'a Moments>) -> Result<Moments> {
        let mut parts = parts.into_iter();
        let mut total = parts.next().cloned().ok_or_else(|| Error::Shape("no features to fit".into()))?;
        for part in parts {
            if (part.sum.len(), part.products.len()) != (total.sum.len(), total.products.len()) {
                return Err(Error::Shape("sums over features of two widths".into()));
            }
            total.count += part.count;
            total.sum.iter_mut().zip(&part.sum).for_each(|(a, b)| *a += b);
            total.products.iter_mut().zip(&part.products).for_each(|(a, b)| *a += b);
        }
        Ok(total)
    }

    /// The mean alone (0 components), or with that many principal axes.
    ///
    /// # Errors
    /// [`Error::Input`] where the features are too few for that many components, [`Error::Numeric`] where they are not finite.
    pub fn fit(&self, components: usize) -> Result<Projection> {
        let (width, count) = (self.sum.len(), self.count as f64);
        if components > width || components + 1 > self.count {
            return Err(Error::Input(format!(
                "{} features of {width} numbers have no {components} principal components",
                self.count
            )));
        }
        let mean: Vec<f64> = self.sum.iter().map(|sum| sum / count).collect();
        let mut axes = Vec::new();
        if components > 0 {
            let rows = self.products.chunks_exact(width).zip(&mean);
            let covariance: Vec<f64> = rows
                .flat_map(|(row, a)| row.iter().zip(&mean).map(move |(product, b)| product / count - a * b))
                .collect();
            axes = eigen::symmetric(&covariance, width, components)?.vectors;
        }
        Ok(Projection { mean, axes })
    }
}

impl Projection {
    /// A feature without the mean, along the axes where there are any.
    pub fn apply(&self, feature: &[f32]) -> Vec<f32> {
        let centred: Vec<f64> = feature.iter().zip(&self.mean).map(|(x, mean)| f64::from(*x) - mean).collect();
        match self.axes.is_empty() {
            true => centred.into_iter().map(|x| x as f32).collect(),
            false => self.axes.iter().map(|axis| dot(axis, &centred) as f32).collect(),
        }
    }
}
