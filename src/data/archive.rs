//! Other programs' files of many encoded pictures: InsightFace's `train.rec`, whose records say whose they are, and its
//! verification packs (`lfw.bin`), whose pairs say whether two are one person. Knows names and encoded bytes, nothing
//! of faces.
//!
//! Pictures get the names that LFW would give them: `id_000012/id_000012_0003.jpg` is the third picture of label 12;
//! `pair_00007/pair_00007_0001.jpg` is the first of pair 7, `pair_00008b/pair_00008b_0001.jpg` the other person
//! of pair 8.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::folder::Listing;
use super::image::{self, Picture};
use crate::backend::map::Map;
use crate::error::{Error, Result};
use crate::formats::{lfw_bin, recordio};

/// Labels are whole numbers as f32, which has no odd ones from here on.
const MOST_LABELS: f32 = (1 << 24) as f32;

/// An open file whose pictures are listed and not decoded.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    listing: Listing,
    encoded: Encoded,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Encoded {
    /// Where the record of each row begins.
    Records { map: Map, offsets: Vec<usize> },
    /// The picture of each row, and the pairs as rows.
    Pairs { pack: lfw_bin::Pack, pictures: Vec<usize>, pairs: Vec<lfw_bin::Pair> },
}

impl Archive {
    /// Opens a file of either kind, by what it begins with; nothing for any other.
    ///
    /// # Errors
    /// `Input`, naming the file and the byte, where it is of that kind and broken; `Io`.
    pub fn open(path: &Path) -> Result<Option<Archive>> {
        let map = Map::open(path)?;
        if map.starts_with(&recordio::MAGIC) {
            Archive::of_records(path, map).map(Some)
        } else if lfw_bin::is_pickle(&map) {
            drop(map);
            Ok(Some(Archive::of_pairs(path, lfw_bin::read(path)?)))
        } else {
            Ok(None)
        }
    }

    fn of_records(path: &Path, map: Map) -> Result<Archive> {
        let index = path.with_extension("idx");
        let known = if index != path && index.is_file() { Some(recordio::read_index(&index)?) } else { None };
        let found = match known {
            Some(entries) => {
                let offsets = entries.into_iter().map(|(_, offset)| offset);
                scan(&map, offsets)
                    .map_err(|why| Error::Input(format!("{}: {why}; its index is {}", path.display(), index.display())))
            }
            None => scan_all(&map).map_err(|why| Error::Input(format!("{}: {why}", path.display()))),
        }?;
        if found.records.is_empty() {
            return Err(Error::Input(format!("{} has no pictures", path.display())));
        }
        let mut warnings = Vec::new();
        if let Some(promised) = found.promised.filter(|promised| *promised != found.records.len() as f32 + 1.0) {
            warnings.push(format!(
                "{}: its first record promises {} pictures, {} are there: it was cut, or some were taken out",
                path.display(),
                promised - 1.0,
                found.records.len()
            ));
        }
        let mut numbers: HashMap<u32, usize> = HashMap::new();
        let named = found.records.into_iter().map(|Record { offset, label, extension }| {
            let number = numbers.entry(label).and_modify(|number| *number += 1).or_insert(1);
            (format!("id_{label:06}/id_{label:06}_{number:04}.{extension}"), offset)
        });
        let mut named: Vec<(String, usize)> = named.collect();
        named.sort_unstable();
        let (names, offsets) = named.into_iter().unzip();
        let listing = Listing::of_identities(names);
        Ok(Archive { path: path.to_owned(), listing, encoded: Encoded::Records { map, offsets }, warnings })
    }

