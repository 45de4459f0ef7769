//! Who is trained on and who is tested: people of the held-out fold are never in the training. Lists are read and checked, or made
//! where there are none; no picture is opened.

use crate::data::align::Alignment;
use crate::data::faces::{Faces, Selection, Source};
use crate::data::folder::Listing;
use crate::data::lists::{Pairs, People};
use crate::error::{Error, Result};
use crate::model::config::{Config, Data};
use crate::random::Random;
use crate::tasks::train::{alignment, beside};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Parts that people are cut into where there is neither a list of people nor one of pairs.
const PARTS: usize = 4;
/// Pairs of a kind that a made list has at most.
const MOST_PAIRS: usize = 3000;
/// Where folds train whose people are in no set of `data.sets`: they take nobody out of it.
const ALL_SETS: &str = "all-sets";
/// People and pairs that are made depend on this alone, so that every seed of an experiment is tested on the same ones.
const SEED: u64 = 1;

/// One held-out fold.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Counted from 1.
    pub number: usize,
    /// Folds of one name train on the same people, so their trainings are the same; a folder within a seed's.
    pub training: String,
    /// `[data]` of a configuration that trains on the other people.
    pub data: Data,
    /// A list of people to be written where `data` says.
    pub list: Option<(PathBuf, String)>,
    /// Identities and pictures that are trained on.
    pub identities: usize,
    pub images: usize,
    /// Pictures that are tested on: rows of the data's listing, ascending.
    pub rows: Vec<usize>,
    /// Places in `rows`, and whether it is one person.
    pub pairs: Vec<(usize, usize, bool)>,
}

/// Where experiments take faces and people from.
pub struct Protocol {
    data: PathBuf,
    alignment: Alignment,
    /// How it holds people out, for the report.
    pub about: String,
    pub folds: Vec<Fold>,
}

impl Protocol {
    /// Reads and checks every list. `chosen` are the folds to hold out in turn; where none is named, those whose people `data.sets`
    /// leaves out, or the first one of a split that is made here. `lists` is where lists that are made here will lie.
    ///
    /// # Errors
    /// `Usage` for folds that there are none of, `Input` for lists that are wrong or do not fit the pictures.
    pub fn open(
        config: &Config,
        data: &Path,
        pairs: Option<&Path>,
        chosen: &[usize],
        lists: &Path,
    ) -> Result<Protocol> {
        let source = Source::open(data)?;
        let opened = Opened { config, data, lists, source };
        let (about, folds) = match (pairs, &config.data.people) {
            (Some(pairs), Some(people)) => opened.of_sets(pairs, &beside(data, Path::new(people)), chosen)?,
            (Some(pairs), None) => opened.of_pairs(pairs, chosen)?,
            (None, Some(_)) => {
                return Err(Error::Usage(
                    "ablate with data.people needs --pairs, whose folds are the sets of people".into(),
                ));
            }
            (None, None) => opened.split(chosen)?,
        };
        let alignment = alignment(&config.data, data)?;
        Ok(Protocol { data: data.to_owned(), alignment, about, folds })
    }

    /// Decodes the pictures of a fold that is tested on.
    pub fn load(&self, fold: &Fold) -> Result<Faces> {
        Source::open(&self.data)?.load(&fold.rows, &self.alignment, &mut |_, _| Ok(()))
    }
}

struct Opened<'a> {
    config: &'a Config,
    data: &'a Path,
    lists: &'a Path,
    source: Source,
}

type Folds = (String, Vec<Fold>);

