//! `data info`: what is in a pack, a folder or another program's file, by looking at names alone.

use crate::data::archive::Archive;
use crate::data::folder::{self, Listing};
use crate::data::image::{self, Picture};
pub use crate::data::pack::PackInfo;
use crate::data::pack::{FACE, Pack};
use crate::error::{Error, Result};
use crate::shape::HR;
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

/// A pack, another program's file, or the names in a folder.
pub enum Opened {
    Pack(Box<Pack>),
    Archive(Box<Archive>),
    Folder(Listing),
}

/// Says what is in a pack, a folder or another program's file; where a file of records is shorter than it says, that is a warning.
///
/// # Errors
/// `Input` where there are no pictures or the pack is damaged.
pub fn info(context: &Context, path: &Path) -> Result<Contents> {
    let opened = open(context, path)?;
    if let Opened::Archive(archive) = &opened {
        archive.warnings().iter().for_each(|warning| context.listener.warn(warning));
    }
    Ok(opened.contents())
}

/// Opens a pack or another program's file, or lists a folder.
///
/// # Errors
/// As [`info`].
pub fn open(context: &Context, path: &Path) -> Result<Opened> {
    if path.is_file() {
        return Ok(match Archive::open(path)? {
            Some(archive) => Opened::Archive(Box::new(archive)),
            None => Opened::Pack(Box::new(Pack::open(path)?)),
        });
    }
    match folder::identities(path) {
        Ok((listing, outside)) => {
            if outside > 0 {
                context.listener.warn(&format!("{outside} pictures in {} are in no identity folder", path.display()));
            }
            Ok(Opened::Folder(listing))
        }
        // Pictures whose owners nobody knows are still pictures.
        Err(Error::Input(reason)) => match folder::plain(path) {
            Ok(listing) => {
                context.listener.say(&format!("note     {reason}"));
                Ok(Opened::Folder(listing))
            }
            Err(_) => Err(Error::Input(reason)),
        },
        Err(error) => Err(error),
    }
}

impl Opened {
    /// Names and labels.
    pub fn listing(&self) -> &Listing {
        match self {
            Opened::Pack(pack) => pack.listing(),
            Opened::Archive(archive) => archive.listing(),
            Opened::Folder(listing) => listing,
        }
    }

    /// Picture `row` of the listing; `root` is where a folder is.
    ///
    /// # Errors
    /// `Input` for a picture that cannot be read or is not there.
    pub fn picture(&self, root: &Path, row: usize) -> Result<Picture> {
        let none = || Error::Input(format!("{}: it has no picture {row}", root.display()));
        match self {
            Opened::Pack(pack) => {
                let crop = pack.crops().chunks_exact(FACE).nth(row).ok_or_else(none)?;
                Picture::new(HR.1, HR.0, crop.to_vec())
            }
            Opened::Archive(archive) => archive.picture(row),
            Opened::Folder(listing) => image::read(&root.join(listing.names.get(row).ok_or_else(none)?)),
        }
    }

    /// What there is.
    pub fn contents(&self) -> Contents {
        let listing = self.listing();
        let pack = match self {
            Opened::Pack(pack) => Some(pack.info()),
            _ => None,
        };
        let pairs = match self {
            Opened::Archive(archive) => archive.pairs(),
            _ => None,
        };
        let mut counts = vec![0usize; listing.identities.len()];
        listing.labels.iter().for_each(|label| counts[*label as usize] += 1);
        let plain = listing.identities.iter().all(String::is_empty);
        let range = counts.iter().min().copied().zip(counts.iter().max().copied());
        Contents {
            pictures: listing.len(),
            identities: if plain { 0 } else { listing.identities.len() },
            of_identity: range.filter(|_| !plain),
            pack,
            pairs: pairs.map(|pairs| {
                let same = pairs.iter().filter(|pair| pair.same).count();
                (same, pairs.len() - same)
            }),
        }
    }
}
