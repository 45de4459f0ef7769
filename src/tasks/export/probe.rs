//! The probe of an exported network: pictures, and what the model itself makes of them, so that whoever runs the file anywhere can
//! check it against the engine.

use super::graphs::Net;
use crate::backend::Device;
use crate::data::synth;
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::formats::npz::{self, Array};
use crate::model::Source;
use crate::resample::{Flavour, resize_u8};
use crate::shape::{HR, LR};
use std::sync::Arc;

/// Pictures of a probe: different people, drawn by this program, so that nobody's face travels with a model.
pub const PICTURES: usize = 3;

/// The bytes of `NAME.probe.npz`: `image` as the exported file takes it, and each of its outputs.
///
/// # Errors
/// `Device` where the network does not fit, `Numeric` where what comes out is not finite.
pub fn probe(device: &Arc<dyn Device>, network: &Network, net: Net, seed: u64) -> Result<Vec<u8>> {
    let source = net.source();
    let pixels = pictures(source, network.model.config.data.downsample.into(), seed)?;
    let outputs = network.on(device, source, PICTURES)?.run(&pixels)?;
    let hallucinated = channels_first(&outputs.pictures, HR);
    let units: Vec<f32> = pixels.iter().map(|value| (f32::from(*value) - 127.5) / 128.0).collect();
    let (image, (height, width)) = (channels_first(&units, source.size()), source.size());
    let features = vec![PICTURES, network.model.config.model.features];
    let mut arrays = vec![Array { name: "image", extents: vec![PICTURES, 3, height, width], values: &image }];
    if net.hallucinates() {
        arrays.push(Array { name: "hallucinated", extents: vec![PICTURES, 3, HR.0, HR.1], values: &hallucinated });
    }
    if net.recognizes() {
        arrays.push(Array { name: "features", extents: features, values: &outputs.features });
    }
    if arrays.iter().any(|array| array.values.iter().any(|value| !value.is_finite())) {
        let name = net.name();
        return Err(Error::Numeric(format!(
            "what the {name} makes of the probe is not finite: its weights are out of range"
        )));
    }
    npz::encode(&arrays)
}

/// Rows of RGB pixels, one picture after the other.
fn pictures(source: Source, flavour: Flavour, seed: u64) -> Result<Vec<u8>> {
    let mut pixels = Vec::new();
    for identity in 0..PICTURES as u32 {
        let face = synth::face(seed, identity, 0);
        if source == Source::Hr {
            pixels.extend(face);
        } else {
            let mut low = vec![0; 3 * LR.0 * LR.1];
            resize_u8(flavour, &face, HR, &mut low, LR)?;
            pixels.extend(low);
        }
    }
    Ok(pixels)
}

/// `[n, h, w, 3]` to `[n, 3, h, w]`.
fn channels_first(values: &[f32], (height, width): (usize, usize)) -> Vec<f32> {
    let picture = |picture: &[f32]| -> Vec<f32> {
        (0..3).flat_map(|channel| picture.iter().skip(channel).step_by(3).copied()).collect()
    };
    values.chunks_exact(3 * height * width).flat_map(picture).collect()
}
