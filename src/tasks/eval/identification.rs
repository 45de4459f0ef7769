//! How well a model finds people in a gallery. Of everybody who has more pictures than are enrolled, the first ones are enrolled and the
//! others are looked for; who has no more is not enrolled at all, and all pictures of such people are impostors. Knows features by row,
//! nothing of the networks that made them.

use crate::data::folder::Listing;
use crate::error::{Error, Result};
use crate::metrics::identification::{self, Detection, Features, nearest, normalised};
use crate::metrics::interval::{Interval, wilson};
use crate::model::Source;
use serde_json::{Value as Json, json};
use std::path::Path;

/// Places that count as found.
const RANKS: [usize; 3] = [1, 5, 20];
/// Rates of impostors who are taken for somebody.
const RATES: [(&str, f64); 3] = [("1e-1", 1e-1), ("1e-2", 1e-2), ("1e-3", 1e-3)];

/// Who is enrolled and who is looked for: rows of a listing.
pub struct Plan {
    /// Enrolled pictures, and the number of each one's person among the enrolled.
    enrolled: Vec<usize>,
    person: Vec<u32>,
    people: usize,
    /// Pictures to look for, with the number of the enrolled person; nothing for an impostor.
    probes: Vec<(usize, Option<u32>)>,
    images: usize,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Identification {
    pub input: Source,
    /// Whether features are `[f(x), f(flip x)]`.
    pub mirror: bool,
    /// Pictures enrolled of each person.
    pub images: usize,
    /// People enrolled.
    pub people: usize,
    /// Closed set: probes of enrolled people, and of them those with the right person among the first k.
    pub probes: usize,
    pub ranks: Vec<Rank>,
    /// Open set: probes of people who are not enrolled, and how many of `probes` are accepted as the right person at a threshold that
    /// accepts a share of impostors.
    pub impostors: usize,
    pub rates: Vec<Rate>,
    /// Each probe: path, the right person, the nearest one, the cosine, and the place of the right one where it is among the first 20.
    pub answers: Vec<Answer>,
}

/// A share of the probes, with its 95 % interval (Wilson's, probes taken as independent).
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub share: f64,
    pub interval: Interval,
}

/// Rank-k.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    pub k: usize,
    pub found: Share,
}

/// DIR at a FAR; nothing where impostors x FAR < 1.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub name: &'static str,
    /// The threshold, and the share.
    pub detected: Option<(f64, Share)>,
}

/// What was answered to a probe.
#[derive(Clone, Debug)]
pub struct Answer {
    pub picture: String,
    /// Nothing for an impostor.
    pub person: Option<String>,
    pub nearest: String,
    pub cosine: f64,
    pub place: Option<usize>,
}

impl Plan {
    /// Enrols `images` pictures of everybody who has more.
    ///
    /// # Errors
    /// `Input` where nobody has.
    pub fn new(data: &Path, listing: &Listing, images: usize) -> Result<Plan> {
        let mut rows: Vec<Vec<usize>> = vec![Vec::new(); listing.identities.len()];
        listing.labels.iter().enumerate().for_each(|(row, label)| rows[*label as usize].push(row));
        let mut plan = Plan { enrolled: Vec::new(), person: Vec::new(), people: 0, probes: Vec::new(), images };
        for rows in rows {
            if rows.len() <= images {
                plan.probes.extend(rows.into_iter().map(|row| (row, None)));
                continue;
            }
            let number = plan.people as u32;
            let (enrolled, probes) = rows.split_at(images);
            plan.enrolled.extend(enrolled);
            plan.person.extend(std::iter::repeat_n(number, images));
            plan.probes.extend(probes.iter().map(|row| (*row, Some(number))));
            plan.people += 1;
        }
        match plan.people {
            0 => Err(Error::Input(format!(
                "{}: nobody has more than {images} pictures, so that one could be looked for; lower --gallery-images",
                data.display()
            ))),
            _ => Ok(plan),
        }
    }

