//! `hallucinate`: pictures -> 24x28 -> the hallucinator -> one PNG of 96x112 each, and a sheet where one is asked for.

use crate::data::folder::{self, Found};
use crate::data::image::{Picture, encode_png};
use crate::engine::Engine;
use crate::engine::network::{Network, to_pixels};
use crate::error::{Error, Result};
use crate::files;
use crate::metrics::{self, psnr};
use crate::model::Source;
use crate::report::grid::{self, Tile};
use crate::resample::{Flavour, resize_u8};
use crate::shape::{HR, LR};
use crate::tasks::pictures::{Pictures, Preparation, Prepared, Ways};
use crate::tasks::{Context, output};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Pictures on a sheet; more would be a file that nothing opens.
const SHEET: usize = 64;
/// Most pictures of the sheet that stand one below the other.
const HIGHEST: usize = 16;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub model: PathBuf,
    pub inputs: Vec<PathBuf>,
    pub out: PathBuf,
    pub sheet: Option<PathBuf>,
    /// Leave pictures alone whose output is there already.
    pub skip_existing: bool,
    /// Its `input` is not looked at: what is hallucinated is low resolution.
    pub ways: Ways,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Hallucinated {
    pub device: String,
    pub images: usize,
    /// Pictures whose output was there already.
    pub skipped: usize,
    pub out: PathBuf,
    pub sheet: Option<PathBuf>,
    /// Of the pictures that came in high resolution; nothing where none did.
    pub psnr: Option<Psnr>,
}

/// How close to their originals pictures are that were degraded first: means of PSNR over RGB, in dB, of u8 pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Psnr {
    pub images: usize,
    pub bicubic: f64,
    pub hallucinated: f64,
}

/// Hallucinates every input; nothing is written before all of them have been read.
///
/// # Errors
/// `Input` for pictures, lists and models that are wrong (also a model without a hallucinator), `Usage` for two outputs of one
/// name, `Output` and `Io` for places that cannot be written, `Numeric` where a network gives no finite picture.
pub fn hallucinate(context: &Context, request: &Request) -> Result<Hallucinated> {
    files::check_folder(&request.out)?;
    request.sheet.iter().try_for_each(|sheet| files::check_file(sheet))?;
    let device = context.open_device()?;
    let network = Network::load(&request.model)?.in_precision(request.ways.precision);
    if !network.model.has_hallucinator {
        return Err(Error::Input(format!(
            "{}: this model has no hallucinator: use one that was trained to hallucinate",
            request.model.display()
        )));
    }
    let ways = Ways { input: Some(Source::Lr), ..request.ways.clone() };
    let preparation = Preparation::new(&network.model, &ways)?;
    let found = folder::pictures(&request.inputs)?;
    let targets = output::targets(&found, &request.out, request.sheet.as_deref())?;
    // Outputs appear whole or not at all, so one that is there is done.
    let given = found.len();
    let wanted = |(_, target): &(Found, PathBuf)| !(request.skip_existing && target.is_file());
    let (found, targets): (Vec<Found>, Vec<PathBuf>) = found.into_iter().zip(targets).filter(wanted).unzip();
    let pictures = Pictures::check(context, preparation, found)?;
    let total = targets.len();
    let engine = Engine::new(network, Arc::clone(&device));
    files::make_folder(&request.out)?;
    let (mut each, mut rows) = (Vec::new(), Vec::new());
    context.listener.progress("hallucinate", 0, total as u64, 1, "");
    for range in pictures.chunks() {
        if context.stopped() {
            return Err(Error::Interrupted(format!("stopped after {} of {total} pictures", range.start)));
        }
        let targets = &targets[range.clone()];
        for row in chunk(&engine, pictures.load(range.clone())?, targets)? {
            each.extend(row.psnr()?);
            if request.sheet.is_some() && rows.len() < SHEET {
                rows.push(row);
            }
        }
        context.listener.progress("hallucinate", range.end as u64, total as u64, 1, "");
    }
    let sheet = request.sheet.as_ref().filter(|_| total > 0);
    if let Some(sheet) = sheet {
        write_sheet(sheet, &rows)?;
        if total > SHEET {
            context.listener.say(&format!("sheet    the first {SHEET} of {total} pictures"));
        }
    }
    Ok(Hallucinated {
        device: device.info().name,
        images: total,
        skipped: given - total,
        out: request.out.clone(),
        sheet: sheet.cloned(),
        psnr: mean(&each),
    })
}

/// Hallucinates some pictures and writes them.
fn chunk(engine: &Engine, prepared: Vec<Prepared>, targets: &[PathBuf]) -> Result<Vec<Row>> {
    let restored = to_pixels(&engine.restore(&prepared)?);
    write(targets, &restored)?;
    prepared.into_iter().zip(restored.chunks_exact(3 * HR.0 * HR.1)).map(|(p, rgb)| Row::new(p, rgb.to_vec())).collect()
}

/// One picture in the three forms of a sheet.
struct Row {
    prepared: Prepared,
    bicubic: Vec<u8>,
    hallucinated: Vec<u8>,
}

impl Row {
    fn new(prepared: Prepared, hallucinated: Vec<u8>) -> Result<Self> {
        let mut bicubic = vec![0; 3 * HR.0 * HR.1];
        resize_u8(Flavour::Matlab, &prepared.pixels.rgb, LR, &mut bicubic, HR)?;
        Ok(Row { prepared, bicubic, hallucinated })
    }

    /// PSNR over RGB of bicubic and hallucinated against the original, in dB, where there is one.
    fn psnr(&self) -> Result<Option<[f64; 2]>> {
        let Some(original) = &self.prepared.original else { return Ok(None) };
        let against = |picture: &[u8]| psnr::psnr_rgb(picture, &original.rgb, HR);
        Ok(Some([against(&self.bicubic)?, against(&self.hallucinated)?]))
    }

    fn tiles(&self) -> Vec<Tile<'_>> {
        let high = |rgb| Tile { width: HR.1, height: HR.0, rgb };
        let low = Tile { width: LR.1, height: LR.0, rgb: &self.prepared.pixels.rgb };
        vec![low, high(&self.bicubic), high(&self.hallucinated)]
    }
}

fn mean(each: &[[f64; 2]]) -> Option<Psnr> {
    let of = |which: usize| metrics::mean(&each.iter().map(|pair| pair[which]).collect::<Vec<f64>>());
    Some(Psnr { images: each.len(), bicubic: of(0)?, hallucinated: of(1)? })
}

/// Writes pictures of one chunk; the error is that of the first one that failed.
fn write(targets: &[PathBuf], restored: &[u8]) -> Result<()> {
    let written: Vec<Result<()>> = targets
        .par_iter()
        .zip(restored.par_chunks_exact(3 * HR.0 * HR.1))
        .map(|(target, rgb)| output::write(target, &encode_png(&Picture::new(HR.1, HR.0, rgb.to_vec())?)?))
        .collect();
    written.into_iter().collect()
}

fn write_sheet(path: &Path, rows: &[Row]) -> Result<()> {
    // Many pictures stand side by side: a strip of 64 is eight thousand pixels high.
    let groups = rows.len().div_ceil(HIGHEST).max(1);
    let height = rows.len().div_ceil(groups);
    let beside = |y: usize| rows.iter().skip(y).step_by(height.max(1)).flat_map(Row::tiles).collect();
    let tiles: Vec<Vec<Tile>> = (0..height).map(beside).collect();
    let captions = ["LR", "bicubic", "hallucinated"].repeat(groups);
    output::write(path, &grid::sheet(&captions, &tiles)?.png()?)
}
