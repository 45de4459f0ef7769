//! `data degrade`: pictures of any size, made smaller by a whole number with the bicubic of a flavour, one PNG each in a new folder.

use crate::data::folder::{self, Found};
use crate::data::image::{self, Picture, encode_png};
use crate::error::{Error, Result};
use crate::files::{self, NewFolder};
use crate::report::grid::{self, Tile};
use crate::resample::{Flavour, shrink_u8};
use crate::shape::HR;
use crate::tasks::Context;
use crate::tasks::output;
use crate::tasks::pictures::CHUNK;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Pictures on a sheet; more would be a file that nothing opens.
const SHEET: usize = 64;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub inputs: Vec<PathBuf>,
    pub out: PathBuf,
    pub scale: usize,
    pub flavour: Flavour,
    pub sheet: Option<PathBuf>,
}

/// A picture and what became of it.
struct Degraded {
    /// Shrunk to the size of a tile, so that a sheet of large pictures needs little memory.
    before: Picture,
    after: Picture,
}

/// Degrades every input and returns how many there were; the folder is there only when all of them are in it.
///
/// # Errors
/// `Input` for pictures that are wrong, `Usage` for two outputs of one name, `Output` where `out` is not empty, `Io`.
pub fn degrade(context: &Context, request: &Request) -> Result<usize> {
    files::check_new(&request.out)?;
    request.sheet.iter().try_for_each(|sheet| files::check_file(sheet))?;
    let found = folder::pictures(&request.inputs)?;
    // Names that would meet in the folder are found before it is begun.
    output::targets(&found, &request.out, request.sheet.as_deref())?;
    let folder = NewFolder::create(&request.out)?;
    let targets = output::targets(&found, folder.path(), None)?;
    let (mut rows, mut done, total) = (Vec::new(), 0, found.len());
    context.listener.progress("degrade", 0, total as u64, 1, "");
    for (found, targets) in found.chunks(CHUNK).zip(targets.chunks(CHUNK)) {
        context.check_stopped()?;
        let made: Vec<Result<Degraded>> =
            found.par_iter().zip(targets).map(|(found, target)| one(found, target, &folder, request)).collect();
        for made in made {
            let made = made?;
            if request.sheet.is_some() && rows.len() < SHEET {
                rows.push(made);
            }
        }
        done += found.len();
        context.listener.progress("degrade", done as u64, total as u64, 1, "");
    }
    folder.publish()?;
    if let Some(sheet) = &request.sheet {
        write_sheet(sheet, &rows)?;
    }
    Ok(done)
}

fn one(found: &Found, target: &Path, folder: &NewFolder, request: &Request) -> Result<Degraded> {
    let picture = image::read(&found.path)?;
    let size = (picture.height, picture.width);
    let (rgb, (height, width)) = shrink_u8(request.flavour, &picture.rgb, size, request.scale)
        .map_err(|error| Error::Input(format!("{}: {error}", found.path.display())))?;
    let after = Picture::new(width, height, rgb)?;
    folder.write(target, &encode_png(&after)?)?;
    Ok(Degraded { before: nearest(&picture)?, after })
}

/// A picture as a tile shows it: 96x112 by nearest pixels.
fn nearest(picture: &Picture) -> Result<Picture> {
    let mut rgb = Vec::with_capacity(3 * HR.0 * HR.1);
    for y in 0..HR.0 {
        for x in 0..HR.1 {
            let at = 3 * (y * picture.height / HR.0 * picture.width + x * picture.width / HR.1);
            rgb.extend_from_slice(&picture.rgb[at..at + 3]);
        }
    }
    Picture::new(HR.1, HR.0, rgb)
}

fn write_sheet(path: &Path, rows: &[Degraded]) -> Result<()> {
    let rows: Vec<Vec<Tile>> = rows.iter().map(|row| vec![tile(&row.before), tile(&row.after)]).collect();
    output::write(path, &grid::sheet(&["original", "degraded"], &rows)?.png()?)
}

fn tile(picture: &Picture) -> Tile<'_> {
    Tile { width: picture.width, height: picture.height, rgb: &picture.rgb }
}
