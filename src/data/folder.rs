//! Which pictures are in a folder: sorted names and their identities, found without opening a single picture. Knows names.
//!
//! Names are paths relative to the folder with `/` between the parts, sorted by their bytes; entries that begin with a dot and
//! files whose names do not end like a picture's are passed over; links are followed, loops of links are an error.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::image::{EXTENSIONS, cannot_read, has_picture_name};
use crate::error::{Error, Result};

/// Names of pictures and whose they are. Labels count identities in sorted order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Path of each picture, sorted.
    pub names: Vec<String>,
    /// Identity of each picture, an index into `identities`.
    pub labels: Vec<u32>,
    /// Name of each identity, sorted.
    pub identities: Vec<String>,
}

impl Listing {
    /// From sorted names: the identity is the first part of the path.
    pub fn of_identities(names: Vec<String>) -> Listing {
        let mut identities: Vec<String> = names.iter().map(|name| identity_of(name).to_owned()).collect();
        identities.sort_unstable();
        identities.dedup();
        let order: HashMap<&str, u32> = identities.iter().map(String::as_str).zip(0..).collect();
        let labels = names.iter().map(|name| order.get(identity_of(name)).copied().unwrap_or_default()).collect();
        Listing { names, labels, identities }
    }

    /// From sorted names of pictures whose identity does not matter: all belong to one without a name.
    pub fn of_plain(names: Vec<String>) -> Listing {
        Listing { labels: vec![0; names.len()], identities: vec![String::new()], names }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Some of the pictures, in the order given; identities left without a picture go, the others are numbered anew.
    pub fn subset(&self, rows: &[usize]) -> Listing {
        let mut kept = vec![false; self.identities.len()];
        rows.iter().for_each(|row| kept[self.labels[*row] as usize] = true);
        let mut label = vec![0u32; kept.len()];
        let mut identities = Vec::new();
        for (old, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            label[old] = identities.len() as u32;
            identities.push(self.identities[old].clone());
        }
        Listing {
            names: rows.iter().map(|row| self.names[*row].clone()).collect(),
            labels: rows.iter().map(|row| label[self.labels[*row] as usize]).collect(),
            identities,
        }
    }
}

/// The first part of a picture's path.
pub(super) fn identity_of(name: &str) -> &str {
    name.split_once('/').map_or("", |(identity, _)| identity)
}

/// The pictures of a folder of identity folders (each may have folders inside), and how many lie outside of any identity.
pub fn identities(root: &Path) -> Result<(Listing, usize)> {
    let mut names = Vec::new();
    let mut outside = 0;
    let mut ancestors = vec![canonical(root)?];
    for entry in entries(root)? {
        if !entry.folder {
            outside += usize::from(has_picture_name(&entry.path));
            continue;
        }
        let before = names.len();
        walk(&entry, &entry.name, &mut ancestors, &mut names)?;
        if names.len() == before {
            return Err(Error::Input(format!(
                "{} has no pictures: remove the folder or fill it",
                entry.path.display()
            )));
        }
    }
    if names.is_empty() {
        let hint = if outside > 0 { "pictures but no identity folders" } else { "no identity folders with pictures" };
        return Err(Error::Input(format!("{} has {hint}: one folder a person is needed here", root.display())));
    }
    names.sort_unstable();
    Ok((Listing::of_identities(names), outside))
}

/// The pictures in a folder and all folders inside it.
pub fn plain(root: &Path) -> Result<Listing> {
    let mut names = Vec::new();
    let root_entry = Entry { path: root.to_owned(), name: String::new(), folder: true };
    walk(&root_entry, "", &mut Vec::new(), &mut names)?;
    if names.is_empty() {
        let known = EXTENSIONS.join(", ");
        return Err(Error::Input(format!("{} has no pictures ({known})", root.display())));
    }
    names.sort_unstable();
    Ok(Listing::of_plain(names))
}

/// A picture to read, and the name it goes by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Path relative to the folder it was found in; of a file that was named itself, the last part.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

/// The pictures that a command's inputs stand for, sorted by name: files as they are, folders with all that is inside. Two
/// pictures of the same name are an [`Error::Usage`], since one's output would overwrite the other's.
pub fn pictures(inputs: &[PathBuf]) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for input in inputs {
        if std::fs::metadata(input).map_err(cannot_read(input))?.is_dir() {
            found.extend(plain(input)?.names.into_iter().map(|name| Found { path: input.join(&name), name }));
        } else {
            let name = input.file_name().unwrap_or(input.as_os_str());
            found.push(Found { name: utf8(input, name.to_str())?.to_owned(), path: input.clone() });
        }
    }
    found.sort_unstable();
    if let Some([first, second]) = found.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(Error::Usage(format!(
            "{} and {} would both be called {}: give them in two runs",
            first.path.display(),
            second.path.display(),
            first.name
        )));
    }
    Ok(found)
}

struct Entry {
    path: PathBuf,
    name: String,
    folder: bool,
}

/// What is in a folder, hidden entries aside, in no order.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let cannot = || cannot_read(folder);
    let mut list = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot())? {
        let entry = entry.map_err(cannot())?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type().map_err(cannot())?;
        // Only a link needs a second look at the disk.
        let folder = if kind.is_symlink() {
            std::fs::metadata(&path).map_err(Error::io("cannot follow the link", &path))?.is_dir()
        } else {
            kind.is_dir()
        };
        if folder || has_picture_name(&path) {
            list.push(Entry { name: utf8(&path, name.to_str())?.to_owned(), path, folder });
        }
    }
    Ok(list)
}

fn utf8<'a>(path: &Path, name: Option<&'a str>) -> Result<&'a str> {
    name.ok_or_else(|| Error::Input(format!("{:?} is not a name in UTF-8: rename it", path.to_string_lossy())))
}

fn canonical(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().map_err(cannot_read(folder))
}

fn walk(folder: &Entry, prefix: &str, ancestors: &mut Vec<PathBuf>, names: &mut Vec<String>) -> Result<()> {
    let real = canonical(&folder.path)?;
    if ancestors.contains(&real) {
        return Err(Error::Input(format!(
            "{} links back to a folder it is in: remove the link",
            folder.path.display()
        )));
    }
    ancestors.push(real);
    for entry in entries(&folder.path)? {
        let name = if prefix.is_empty() { entry.name.clone() } else { format!("{prefix}/{}", entry.name) };
        if entry.folder {
            walk(&entry, &name, ancestors, names)?;
        } else {
            names.push(name);
        }
    }
    ancestors.pop();
    Ok(())
}
