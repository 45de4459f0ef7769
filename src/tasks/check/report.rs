//! The report of `data check`: every finding with the pictures it is about, in one page, and the same as JSON.

use super::Checked;
use crate::data::faces::Source;
use crate::data::image::Picture;
use crate::error::Result;
use crate::files;
use crate::report::grid::{self, Tile};
use crate::report::html::Report;
use std::path::Path;

/// Findings of a kind that are shown as pictures; the tables and the JSON have them all.
const SHOWN: usize = 24;

/// Writes `report.html` and `check.json` into a new folder, or nothing.
pub fn write(out: &Path, data: &Path, source: &Source, checked: &Checked) -> Result<()> {
    let album = Album(source);
    let mut page = Report::new("Data check");
    let (place, pictures) = (data.display().to_string(), checked.contents.pictures.to_string());
    let identities = checked.contents.identities.to_string();
    page.facts(&[("data", &place), ("pictures", &pictures), ("identities", &identities)]);
    let wrong: Vec<Vec<String>> = checked.wrong.iter().map(|what| vec![what.clone()]).collect();
    section(&mut page, "Wrong", &["what"], &wrong);
    if let Some(overlap) = &checked.overlap {
        let rows: Vec<Vec<String>> = overlap.iter().map(|name| vec![name.clone()]).collect();
        section(&mut page, "People who are also in the pairs", &["name"], &rows);
    }
    suspects(&mut page, &album, checked)?;
    duplicates(&mut page, &album, checked)?;
    let tiny: Vec<Vec<String>> =
        checked.tiny.iter().map(|tiny| vec![tiny.picture.clone(), format!("{}x{}", tiny.width, tiny.height)]).collect();
    section(&mut page, "Smaller than 24x28", &["picture", "size"], &tiny);
    let json = format!("{:#}\n", checked.to_json());
    files::write_folder(out, &[("report.html", page.render().as_bytes()), ("check.json", json.as_bytes())])
}

fn section(page: &mut Report, heading: &str, header: &[&str], rows: &[Vec<String>]) {
    page.section(&format!("{heading}: {}", rows.len()));
    if !rows.is_empty() {
        page.table(header, rows, "");
    }
}

fn suspects(page: &mut Report, album: &Album, checked: &Checked) -> Result<()> {
    let Some(suspects) = &checked.suspects else {
        page.section("Labels")
            .paragraph("Not judged: that takes --model with a recogniser, and a folder for every person.");
        return Ok(());
    };
    let row = |s: &super::Suspect| {
        let (own, other) = (format!("{:.4}", s.cosine), format!("{:.4}", s.nearer_cosine));
        vec![s.picture.clone(), s.identity.clone(), own, s.nearer_to.clone(), other]
    };
    let rows: Vec<Vec<String>> = suspects.iter().map(row).collect();
    let header = ["picture", "is said to be", "cosine to their others", "nearer to", "cosine to them"];
    section(page, "Labels that may be wrong", &header, &rows);
    let tiles = suspects.iter().take(SHOWN).map(|suspect| {
        let names = [Some(&suspect.picture), album.another(&suspect.identity, &suspect.picture)];
        names.into_iter().chain([album.another(&suspect.nearer_to, "")]).flatten().collect()
    });
    album.sheet(page, &["suspect", "same label", "nearer to"], tiles.collect())
}

fn duplicates(page: &mut Report, album: &Album, checked: &Checked) -> Result<()> {
    let rows: Vec<Vec<String>> = checked.duplicates.iter().map(|names| vec![names.join(", ")]).collect();
    section(page, "The same pixels", &["pictures"], &rows);
    let first_two = checked.duplicates.iter().take(SHOWN).map(|names| names.iter().take(2).collect());
    album.sheet(page, &["first", "second"], first_two.collect())?;
    let near = |near: &super::Near| {
        let names = if near.two_names { "two" } else { "one" };
        vec![near.a.clone(), near.b.clone(), near.bits.to_string(), names.to_owned()]
    };
    let rows: Vec<Vec<String>> = checked.near.iter().map(near).collect();
    section(page, "Looking the same", &["picture", "other", "bits of 256 that differ", "names"], &rows);
    let both = checked.near.iter().take(SHOWN).map(|near| vec![&near.a, &near.b]);
    album.sheet(page, &["first", "second"], both.collect())
}

/// The pictures that were checked, by name.
struct Album<'a>(&'a Source);

impl Album<'_> {
    /// A picture of a person, not this one where there is another.
    fn another(&self, identity: &str, picture: &str) -> Option<&String> {
        let listing = self.0.listing();
        let label = listing.identities.binary_search_by(|name| name.as_str().cmp(identity)).ok()? as u32;
        let own = || listing.names.iter().zip(&listing.labels).filter(|(_, other)| **other == label);
        own().map(|(name, _)| name).find(|name| *name != picture)
    }

    fn sheet(&self, page: &mut Report, captions: &[&str], rows: Vec<Vec<&String>>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let names = &self.0.listing().names;
        let picture = |name: &&String| -> Result<Option<Picture>> {
            let row = names.binary_search(name).ok();
            row.map(|row| self.0.picture(row)).transpose()
        };
        let mut read = Vec::with_capacity(rows.len());
        for row in &rows {
            // One that cannot be read is among the wrong ones already.
            read.push(row.iter().filter_map(|name| picture(name).ok().flatten()).collect::<Vec<Picture>>());
        }
        let tiles: Vec<Vec<Tile>> = read.iter().map(|row| row.iter().map(tile).collect()).collect();
        let sheet = grid::sheet(captions, &tiles)?;
        let many = if rows.len() == SHOWN { format!("The first {SHOWN}") } else { format!("All {}", rows.len()) };
        page.picture(&sheet, &format!("{many}, in the order of the table, each drawn as 96x112"))?;
        Ok(())
    }
}

fn tile(picture: &Picture) -> Tile<'_> {
    Tile { width: picture.width, height: picture.height, rgb: &picture.rgb }
}
