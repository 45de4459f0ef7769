//! Sheets of samples while training: LR, bicubic, hallucinated, HR of a few training pictures, and how close they come.

use super::session::Session;
use crate::backend::Device;
use crate::checkpoint::Run;
use crate::data::faces::Faces;
use crate::engine::network::{Network, to_pixels};
use crate::error::Result;
use crate::metrics::verification::cosine;
use crate::metrics::{self, psnr};
use crate::model::Source;
use crate::report::grid::{self, Noted, Tile};
use crate::resample::{self, Flavour};
use crate::shape::{HR, LR};
use crate::tasks::eval::note;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Pictures on a sheet, spread evenly over the training set.
const SAMPLES: usize = 8;

/// Writes `samples/step-N.png` and returns a line for the metrics; nothing where no hallucinator has been trained yet.
pub fn write(session: &mut Session, run: &Run, faces: &Faces, done: u64) -> Result<Option<Json>> {
    let network = session.network()?;
    if !network.model.has_hallucinator {
        return Ok(None);
    }
    let count = SAMPLES.min(faces.len());
    let originals: Vec<&[u8]> = (0..count).map(|sample| faces.pixels(sample * faces.len() / count)).collect();
    let flavour: Flavour = network.model.config.data.downsample.into();
    let resized = |picture: &[u8], flavour, from, to: (usize, usize)| -> Result<Vec<u8>> {
        let mut out = vec![0; 3 * to.0 * to.1];
        resample::resize_u8(flavour, picture, from, &mut out, to)?;
        Ok(out)
    };
    let low: Vec<Vec<u8>> = originals.iter().map(|hr| resized(hr, flavour, HR, LR)).collect::<Result<_>>()?;
    let bicubic: Vec<Vec<u8>> = low.iter().map(|lr| resized(lr, Flavour::Matlab, LR, HR)).collect::<Result<_>>()?;
    let runner = network.on(session.device(), Source::Lr, count)?;
    let restored = runner.run(&low.concat())?;
    let pictures = to_pixels(&restored.pictures);
    let hallucinated: Vec<&[u8]> = pictures.chunks_exact(3 * HR.0 * HR.1).collect();
    let bicubic: Vec<&[u8]> = bicubic.iter().map(Vec::as_slice).collect();
    let [cosines, others] = identities(&network, session.device(), &originals, &low, &restored.features)?;
    let psnr = |pictures: &[&[u8]]| -> Result<Vec<f64>> {
        pictures.iter().zip(&originals).map(|(a, b)| psnr::psnr_rgb(a, b, HR)).collect()
    };
    let (near, far) = (psnr(&hallucinated)?, psnr(&bicubic)?);
    let tile = |(height, width): (usize, usize), rgb| Tile { width, height, rgb };
    let rows: Vec<Vec<Noted>> = (0..count)
        .map(|i| {
            vec![
                (tile(LR, &low[i]), String::new()),
                (tile(HR, bicubic[i]), note(far[i], others.get(i).copied())),
                (tile(HR, hallucinated[i]), note(near[i], cosines.get(i).copied())),
                (tile(HR, originals[i]), String::new()),
            ]
        })
        .collect();
    let sheet = grid::noted(&["LR", "bicubic", "hallucinated", "HR"], &rows)?;
    run.write(&format!("samples/step-{done}.png"), &sheet.png()?)?;
    let means = |bicubic: &[f64], hallucinated: &[f64]| json!({ "images": count, "bicubic": metrics::mean(bicubic), "hallucinated": metrics::mean(hallucinated) });
    let mut line = json!({ "step": done, "samples_psnr_rgb": means(&far, &near) });
    if !cosines.is_empty() {
        line["samples_identity_cosine"] = means(&others, &cosines);
    }
    Ok(Some(line))
}

/// Cosine of f(x) of each hallucinated picture to that of its original, and of each bicubic one; empty without a recogniser, or where
/// a feature has no direction yet.
fn identities(
    network: &Network,
    device: &Arc<dyn Device>,
    originals: &[&[u8]],
    low: &[Vec<u8>],
    hallucinated: &[f32],
) -> Result<[Vec<f64>; 2]> {
    if !network.model.has_recognizer {
        return Ok([Vec::new(), Vec::new()]);
    }
    let mut plain = network.clone();
    plain.model.has_hallucinator = false;
    let count = originals.len();
    let high = network.on(device, Source::Hr, count)?.run(&originals.concat())?.features;
    let bicubic = plain.on(device, Source::Lr, count)?.run(&low.concat())?.features;
    let width = network.model.config.model.features;
    let near = |features: &[f32]| -> Vec<f64> {
        let pairs = features.chunks_exact(width).zip(high.chunks_exact(width));
        pairs.map(|(a, b)| cosine(a, b)).collect::<Result<_>>().unwrap_or_default()
    };
    Ok([near(hallucinated), near(&bicubic)])
}
