//! `calibrate`: from which cosine on are two faces the same person's, so that a known share of different people is accepted? The
//! answer is kept beside the weights, where `verify` and `identify` look for it.

use crate::checkpoint::{self, Calibration};
use crate::data::image;
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::files;
use crate::metrics::interval::{quantile_ranks, wilson};
use crate::metrics::verification::{Operating, Roc};
use crate::model::Source;
use crate::tasks::eval::{self, Comparison};
use crate::tasks::{Context, pictures};
use std::path::{Path, PathBuf};

/// Larger lists of pairs are refused unread, as those of `data::lists` are.
const LARGEST_LIST: u64 = 1 << 28;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The model, and the pairs with their pictures; without a list those of a verification pack, or every two pictures.
    pub scoring: eval::Request,
    /// Share of pairs of different people that may be accepted.
    pub far: f64,
}

/// What was found out and written.
#[derive(Clone, Debug)]
pub struct Calibrated {
    pub device: String,
    pub calibration: Calibration,
    pub pairs_used: usize,
    pub pairs_total: usize,
    pub out: PathBuf,
}

/// Finds the threshold and writes it beside the weights.
///
/// # Errors
/// As [`eval::eval`]; `Usage` where there are too few pairs of different people for the rate.
pub fn calibrate(context: &Context, request: &Request) -> Result<Calibrated> {
    let Request { scoring, far } = request;
    let weights = checkpoint::resolve_model(&scoring.model)?;
    let network = Network::load(&scoring.model)?;
    pictures::needs_recognizer(&network, &scoring.model)?;
    let device = context.open_device()?;
    let supported = |same: &[bool]| check_rate(same, *far);
    let compared = eval::compare(context, &device, &network, scoring, supported)?;
    let pairs = match &scoring.pairs {
        Some(list) => image::read_bounded(list, LARGEST_LIST)?,
        None => compared.listed.clone().into_bytes(),
    };
    let calibration = Calibration {
        pairs_sha256: Some(files::sha256(&pairs)),
        input: Some(compared.input.word().to_owned()),
        mirror: Some(scoring.mirror),
        model_sha256: Some(network.fingerprint()?),
        ..threshold_at(&compared, *far)?
    };
    let out = calibration.write(&weights)?;
    Ok(Calibrated {
        device: device.info().name,
        calibration,
        pairs_used: compared.scores.len(),
        pairs_total: compared.total,
        out,
    })
}

/// Refuses a rate that the pairs of different people cannot show: one false accept of them all would be too many.
fn check_rate(same: &[bool], far: f64) -> Result<()> {
    let negatives = same.iter().filter(|same| !**same).count();
    let needed = (1.0 / far - 1e-9).ceil();
    let count = if needed < 1e15 { format!("{needed}") } else { format!("{needed:e}") };
    match (negatives as f64) < needed {
        true => Err(Error::Usage(format!(
            "--far {far:?}: {negatives} pairs of different people cannot show it, {count} are needed; give more pairs or a higher rate"
        ))),
        false => Ok(()),
    }
}

/// The threshold of a rate, its interval, and both rates at it.
fn threshold_at(compared: &Comparison, far: f64) -> Result<Calibration> {
    let Comparison { scores, same, .. } = compared;
    let roc = Roc::new(scores, same)?;
    let place = roc.at_far(far).filter(|place| place.threshold.is_finite());
    let Some(Operating { threshold, false_accepts, true_accepts }) = place else {
        return Err(Error::Input(format!(
            "no threshold accepts at most {far} of these pairs of different people: too many share the highest cosine"
        )));
    };
    let mut negatives: Vec<f64> =
        scores.iter().zip(same).filter(|(_, same)| !**same).map(|(score, _)| *score).collect();
    negatives.sort_unstable_by(|a, b| b.total_cmp(a));
    let (upper, lower) = quantile_ranks(negatives.len(), far);
    let draw = |rank: Option<usize>, otherwise: f64| {
        rank.and_then(|rank| negatives.get(rank - 1)).copied().unwrap_or(otherwise)
    };
    let (false_rate, true_rate) = (wilson(false_accepts, roc.negatives)?, wilson(true_accepts, roc.positives)?);
    Ok(Calibration {
        threshold: Some(threshold),
        // A cosine is never beyond 1, whatever was not seen.
        interval: Some([draw(lower, -1.0).min(threshold), draw(upper, 1.0).max(threshold)]),
        far: Some(far),
        far_measured: Some(false_accepts as f64 / roc.negatives as f64),
        far_interval: Some([false_rate.low, false_rate.high]),
        tar: Some(true_accepts as f64 / roc.positives as f64),
        tar_interval: Some([true_rate.low, true_rate.high]),
        pairs_same: Some(roc.positives as u64),
        pairs_different: Some(roc.negatives as u64),
        ..Calibration::default()
    })
}

/// The threshold that answers pictures which go into the network as `sources` say: the one asked for, else that of the calibration
/// of the model. Nothing where there is none for them, which is said.
///
/// # Errors
/// `Input` for a calibration that is wrong or of other weights.
pub fn threshold(
    context: &Context,
    network: &Network,
    model: &Path,
    asked: Option<f64>,
    mirror: bool,
    sources: &[Source],
) -> Result<Option<f64>> {
    if asked.is_some() {
        return Ok(asked);
    }
    let weights = checkpoint::resolve_model(model)?;
    let calibration = network.calibration(Some(&weights))?.unwrap_or_default();
    let place = model.display();
    let inputs: Vec<&str> = sources.iter().map(|source| source.word()).collect();
    let reason = match calibration.threshold_for(mirror, &inputs) {
        Ok(Some(threshold)) => return Ok(Some(threshold)),
        Ok(None) => format!("{place} is not calibrated, so nothing says from which cosine on it is the same person"),
        Err(other) => format!("{place} is calibrated for {other}"),
    };
    context.listener.warn(&format!("{reason}: give --threshold T"));
    Ok(None)
}
