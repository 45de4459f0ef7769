//! A list of pairs and its pictures as one verification pack: the faces are cut here, so that whoever reads the pack scores the very
//! pictures that this program scores.

use crate::data::faces::{Faces, Source};
use crate::data::image::{Picture, encode_png};
use crate::data::lists::Pairs;
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::formats::lfw_bin::{Pack, Pair};
use crate::model::config;
use crate::shape::HR;
use crate::tasks::Context;
use crate::tasks::pictures::Cut;
use crate::tasks::train::alignment;
use rayon::prelude::*;
use std::path::PathBuf;

/// Pairs, and where their pictures are.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// Its way of cutting faces is meant where the command line names none.
    pub model: Option<PathBuf>,
    /// A pack, or a folder of pictures.
    pub data: PathBuf,
    /// In the format of LFW's `pairs.txt`.
    pub pairs: PathBuf,
    pub cut: Cut,
}

impl Protocol {
    /// The pack, in the order of the list, every picture a PNG of 96x112, and the name of its file: the list's.
    ///
    /// # Errors
    /// `Input` for models, lists and pictures that are wrong or missing.
    pub fn read(&self, context: &Context) -> Result<(String, Pack)> {
        let cut = self.alignment()?;
        let source = Source::open_plain(&self.data)?;
        let pairs = Pairs::read(&self.pairs)?;
        let resolved = pairs.resolve(source.listing());
        if let Some(first) = resolved.missing.first() {
            return Err(Error::Input(format!(
                "{}: {} of its pictures are not in {}, the first is {first}: give them, or a shorter list",
                self.pairs.display(),
                resolved.missing.len(),
                self.data.display()
            )));
        }
        let listed = pairs.folds.iter().flatten().zip(resolved.folds.iter().flatten());
        let found: Vec<(usize, usize, bool)> =
            listed.filter_map(|(pair, places)| places.map(|(a, b)| (a, b, pair.same))).collect();
        let mut rows: Vec<usize> = found.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        rows.sort_unstable();
        rows.dedup();
        let alignment = alignment(&cut, &self.data)?;
        let faces = source.load(&rows, &alignment, &mut |done, total| {
            context.listener.progress("read", done as u64, total as u64, 1, "");
            context.check_stopped()
        })?;
        faces.warnings().iter().for_each(|warning| context.listener.warn(warning));
        context.check_stopped()?;
        // Every row of a pair is among them.
        let place = |row: usize| rows.binary_search(&row).unwrap_or_default();
        let pairs = found.into_iter().map(|(a, b, same)| Pair { a: place(a), b: place(b), same }).collect();
        let stem = self.pairs.file_stem().unwrap_or_default().to_string_lossy();
        Ok((format!("{stem}.bin"), Pack { pictures: encode(&faces)?, pairs }))
    }

    fn alignment(&self) -> Result<config::Data> {
        let Cut { crop, landmarks } = &self.cut;
        let landmarks = landmarks.as_ref().map(|list| list.to_string_lossy().into_owned());
        match &self.model {
            Some(model) if crop.is_none() && landmarks.is_none() => Ok(Network::load(model)?.model.config.data),
            _ => Ok(config::Data { crop: *crop, landmarks, ..config::Data::default() }),
        }
    }
}

fn encode(faces: &Faces) -> Result<Vec<Vec<u8>>> {
    let one = |row: usize| encode_png(&Picture::new(HR.1, HR.0, faces.pixels(row).to_vec())?);
    let encoded: Vec<Result<Vec<u8>>> = (0..faces.len()).into_par_iter().map(one).collect();
    encoded.into_iter().collect()
}
