//! A gallery of people in one file: features by name, the fingerprint of the model that made them, and no picture. Knows the file and
//! its order; how features are made and compared is nobody's here.
//!
//! It is a safetensors file, so that any program reads it: `features`, f32 `[n, width]`, rows of unit length; `entries`, u8, the JSON
//! `[[person, picture], ...]` of the rows in sorted order; and under the metadata key `hallucinet` the fingerprint, what the features
//! are of, and a CRC-32 of both arrays. A gallery is a pure function of what is in it.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

use super::safetensors::{METADATA_KEY, canonical_json, read_header};
use crate::error::{Error, Result};
use crate::files;

/// What the metadata says this file is.
const VERSION: u32 = 1;
/// Rows may differ from unit length by this much: f32 rounding leaves far less.
const LENGTH_DOUBT: f64 = 1e-3;

/// What the features of a gallery are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// SHA-256 of the model's file.
    pub model_sha256: String,
    /// Whether features are `[f(x), f(flip x)]`.
    pub mirror: bool,
    /// `hr` or `lr`, what the recogniser got, or `mixed`.
    pub input: String,
}

/// The row of a picture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry(
    /// Who it is.
    pub String,
    /// Which of the person's pictures.
    pub String,
);

/// Features of people, sorted by person and picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Gallery {
    pub origin: Origin,
    width: usize,
    entries: Vec<Entry>,
    /// `[n, width]`
    features: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    gallery: u32,
    crc32: u32,
    #[serde(flatten)]
    origin: Origin,
}

impl Gallery {
    /// A gallery of nobody.
    pub fn new(origin: Origin, width: usize) -> Gallery {
        Gallery { origin, width, entries: Vec::new(), features: Vec::new() }
    }

    /// Numbers of a feature.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Person and picture of each row.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Features by row, `[n, width]`.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// The people in order, and for each row the number of its person.
    pub fn people(&self) -> (Vec<&str>, Vec<u32>) {
        let mut people: Vec<&str> = Vec::new();
        let mut person = Vec::with_capacity(self.entries.len());
        for Entry(name, _) in &self.entries {
            if people.last() != Some(&name.as_str()) {
                people.push(name);
            }
            person.push(people.len() as u32 - 1);
        }
        (people, person)
    }

    /// Adds features of unit length, `[entries, width]`; one that is there already is replaced. Gives how many were.
    ///
    /// # Errors
    /// `Shape` where the lengths disagree.
    pub fn add(&mut self, entries: &[Entry], features: &[f32]) -> Result<usize> {
        if entries.len().checked_mul(self.width) != Some(features.len()) {
            return Err(Error::Shape(format!("{} numbers are no {} features", features.len(), entries.len())));
        }
        let before = self.entries.len();
        let rows = self.features.chunks_exact(self.width).chain(features.chunks_exact(self.width));
        // The last of two equal entries wins.
        let mut newest: HashMap<&Entry, &[f32]> = HashMap::with_capacity(before + entries.len());
        newest.extend(self.entries.iter().chain(entries).zip(rows));
        let mut sorted: Vec<(&Entry, &[f32])> = newest.into_iter().collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
        let (entries_now, features_now) = unzip(sorted.into_iter());
        let replaced = before + entries.len() - entries_now.len();
        (self.entries, self.features) = (entries_now, features_now);
        Ok(replaced)
    }

