//! A set of faces ready for the networks: 96x112 pixels, a name, an identity. In memory from a folder of identity folders or
//! InsightFace's files, or mapped from a pack. Knows where faces come from, nothing of what is done with them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::align::{Alignment, CentreCuts, prepare};
use super::archive::Archive;
use super::folder::{self, Listing};
use super::image::{self, DECODERS, Picture};
use super::pack::{self, CHUNK, FACE, Origin, Pack, PackInfo};
use crate::error::{Error, Result};
use crate::formats::lfw_bin::Pair;
use crate::shape::HR;

/// Decoded faces may take this much memory; more are to be packed first.
const MAX_MEMORY: usize = 4 << 30;

/// Which identities to train on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// These people alone (from [`super::lists::People::of_sets`]; the counts are not used); all where there is no list.
    pub people: Option<Vec<(String, Option<usize>)>>,
    /// Of them, the ones with at least so many pictures.
    pub min_images: usize,
}

/// A folder, a pack or another program's file whose pictures are listed and not read yet.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    listing: Listing,
    kept: Kept,
    warnings: Vec<String>,
}

/// Where the pictures are.
#[derive(Debug)]
enum Kept {
    Folder,
    Pack(Pack),
    Archive(Archive),
}

/// Told how many of how many pictures are done; an error ends the work.
pub type Progress<'a> = dyn FnMut(usize, usize) -> Result<()> + 'a;

impl Source {
    /// A pack, a folder of identity folders, or InsightFace's `train.rec`.
    pub fn open(path: &Path) -> Result<Source> {
        let source = Source::open_any(path)?;
        match source.pairs() {
            None => Ok(source),
            Some(_) => Err(Error::Input(format!(
                "{}: a verification pack does not say who is who: it is for eval",
                path.display()
            ))),
        }
    }

    /// A folder of identity folders, a pack, or another program's file of any kind.
    pub fn open_any(path: &Path) -> Result<Source> {
        if let Some(source) = Source::of_file(path)? {
            return Ok(source);
        }
        let (listing, outside) = folder::identities(path)?;
        let mut warnings = Vec::new();
        if outside > 0 {
            warnings
                .push(format!("{outside} pictures in {} are in no identity folder and are left out", path.display()));
        }
        Ok(Source { path: path.to_owned(), listing, kept: Kept::Folder, warnings })
    }

    /// A pack, any folder of pictures, or another program's file of them: nobody asks whose they are.
    pub fn open_plain(path: &Path) -> Result<Source> {
        match Source::of_file(path)? {
            Some(source) => Ok(source),
            None => {
                let (listing, warnings) = (folder::plain(path)?, Vec::new());
                Ok(Source { path: path.to_owned(), listing, kept: Kept::Folder, warnings })
            }
        }
    }

    fn of_file(path: &Path) -> Result<Option<Source>> {
        let about = std::fs::metadata(path).map_err(Error::reading(path))?;
        if about.is_dir() {
            return Ok(None);
        }
        if !about.is_file() {
            return Err(Error::reading(path)(std::io::ErrorKind::NotADirectory.into()));
        }
        let path = path.to_owned();
        if let Some(archive) = Archive::open(&path)? {
            let (listing, warnings) = (archive.listing().clone(), archive.warnings().to_vec());
            return Ok(Some(Source { path, listing, kept: Kept::Archive(archive), warnings }));
        }
        let pack = Pack::open(&path)?;
        Ok(Some(Source { path, listing: pack.listing().clone(), kept: Kept::Pack(pack), warnings: Vec::new() }))
    }

    /// The pack, whose faces are cut already.
    pub fn as_pack(&self) -> Option<&Pack> {
        match &self.kept {
            Kept::Pack(pack) => Some(pack),
            _ => None,
        }
    }

    /// Whether it is another program's file, whose warnings are about itself.
    pub fn is_archive(&self) -> bool {
        matches!(self.kept, Kept::Archive(_))
    }

    /// Things to say once on stderr.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The pairs of rows of the listing that come with a verification pack.
    pub fn pairs(&self) -> Option<&[Pair]> {
        match &self.kept {
            Kept::Archive(archive) => archive.pairs(),
            _ => None,
        }
    }