    /// Looks for every probe; `features` has a row for each row of the listing.
    pub fn score(
        &self,
        listing: &Listing,
        features: &[Vec<f32>],
        input: Source,
        mirror: bool,
    ) -> Result<Identification> {
        let width = features.first().map_or(0, Vec::len);
        let gather = |rows: &mut dyn Iterator<Item = usize>| -> Result<Vec<f32>> {
            let mut gathered = Vec::new();
            for row in rows {
                let feature = features.get(row).map_or(&[][..], Vec::as_slice);
                let direction =
                    normalised(feature).map_err(|error| Error::Numeric(format!("{}: {error}", listing.names[row])))?;
                gathered.extend(direction);
            }
            Ok(gathered)
        };
        let gallery = gather(&mut self.enrolled.iter().copied())?;
        let probes = gather(&mut self.probes.iter().map(|(row, _)| *row))?;
        let deepest = RANKS.into_iter().max().unwrap_or(1);
        let gallery = Features { width, rows: &gallery };
        let found = nearest(gallery, &self.person, Features { width, rows: &probes }, deepest)?;
        let owner = |row: usize| listing.identities[listing.labels[row] as usize].clone();
        let mut counts = identification::Identification::default();
        let mut answers = Vec::with_capacity(found.len());
        for ((row, person), matches) in self.probes.iter().zip(found) {
            let Some(best) = matches.first() else { continue };
            let place = matches.iter().position(|found| Some(found.person) == *person).map(|place| place + 1);
            match person {
                Some(_) => counts.mated.push((best.cosine, place)),
                None => counts.impostors.push(best.cosine),
            }
            answers.push(Answer {
                picture: listing.names[*row].clone(),
                person: person.map(|_| owner(*row)),
                nearest: owner(self.enrolled[best.row]),
                cosine: best.cosine,
                place,
            });
        }
        let probes = counts.mated.len();
        let share = |right: usize| -> Result<Share> {
            Ok(Share { share: right as f64 / probes as f64, interval: wilson(right, probes)? })
        };
        let rank = |k: usize| Ok(Rank { k, found: share(counts.within(k))? });
        let rate = |(name, far): (&'static str, f64)| -> Result<Rate> {
            let detected = match counts.detection(far)? {
                Some(Detection { threshold, right }) => Some((threshold, share(right)?)),
                None => None,
            };
            Ok(Rate { name, detected })
        };
        Ok(Identification {
            input,
            mirror,
            images: self.images,
            people: self.people,
            probes,
            ranks: RANKS.into_iter().map(rank).collect::<Result<_>>()?,
            impostors: counts.impostors.len(),
            rates: RATES.into_iter().map(rate).collect::<Result<_>>()?,
            answers,
        })
    }
}

impl Identification {
    /// `1680 people enrolled with 1 picture each, 5234 probes of theirs, 2880 impostors`.
    pub fn recipe(&self) -> String {
        format!(
            "{} people enrolled with {} picture{} each, {} probes of theirs, {} impostors",
            self.people,
            self.images,
            if self.images == 1 { "" } else { "s" },
            self.probes,
            self.impostors
        )
    }

    /// `{input, mirror, gallery_images, people, probes, impostors, rank {..}, rank_interval95 {..}, dir {..}, dir_interval95 {..},
    /// dir_threshold {..}}`; what has too few impostors is null.
    pub fn to_json(&self) -> Json {
        let ends = |interval: Interval| json!([interval.low, interval.high]);
        let ranks = |of: &dyn Fn(&Share) -> Json| -> Json {
            self.ranks
                .iter()
                .map(|rank| (rank.k.to_string(), of(&rank.found)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let rates = |of: &dyn Fn(&(f64, Share)) -> Json| -> Json {
            let each = self.rates.iter();
            each.map(|rate| (rate.name.to_owned(), rate.detected.as_ref().map_or(Json::Null, of)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        json!({
            "input": self.input.word(),
            "mirror": self.mirror,
            "gallery_images": self.images,
            "people": self.people,
            "probes": self.probes,
            "impostors": self.impostors,
            "rank": ranks(&|found| json!(found.share)),
            "rank_interval95": ranks(&|found| ends(found.interval)),
            "dir": rates(&|detected| json!(detected.1.share)),
            "dir_interval95": rates(&|detected| ends(detected.1.interval)),
            "dir_threshold": rates(&|detected| json!(detected.0)),
        })
    }
}
