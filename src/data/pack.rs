//! One file with many faces: 8-bit 96x112 crops, their names and labels, and a checksum for everything. Knows its own layout;
//! where faces come from is told by the caller.
//!
//! ```text
//! 0     preamble, 64 bytes, little-endian: "HALLPACK", u32 version, u32 CRC-32 of bytes 16..64,
//!       u64 faces, u64 offset of the crops (4096), u64 offset of the index, u64 length of the index, u32 CRC-32 of it, zeros
//! 64    zeros
//! 4096  crops, [faces, 112, 96, 3]
//!       index, JSON to the end of the file: how the faces were made, identities, names, labels, CRC-32 of every 256 crops
//! ```
//!
//! Opening verifies the lengths, the preamble and the index and touches no crop; [`Pack::check`] reads everything.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::folder::{Listing, identity_of};
use crate::backend::map::Map;
use crate::error::{Error, Result};
use crate::files::Pending;
use crate::shape::HR;

/// Bytes of a face: 112 rows of 96 RGB pixels.
pub const FACE: usize = HR.0 * HR.1 * 3;
/// Faces under one checksum, 8 MB; also how many are in memory while a pack is written.
pub const CHUNK: usize = 256;

const MAGIC: &[u8; 8] = b"HALLPACK";
const VERSION: u32 = 1;
const PREAMBLE: usize = 64;
const CROPS: usize = 4096;

/// How the faces of a pack were made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// How pictures were cut to 96x112, in words: `crop [4, 2, 115, 134]`.
    pub alignment: String,
    /// The image decoders and their versions.
    pub decoders: String,
    /// Pictures that were found where the pack was made.
    pub sources: u64,
    /// Pictures of another size that were cut in the centre for want of a crop or landmarks.
    pub centre_cuts: u64,
}

/// What a pack says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackInfo {
    pub version: u32,
    pub faces: usize,
    pub identities: usize,
    /// Bytes of the file.
    pub bytes: u64,
    #[serde(flatten)]
    pub origin: Origin,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    origin: Origin,
    identities: Vec<String>,
    names: Vec<String>,
    labels: Vec<u32>,
    checksums: Vec<u32>,
}

/// An open pack.
#[derive(Debug)]
pub struct Pack {
    path: PathBuf,
    map: Map,
    origin: Origin,
    listing: Listing,
    checksums: Vec<u32>,
}

impl Pack {
    /// Maps a pack and verifies all but the crops themselves; anything that does not fit is an [`Error::Input`].
    pub fn open(path: &Path) -> Result<Pack> {
        let map = Map::open(path)?;
        if !map.starts_with(MAGIC) {
            let hint = "give a folder or a file made by `hallucinet data pack`";
            return Err(Error::Input(format!("{} is not a pack: {hint}", path.display())));
        }
        let wrong = |reason: String| Error::Input(format!("{}: {reason}; make the pack again", path.display()));
        let Some(preamble) = map.get(..CROPS) else {
            return Err(wrong(format!("{} bytes are too few for a pack", map.len())));
        };
        let (faces, index) = read_preamble(preamble, map.len()).map_err(wrong)?;
        let bytes = map.get(index.0..).unwrap_or_default();
        if crc32fast::hash(bytes) != index.1 {
            return Err(wrong("the index is damaged (checksum)".into()));
        }
        let index: Index = serde_json::from_slice(bytes).map_err(|error| wrong(format!("broken index ({error})")))?;
        let Index { origin, identities, names, labels, checksums } = index;
        let listing = Listing { names, labels, identities };
        check_listing(&listing, faces).map_err(wrong)?;
        if checksums.len() != faces.div_ceil(CHUNK) {
            return Err(wrong(format!("{} checksums for {faces} faces", checksums.len())));
        }
        Ok(Pack { path: path.to_owned(), map, origin, listing, checksums })
    }

    /// Names, labels and identities.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// What the pack says about itself.
    pub fn info(&self) -> PackInfo {
        PackInfo {
            version: VERSION,
            faces: self.listing.len(),
            identities: self.listing.identities.len(),
            bytes: self.map.len() as u64,
            origin: self.origin.clone(),
        }
    }

    /// The crops, `[faces, 112, 96, 3]`.
    pub fn crops(&self) -> &[u8] {
        self.map.get(CROPS..CROPS + self.listing.len() * FACE).unwrap_or_default()
    }

    /// Reads the whole file and compares every checksum; the error names the first faces that are damaged.
    pub fn check(&self) -> Result<()> {
        let damaged =
            |what: String| Error::Input(format!("{}: {what} damaged; make the pack again", self.path.display()));
        if self.map.get(PREAMBLE..CROPS).is_none_or(|padding| padding.iter().any(|byte| *byte != 0)) {
            return Err(damaged("the bytes before the faces are".into()));
        }
        let chunks = self.crops().par_chunks(CHUNK * FACE).zip(&self.checksums);
        match chunks.position_first(|(chunk, checksum)| crc32fast::hash(chunk) != *checksum) {
            Some(chunk) => {
                let end = ((chunk + 1) * CHUNK).min(self.listing.len());
                Err(damaged(format!("some of the faces {} to {end} are", chunk * CHUNK + 1)))
            }
            None => Ok(()),
        }
    }
}

