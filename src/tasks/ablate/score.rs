//! The scores of one seed and fold: every row's cosines of the same pairs, how near restored pictures come to their originals, and a
//! sheet of a few of them. Each recogniser sees each picture once at either resolution.

use super::protocol::{Fold, Protocol};
use super::rows::{self, Row, Table};
use crate::backend::Device;
use crate::data::faces::Faces;
use crate::engine::network::{Network, to_pixels};
use crate::error::{Error, Result};
use crate::metrics;
use crate::metrics::verification::cosine;
use crate::model::Source;
use crate::report::grid::{self, Noted, Sheet, Tile};
use crate::resample::{self, Flavour};
use crate::shape::{HR, LR};
use crate::tasks::Context;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Pictures of a batch.
const BATCH: usize = 32;
/// Rows of the sheet, spread evenly over the pictures.
const SAMPLES: usize = 8;

/// What is kept of a seed and a fold: everything that the report is computed from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    pub seed: u64,
    pub fold: usize,
    /// Pictures that were scored.
    pub images: usize,
    /// Whether each pair is one person.
    pub same: Vec<bool>,
    pub rows: Vec<Cosines>,
    /// Bicubic first.
    pub restorations: Vec<Restored>,
}

/// Cosines of the pairs, in their order, for one row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cosines {
    pub name: String,
    /// Both pictures HR, both LR, the first HR and the second LR.
    pub hr_hr: Vec<f64>,
    pub lr_lr: Vec<f64>,
    pub hr_lr: Vec<f64>,
    /// Mean over the pictures of the cosine between the row's features of a picture at LR and at HR.
    pub identity_cosine: f64,
}

/// Means over the pictures, rounded to 8 bits, of one way to restore them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    pub name: String,
    pub psnr_rgb: f64,
    pub psnr_y: f64,
    pub psnr_y_crop4: f64,
    pub ssim: f64,
    /// Cosine between the restored picture's feature and the original's, both by the recogniser trained on HR.
    pub identity_cosine: f64,
}

/// One way to restore the pictures: each picture and its scores.
struct Restoration {
    name: &'static str,
    pictures: Vec<Vec<u8>>,
    scores: Vec<metrics::Restoration>,
    cosines: Vec<f64>,
}

/// Features, and pictures where a hallucinator made some.
struct Embedded {
    features: Vec<Vec<f32>>,
    pictures: Vec<Vec<u8>>,
}

/// Scores what was trained in the folder of a seed and a fold.
///
/// # Errors
/// `Input` for what is wrong with models or pictures, `Numeric` for features without a direction, `Interrupted`.
pub fn score(
    context: &Context,
    device: &Arc<dyn Device>,
    table: &Table,
    (protocol, fold): (&Protocol, &Fold),
    (seed, folder): (u64, &Path),
) -> Result<(Cell, Sheet)> {
    let faces = protocol.load(fold)?;
    let flavour: Flavour = fold.data.downsample.into();
    let resized = |picture: &[u8], flavour, from, to: (usize, usize)| -> Result<Vec<u8>> {
        let mut out = vec![0; 3 * to.0 * to.1];
        resample::resize_u8(flavour, picture, from, &mut out, to)?;
        Ok(out)
    };
    let all = (0..faces.len()).into_par_iter();
    let low: Vec<Vec<u8>> = all.map(|i| resized(faces.pixels(i), flavour, HR, LR)).collect::<Result<_>>()?;
    let bicubic = low.par_iter().map(|low| resized(low, Flavour::Matlab, LR, HR)).collect::<Result<_>>()?;
    let mut scorer = Scorer { context, device, folder, faces: &faces, low: &low, high: BTreeMap::new() };
    let rows = table.rows.iter().map(|row| scorer.row(row, &fold.pairs)).collect::<Result<Vec<_>>>()?;
    let mut restorations = vec![scorer.restoration("bicubic", None, bicubic)?];
    for (training, name) in table.restorers() {
        restorations.push(scorer.restoration(name, Some(training), Vec::new())?);
    }
    let sheet = sheet(&faces, &low, &restorations)?;
    let cell = Cell {
        seed,
        fold: fold.number,
        images: faces.len(),
        same: fold.pairs.iter().map(|(.., same)| *same).collect(),
        rows,
        restorations: restorations.iter().map(Restoration::means).collect(),
    };
    Ok((cell, sheet))
}

struct Scorer<'a> {
    context: &'a Context<'a>,
    device: &'a Arc<dyn Device>,
    folder: &'a Path,
    faces: &'a Faces,
    low: &'a [Vec<u8>],
    /// Features of the originals, by recogniser.
    high: BTreeMap<&'static str, Vec<Vec<f32>>>,
}

