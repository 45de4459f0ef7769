//! `identify`: who is it? A gallery of people in one file that grows, shrinks, and is searched for the people of new pictures. Knows
//! names and pictures; the file is `formats::gallery`'s, the search `metrics::identification`'s.

use crate::data::folder::{self, Found};
use crate::engine::network::Network;
use crate::error::{Error, Result};
use crate::files;
use crate::formats::gallery::{Entry, Gallery, Origin};
use crate::metrics::identification::{self, Features, nearest, normalised};
use crate::model::Source;
use crate::tasks::pictures::{self, Pictures, Preparation, Ways};
use crate::tasks::{Context, calibrate};
use std::path::{Path, PathBuf};

/// What the command line asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub gallery: PathBuf,
    pub action: Action,
}

/// What is done with a gallery.
#[derive(Clone, Debug)]
pub enum Action {
    /// Adds pictures, also to a gallery that is not there yet: identity folders, or pictures of the person named.
    Add { inputs: Vec<PathBuf>, person: Option<String>, way: Way },
    /// Removes people.
    Remove(Vec<String>),
    /// Says who is there.
    List,
    /// Looks for the people of pictures.
    Search { inputs: Vec<PathBuf>, count: usize, threshold: Option<f64>, way: Way },
}

/// How pictures become features.
#[derive(Clone, Debug)]
pub struct Way {
    pub model: PathBuf,
    /// Compare [f(x), f(flip x)].
    pub mirror: bool,
    pub ways: Ways,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Identified {
    Added {
        added: usize,
        replaced: usize,
        now: Size,
    },
    Removed {
        removed: usize,
        now: Size,
    },
    /// Everybody, with the number of pictures.
    Listed {
        people: Vec<(String, usize)>,
        now: Size,
    },
    Searched(Searched),
}

/// How much is in a gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub people: usize,
    pub pictures: usize,
}

/// The people of some pictures.
#[derive(Clone, Debug)]
pub struct Searched {
    pub device: String,
    pub size: Size,
    /// From the command line or the model's calibration; nothing where there is none.
    pub threshold: Option<f64>,
    pub answers: Vec<Answer>,
}

/// Who a picture shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub picture: String,
    /// The best people, the best first.
    pub matches: Vec<Match>,
    /// Whether the best reaches the threshold; nothing where there is no threshold.
    pub known: Option<bool>,
}

/// A person of the gallery.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    pub name: String,
    /// The highest of the person's pictures.
    pub cosine: f64,
    /// Which picture that is.
    pub picture: String,
}

impl Answer {
    /// The person, where one is known.
    pub fn name(&self) -> Option<&str> {
        self.matches.first().filter(|_| self.known == Some(true)).map(|best| best.name.as_str())
    }
}

/// Does what is asked; a gallery that changes is written whole.
///
/// # Errors
/// `Input` for galleries, pictures and models that are wrong or do not fit each other, `Usage` for people who are not there and two
/// pictures of one name, `Io`, `Numeric`.
pub fn identify(context: &Context, request: &Request) -> Result<Identified> {
    let path = request.gallery.as_path();
    match &request.action {
        Action::Add { inputs, person, way } => add(context, path, inputs, person.as_deref(), way),
        Action::Remove(people) => remove(path, people),
        Action::List => {
            let gallery = Gallery::read(path)?;
            let (people, person) = gallery.people();
            let mut counts = vec![0; people.len()];
            person.iter().for_each(|person| counts[*person as usize] += 1);
            let people = people.into_iter().map(str::to_owned).zip(counts).collect();
            Ok(Identified::Listed { people, now: size(&gallery) })
        }
        Action::Search { inputs, count, threshold, way } => {
            search(context, path, inputs, *count, *threshold, way).map(Identified::Searched)
        }
    }
}

fn add(context: &Context, path: &Path, inputs: &[PathBuf], person: Option<&str>, way: &Way) -> Result<Identified> {
    files::check_file(path)?;
    let device = context.open_device()?;
    let network = load(way)?;
    let (found, entries) = owners(inputs, person)?;
    let old = if path.exists() { Some(Gallery::read(path)?) } else { None };
    let model_sha256 = match &old {
        Some(gallery) => fits(gallery, path, way, &network).map(|()| gallery.origin.model_sha256.clone())?,
        None => network.fingerprint()?,
    };
    let pictures = Pictures::check(context, Preparation::new(&network.model, &way.ways)?, found)?;
    let (features, width) = pictures::features(context, &device, network, &pictures, way.mirror)?;
    let features = directions(&features, width)?;
    let input = kind(pictures.sources());
    let mut gallery = old
        .unwrap_or_else(|| Gallery::new(Origin { model_sha256, mirror: way.mirror, input: input.to_owned() }, width));
    if gallery.origin.input != input {
        gallery.origin.input = "mixed".to_owned();
    }
    let replaced = gallery.add(&entries, &features)?;
    files::make_folder(files::folder_of(path))?;
    gallery.write(path)?;
    Ok(Identified::Added { added: entries.len() - replaced, replaced, now: size(&gallery) })
}

fn remove(path: &Path, people: &[String]) -> Result<Identified> {
    let mut gallery = Gallery::read(path)?;
    let mut removed = 0;
    for person in people {
        match gallery.remove(person) {
            0 => {
                return Err(Error::Usage(format!(
                    "{}: there is nobody called {person}; --list says who is there, nothing was removed",
                    path.display()
                )));
            }
            rows => removed += rows,
        }
    }
    gallery.write(path)?;
    Ok(Identified::Removed { removed, now: size(&gallery) })
}

