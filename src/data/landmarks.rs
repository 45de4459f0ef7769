//! Lists of five points a face: a line a picture, or CSV with titles. Knows names and numbers; what is done with the
//! points is not here.
//!
//! Without titles the order is x y of the left eye, right eye, nose, left and right mouth corner, perhaps a score. With
//! titles it is theirs: `x1,...,x5,y1,...,y5` as detectors give it, or `lefteye_x lefteye_y ...` as CelebA does. Left
//! is the left of the picture.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::align::Points;
use super::image::read_bounded;
use crate::error::{Error, Result, excerpt};

/// Larger landmark files are refused unread.
const MAX_LIST: u64 = 1 << 30;
/// Numbers of a row: two for each point.
const NUMBERS: usize = 10;

/// Titles, in lower case without punctuation, of the column of pictures, of a score, and of points without their x or y.
const PICTURE: [&str; 9] = ["path", "picture", "image", "imageid", "imagepath", "img", "file", "filename", "name"];
const SCORE: [&str; 5] = ["score", "confidence", "prob", "probability", "conf"];
const POINTS: [(&str, usize); 18] = [
    ("lefteye", 0),
    ("eyeleft", 0),
    ("leye", 0),
    ("righteye", 1),
    ("eyeright", 1),
    ("reye", 1),
    ("nose", 2),
    ("nosetip", 2),
    ("leftmouth", 3),
    ("mouthleft", 3),
    ("leftmouthcorner", 3),
    ("mouthleftcorner", 3),
    ("lmouth", 3),
    ("rightmouth", 4),
    ("mouthright", 4),
    ("rightmouthcorner", 4),
    ("mouthrightcorner", 4),
    ("rmouth", 4),
];

/// The five points of many pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Landmarks {
    file: PathBuf,
    points: HashMap<String, Points>,
}

impl Landmarks {
    /// Reads a list: a line a picture, its path relative to the data folder, then ten numbers and perhaps an eleventh,
    /// a score, which is not used. Tabs, spaces or commas; lines that begin with `#` are comments. A first line may be
    /// the number of rows, the next one titles, which then say the order. Errors name the file and the line.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, MAX_LIST)?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| Error::Input(format!("{}: not text in UTF-8 ({error})", path.display())))?;
        let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).zip(1..);
        let mut lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).peekable();
        let at = |number: usize, reason: String| Error::Input(format!("{}, line {number}: {reason}", path.display()));
        let promised = lines.next_if(|(line, _)| line.parse::<usize>().is_ok());
        let titles = match lines.next_if(|(line, _)| are_titles(line)) {
            Some((line, number)) => Titles::read(line).map_err(|reason| at(number, reason))?,
            None => Titles::default(),
        };
        let mut points = HashMap::new();
        for (line, number) in lines {
            let (name, row) = titles.row(line).map_err(|reason| at(number, reason))?;
            if points.insert(name.clone(), row).is_some() {
                return Err(at(number, format!("{} has a row already", excerpt(&name))));
            }
        }
        if points.is_empty() {
            return Err(Error::Input(format!("{} has no landmarks", path.display())));
        }
        if let Some((count, number)) = promised.filter(|(count, _)| count.parse() != Ok(points.len())) {
            return Err(at(number, format!("{count} rows are promised, and {} follow", points.len())));
        }
        let crossed = points.values().filter(|[left, right, ..]| left[0] > right[0]).count();
        if titles.say_left && 2 * crossed > points.len() {
            let reason = "most left eyes are to the right of the right ones: left must be the left of the picture";
            return Err(Error::Input(format!("{}: {reason}, so exchange the titles", path.display())));
        }
        Ok(Landmarks { file: path.to_owned(), points })
    }

    /// The list they are from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The points of a picture, by its path relative to the data folder.
    pub fn of(&self, relative_path: &str) -> Option<&Points> {
        self.points.get(relative_path)
    }

    /// Number of pictures that have points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Never true of a list that was read.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// Where the numbers of a row belong.