/// Number of faces, and offset and checksum of the index.
fn read_preamble(bytes: &[u8], file: usize) -> std::result::Result<(usize, (usize, u32)), String> {
    let word =
        |at: usize| bytes.get(at..at + 4).map_or(0, |word| word.iter().rev().fold(0u32, |n, b| n << 8 | u32::from(*b)));
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    if word(8) != VERSION {
        return Err(format!("version {} of packs, this program reads {VERSION}", word(8)));
    }
    if bytes.get(16..PREAMBLE).map(crc32fast::hash) != Some(word(12)) {
        return Err("the preamble is damaged (checksum)".into());
    }
    let size = |at: usize| usize::try_from(long(at)).map_err(|_| format!("{} is too much", long(at)));
    let (faces, crops, index, length) = (size(16)?, size(24)?, size(32)?, size(40)?);
    let expected = faces.checked_mul(FACE).and_then(|crops| crops.checked_add(CROPS));
    if crops != CROPS || expected != Some(index) || index.checked_add(length) != Some(file) {
        return Err(format!("{faces} faces and an index of {length} bytes do not make a file of {file}"));
    }
    if faces == 0 || faces > u32::MAX as usize {
        return Err(format!("{faces} faces are not a pack"));
    }
    Ok((faces, (index, word(48))))
}

/// Sorted names, each under the identity its label says; identities sorted, none without a picture.
fn check_listing(listing: &Listing, faces: usize) -> std::result::Result<(), String> {
    let Listing { names, labels, identities } = listing;
    if names.len() != faces || labels.len() != faces {
        return Err(format!("{} names and {} labels for {faces} faces", names.len(), labels.len()));
    }
    let sorted = |list: &[String]| list.windows(2).all(|pair| pair[0] < pair[1]);
    if !sorted(names) || !sorted(identities) {
        return Err("names out of order".into());
    }
    // Names become paths under output folders, so none may lead out of them.
    let clean =
        |name: &String| name.split('/').all(|part| !matches!(part, "" | "." | "..")) && !name.contains(['\0', '\\']);
    if let Some(name) = names.iter().find(|name| !clean(name)) {
        return Err(format!("{name:?} is not a relative path"));
    }
    let mut seen = vec![false; identities.len()];
    for (name, label) in names.iter().zip(labels) {
        match identities.get(*label as usize) {
            Some(identity) if !identity.is_empty() && identity == identity_of(name) => seen[*label as usize] = true,
            _ => return Err(format!("{name} has label {label}, which is not its identity's")),
        }
    }
    if seen.contains(&false) {
        return Err("an identity has no picture".into());
    }
    Ok(())
}

/// Writes a pack chunk by chunk; nothing of it is there before [`Writer::finish`].
pub struct Writer<'a> {
    listing: &'a Listing,
    pending: Pending,
    checksums: Vec<u32>,
    faces: usize,
}

impl<'a> Writer<'a> {
    /// Begins a pack of the pictures listed at `path`, where nothing may be yet.
    pub fn create(path: &Path, listing: &'a Listing) -> Result<Writer<'a>> {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Output(format!(
                "{} is there already: choose another name or remove it",
                path.display()
            )));
        }
        check_listing(listing, listing.len())
            .map_err(|reason| Error::Input(format!("{} cannot be made: {reason}", path.display())))?;
        let pending = Pending::create(path)?.fill(|file| file.write_all(&[0; CROPS]))?;
        Ok(Writer { listing, pending, checksums: Vec::new(), faces: 0 })
    }

    /// Appends faces, `[n, 112, 96, 3]`: [`CHUNK`] at a time, fewer only the last time.
    pub fn push(mut self, crops: &[u8]) -> Result<Self> {
        self.checksums.push(crc32fast::hash(crops));
        self.faces += crops.len() / FACE;
        self.pending = self.pending.fill(|file| file.write_all(crops))?;
        Ok(self)
    }

    /// Writes the index and the preamble, and gives the file its name.
    pub fn finish(self, origin: Origin) -> Result<()> {
        if self.faces != self.listing.len() {
            return Err(Error::Shape(format!("{} faces for a pack of {}", self.faces, self.listing.len())));
        }
        let Listing { names, labels, identities } = self.listing.clone();
        let index = Index { origin, identities, names, labels, checksums: self.checksums };
        let index =
            serde_json::to_vec(&index).map_err(|error| Error::Input(format!("cannot write the index: {error}")))?;
        let mut fields = Vec::with_capacity(PREAMBLE - 16);
        for number in [self.faces, CROPS, CROPS + self.faces * FACE, index.len()] {
            fields.extend((number as u64).to_le_bytes());
        }
        fields.extend(crc32fast::hash(&index).to_le_bytes());
        fields.resize(PREAMBLE - 16, 0);
        let pending = self.pending.fill(|file| {
            file.write_all(&index)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(MAGIC)?;
            file.write_all(&VERSION.to_le_bytes())?;
            file.write_all(&crc32fast::hash(&fields).to_le_bytes())?;
            file.write_all(&fields)
        })?;
        pending.commit()
    }
}