fn search(
    context: &Context,
    path: &Path,
    inputs: &[PathBuf],
    count: usize,
    threshold: Option<f64>,
    way: &Way,
) -> Result<Searched> {
    let device = context.open_device()?;
    let network = load(way)?;
    let gallery = Gallery::read(path)?;
    fits(&gallery, path, way, &network)?;
    if gallery.entries().is_empty() {
        return Err(Error::Input(format!("{}: nobody is in it; identify --add adds people", path.display())));
    }
    let pictures = pictures::open(context, &network.model, inputs, &way.ways)?;
    // A calibration is of two pictures of one kind.
    let both = [Source::Hr, Source::Lr].into_iter();
    let enrolled = both.filter(|source| ["mixed", source.word()].contains(&gallery.origin.input.as_str()));
    let sources: Vec<Source> = enrolled.chain(pictures.sources().iter().copied()).collect();
    let threshold = calibrate::threshold(context, &network, &way.model, threshold, way.mirror, &sources)?;
    let (features, width) = pictures::features(context, &device, network, &pictures, way.mirror)?;
    let probes = directions(&features, width)?;
    let (people, person) = gallery.people();
    let rows = Features { width: gallery.width(), rows: gallery.features() };
    let found = nearest(rows, &person, Features { width, rows: &probes }, count)?;
    let named = |found: &identification::Match| Match {
        name: people[found.person as usize].to_owned(),
        cosine: found.cosine,
        picture: gallery.entries()[found.row].1.clone(),
    };
    let answer = |(picture, matches): (String, Vec<identification::Match>)| {
        let best = matches.first().map(|best| best.cosine);
        let known = threshold.map(|threshold| best.is_some_and(|best| best >= threshold));
        Answer { picture, matches: matches.iter().map(named).collect(), known }
    };
    let answers = pictures.names().into_iter().zip(found).map(answer).collect();
    Ok(Searched { device: device.info().name, size: size(&gallery), threshold, answers })
}

fn load(way: &Way) -> Result<Network> {
    let network = Network::load(&way.model)?.in_precision(way.ways.precision);
    pictures::needs_recognizer(&network, &way.model)?;
    Ok(network)
}

/// Refuses a gallery whose features are not those of a model, or not of the kind asked for.
fn fits(gallery: &Gallery, path: &Path, way: &Way, network: &Network) -> Result<()> {
    let (place, model) = (path.display(), way.model.display());
    if !network.is(&gallery.origin.model_sha256)? {
        return Err(Error::Input(format!(
            "{place}: its features are another model's than {model}, so they cannot be compared; use that model or make a new gallery"
        )));
    }
    match (gallery.origin.mirror, way.mirror) {
        (true, false) => {
            Err(Error::Usage(format!("{place}: its features are [f(x), f(flip x)]; leave --no-mirror out")))
        }
        (false, true) => Err(Error::Usage(format!("{place}: its features are f(x) alone; give --no-mirror"))),
        _ => Ok(()),
    }
}

fn kind(sources: &[Source]) -> &'static str {
    match sources.first() {
        Some(first) if sources.iter().all(|source| source == first) => first.word(),
        _ => "mixed",
    }
}

fn directions(features: &[f32], width: usize) -> Result<Vec<f32>> {
    let mut rows = Vec::with_capacity(features.len());
    for feature in features.chunks_exact(width) {
        rows.extend(normalised(feature)?);
    }
    Ok(rows)
}

fn size(gallery: &Gallery) -> Size {
    Size { people: gallery.people().0.len(), pictures: gallery.entries().len() }
}

/// The pictures to add and whose they are. In a folder of folders each folder is a person; a folder of pictures is the person it is
/// named after, a single picture too, and `person` overrules all of it.
fn owners(inputs: &[PathBuf], person: Option<&str>) -> Result<(Vec<Found>, Vec<Entry>)> {
    let mut all: Vec<(Entry, Found)> = Vec::new();
    for input in inputs {
        let pictures = folder::pictures(std::slice::from_ref(input))?;
        let in_folders = pictures.iter().filter(|found| found.name.contains('/')).count();
        if person.is_none() && in_folders > 0 && in_folders < pictures.len() {
            return Err(Error::Usage(format!(
                "{}: some pictures lie in folders of people and some beside them; give every person a folder, or --name",
                input.display()
            )));
        }
        let alone = if input.is_dir() { None } else { pictures.first().map(|found| stem(&found.name).to_owned()) };
        for found in pictures {
            let owner = match (person, found.name.split_once('/'), &alone) {
                (Some(person), ..) => person.to_owned(),
                (None, Some((folder, _)), _) => folder.to_owned(),
                (None, None, Some(alone)) => alone.clone(),
                (None, None, None) => last_part(input)?,
            };
            all.push((Entry(owner, found.name.clone()), found));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some([(entry, one), (_, other)]) = all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::Usage(format!(
            "{} and {} would both be the picture {} of {}: add them in two runs, or rename one",
            one.path.display(),
            other.path.display(),
            entry.1,
            entry.0
        )));
    }
    let (entries, found) = all.into_iter().unzip();
    Ok((found, entries))
}

/// The name of a folder, also of `.`.
fn last_part(folder: &Path) -> Result<String> {
    let real = folder.canonicalize().map_err(Error::reading(folder))?;
    let name = real.file_name().and_then(|name| name.to_str()).filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| {
        Error::Usage(format!("{}: its name says not whose pictures are in it; give --name", folder.display()))
    })
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
