//! The pictures that are scored, read and cut: 96x112 ones, or 24x28 ones that are as they are. Knows nothing of pairs.

use super::Request;
use crate::data::align::{Alignment, CentreCuts, prepare};
use crate::data::faces::{Faces, Source, centre_cut_warning};
use crate::data::image::Picture;
use crate::data::pack::FACE;
use crate::error::{Error, Result};
use crate::resample::{self, Flavour};
use crate::shape::{HR, LR};
use crate::tasks::Context;
use rayon::prelude::*;

/// Bytes of a 24x28 picture.
const LOW: usize = 3 * LR.0 * LR.1;
/// Pictures that are decoded between two looks at the user's wish to stop.
const CHUNK: usize = 256;
/// Decoded pictures may take this much memory, 4 GiB; more are to be packed first.
const MOST: usize = 4 << 30;

/// Pictures of one size, in the order of their names.
pub enum Pictures {
    /// 96x112; low resolution is made of them.
    High(Faces),
    /// 24x28, of which there is no original.
    Low { names: Vec<String>, pixels: Vec<u8> },
}

impl Pictures {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        match self {
            Pictures::High(faces) => faces.len(),
            Pictures::Low { names, .. } => names.len(),
        }
    }

    /// Path of picture `i < len()` relative to the data folder.
    pub fn name(&self, i: usize) -> &str {
        match self {
            Pictures::High(faces) => faces.name(i),
            Pictures::Low { names, .. } => &names[i],
        }
    }

    /// The picture of a subject: the one of this name, or the first one in the folder of this name.
    pub fn of_subject(&self, name: &str) -> Option<usize> {
        let within =
            |other: &str| other.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        (0..self.len()).find(|row| within(self.name(*row)))
    }

    /// The 96x112 pixels of picture `i < len()`.
    pub fn high(&self, i: usize) -> Option<&[u8]> {
        match self {
            Pictures::High(faces) => Some(faces.pixels(i)),
            Pictures::Low { .. } => None,
        }
    }

    /// The 24x28 pixels of picture `i < len()`, made by `flavour` where there is a larger one.
    pub fn low(&self, i: usize, flavour: Flavour) -> Result<Vec<u8>> {
        match self {
            Pictures::Low { pixels, .. } => Ok(pixels[i * LOW..(i + 1) * LOW].to_vec()),
            Pictures::High(faces) => {
                let mut low = vec![0; LOW];
                resample::resize_u8(flavour, faces.pixels(i), HR, &mut low, LR)?;
                Ok(low)
            }
        }
    }
}

/// Reads some pictures of a source (rows of its listing, ascending). `cut` is asked only where pictures may need cutting.
pub fn open(
    context: &Context,
    source: Source,
    rows: &[usize],
    request: &Request,
    cut: impl FnOnce() -> Result<Alignment>,
) -> Result<Pictures> {
    let mut progress = |done: usize, total: usize| {
        context.listener.progress("read", done as u64, total as u64, 1, "");
        context.check_stopped()
    };
    if source.as_pack().is_some() {
        return Ok(Pictures::High(source.load(rows, &Alignment::None, &mut progress)?));
    }
    let listing = source.listing().subset(rows);
    let is_low = |picture: &Picture| (picture.height, picture.width) == LR;
    let low = match rows.first() {
        Some(first) => is_low(&source.picture(*first)?),
        None => return Err(Error::Input(format!("{}: no picture is left to score", request.data.display()))),
    };
    let alignment = if low { Alignment::None } else { cut()? };
    let size = if low { LOW } else { FACE };
    let bytes = listing.len().checked_mul(size).filter(|bytes| *bytes <= MOST).ok_or_else(|| {
        Error::Input(format!(
            "{} pictures of {} do not fit into memory (4 GiB): run `hallucinet data pack` and give the pack",
            listing.len(),
            request.data.display()
        ))
    })?;
    let take = |row: usize, name: &String, pixels: &mut [u8]| -> Result<Option<(usize, usize)>> {
        let picture = source.picture(row)?;
        if is_low(&picture) != low {
            let first = &listing.names[0];
            let what = if low { "is not 24x28 as" } else { "is 24x28, unlike" };
            return Err(Error::Input(format!("{name} {what} {first}: score pictures of one kind at a time")));
        }
        let size = (picture.height, picture.width);
        let (picture, centred) = if low { (picture, false) } else { prepare(&picture, name, &alignment)? };
        pixels.copy_from_slice(&picture.rgb);
        Ok(centred.then_some(size))
    };
    let mut pixels = vec![0; bytes];
    let (mut done, mut centred) = (0, CentreCuts::default());
    let named: Vec<(usize, &String)> = rows.iter().copied().zip(&listing.names).collect();
    for (pixels, named) in pixels.chunks_mut(CHUNK * size).zip(named.chunks(CHUNK)) {
        context.check_stopped()?;
        // All are collected, so that the error is the first picture's whatever thread was first.
        let cuts: Vec<Result<Option<(usize, usize)>>> = pixels
            .par_chunks_exact_mut(size)
            .zip(named)
            .map(|(pixels, (row, name))| take(*row, name, pixels))
            .collect();
        for (cut, (_, name)) in cuts.into_iter().zip(named) {
            centred.add(name, cut?);
        }
        done += named.len();
        progress(done, listing.len())?;
    }
    centre_cut_warning(&centred, &request.data).iter().for_each(|warning| context.listener.warn(warning));
    Ok(if low {
        Pictures::Low { names: listing.names, pixels }
    } else {
        Pictures::High(Faces::of_pixels(listing, pixels)?)
    })
}