impl Scorer<'_> {
    /// The cosines of a row.
    fn row(&mut self, row: &Row, pairs: &[(usize, usize, bool)]) -> Result<Cosines> {
        let low = self.low(row.recognizer, row.hallucinator)?.features;
        let high = self.originals(row.recognizer)?;
        let of = |first: &[Vec<f32>], second: &[Vec<f32>]| -> Result<Vec<f64>> {
            pairs.iter().map(|(a, b, _)| near(&first[*a], &second[*b], row.name)).collect()
        };
        let own: Vec<f64> = low.iter().zip(high).map(|(low, high)| near(low, high, row.name)).collect::<Result<_>>()?;
        Ok(Cosines {
            name: row.name.to_owned(),
            hr_hr: of(high, high)?,
            lr_lr: of(&low, &low)?,
            hr_lr: of(high, &low)?,
            identity_cosine: mean(&own),
        })
    }

    /// The restoration by a training's hallucinator, or of pictures that are there already (by bicubic).
    fn restoration(
        &mut self,
        name: &'static str,
        training: Option<&'static str>,
        pictures: Vec<Vec<u8>>,
    ) -> Result<Restoration> {
        let low = self.low(rows::BASELINE, training)?;
        let pictures = if training.is_some() { low.pictures } else { pictures };
        let originals = self.originals(rows::BASELINE)?;
        let cosines =
            low.features.iter().zip(originals).map(|(low, high)| near(low, high, name)).collect::<Result<_>>()?;
        let score = |(i, picture): (usize, &Vec<u8>)| metrics::restoration(picture, self.faces.pixels(i), HR);
        let scores = pictures.par_iter().enumerate().map(score).collect::<Result<_>>()?;
        Ok(Restoration { name, pictures, scores, cosines })
    }

    /// Features of the originals by the recogniser of a training, computed once.
    fn originals(&mut self, recognizer: &'static str) -> Result<&Vec<Vec<f32>>> {
        if !self.high.contains_key(recognizer) {
            let network = Network::load(&self.folder.join(recognizer))?.behind(None);
            let originals: Vec<&[u8]> = (0..self.faces.len()).map(|i| self.faces.pixels(i)).collect();
            let found = self.embed(&network, Source::Hr, &originals)?;
            self.high.insert(recognizer, found.features);
        }
        self.high.get(recognizer).ok_or_else(|| Error::Shape(format!("{recognizer} has no features")))
    }

    /// Features of low-resolution pictures by a recogniser behind a hallucinator or bicubic.
    fn low(&self, recognizer: &'static str, hallucinator: Option<&'static str>) -> Result<Embedded> {
        let front = hallucinator.map(|name| Network::load(&self.folder.join(name))).transpose()?;
        let network = Network::load(&self.folder.join(recognizer))?.behind(front.as_ref());
        self.embed(&network, Source::Lr, self.low)
    }

    fn embed(&self, network: &Network, source: Source, pictures: &[impl AsRef<[u8]>]) -> Result<Embedded> {
        let runner = network.on(self.device, source, BATCH.min(pictures.len()))?;
        let restores = source == Source::Lr && network.model.has_hallucinator;
        let mut embedded = Embedded { features: Vec::with_capacity(pictures.len()), pictures: Vec::new() };
        for batch in pictures.chunks(BATCH) {
            self.context.check_stopped()?;
            let pixels: Vec<u8> = batch.iter().flat_map(|picture| picture.as_ref()).copied().collect();
            let (features, seen) = runner.embed(&pixels, true)?;
            embedded.features.extend(features);
            if restores {
                embedded.pictures.par_extend(seen.par_chunks_exact(3 * HR.0 * HR.1).map(to_pixels));
            }
            let done = embedded.features.len() as u64;
            self.context.listener.progress("score", done, pictures.len() as u64, 1, "");
        }
        Ok(embedded)
    }
}

fn near(a: &[f32], b: &[f32], name: &str) -> Result<f64> {
    cosine(a, b).map_err(|error| Error::Numeric(format!("{name}: {error}")))
}

fn mean(values: &[f64]) -> f64 {
    metrics::mean(values).unwrap_or(f64::NAN)
}

impl Restoration {
    fn means(&self) -> Restored {
        let of = |number: fn(&metrics::Restoration) -> f64| mean(&self.scores.iter().map(number).collect::<Vec<_>>());
        Restored {
            name: self.name.to_owned(),
            psnr_rgb: of(|scores| scores.psnr_rgb),
            psnr_y: of(|scores| scores.psnr_y),
            psnr_y_crop4: of(|scores| scores.psnr_y_crop4),
            ssim: of(|scores| scores.ssim),
            identity_cosine: mean(&self.cosines),
        }
    }

    /// `28.91 dB 0.87`: PSNR\[RGB\] and identity cosine of a picture.
    fn note(&self, i: usize) -> String {
        let psnr = self.scores.get(i).map_or(f64::NAN, |scores| scores.psnr_rgb);
        format!("{psnr:.2} dB {:.2}", self.cosines.get(i).copied().unwrap_or(f64::NAN))
    }
}

/// LR, every restoration, HR.
fn sheet(faces: &Faces, low: &[Vec<u8>], restorations: &[Restoration]) -> Result<Sheet> {
    let count = SAMPLES.min(faces.len());
    let tile = |(height, width): (usize, usize), rgb| Tile { width, height, rgb };
    let row = |i: usize| -> Vec<Noted> {
        let mut tiles = vec![(tile(LR, low[i].as_slice()), String::new())];
        tiles.extend(restorations.iter().map(|found| (tile(HR, found.pictures[i].as_slice()), found.note(i))));
        tiles.push((tile(HR, faces.pixels(i)), String::new()));
        tiles
    };
    let rows: Vec<Vec<Noted>> = (0..count).map(|sample| row(sample * faces.len() / count)).collect();
    let captions: Vec<&str> =
        ["LR"].into_iter().chain(restorations.iter().map(|found| found.name)).chain(["HR"]).collect();
    grid::noted(&captions, &rows)
}