#[derive(Default)]
struct Titles {
    /// Point and axis of each number, nothing for a score; empty where there are no titles.
    columns: Vec<Option<(usize, usize)>>,
    /// Whether points are called left and right, which some mean as the person does.
    say_left: bool,
}

/// Words of a line of titles: between tabs or commas where it has any.
fn words(line: &str) -> Vec<&str> {
    match line.contains(['\t', ',']) {
        true => line.split(['\t', ',']).collect(),
        false => line.split_whitespace().collect(),
    }
}

/// Whether no number follows the first word.
fn are_titles(line: &str) -> bool {
    let words = words(line);
    words.len() >= NUMBERS && words.iter().skip(1).all(|word| word.trim().parse::<f64>().is_err())
}

impl Titles {
    fn read(line: &str) -> std::result::Result<Titles, String> {
        let plain = |word: &&str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
        let words: Vec<String> = words(line).iter().map(plain).collect();
        // CelebA gives the pictures no title.
        let names = usize::from(words.first().is_some_and(|first| PICTURE.contains(&first.as_str())));
        let from_zero = words.iter().any(|word| word == "x0");
        let mut titles = Titles::default();
        let mut seen = [[false; 2]; 5];
        for word in words.iter().skip(names) {
            if SCORE.contains(&word.as_str()) {
                titles.columns.push(None);
                continue;
            }
            let unknown = || {
                format!(
                    "{} is no title of a coordinate (x1 to y5, or lefteye_x and the like): rename it",
                    excerpt(word)
                )
            };
            let (point, axis, named) = coordinate(word, from_zero).ok_or_else(unknown)?;
            let place = seen.get_mut(point).and_then(|axes| axes.get_mut(axis)).ok_or_else(unknown)?;
            if std::mem::replace(place, true) {
                return Err(format!("{} stands for a coordinate that has a title already", excerpt(word)));
            }
            titles.columns.push(Some((point, axis)));
            titles.say_left |= named;
        }
        match seen.as_flattened().iter().all(|seen| *seen) {
            true => Ok(titles),
            false => Err("its titles do not name x and y of five points".into()),
        }
    }

    fn row(&self, line: &str) -> std::result::Result<(String, Points), String> {
        // A path may have spaces where a tab or comma ends it.
        let end = line.find('\t').or_else(|| line.find(',')).or_else(|| line.find(' ')).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let numbers: Vec<f64> = rest
            .split([' ', '\t', ','])
            .filter(|word| !word.is_empty())
            .map(|word| match word.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(format!("{} is not a finite number", excerpt(word))),
            })
            .collect::<std::result::Result<_, _>>()?;
        let mut points = Points::default();
        if self.columns.is_empty() {
            if !matches!(numbers.len(), NUMBERS | 11) {
                return Err(format!(
                    "{} numbers after the path, where 10 (or 11 with a score) are needed",
                    numbers.len()
                ));
            }
            for (point, pair) in points.iter_mut().zip(numbers.chunks_exact(2)) {
                point.copy_from_slice(pair);
            }
        } else {
            if numbers.len() != self.columns.len() {
                return Err(format!(
                    "{} numbers after the path, where {} have titles",
                    numbers.len(),
                    self.columns.len()
                ));
            }
            for ((point, axis), number) in self.columns.iter().zip(numbers).filter_map(|(at, n)| Some(((*at)?, n))) {
                points[point][axis] = number;
            }
        }
        Ok((name.trim().trim_start_matches("./").replace('\\', "/"), points))
    }
}

/// Point, axis, and whether the point has a name, of `x1` or `lefteyex`.
fn coordinate(title: &str, from_zero: bool) -> Option<(usize, usize, bool)> {
    let axis = |letter: char| "xy".find(letter);
    let mut letters = title.chars();
    let first = letters.next()?;
    if let (Some(axis), Ok(number)) = (axis(first), letters.as_str().parse::<usize>()) {
        return number.checked_sub(usize::from(!from_zero)).map(|point| (point, axis, false));
    }
    let last = title.chars().last()?;
    let stem = title.strip_suffix(last)?;
    let point = POINTS.iter().find(|(name, _)| *name == stem).map(|(_, point)| *point)?;
    Some((point, axis(last)?, true))
}
