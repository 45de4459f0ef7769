//! Pictures through the networks, batch by batch: features of HR, of LR through the model, and of plain bicubic. Keeps numbers
//! and a few sample pictures, never all pictures.

use super::Sample;
use super::pictures::Pictures;
use super::restoration::{Quality, Sides};
use crate::backend::Device;
use crate::engine::network::{Network, Runner, to_pixels};
use crate::error::Result;
use crate::graph::Times;
use crate::metrics;
use crate::metrics::verification::cosine;
use crate::model::Source;
use crate::resample::{self, Flavour};
use crate::shape::{HR, LR};
use crate::tasks::Context;
use rayon::prelude::*;
use std::sync::Arc;

/// Pictures of a batch.
const BATCH: usize = 32;

/// What is to be computed.
pub struct Plan<'a> {
    pub network: &'a Network,
    pub device: &'a Arc<dyn Device>,
    /// Whether features are `[f(x), f(flip x)]`.
    pub mirror: bool,
    /// How many pictures are kept for a sheet.
    pub samples: usize,
    /// Whether a batch is timed, layer by layer.
    pub timed: bool,
}

/// What was computed, a row a picture.
#[derive(Default)]
pub struct Found {
    /// Features of the 96x112 pictures; empty where there are none, or no recogniser.
    high: Vec<Vec<f32>>,
    /// Features of the 24x28 pictures through the model; empty without a recogniser.
    low: Vec<Vec<f32>>,
    /// How near to the originals; empty where there are none.
    pub qualities: Vec<Quality>,
    pub samples: Vec<Sample>,
    /// Of the model's own way from 24x28.
    pub times: Times,
}

impl Found {
    /// The features that verification compares.
    pub fn features(&self, input: Source) -> &[Vec<f32>] {
        if input == Source::Hr { &self.high } else { &self.low }
    }
}

/// The networks that a plan needs, on the device.
struct Runners {
    /// The recogniser on 96x112 pictures.
    high: Option<Runner>,
    /// The model's own way from 24x28.
    low: Runner,
    /// Bicubic and the recogniser, where the model's own way is another one.
    bicubic: Option<Runner>,
}

/// The pictures of a batch, in all their forms.
struct Batch<'a> {
    high: Vec<&'a [u8]>,
    low: Vec<Vec<u8>>,
    bicubic: Vec<Vec<u8>>,
}

