//! `data synth`: folders of procedural faces, and a sheet of the first of them where one is asked for.

use crate::data::synth::{self, World};
use crate::error::{Error, Result};
use crate::files;
use crate::report::grid::{self, Tile};
use crate::shape::HR;
use crate::tasks::{Context, output};
use std::path::{Path, PathBuf};

/// Rows and columns of a sheet: identities, and pictures of each.
const SHEET: (u32, u32) = (12, 8);

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub out: PathBuf,
    pub identities: usize,
    /// Pictures of each identity.
    pub images: usize,
    pub seed: u64,
    /// As in [`World`].
    pub siblings: bool,
    pub sheet: Option<PathBuf>,
}

/// Draws the faces.
///
/// # Errors
/// `Output` where `out` is not empty or cannot be a folder, `Io`.
pub fn write(context: &Context, request: &Request) -> Result<()> {
    files::check_new(&request.out)?;
    request.sheet.iter().try_for_each(|sheet| files::check_file(sheet))?;
    let number = |n: usize| u32::try_from(n).map_err(|_| Error::Usage(format!("{n} are too many to draw")));
    let (identities, images) = (number(request.identities)?, number(request.images)?);
    let world = World { seed: request.seed, siblings: request.siblings };
    let total = u64::from(identities) * u64::from(images);
    context.listener.progress("draw", 0, total, 1, "");
    synth::write(&request.out, world, identities, images, &|done| {
        context.listener.progress("draw", done as u64, total, 1, "");
        context.check_stopped()
    })?;
    match &request.sheet {
        Some(sheet) => write_sheet(sheet, world, identities.min(SHEET.0), images.min(SHEET.1)),
        None => Ok(()),
    }
}

fn write_sheet(path: &Path, world: World, identities: u32, images: u32) -> Result<()> {
    let faces: Vec<Vec<Vec<u8>>> =
        (0..identities).map(|identity| (0..images).map(|image| world.face(identity, image)).collect()).collect();
    let rows: Vec<Vec<Tile>> =
        faces.iter().map(|faces| faces.iter().map(|rgb| Tile { width: HR.1, height: HR.0, rgb }).collect()).collect();
    output::write(path, &grid::sheet(&[], &rows)?.png()?)
}
