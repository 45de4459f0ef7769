//! `data info`: what is in a pack, a folder or another program's file, by looking at names alone.

use crate::data::faces::Source;
use crate::data::pack::Pack;
pub use crate::data::pack::PackInfo;
use crate::error::{Error, Result};
use crate::tasks::Context;
use std::path::Path;

/// What there is.
#[derive(Clone, Debug)]
pub struct Contents {
    pub pictures: usize,
    /// 0 in a folder of plain pictures.
    pub identities: usize,
    /// Fewest and most pictures of an identity.
    pub of_identity: Option<(usize, usize)>,
    /// Where it is a pack.
    pub pack: Option<PackInfo>,
    /// Where it is a verification pack: pairs of one person, and pairs of two.
    pub pairs: Option<(usize, usize)>,
}

/// Says what is in a pack, a folder or another program's file; where a file of records is shorter than it says, that is a warning.
///
/// # Errors
/// `Input` where there are no pictures or the pack is damaged.
pub fn info(context: &Context, path: &Path) -> Result<Contents> {
    let source = open(context, path)?;
    source.warnings().iter().for_each(|warning| context.listener.warn(warning));
    Ok(Contents::of(&source))
}

/// Opens a pack or another program's file, or lists a folder.
///
/// # Errors
/// As [`info`].
pub fn open(context: &Context, path: &Path) -> Result<Source> {
    match Source::open_any(path) {
        // Pictures whose owners nobody knows are still pictures.
        Err(Error::Input(reason)) if path.is_dir() => match Source::open_plain(path) {
            Ok(source) => {
                context.listener.say(&format!("note     {reason}"));
                Ok(source)
            }
            Err(_) => Err(Error::Input(reason)),
        },
        opened => opened,
    }
}

impl Contents {
    /// What there is in a source.
    pub fn of(source: &Source) -> Contents {
        let listing = source.listing();
        let mut counts = vec![0usize; listing.identities.len()];
        listing.labels.iter().for_each(|label| counts[*label as usize] += 1);
        let plain = listing.identities.iter().all(String::is_empty);
        let range = counts.iter().min().copied().zip(counts.iter().max().copied());
        Contents {
            pictures: listing.len(),
            identities: if plain { 0 } else { listing.identities.len() },
            of_identity: range.filter(|_| !plain),
            pack: source.as_pack().map(Pack::info),
            pairs: source.pairs().map(|pairs| {
                let same = pairs.iter().filter(|pair| pair.same).count();
                (same, pairs.len() - same)
            }),
        }
    }
}