impl Opened<'_> {
    /// LFW's way: fold K of the pairs is about the people of set K, and training takes the other sets.
    fn of_sets(&self, pairs_file: &Path, people_file: &Path, chosen: &[usize]) -> Result<Folds> {
        let (pairs, people) = (Pairs::read(pairs_file)?, People::read(people_file)?);
        let all: Vec<usize> = (1..=people.sets.len()).collect();
        let pool = if self.config.data.sets.is_empty() { all } else { self.config.data.sets.clone() };
        let outside: Vec<usize> = (1..=pairs.folds.len()).filter(|fold| !pool.contains(fold)).collect();
        let default = if outside.is_empty() { (1..=pairs.folds.len()).collect() } else { outside };
        let mut folds = Vec::new();
        for number in if chosen.is_empty() { &default } else { chosen } {
            let resolved = self.resolve(&pairs, pairs_file, *number)?;
            let sets: Vec<usize> = pool.iter().copied().filter(|set| set != number).collect();
            if sets.is_empty() {
                return Err(Error::Usage(format!(
                    "fold {number} held out of data.sets = {pool:?}: no set is left to train on; give data.sets more of them"
                )));
            }
            let data = Data { sets: sets.clone(), ..self.config.data.clone() };
            let fold = self.fold(*number, data, None, people.of_sets(&sets)?, resolved)?;
            let training = if sets.len() == pool.len() { ALL_SETS.to_owned() } else { fold.training };
            folds.push(Fold { training, ..fold });
        }
        let about = format!(
            "each fold of {} is held out in turn, training takes the other sets of {:?} in {}",
            pairs_file.display(),
            pool,
            people_file.display()
        );
        Ok((about, folds))
    }

    /// Pairs without a list of people: training takes everybody who is in no pair of the fold.
    fn of_pairs(&self, pairs_file: &Path, chosen: &[usize]) -> Result<Folds> {
        let pairs = Pairs::read(pairs_file)?;
        let default: Vec<usize> = (1..=pairs.folds.len()).collect();
        let mut folds = Vec::new();
        for number in if chosen.is_empty() { &default } else { chosen } {
            let resolved = self.resolve(&pairs, pairs_file, *number)?;
            let tested: BTreeSet<usize> =
                resolved.iter().flat_map(|(a, b, _)| [self.label(*a), self.label(*b)]).collect();
            folds.push(self.without(*number, &tested, resolved)?);
        }
        let about = format!("each fold of {} is held out in turn, training takes everybody else", pairs_file.display());
        Ok((about, folds))
    }

    /// No lists at all: people are cut into parts, and each part is tested on pairs of its own.
    fn split(&self, chosen: &[usize]) -> Result<Folds> {
        let Listing { identities, labels, .. } = self.source.listing();
        let order = Random::named(SEED, "ablate people").permutation(identities.len());
        let mut pictures: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        labels.iter().enumerate().for_each(|(row, label)| pictures.entry(*label as usize).or_default().push(row));
        let mut folds = Vec::new();
        for number in if chosen.is_empty() { &[1][..] } else { chosen } {
            if !(1..=PARTS).contains(number) {
                return Err(Error::Usage(format!("--folds {number}: people are cut into parts 1 to {PARTS}")));
            }
            let tested: BTreeSet<usize> =
                order.iter().skip(number - 1).step_by(PARTS).map(|identity| *identity as usize).collect();
            let own: Vec<&[usize]> = tested.iter().filter_map(|label| pictures.get(label)).map(Vec::as_slice).collect();
            let pairs = made(&own, &mut Random::keyed(SEED, &[*number as u64]));
            if pairs.len() < 4 {
                return Err(Error::Input(format!(
                    "{}: {} people in part {number} of {PARTS} give no pairs to test on; it takes two people of two pictures each, and more \
                     to say anything",
                    self.data.display(),
                    own.len()
                )));
            }
            folds.push(self.without(*number, &tested, pairs)?);
        }
        let about = format!("people are cut into {PARTS} parts at random, each is held out in turn");
        Ok((about, folds))
    }

    /// A fold that trains on everybody but some, by a list of its own.
    fn without(&self, number: usize, tested: &BTreeSet<usize>, pairs: Vec<(usize, usize, bool)>) -> Result<Fold> {
        let Listing { identities, labels, .. } = self.source.listing();
        let mut count = vec![0usize; identities.len()];
        labels.iter().for_each(|label| count[*label as usize] += 1);
        let kept = (0..identities.len()).filter(|label| !tested.contains(label));
        let people: Vec<(String, Option<usize>)> =
            kept.map(|label| (identities[label].clone(), Some(count[label]))).collect();
        let mut text = String::new();
        for (name, pictures) in &people {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}\t{}", pictures.unwrap_or(0));
        }
        let path = self.lists.join(format!("fold-{number}-people.txt"));
        let name = path.to_str().ok_or_else(|| Error::Usage("--out must be UTF-8".into()))?.to_owned();
        let data = Data { people: Some(name), sets: Vec::new(), ..self.config.data.clone() };
        self.fold(number, data, Some((path, text)), people, pairs)
    }

    fn fold(
        &self,
        number: usize,
        data: Data,
        list: Option<(PathBuf, String)>,
        people: Vec<(String, Option<usize>)>,
        pairs: Vec<(usize, usize, bool)>,
    ) -> Result<Fold> {
        let trained: BTreeSet<&str> = people.iter().map(|(name, _)| name.as_str()).collect();
        let whose = |row: usize| self.source.listing().identities[self.label(row)].as_str();
        if let Some(both) = pairs.iter().flat_map(|(a, b, _)| [*a, *b]).map(whose).find(|name| trained.contains(name)) {
            return Err(Error::Input(format!(
                "{both} is among the people to train on and in the pairs of fold {number}: a score on people who were trained on says \
                 nothing; do the sets of people and the folds of pairs belong together?"
            )));
        }
        let selection = Selection { people: Some(people.clone()), min_images: data.min_images };
        let chosen = self.source.select(&selection)?;
        let training = self.source.listing().subset(&chosen);
        let mut rows: Vec<usize> = pairs.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        rows.sort_unstable();
        rows.dedup();
        let place = |row: usize| rows.binary_search(&row).unwrap_or_default();
        let pairs = pairs.iter().map(|(a, b, same)| (place(*a), place(*b), *same)).collect();
        let (identities, images) = (training.identities.len(), training.len());
        let training = format!("fold-{number}");
        Ok(Fold { number, training, data, list, identities, images, rows, pairs })
    }

    /// The pairs of one fold, as rows of the listing.
    fn resolve(&self, pairs: &Pairs, file: &Path, number: usize) -> Result<Vec<(usize, usize, bool)>> {
        let place = file.display();
        let fold = number.checked_sub(1).and_then(|index| pairs.folds.get(index)).ok_or_else(|| {
            Error::Usage(format!("{place} has folds 1 to {}, so --folds {number} is none", pairs.folds.len()))
        })?;
        let one = Pairs { folds: vec![fold.clone()] };
        let resolved = one.resolve(self.source.listing());
        if let Some(first) = resolved.missing.first() {
            return Err(Error::Input(format!(
                "{place}: {} pictures of fold {number} are not in {}, the first is {first}: give them, or choose other --folds",
                resolved.missing.len(),
                self.data.display()
            )));
        }
        let found = fold.iter().zip(resolved.folds.iter().flatten());
        Ok(found.filter_map(|(pair, rows)| rows.map(|(a, b)| (a, b, pair.same))).collect())
    }

    fn label(&self, row: usize) -> usize {
        self.source.listing().labels[row] as usize
    }
}