    /// The picture of a row of the listing, not cut.
    ///
    /// # Errors
    /// `Input` where it cannot be read, or there is no such row.
    pub fn picture(&self, row: usize) -> Result<Picture> {
        let absent = || Error::Shape(format!("{} has no picture {row}", self.path.display()));
        match &self.kept {
            Kept::Folder => image::read(&self.path.join(self.listing.names.get(row).ok_or_else(absent)?)),
            Kept::Archive(archive) => archive.picture(row),
            Kept::Pack(pack) => {
                let face = pack.crops().chunks_exact(FACE).nth(row).ok_or_else(absent)?;
                Picture::new(HR.1, HR.0, face.to_vec())
            }
        }
    }

    /// What is there.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The pictures of the selected identities, in order; people who are not there, or nobody left, is an [`Error::Input`].
    pub fn select(&self, selection: &Selection) -> Result<Vec<usize>> {
        let Listing { labels, identities, .. } = &self.listing;
        let mut images = vec![0usize; identities.len()];
        labels.iter().for_each(|label| images[*label as usize] += 1);
        let wanted: Option<HashSet<&str>> =
            selection.people.as_ref().map(|people| people.iter().map(|(name, _)| name.as_str()).collect());
        if let Some(people) = &selection.people {
            let there: HashSet<&str> = identities.iter().map(String::as_str).collect();
            let absent: Vec<&str> =
                people.iter().map(|(name, _)| name.as_str()).filter(|name| !there.contains(name)).collect();
            if let Some(first) = absent.first() {
                let distinct = absent.iter().collect::<HashSet<_>>().len();
                return Err(Error::Input(format!(
                    "{distinct} of the people in the list are not in {}, the first is {first}: give their pictures or another list",
                    self.path.display()
                )));
            }
        }
        let keeps = |label: usize| {
            images[label] >= selection.min_images
                && wanted.as_ref().is_none_or(|wanted| wanted.contains(identities[label].as_str()))
        };
        let rows: Vec<usize> = (0..labels.len()).filter(|row| keeps(labels[*row] as usize)).collect();
        if rows.is_empty() {
            return Err(Error::Input(format!(
                "no identity is left of the {} in {}: check people, sets and min_images ({})",
                identities.len(),
                self.path.display(),
                selection.min_images
            )));
        }
        Ok(rows)
    }

    /// Makes faces of some of the pictures (rows of the listing, ascending).
    pub fn load(self, rows: &[usize], alignment: &Alignment, progress: &mut Progress<'_>) -> Result<Faces> {
        if rows.iter().any(|row| *row >= self.listing.len()) || !rows.is_sorted_by(|a, b| a < b) {
            return Err(Error::Shape(format!("rows of {} must be ascending and there", self.path.display())));
        }
        let listing = if rows.len() == self.listing.len() { self.listing.clone() } else { self.listing.subset(rows) };
        if let Kept::Pack(pack) = self.kept {
            let rows = rows.iter().map(|row| *row as u32).collect();
            let store = Store::Mapped { pack: Box::new(pack), rows };
            return Ok(Faces { listing, store, warnings: self.warnings });
        }
        if rows.len().checked_mul(FACE).is_none_or(|bytes| bytes > MAX_MEMORY) {
            return Err(Error::Input(format!(
                "{} pictures of {} do not fit into memory (4 GiB): run `hallucinet data pack` and give the pack",
                rows.len(),
                self.path.display()
            )));
        }
        let mut crops = vec![0; rows.len() * FACE];
        let (mut cuts, mut done) = (CentreCuts::default(), 0);
        for (chunk, some) in crops.chunks_mut(CHUNK * FACE).zip(rows.chunks(CHUNK)) {
            self.decode(some, alignment, chunk, &mut cuts)?;
            done += some.len();
            progress(done, rows.len())?;
        }
        let mut warnings = self.warnings;
        warnings.extend(centre_cut_warning(&cuts, &self.path));
        Ok(Faces { listing, store: Store::Memory(crops), warnings })
    }

    /// Writes all pictures of a folder into a new pack; gives what it says about itself, and warnings.
    pub fn pack(
        self,
        alignment: &Alignment,
        out: &Path,
        progress: &mut Progress<'_>,
    ) -> Result<(PackInfo, Vec<String>)> {
        if self.as_pack().is_some() {
            return Err(Error::Usage(format!(
                "{} is a pack already: give a folder of identity folders",
                self.path.display()
            )));
        }
        let mut writer = pack::Writer::create(out, &self.listing)?;
        let mut crops = vec![0; self.listing.len().min(CHUNK) * FACE];
        let (mut cuts, mut done) = (CentreCuts::default(), 0);
        let rows: Vec<usize> = (0..self.listing.len()).collect();
        for rows in rows.chunks(CHUNK) {
            let chunk = &mut crops[..rows.len() * FACE];
            self.decode(rows, alignment, chunk, &mut cuts)?;
            writer = writer.push(chunk)?;
            done += rows.len();
            progress(done, self.listing.len())?;
        }
        let origin = Origin {
            alignment: alignment.to_string(),
            decoders: DECODERS.to_string(),
            sources: self.listing.len() as u64,
            centre_cuts: cuts.count() as u64,
        };
        writer.finish(origin)?;
        let mut warnings = self.warnings;
        warnings.extend(centre_cut_warning(&cuts, &self.path));
        Ok((Pack::open(out)?.info(), warnings))
    }

