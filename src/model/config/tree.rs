//! Configuration text as a tree whose every value remembers where it was written, and `--set` on such a tree. It knows
//! TOML and JSON, and no key by name except `train.stages`, whose tables a command-line value has to reach as well.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};

pub(super) type Entries = BTreeMap<String, Node>;

/// How the message about a whole number that no i64 holds ends.
const TOO_LONG: &str = "does not fit in 64 bits";

/// A value and the place it was written at, for error messages: `configs/lfw.toml:12` or `--set train.lr=1`.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub value: Value,
    pub place: String,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Integer(i64),
    Real(f64),
    Text(String),
    Flag(bool),
    Moment(String),
    List(Vec<Node>),
    Table(Entries),
}

impl std::fmt::Display for Value {
    /// As the user would have written it, except that tables are not spelled out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Integer(number) => write!(f, "{number}"),
            Value::Real(number) if matches!(number.abs(), 1e-5..1e16) => write!(f, "{number}"),
            // Debug writes what is very large or small with an exponent, not with hundreds of digits.
            Value::Real(number) => write!(f, "{number:?}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Moment(moment) => write!(f, "{moment}"),
            Value::Table(_) => write!(f, "{{...}}"),
            Value::List(items) => {
                write!(f, "[")?;
                for (index, item) in items.iter().take(8).enumerate() {
                    write!(f, "{}{}", if index > 0 { ", " } else { "" }, item.value)?;
                }
                write!(f, "{}]", if items.len() > 8 { ", ..." } else { "" })
            }
        }
    }
}

/// Parses a TOML document; `file` is its name in messages.
///
/// # Errors
/// `Usage`, naming the file and the line.
pub(super) fn parse(file: &str, text: &str) -> Result<Entries> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    parse_placed(text, &|offset| format!("{file}:{}", line_of(offset)))
}

fn parse_placed(text: &str, place_of: &dyn Fn(usize) -> String) -> Result<Entries> {
    let document = DeTable::parse(text).map_err(|error| {
        let place = place_of(error.span().map_or(0, |span| span.start));
        let message = error.message().replace('\n', "; ");
        Error::Usage(format!("{place}: not valid TOML: {message}"))
    })?;
    table(document.get_ref(), place_of)
}

fn table(entries: &DeTable<'_>, place_of: &dyn Fn(usize) -> String) -> Result<Entries> {
    let mut result = Entries::new();
    for (key, value) in entries {
        let place = place_of(key.span().start);
        result.insert(key.get_ref().to_string(), node(value.get_ref(), place, place_of)?);
    }
    Ok(result)
}

fn node(value: &DeValue<'_>, place: String, place_of: &dyn Fn(usize) -> String) -> Result<Node> {
    let value = match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => return Err(Error::Usage(format!("{place}: {} {TOO_LONG}", number.as_str()))),
        },
        // A literal such as 1e999 parses to infinity, which no range holds.
        DeValue::Float(number) => Value::Real(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| node(item.get_ref(), place_of(item.span().start), place_of);
            Value::List(items.iter().map(item).collect::<Result<_>>()?)
        }
        DeValue::Table(entries) => Value::Table(table(entries, place_of)?),
    };
    Ok(Node { value, place })
}

/// The tree of a JSON value; every node has the same place. `null` becomes an empty list, which switches a key off.
pub(super) fn from_json(value: &serde_json::Value, place: &str) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::List(Vec::new()),
        serde_json::Value::Bool(flag) => Value::Flag(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Integer(whole),
            None => Value::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(items) => Value::List(items.iter().map(|item| from_json(item, place)).collect()),
        serde_json::Value::Object(entries) => {
            Value::Table(entries.iter().map(|(key, value)| (key.clone(), from_json(value, place))).collect())
        }
    };
    Node { value, place: place.to_owned() }
}