/// As many pairs of one person as of two, at most [`MOST_PAIRS`] of each: those of one person first, each kind in random order.
fn made(people: &[&[usize]], random: &mut Random) -> Vec<(usize, usize, bool)> {
    let within = |rows: &&[usize]| -> Vec<(usize, usize)> {
        (0..rows.len()).flat_map(|i| rows[i + 1..].iter().map(move |b| (rows[i], *b))).collect()
    };
    let all: Vec<(usize, usize)> = people.iter().flat_map(within).collect();
    let mut same: Vec<(usize, usize, bool)> = Vec::new();
    for choice in random.permutation(all.len()).into_iter().take(MOST_PAIRS) {
        let (a, b) = all[choice as usize];
        same.push((a, b, true));
    }
    let mut different = BTreeSet::new();
    let mut list = Vec::new();
    // Chance finds as many pairs of two as there are of one long before it runs out of attempts, except among very few people.
    for _ in 0..100 * same.len() {
        if list.len() == same.len() || people.len() < 2 {
            break;
        }
        let mut below = |count: usize| random.below(count as u64) as usize;
        let first = below(people.len());
        let second = (first + 1 + below(people.len() - 1)) % people.len();
        let (a, b) = (people[first][below(people[first].len())], people[second][below(people[second].len())]);
        let pair = (a.min(b), a.max(b));
        if different.insert(pair) {
            list.push((pair.0, pair.1, false));
        }
    }
    same.truncate(list.len());
    same.extend(list);
    same
}
