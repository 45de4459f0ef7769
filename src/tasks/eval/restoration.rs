//! How near restored pictures come to their originals: per picture, and as means. Knows numbers, not pictures.

use super::pictures::Pictures;
use crate::metrics;
use serde_json::{Value as Json, json};

/// A number for bicubic up-sampling and one for the hallucinator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sides<B, H> {
    pub bicubic: B,
    pub hallucinated: H,
}

/// The numbers of one picture.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    /// Pictures rounded to u8, against the original.
    pub pixels: Sides<metrics::Restoration, Option<metrics::Restoration>>,
    /// Cosine between the features of the restored picture and of the original; nothing without a recogniser.
    pub identity: Sides<Option<f64>, Option<f64>>,
}

/// One number of a restoration: its mean over all pictures; nothing where a model does not have it, infinite PSNR as it is.
#[derive(Clone, Debug)]
pub struct Score {
    /// The key of the contract.
    pub key: &'static str,
    /// With its recipe, for people.
    pub name: &'static str,
    pub mean: Sides<Option<f64>, Option<f64>>,
}

/// The restoration of all pictures.
#[derive(Clone, Debug)]
pub struct Restoration {
    /// Path and numbers of each picture.
    pub pictures: Vec<(String, Quality)>,
    /// Whether the features of `identity_cosine` are `[f(x), f(flip x)]`.
    pub mirror: bool,
}

impl Restoration {
    /// Nothing where there are no originals.
    pub(super) fn new(pictures: &Pictures, qualities: Vec<Quality>, mirror: bool) -> Option<Self> {
        let named = qualities.into_iter().enumerate().map(|(row, quality)| (pictures.name(row).to_owned(), quality));
        let pictures: Vec<(String, Quality)> = named.collect();
        (!pictures.is_empty()).then_some(Restoration { pictures, mirror })
    }

    /// The five numbers of the contract.
    pub fn scores(&self) -> Vec<Score> {
        type Pixels = fn(&metrics::Restoration) -> f64;
        let pixels: [(&str, &str, Pixels); 4] = [
            ("psnr_rgb", "PSNR[RGB] dB", |scores| scores.psnr_rgb),
            ("psnr_y", "PSNR[Y] dB", |scores| scores.psnr_y),
            ("psnr_y_crop4", "PSNR[Y, 4 px cropped] dB", |scores| scores.psnr_y_crop4),
            ("ssim", "SSIM[RGB]", |scores| scores.ssim),
        ];
        let mut list: Vec<Score> = pixels
            .into_iter()
            .map(|(key, name, number)| Score {
                key,
                name,
                mean: self.mean(|quality| Sides {
                    bicubic: Some(number(&quality.pixels.bicubic)),
                    hallucinated: quality.pixels.hallucinated.as_ref().map(number),
                }),
            })
            .collect();
        let name = if self.mirror { "cosine to HR [f(x), f(flip x)]" } else { "cosine to HR f(x)" };
        list.push(Score { key: "identity_cosine", name, mean: self.mean(|quality| quality.identity) });
        list
    }

    fn mean(&self, number: impl Fn(&Quality) -> Sides<Option<f64>, Option<f64>>) -> Sides<Option<f64>, Option<f64>> {
        let each: Vec<_> = self.pictures.iter().map(|(_, quality)| number(quality)).collect();
        // One picture without a number leaves no mean.
        let of = |side: Option<Vec<f64>>| side.and_then(|numbers| metrics::mean(&numbers));
        Sides {
            bicubic: of(each.iter().map(|sides| sides.bicubic).collect()),
            hallucinated: of(each.iter().map(|sides| sides.hallucinated).collect()),
        }
    }

    /// `{images, psnr_rgb {bicubic, hallucinated}, ...}`; what is infinite or not there is null.
    pub fn to_json(&self) -> Json {
        let mut document = json!({ "images": self.pictures.len() });
        for score in self.scores() {
            let Sides { bicubic, hallucinated } = score.mean;
            document[score.key] = json!({ "bicubic": bicubic, "hallucinated": hallucinated });
        }
        document
    }
}
