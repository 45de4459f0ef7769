//! What `identify` found in its gallery, or made of it.

use super::Answer;
use crate::cli::console::printable;
use crate::tasks::identify::{self, Identified, Searched, Size};
use serde_json::{Value, json};

/// Who is who, or what changed.
pub fn identify(identified: &Identified) -> Answer {
    let (text, mut json, now) = match identified {
        Identified::Added { added, replaced, now } => {
            let again = if *replaced > 0 { format!(", {replaced} replaced") } else { String::new() };
            (format!("added    {added} pictures{again}"), json!({ "added": added, "replaced": replaced }), now)
        }
        Identified::Removed { removed, now } => {
            (format!("removed  {removed} pictures"), json!({ "removed": removed }), now)
        }
        Identified::Listed { people, now } => {
            let line = |(name, count): &(String, usize)| format!("{count:>8} {}", printable(name));
            let text: Vec<String> = people.iter().map(line).collect();
            let list: Vec<Value> =
                people.iter().map(|(name, count)| json!({ "name": name, "pictures": count })).collect();
            (text.join("\n"), json!({ "list": list }), now)
        }
        Identified::Searched(searched) => {
            let text: Vec<String> = searched.answers.iter().map(line).collect();
            (text.join("\n"), of_search(searched), &searched.size)
        }
    };
    let Size { people, pictures } = now;
    json["people"] = json!(people);
    json["pictures"] = json!(pictures);
    let total = format!("gallery  {people} people, {pictures} pictures");
    let text = if text.is_empty() { total } else { format!("{text}\n{total}") };
    Answer { text, json, code: 0 }
}

/// `a.jpg: Ann 0.8123 · Bob 0.4100`, or with a threshold `a.jpg: is Ann, 0.8123 · ...` or `a.jpg: unknown, nearest Ann 0.3100 · ...`.
fn line(answer: &identify::Answer) -> String {
    let matches = answer.matches.iter().map(|found| format!("{} {:.4}", printable(&found.name), found.cosine));
    let matches = matches.collect::<Vec<_>>().join(" · ");
    let verdict = match answer.known {
        Some(true) => "is ",
        Some(false) => "unknown, nearest ",
        None => "nearest ",
    };
    format!("{}: {verdict}{matches}", printable(&answer.picture))
}

fn of_search(searched: &Searched) -> Value {
    let result = |answer: &identify::Answer| {
        let matches: Vec<Value> = answer
            .matches
            .iter()
            .map(|found| json!({ "name": found.name, "cosine": found.cosine, "picture": found.picture }))
            .collect();
        json!({ "picture": answer.picture, "name": answer.name(), "known": answer.known, "matches": matches })
    };
    json!({
        "device": searched.device,
        "threshold": searched.threshold,
        "results": searched.answers.iter().map(result).collect::<Vec<_>>(),
    })
}