/// Applies `--set key=value`. A key of `[train]` or `[loss]` is also taken out of every stage, so that the value given
/// on the command line holds everywhere; `train.stages.2.lr` reaches the second stage alone.
///
/// # Errors
/// `Usage` for a key that leads through a value that is no table, or to a stage that does not exist.
pub(super) fn set(root: &mut Entries, key: &str, text: &str) -> Result<()> {
    let place = format!("--set {key}={text}");
    let path: Vec<&str> = key.split('.').map(str::trim).collect();
    if path.iter().any(|part| part.is_empty()) || path.len() > 8 {
        return Err(Error::Usage(format!("{place}: the key must be written table.name, such as train.lr")));
    }
    let value = Node { value: command_line_value(text, &place)?, place: place.clone() };
    match path.as_slice() {
        [table] if matches!(value.value, Value::Table(_)) => {
            return Err(Error::Usage(format!(
                "{place}: the keys of {table} are set one at a time, such as train.lr=0.01"
            )));
        }
        ["train", "stages"] => {
            return Err(Error::Usage(format!(
                "{place}: stages are set one key at a time, such as train.stages.2.lr=0.01"
            )));
        }
        ["train", name] => each_stage(root, |stage| {
            stage.remove(*name);
        }),
        ["loss", name] => each_stage(root, |stage| {
            if let Some(Node { value: Value::Table(loss), .. }) = stage.get_mut("loss") {
                loss.remove(*name);
            }
        }),
        _ => (),
    }
    insert(root, &path, value, &place)
}

/// A value on the command line is TOML; a bare word, such as a mode or a file name, needs no quotes.
fn command_line_value(text: &str, place: &str) -> Result<Value> {
    let document = format!("value = {}", text.trim());
    match parse_placed(&document, &|_| place.to_owned()) {
        Ok(mut entries) if entries.len() == 1 => {
            Ok(entries.remove("value").map_or_else(|| Value::Text(text.to_owned()), |node| node.value))
        }
        // A number is meant as a number even where it is too large to be one.
        Err(error) if error.to_string().ends_with(TOO_LONG) => Err(error),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn each_stage(root: &mut Entries, change: impl Fn(&mut Entries)) {
    if let Some(Node { value: Value::Table(train), .. }) = root.get_mut("train")
        && let Some(Node { value: Value::List(stages), .. }) = train.get_mut("stages")
    {
        for stage in stages {
            if let Value::Table(entries) = &mut stage.value {
                change(entries);
            }
        }
    }
}

fn insert(entries: &mut Entries, path: &[&str], value: Node, place: &str) -> Result<()> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(());
    };
    if rest.is_empty() {
        entries.insert((*first).to_owned(), value);
        return Ok(());
    }
    let absent = || Node { value: Value::Table(Entries::new()), place: place.to_owned() };
    if *first == "stages" {
        return insert_in_stage(entries.get_mut("stages"), rest, value, place);
    }
    match &mut entries.entry((*first).to_owned()).or_insert_with(absent).value {
        Value::Table(inner) => insert(inner, rest, value, place),
        _ => Err(Error::Usage(format!("{place}: {first} has no keys of its own"))),
    }
}

fn insert_in_stage(stages: Option<&mut Node>, path: &[&str], value: Node, place: &str) -> Result<()> {
    let stages: &mut [Node] = match stages {
        Some(Node { value: Value::List(stages), .. }) => stages,
        _ => &mut [],
    };
    let count = stages.len();
    let number = path.first().and_then(|word| word.parse::<usize>().ok()).and_then(|number| number.checked_sub(1));
    match (number.and_then(|index| stages.get_mut(index)), path.split_first()) {
        (Some(Node { value: Value::Table(stage), .. }), Some((_, rest))) if !rest.is_empty() => {
            insert(stage, rest, value, place)
        }
        (Some(_), _) => Err(Error::Usage(format!("{place}: name a key of the stage, such as train.stages.1.lr"))),
        _ if count == 0 => Err(Error::Usage(format!("{place}: this configuration has no stages"))),
        _ => Err(Error::Usage(format!("{place}: this configuration has stages 1 to {count}"))),
    }
}

/// Takes every stage out, for a run of `[train]` alone.
pub(super) fn drop_stages(root: &mut Entries) {
    if let Some(Node { value: Value::Table(train), .. }) = root.get_mut("train") {
        train.remove("stages");
    }
}
