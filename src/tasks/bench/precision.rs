//! What bf16 costs: the same weights and pictures in both precisions on one device, features and pictures beside each other.

use super::SEED;
use crate::backend::Device;
use crate::data::synth;
use crate::engine::network::{Network, Outputs};
use crate::error::Result;
use crate::formats::safetensors::{Tensor, Tensors};
use crate::model::config::Precision;
use crate::model::{Model, Source};
use crate::resample::{Flavour, resize_u8};
use crate::shape::{HR, LR};
use std::sync::Arc;

/// How far bf16 is from f32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrecisionCost {
    pub pictures: usize,
    /// Length of the features' difference over the length of the f32 ones; nothing without a recogniser.
    pub feature_error: Option<f64>,
    /// Of the hallucinated pictures beside each other, in dB, all numbers of all pictures, unrounded, the peak being 255; infinite where
    /// they are equal, nothing without a hallucinator.
    pub picture_psnr: Option<f64>,
}

/// Faces that are compared.
const PICTURES: u32 = 4;

/// Runs synthetic faces through a model with initial weights in both precisions.
///
/// # Errors
/// `Device`, `Memory`.
pub fn cost(device: &Arc<dyn Device>, model: &Model) -> Result<PrecisionCost> {
    let source = if model.has_hallucinator { Source::Lr } else { Source::Hr };
    let mut pixels = Vec::new();
    for person in 0..PICTURES {
        let face = synth::face(SEED, person, 0);
        if source == Source::Hr {
            pixels.extend(face);
        } else {
            let mut low = vec![0; 3 * LR.0 * LR.1];
            resize_u8(Flavour::Matlab, &face, HR, &mut low, LR)?;
            pixels.extend(low);
        }
    }
    let of = |precision| -> Result<Outputs> {
        let mut model = model.clone();
        model.config.train.precision = precision;
        initial(model).on(device, source, PICTURES as usize)?.run(&pixels)
    };
    let (exact, rounded) = (of(Precision::F32)?, of(Precision::Bf16)?);
    // A network unit is 128 levels.
    let squares = distance(&rounded.pictures, &exact.pictures) / exact.pictures.len() as f64;
    let psnr = 10.0 * (255.0 * 255.0 / (128.0 * 128.0 * squares)).log10();
    let error = (distance(&rounded.features, &exact.features) / size(&exact.features)).sqrt();
    Ok(PrecisionCost {
        pictures: PICTURES as usize,
        feature_error: model.has_recognizer.then_some(error),
        picture_psnr: model.has_hallucinator.then_some(psnr),
    })
}

/// A model's networks with the weights that a training begins with.
fn initial(model: Model) -> Network {
    let parameters = model.inference_parameters();
    let tensors: Tensors = parameters
        .iter()
        .map(|parameter| {
            let data = parameter.to_file(&parameter.initial(SEED));
            (parameter.name.clone(), Tensor { shape: parameter.file_shape.clone(), data })
        })
        .collect();
    Network::new(model, tensors)
}

/// Square of the distance.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// Square of the length.
fn size(a: &[f32]) -> f64 {
    a.iter().map(|a| f64::from(*a).powi(2)).sum()
}