    fn of_pairs(path: &Path, pack: lfw_bin::Pack) -> Archive {
        let digits = pack.pairs.len().to_string().len().max(5);
        let (mut names, mut pictures, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        for (number, lfw_bin::Pair { a, b, same }) in (1..).zip(&pack.pairs) {
            let whose = if *same { ["", ""] } else { ["a", "b"] };
            let which = if *same { [1, 2] } else { [1, 1] };
            pairs.push(lfw_bin::Pair { a: names.len(), b: names.len() + 1, same: *same });
            for ((index, who), picture) in [a, b].into_iter().zip(whose).zip(which) {
                let extension = image::extension_of(pack.pictures.get(*index).map_or(&[], Vec::as_slice));
                let person = format!("pair_{number:0digits$}{who}");
                names.push(format!("{person}/{person}_{picture:04}.{extension}"));
                pictures.push(*index);
            }
        }
        let listing = Listing::of_plain(names);
        let encoded = Encoded::Pairs { pack, pictures, pairs };
        Archive { path: path.to_owned(), listing, encoded, warnings: Vec::new() }
    }

    /// Names, labels and identities; the pictures of a verification pack are nobody's, and in its order.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The pairs of a verification pack, whose pictures are rows of the listing; nothing where records say who is who.
    pub fn pairs(&self) -> Option<&[lfw_bin::Pair]> {
        match &self.encoded {
            Encoded::Pairs { pairs, .. } => Some(pairs),
            Encoded::Records { .. } => None,
        }
    }

    /// The encoded picture of a row.
    ///
    /// # Errors
    /// `Input` for a row that is not there.
    pub fn encoded(&self, row: usize) -> Result<Cow<'_, [u8]>> {
        let wrong = |why: String| Error::Input(format!("{}: {why}", self.path.display()));
        let absent = || wrong(format!("there is no picture {row}"));
        match &self.encoded {
            Encoded::Records { map, offsets } => {
                let (record, _) = recordio::record(map, *offsets.get(row).ok_or_else(absent)?).map_err(wrong)?;
                let taken = match &record {
                    Cow::Borrowed(record) => Cow::Borrowed(recordio::image(record).map_err(wrong)?.encoded),
                    Cow::Owned(record) => Cow::Owned(recordio::image(record).map_err(wrong)?.encoded.to_vec()),
                };
                Ok(taken)
            }
            Encoded::Pairs { pack, pictures, .. } => {
                let picture = pictures.get(row).and_then(|index| pack.pictures.get(*index));
                Ok(Cow::Borrowed(picture.ok_or_else(absent)?))
            }
        }
    }

    /// The picture of a row.
    ///
    /// # Errors
    /// `Input`, naming the file and the picture, where it cannot be decoded.
    pub fn picture(&self, row: usize) -> Result<Picture> {
        image::decode(&self.encoded(row)?).map_err(|why| {
            let name = self.listing.names.get(row).map_or("", String::as_str);
            Error::Input(format!("{}, {name}: {why}", self.path.display()))
        })
    }

    /// Things to say once on stderr.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// A record with a picture.
struct Record {
    offset: usize,
    label: u32,
    extension: &'static str,
}

#[derive(Default)]
struct Found {
    records: Vec<Record>,
    /// The first label of a first record without a picture: one more than there are pictures.
    promised: Option<f32>,
}

impl Found {
    /// Takes the record at an offset in, and gives where the next one begins.
    fn add(&mut self, bytes: &[u8], offset: usize, is_first: bool) -> std::result::Result<usize, String> {
        let (record, next) = recordio::record(bytes, offset)?;
        let image = recordio::image(&record).map_err(|why| format!("the record at byte {offset}: {why}"))?;
        let label = image.labels.first().copied().unwrap_or(f32::NAN);
        match image.encoded {
            [] if is_first && image.labels.len() > 1 => self.promised = Some(label),
            // Ranges of identities, which the labels of the pictures say as well.
            [] => (),
            encoded if label.fract() == 0.0 && (0.0..MOST_LABELS).contains(&label) => {
                let extension = image::extension_of(encoded);
                self.records.push(Record { offset, label: label as u32, extension });
            }
            _ => {
                return Err(format!(
                    "the record at byte {offset} has the label {label}, which is no identity's number"
                ));
            }
        }
        Ok(next)
    }
}

fn scan(bytes: &[u8], offsets: impl Iterator<Item = usize>) -> std::result::Result<Found, String> {
    let mut found = Found::default();
    for (index, offset) in offsets.enumerate() {
        found.add(bytes, offset, index == 0)?;
    }
    Ok(found)
}

fn scan_all(bytes: &[u8]) -> std::result::Result<Found, String> {
    let (mut found, mut offset) = (Found::default(), 0);
    while offset < bytes.len() {
        offset = found.add(bytes, offset, offset == 0)?;
    }
    Ok(found)
}
