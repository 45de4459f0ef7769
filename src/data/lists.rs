//! The world's lists: people to train on (`people.txt`) and pairs to verify (`pairs.txt`), as LFW writes them. Knows names and
//! numbers; a picture is opened by nobody here.
//!
//! Fields are parted by tabs (by any white space where a line has no tab); CRLF, a missing last newline and empty lines do no
//! harm; errors name the file and the line, counted from 1.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::folder::Listing;
use super::image::{has_picture_name, read_bounded};
use crate::error::{Error, Result, excerpt};

/// Larger lists are refused unread.
const MAX_LIST: u64 = 1 << 28;

/// A list of people in numbered sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    file: PathBuf,
    /// The sets, the first one is number 1: names, and how many pictures the list says they have.
    pub sets: Vec<Vec<(String, Option<usize>)>>,
}

impl People {
    /// Reads LFW's `people.txt` (number of sets; for each its size, then `Name<TAB>count` lines), its development lists (size,
    /// then names), or a plain list of one name a line, which is a single set.
    pub fn read(path: &Path) -> Result<People> {
        let mut lines = Lines::read(path)?;
        let mut sets = Vec::new();
        // A list of nothing but numbers is one of people called by numbers, as in CASIA-WebFace.
        match lines.only_number().filter(|_| !lines.all_are_numbers()) {
            Some(_) if lines.second_is_number() => {
                for _ in 0..lines.take_number("the number of sets")? {
                    let people = lines.take_number("the number of people in a set")?;
                    sets.push(lines.people(people)?);
                }
            }
            Some(people) => {
                lines.take_number("the number of people")?;
                sets.push(lines.people(people)?);
            }
            None => sets.push(lines.people(lines.left())?),
        }
        lines.finished()?;
        if sets.iter().all(Vec::is_empty) {
            return Err(Error::Input(format!("{} names nobody", path.display())));
        }
        Ok(People { file: path.to_owned(), sets })
    }

    /// The people of some sets, counted from 1; of all sets where none is given.
    pub fn of_sets(&self, sets: &[usize]) -> Result<Vec<(String, Option<usize>)>> {
        let all: Vec<usize> = (1..=self.sets.len()).collect();
        let mut people = Vec::new();
        for number in if sets.is_empty() { &all } else { sets } {
            let set = number.checked_sub(1).and_then(|index| self.sets.get(index)).ok_or_else(|| {
                Error::Input(format!("{} has sets 1 to {}, not {number}", self.file.display(), self.sets.len()))
            })?;
            people.extend_from_slice(set);
        }
        Ok(people)
    }
}

/// Two pictures, each a name and a number from 1, and whether they show the same person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub a: (String, usize),
    pub b: (String, usize),
    pub same: bool,
}

/// The pairs of a verification protocol, fold by fold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// Two or more folds; each has as many pairs of the same person, first, as of different people.
    pub folds: Vec<Vec<Pair>>,
}

/// Where the pictures of pairs are in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// As [`Pairs::folds`]; nothing for a pair that lacks a picture.
    pub folds: Vec<Vec<Option<(usize, usize)>>>,
    /// The pictures that are not there (`Name/Name_0001`), sorted.
    pub missing: Vec<String>,
}

impl Pairs {
    /// Reads LFW's `pairs.txt`: `folds<TAB>pairs`, then for each fold so many `Name i j` lines and so many `Name i Other j` lines.
    pub fn read(path: &Path) -> Result<Pairs> {
        let mut lines = Lines::read(path)?;
        let header = lines.take("\"folds<TAB>pairs in a fold\"")?;
        let numbers: Option<Vec<usize>> = header.fields().iter().map(|field| field.parse().ok()).collect();
        let (folds, pairs) = match numbers.as_deref() {
            Some([folds, pairs]) if *folds >= 2 && *pairs >= 1 => (*folds, *pairs),
            _ => {
                let reason = "a header of two numbers is needed, folds (2 or more) and pairs of a kind in a fold";
                return Err(lines.wrong(header.number, reason));
            }
        };
        let promised = folds.checked_mul(pairs).and_then(|product| product.checked_mul(2));
        if promised != Some(lines.left()) {
            let reason =
                format!("{folds} folds of 2 x {pairs} pairs do not make the {} lines that follow", lines.left());
            return Err(lines.wrong(header.number, &reason));
        }
        let folds = (0..folds)
            .map(|_| (0..2 * pairs).map(|position| lines.pair(position < pairs)).collect())
            .collect::<Result<_>>()?;
        Ok(Pairs { folds })
    }

    /// Number of pairs in all folds.
    pub fn total(&self) -> usize {
        self.folds.iter().map(Vec::len).sum()
    }