    /// Reads and aligns pictures in parallel into `[n, 112, 96, 3]` and counts the centre cuts; the error is that of the first
    /// picture (by name, whatever thread was first).
    fn decode(&self, rows: &[usize], alignment: &Alignment, crops: &mut [u8], cuts: &mut CentreCuts) -> Result<()> {
        let names = &self.listing.names;
        let sizes: Vec<Result<Option<(usize, usize)>>> = crops
            .par_chunks_exact_mut(FACE)
            .zip(rows)
            .map(|(crop, row)| {
                let picture = self.picture(*row)?;
                let (face, centred) = prepare(&picture, &names[*row], alignment)?;
                crop.copy_from_slice(&face.rgb);
                Ok(centred.then_some((picture.height, picture.width)))
            })
            .collect();
        for (size, row) in sizes.into_iter().zip(rows) {
            cuts.add(&names[*row], size?);
        }
        Ok(())
    }
}

/// What is said once of a folder whose pictures had to be cut in the centre.
pub fn centre_cut_warning(cuts: &CentreCuts, path: &Path) -> Option<String> {
    let place = path.display();
    cuts.warning(|cut| {
        format!("{cut} pictures of {place} are not 96x112 and were cut in the centre: crop or landmarks do better")
    })
}

/// Faces with pixels, names and labels, sorted by name.
#[derive(Debug)]
pub struct Faces {
    listing: Listing,
    store: Store,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    /// The pack's row of each face.
    Mapped {
        pack: Box<Pack>,
        rows: Vec<u32>,
    },
}

impl Faces {
    /// Opens a pack or a folder of identity folders, and keeps the selected identities.
    pub fn open(path: &Path, alignment: &Alignment, selection: &Selection) -> Result<Faces> {
        let source = Source::open(path)?;
        let rows = source.select(selection)?;
        source.load(&rows, alignment, &mut |_, _| Ok(()))
    }

    /// Faces that are in memory already: `[n, 112, 96, 3]` pixels for a listing of n.
    pub fn of_pixels(listing: Listing, pixels: Vec<u8>) -> Result<Faces> {
        let labelled = listing.labels.iter().all(|label| (*label as usize) < listing.identities.len());
        if listing.len().checked_mul(FACE) != Some(pixels.len()) || listing.labels.len() != listing.len() || !labelled {
            return Err(Error::Shape(format!("{} bytes are not {} labelled faces", pixels.len(), listing.len())));
        }
        Ok(Faces { listing, store: Store::Memory(pixels), warnings: Vec::new() })
    }

    /// Number of faces.
    pub fn len(&self) -> usize {
        self.listing.len()
    }

    /// Whether there is no face.
    pub fn is_empty(&self) -> bool {
        self.listing.is_empty()
    }

    /// Number of identities.
    pub fn identities(&self) -> usize {
        self.listing.identities.len()
    }

    /// Names, labels and identities.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Identity of face `i < len()`: a number less than `identities()`.
    pub fn label(&self, i: usize) -> u32 {
        self.listing.labels[i]
    }

    /// Name of an identity `label < identities()`.
    pub fn identity(&self, label: u32) -> &str {
        &self.listing.identities[label as usize]
    }

    /// Path of face `i < len()` relative to the data folder, parts separated by `/`.
    pub fn name(&self, i: usize) -> &str {
        &self.listing.names[i]
    }

    /// Pixels of face `i < len()`: 112 rows of 96 RGB pixels.
    pub fn pixels(&self, i: usize) -> &[u8] {
        match &self.store {
            Store::Memory(crops) => &crops[i * FACE..(i + 1) * FACE],
            Store::Mapped { pack, rows } => {
                let row = rows[i] as usize;
                &pack.crops()[row * FACE..(row + 1) * FACE]
            }
        }
    }

    /// Things to say once on stderr.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
