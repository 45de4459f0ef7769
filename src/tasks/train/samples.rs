//! Sheets of samples while training: LR, bicubic, hallucinated, HR of a few training pictures, and how close they come.

use super::session::Session;
use crate::checkpoint::Run;
use crate::data::faces::Faces;
use crate::error::Result;
use crate::metrics::{self, psnr};
use crate::model::Source;
use crate::report::grid::{self, Tile};
use crate::resample::{self, Flavour};
use crate::shape::{HR, LR};
use crate::tasks::network::to_pixels;
use serde_json::{Value as Json, json};

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
    let pictures = to_pixels(&runner.run(&low.concat())?.pictures);
    let hallucinated: Vec<&[u8]> = pictures.chunks_exact(3 * HR.0 * HR.1).collect();
    let tile = |(height, width): (usize, usize), rgb| Tile { width, height, rgb };
    let rows: Vec<Vec<Tile>> = (0..count)
        .map(|i| vec![tile(LR, &low[i]), tile(HR, &bicubic[i]), tile(HR, hallucinated[i]), tile(HR, originals[i])])
        .collect();
    let sheet = grid::sheet(&["LR", "bicubic", "hallucinated", "HR"], &rows)?;
    run.write(&format!("samples/step-{done}.png"), &sheet.png()?)?;
    let mean = |pictures: &[&[u8]]| -> Result<Option<f64>> {
        let each: Vec<f64> =
            pictures.iter().zip(&originals).map(|(a, b)| psnr::psnr_rgb(a, b, HR)).collect::<Result<_>>()?;
        Ok(metrics::mean(&each))
    };
    let bicubic: Vec<&[u8]> = bicubic.iter().map(Vec::as_slice).collect();
    let psnr = json!({ "images": count, "bicubic": mean(&bicubic)?, "hallucinated": mean(&hallucinated)? });
    Ok(Some(json!({ "step": done, "samples_psnr_rgb": psnr })))
}