impl Plan<'_> {
    /// Runs every picture.
    pub fn run(&self, context: &Context, pictures: &Pictures) -> Result<Found> {
        let total = pictures.len();
        let runners = self.runners(pictures)?;
        let flavour: Flavour = self.network.model.config.data.downsample.into();
        let count = self.samples.min(total);
        let sampled: Vec<usize> = (0..count).map(|sample| sample * total / count).collect();
        let mut found = Found::default();
        for first in (0..total).step_by(BATCH) {
            context.check_stopped()?;
            let rows = first..(first + BATCH).min(total);
            let batch = Batch::gather(pictures, rows.clone(), flavour)?;
            let hallucinated = self.batch(&runners, &batch, &mut found)?;
            if self.timed && first == 0 {
                runners.low.run_timed(&batch.low.concat(), &mut found.times)?;
            }
            for row in rows.clone().filter(|row| sampled.contains(row)) {
                let quality = found.qualities.get(row).copied();
                found.samples.push(batch.sample(row - first, &hallucinated, quality));
            }
            context.listener.progress("score", rows.end as u64, total as u64, 1, "");
        }
        Ok(found)
    }

    /// Some pictures in all their forms, for a sheet.
    pub fn samples_of(&self, pictures: &Pictures, rows: &[usize]) -> Result<Vec<Sample>> {
        let batch = Batch::gather(pictures, rows.iter().copied(), self.network.model.config.data.downsample.into())?;
        let hallucinated = match self.network.model.has_hallucinator && !rows.is_empty() {
            true => {
                let runner = self.network.on(self.device, Source::Lr, BATCH.min(rows.len()))?;
                runner.run(&batch.low.concat())?.pictures.chunks_exact(3 * HR.0 * HR.1).map(to_pixels).collect()
            }
            false => Vec::new(),
        };
        Ok((0..rows.len()).map(|at| batch.sample(at, &hallucinated, None)).collect())
    }

    /// The features alone, a row a picture, of what `source` says.
    pub fn embed(&self, context: &Context, pictures: &Pictures, source: Source) -> Result<Vec<Vec<f32>>> {
        let total = pictures.len();
        let runner = self.network.on(self.device, source, BATCH.min(total))?;
        let flavour: Flavour = self.network.model.config.data.downsample.into();
        let mut features = Vec::with_capacity(total);
        for first in (0..total).step_by(BATCH) {
            context.check_stopped()?;
            let rows = first..(first + BATCH).min(total);
            let batch: Vec<Vec<u8>> = match source {
                Source::Hr => rows.clone().filter_map(|row| pictures.high(row).map(<[u8]>::to_vec)).collect(),
                Source::Lr => rows.clone().map(|row| pictures.low(row, flavour)).collect::<Result<_>>()?,
            };
            features.extend(runner.embed(&batch.concat(), self.mirror)?.0);
            context.listener.progress("embed", rows.end as u64, total as u64, 1, "");
        }
        Ok(features)
    }

    fn runners(&self, pictures: &Pictures) -> Result<Runners> {
        let Plan { network, device, .. } = self;
        let batch = BATCH.min(pictures.len());
        let originals = network.model.has_recognizer && matches!(pictures, Pictures::High(_));
        let high = originals.then(|| network.on(device, Source::Hr, batch)).transpose()?;
        let mut plain = network.model.clone();
        plain.has_hallucinator = false;
        let plain =
            (originals && network.model.has_hallucinator).then(|| Network::new(plain, network.tensors().clone()));
        let bicubic = plain.map(|plain| plain.on(device, Source::Lr, batch)).transpose()?;
        Ok(Runners { high, low: network.on(device, Source::Lr, batch)?, bicubic })
    }

    /// Runs a batch, appends what it finds, and gives the hallucinated pictures of a model that makes them.
    fn batch(&self, runners: &Runners, batch: &Batch, found: &mut Found) -> Result<Vec<Vec<u8>>> {
        let (low, units) = runners.low.embed(&batch.low.concat(), self.mirror)?;
        let hallucinated: Vec<Vec<u8>> = match self.network.model.has_hallucinator {
            true => units.par_chunks_exact(3 * HR.0 * HR.1).map(to_pixels).collect(),
            false => Vec::new(),
        };
        let high = match &runners.high {
            Some(runner) => runner.embed(&batch.high.concat(), self.mirror)?.0,
            None => Vec::new(),
        };
        let bicubic = match &runners.bicubic {
            Some(runner) => runner.embed(&batch.low.concat(), self.mirror)?.0,
            None => Vec::new(),
        };
        // Without a hallucinator the model's way from low resolution is bicubic.
        let bicubic = if bicubic.is_empty() { &low } else { &bicubic };
        let near = |features: &[Vec<f32>], at: usize| match (features.get(at), high.get(at)) {
            (Some(a), Some(b)) => cosine(a, b).map(Some),
            _ => Ok(None),
        };
        let quality = |(at, original): (usize, &&[u8])| -> Result<Quality> {
            let score = |restored: &[u8]| metrics::restoration(restored, original, HR);
            let restored = hallucinated.get(at);
            Ok(Quality {
                pixels: Sides {
                    bicubic: score(&batch.bicubic[at])?,
                    hallucinated: restored.map(|restored| score(restored)).transpose()?,
                },
                identity: Sides {
                    bicubic: near(bicubic, at)?,
                    hallucinated: restored.map_or(Ok(None), |_| near(&low, at))?,
                },
            })
        };
        let qualities: Vec<Result<Quality>> = batch.high.par_iter().enumerate().map(quality).collect();
        for quality in qualities {
            found.qualities.push(quality?);
        }
        found.low.extend(low);
        found.high.extend(high);
        Ok(hallucinated)
    }
}

impl<'a> Batch<'a> {
    fn gather(pictures: &'a Pictures, rows: impl Iterator<Item = usize> + Clone, flavour: Flavour) -> Result<Self> {
        let low: Vec<Vec<u8>> = rows.clone().map(|row| pictures.low(row, flavour)).collect::<Result<_>>()?;
        let enlarged = |low: &Vec<u8>| {
            let mut bicubic = vec![0; 3 * HR.0 * HR.1];
            resample::resize_u8(Flavour::Matlab, low, LR, &mut bicubic, HR).map(|()| bicubic)
        };
        let bicubic = low.par_iter().map(enlarged).collect::<Result<_>>()?;
        Ok(Batch { high: rows.filter_map(|row| pictures.high(row)).collect(), low, bicubic })
    }

    /// One of its pictures in all its forms.
    fn sample(&self, at: usize, hallucinated: &[Vec<u8>], quality: Option<Quality>) -> Sample {
        Sample {
            low: self.low[at].clone(),
            bicubic: self.bicubic[at].clone(),
            hallucinated: hallucinated.get(at).cloned(),
            high: self.high.get(at).map(|high| high.to_vec()),
            quality,
        }
    }
}