    /// Removes everything of a person; gives how many rows that were.
    pub fn remove(&mut self, person: &str) -> usize {
        let before = self.entries.len();
        let rows = self.entries.iter().zip(self.features.chunks_exact(self.width.max(1)));
        let (entries, features) = unzip(rows.filter(|(entry, _)| entry.0 != person));
        (self.entries, self.features) = (entries, features);
        before - self.entries.len()
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// `Input`, naming the file, for anything that is not a complete gallery; `Io`.
    pub fn read(path: &Path) -> Result<Gallery> {
        let place = path.display().to_string();
        let file = std::fs::File::open(path).map_err(Error::reading(path))?;
        let about = file.metadata().map_err(Error::io("cannot read", path))?;
        if !about.is_file() {
            return Err(Error::Input(format!("{place}: not a file; a gallery that identify --add made is needed")));
        }
        let mut source = std::io::BufReader::with_capacity(1 << 20, file);
        let header = read_header(&place, about.len(), &mut source)?;
        let wrong = |what: &str| Error::Input(format!("{place}: not a usable gallery: {what}"));
        let text = header.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
        let text = text.ok_or_else(|| wrong("its metadata says nothing; identify --add makes one"))?;
        let stored: Stored = serde_json::from_str(text)
            .map_err(|_| wrong("its metadata is not that of a gallery; identify --add makes one"))?;
        if stored.gallery != VERSION {
            return Err(wrong(&format!("version {}, this program reads {VERSION}", stored.gallery)));
        }
        let (Some(entries), Some(features)) = (header.info("entries"), header.info("features")) else {
            return Err(wrong("it lacks entries or features"));
        };
        let (&[bytes], &[rows, width]) = (entries.shape.as_slice(), features.shape.as_slice()) else {
            return Err(wrong("its arrays have other shapes"));
        };
        let arrays = header.offset_keys();
        if (entries.dtype, features.dtype, arrays.len()) != (Dtype::U8, Dtype::F32, 2) || width == 0 {
            return Err(wrong("its arrays are of other types"));
        }
        // The header has been checked: both arrays are as long as their shapes say, and within the file.
        let (mut names, mut numbers) = (vec![0u8; bytes], vec![0f32; rows * width]);
        for array in arrays {
            let to = if array == "entries" { &mut names[..] } else { bytemuck::cast_slice_mut(&mut numbers) };
            source.read_exact(to).map_err(Error::io("cannot read", path))?;
        }
        if checksum(&names, &numbers) != stored.crc32 {
            return Err(wrong("it is damaged (checksum)"));
        }
        let entries = serde_json::from_slice(&names).map_err(|_| wrong("its entries are no list of names"))?;
        let gallery = Gallery { origin: stored.origin, width, entries, features: numbers };
        gallery.check(rows).map_err(|what| wrong(&what))?;
        Ok(gallery)
    }

    fn check(&self, rows: usize) -> std::result::Result<(), String> {
        if self.entries.len() != rows {
            return Err(format!("{} entries for {rows} features", self.entries.len()));
        }
        if !self.entries.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err("its entries are out of order".into());
        }
        let length = |row: &[f32]| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let odd = self.features.chunks_exact(self.width).position(|row| {
            // A length that is not a number is no unit length either.
            let off = (length(row) - 1.0).abs();
            off.is_nan() || off > LENGTH_DOUBT
        });
        match odd {
            Some(row) => Err(format!("feature {row} is not of unit length")),
            None => Ok(()),
        }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// `Shape` where they cannot be laid out.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let unusable = |error: String| Error::Shape(format!("cannot lay out the gallery: {error}"));
        let names = serde_json::to_vec(&self.entries).map_err(|error| unusable(error.to_string()))?;
        let crc32 = checksum(&names, &self.features);
        let stored = Stored { gallery: VERSION, crc32, origin: self.origin.clone() };
        let stored = serde_json::to_value(stored).map_err(|error| unusable(error.to_string()))?;
        let view =
            |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(|error| unusable(error.to_string()));
        let views = [
            ("entries", view(Dtype::U8, vec![names.len()], &names)?),
            ("features", view(Dtype::F32, vec![self.entries.len(), self.width], bytemuck::cast_slice(&self.features))?),
        ];
        let about = HashMap::from([(METADATA_KEY.to_owned(), canonical_json(&stored))]);
        safetensors::serialize(views, Some(about)).map_err(|error| unusable(error.to_string()))
    }

    /// Writes the file whole.
    ///
    /// # Errors
    /// `Io`, with an older one as it was.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write(path, &self.to_bytes()?)
    }
}

fn unzip<'a>(rows: impl Iterator<Item = (&'a Entry, &'a [f32])>) -> (Vec<Entry>, Vec<f32>) {
    let (mut entries, mut features) = (Vec::new(), Vec::new());
    for (entry, feature) in rows {
        entries.push(entry.clone());
        features.extend_from_slice(feature);
    }
    (entries, features)
}

fn checksum(names: &[u8], features: &[f32]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(names);
    sum.update(bytemuck::cast_slice(features));
    sum.finalize()
}