    /// Finds the pictures `Name/Name_0001.jpg` (or of another ending) of a folder or pack.
    pub fn resolve(&self, listing: &Listing) -> Resolved {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(listing.len());
        for (place, name) in listing.names.iter().enumerate() {
            if let Some((stem, _)) = name.rsplit_once('.').filter(|_| has_picture_name(Path::new(name))) {
                places.entry(stem).or_insert(place);
            }
        }
        let mut missing = Vec::new();
        let mut place = |(name, number): &(String, usize)| {
            let stem = format!("{name}/{name}_{number:04}");
            let place = places.get(stem.as_str()).copied();
            if place.is_none() {
                missing.push(stem);
            }
            place
        };
        let mut resolve = |pair: &Pair| {
            let (a, b) = (place(&pair.a), place(&pair.b));
            a.zip(b)
        };
        let folds = self.folds.iter().map(|fold| fold.iter().map(&mut resolve).collect()).collect();
        missing.sort_unstable();
        missing.dedup();
        Resolved { folds, missing }
    }
}

impl Resolved {
    /// Number of pairs that have both pictures.
    pub fn used(&self) -> usize {
        self.folds.iter().flatten().flatten().count()
    }
}

/// A line that is not empty, without the white space around it.
#[derive(Clone)]
pub(super) struct Line {
    /// Counted from 1, as editors do.
    pub(super) number: usize,
    pub(super) text: String,
}

impl Line {
    fn fields(&self) -> Vec<&str> {
        if self.text.contains('\t') {
            self.text.split('\t').map(str::trim).filter(|field| !field.is_empty()).collect()
        } else {
            self.text.split_whitespace().collect()
        }
    }
}

/// The lines of a list that are not empty, taken one by one.
pub(super) struct Lines {
    path: PathBuf,
    lines: Vec<Line>,
    next: usize,
}

impl Lines {
    pub(super) fn read(path: &Path) -> Result<Lines> {
        let bytes = read_bounded(path, MAX_LIST)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| Error::Input(format!("{}: not text in UTF-8 ({error})", path.display())))?;
        let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let lines = lines.map(|(index, line)| Line { number: index + 1, text: line.trim().to_owned() }).collect();
        Ok(Lines { path: path.to_owned(), lines, next: 0 })
    }

    pub(super) fn wrong(&self, line: usize, reason: &str) -> Error {
        Error::Input(format!("{}, line {line}: {reason}", self.path.display()))
    }

    pub(super) fn left(&self) -> usize {
        self.lines.len() - self.next
    }

    pub(super) fn take(&mut self, what: &str) -> Result<Line> {
        let line = self.lines.get(self.next).cloned();
        self.next += usize::from(line.is_some());
        line.ok_or_else(|| Error::Input(format!("{} ends where {what} is needed", self.path.display())))
    }

    fn take_number(&mut self, what: &str) -> Result<usize> {
        let line = self.take(what)?;
        line.text.parse().map_err(|_| self.wrong(line.number, &format!("{} is not {what}", excerpt(&line.text))))
    }

    fn only_number(&self) -> Option<usize> {
        self.lines.get(self.next)?.text.parse().ok()
    }

    fn all_are_numbers(&self) -> bool {
        self.lines.iter().all(|line| line.text.parse::<usize>().is_ok())
    }

    fn second_is_number(&self) -> bool {
        self.lines.get(self.next + 1).is_some_and(|line| line.text.parse::<usize>().is_ok())
    }

    fn people(&mut self, count: usize) -> Result<Vec<(String, Option<usize>)>> {
        (0..count)
            .map(|_| {
                let line = self.take("another name")?;
                match line.fields().as_slice() {
                    [name] => Ok(((*name).to_owned(), None)),
                    [name, pictures] => {
                        let count = pictures.parse().ok();
                        let wrong =
                            || self.wrong(line.number, &format!("{} is not a number of pictures", excerpt(pictures)));
                        Ok(((*name).to_owned(), Some(count.ok_or_else(wrong)?)))
                    }
                    _ => Err(self.wrong(line.number, "\"Name\" or \"Name<TAB>pictures\" is needed")),
                }
            })
            .collect()
    }

    fn pair(&mut self, same: bool) -> Result<Pair> {
        let line = self.take("another pair")?;
        let picture = |name: &str, number: &str| match number.parse::<usize>() {
            Ok(number) if number > 0 => Ok((name.to_owned(), number)),
            _ => Err(self.wrong(line.number, &format!("{} is not the number of a picture", excerpt(number)))),
        };
        match (line.fields().as_slice(), same) {
            ([name, i, j], true) => Ok(Pair { a: picture(name, i)?, b: picture(name, j)?, same }),
            ([name, i, other, j], false) => Ok(Pair { a: picture(name, i)?, b: picture(other, j)?, same }),
            (_, true) => Err(self.wrong(line.number, "a pair of one person is needed here: Name, number, number")),
            (_, false) => {
                Err(self.wrong(line.number, "a pair of two people is needed here: Name, number, Name, number"))
            }
        }
    }

    fn finished(&self) -> Result<()> {
        match self.lines.get(self.next) {
            Some(line) => Err(self.wrong(line.number, "more lines than the list's numbers promise")),
            None => Ok(()),
        }
    }
}
