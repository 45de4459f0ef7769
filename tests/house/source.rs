//! Reading source files as text: code without comments and strings, and the paths of the crate that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A source file.
pub struct Source {
    /// From the root of the repository, with forward slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and the content of strings blanked, line for line.
    pub code: String,
}

impl Source {
    /// The folder or file directly under `src` that it belongs to, without `.rs`.
    pub fn module(&self) -> &str {
        let inside = self.path.trim_start_matches("src/");
        inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
    }

    /// Every path into the crate, split at `::`: `use` trees flattened, and the ones written out in code. Where a whole module is
    /// brought in by its name, what the code then takes from it stands for it.
    pub fn crate_paths(&self) -> BTreeSet<Vec<String>> {
        let mut paths = BTreeSet::new();
        for mut path in self.written_paths() {
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let taken = if path.len() == 1 { self.taken_from(&path[0]) } else { BTreeSet::new() };
            paths.extend(taken.iter().map(|name| vec![path[0].clone(), name.clone()]));
            if taken.is_empty() {
                paths.insert(path);
            }
        }
        paths
    }

    /// The names behind `module::` anywhere in the code.
    fn taken_from(&self, module: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for (at, found) in self.code.match_indices(&format!("{module}::")) {
            if !self.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                let rest = &self.code[at + found.len()..];
                names.extend(rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().map(str::to_owned));
            }
        }
        names
    }

    fn written_paths(&self) -> BTreeSet<Vec<String>> {
        let mut paths = BTreeSet::new();
        let mut rest = self.code.as_str();
        while let Some(at) = rest.find("crate::") {
            let whole = !rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
            rest = &rest[at + "crate::".len()..];
            if whole {
                tree(rest, &mut Vec::new(), &mut paths);
            }
        }
        paths
    }
}

/// Reads one path or tree of paths (`a::{b, c::d}`) from the beginning of `text`; returns what is behind it.
fn tree<'a>(mut text: &'a str, prefix: &mut Vec<String>, paths: &mut BTreeSet<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    loop {
        text = text.trim_start();
        if let Some(inside) = text.strip_prefix('{') {
            text = inside.trim_start();
            while !text.starts_with('}') && !text.is_empty() {
                text = tree(text, prefix, paths).trim_start();
                text = text.strip_prefix(',').unwrap_or(text).trim_start();
            }
            prefix.truncate(depth);
            return text.strip_prefix('}').unwrap_or(text);
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        prefix.push(text[..end].to_owned());
        // A star, or anything unknown, is a name of one character, so that the reader always moves on.
        text = if end == 0 { text.get(1..).unwrap_or("") } else { &text[end..] };
        let Some(next) = text.strip_prefix("::") else { break };
        text = next;
    }
    paths.insert(prefix.clone());
    prefix.truncate(depth);
    let text = text.trim_start();
    // `as name`
    text.strip_prefix("as ").map_or(text, |text| text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Blanks comments and the content of strings and characters; line breaks stay.
pub fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = if starts(at, "//") {
            (at..chars.len()).find(|i| chars[*i] == '\n').unwrap_or(chars.len())
        } else if starts(at, "/*") {
            (at + 2..chars.len()).find(|i| starts(*i, "*/")).map_or(chars.len(), |i| i + 2)
        } else if let Some(hashes) = raw_string(&chars, at) {
            let close = format!("\"{}", "#".repeat(hashes));
            let inside = at + 2 + hashes;
            (inside..chars.len()).find(|i| starts(*i, &close)).map_or(chars.len(), |i| i + close.len())
        } else if chars[at] == '"' {
            quoted(&chars, at, '"')
        } else if chars[at] == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
            quoted(&chars, at, '\'')
        } else {
            code.push(chars[at]);
            at += 1;
            continue;
        };
        code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

/// Number of hashes of a raw string that begins here.
fn raw_string(chars: &[char], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map(|before| chars[before]);
    if chars[at] != 'r' || before.is_some_and(|c| c.is_alphanumeric() && c != 'b' || c == '_') {
        return None;
    }
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn quoted(chars: &[char], at: usize, quote: char) -> usize {
    let mut end = at + 1;
    while end < chars.len() && chars[end] != quote {
        end += if chars[end] == '\\' { 2 } else { 1 };
    }
    (end + 1).min(chars.len())
}

/// The repository; Cargo tells its tests where that is.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
}

/// Files under a folder whose names end so, in order of their paths; none where the folder is not there.
pub fn files(folder: &str, ends: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if ends.iter().any(|end| path.to_string_lossy().ends_with(end)) {
                found.push(read(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn read(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).unwrap();
    let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    Source { path, code: code_of(&text), text }
}
