//! `data pack`: a folder of identity folders into one file of 96x112 faces.

use crate::data::faces::Source;
use crate::data::pack::PackInfo;
use crate::error::Result;
use crate::files;
use crate::model::config;
use crate::tasks::Context;
use crate::tasks::pictures::Cut;
use crate::tasks::train::alignment;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub input: PathBuf,
    pub out: PathBuf,
    /// Landmarks are looked for under `input`, then its parent.
    pub cut: Cut,
}

/// Makes the pack and says what is in it.
///
/// # Errors
/// `Input` for lists and pictures that are wrong, `Usage` for an input that is a pack, `Output` where `out` is there already, `Io`.
pub fn pack(context: &Context, request: &Request) -> Result<PackInfo> {
    files::check_file(&request.out)?;
    let cut = config::Data {
        crop: request.cut.crop,
        landmarks: request.cut.landmarks.as_ref().map(|list| list.to_string_lossy().into_owned()),
        ..config::Data::default()
    };
    let source = Source::open(&request.input)?;
    let alignment = alignment(&cut, &request.input)?;
    files::make_folder(files::folder_of(&request.out))?;
    context.listener.progress("pack", 0, source.listing().len() as u64, 1, "");
    let (info, warnings) = source.pack(&alignment, &request.out, &mut |done, total| {
        context.listener.progress("pack", done as u64, total as u64, 1, "");
        context.check_stopped()
    })?;
    warnings.iter().for_each(|warning| context.listener.warn(warning));
    Ok(info)
}
