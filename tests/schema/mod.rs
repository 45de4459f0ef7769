//! Whether a `--json` document is what its schema in `schemas/` says, by the part of JSON Schema (draft 2020-12) that our schemas use.
//! A consumer must allow keys that a schema does not name; here, one that is not named is a schema that lags behind.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// Where the schemas are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

/// What is wrong with a document. A word in a schema that is not known here is a mistake of the schema's.
pub fn wrong(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut demand = |met: bool, what: &str| {
        if !met {
            found.push(format!("{place}: {value} {what}"));
        }
    };
    let empty = Vec::new();
    let list = |key: &str| schema[key].as_array().unwrap_or(&empty);
    for (word, rule) in schema.as_object().unwrap() {
        let bound = rule.as_f64().unwrap_or(f64::NAN);
        match word.as_str() {
            "$schema" | "title" | "description" | "properties" | "additionalProperties" | "items" => {}
            "type" if rule.is_string() => demand(is(value, rule), &format!("is no {rule}")),
            "type" => demand(list("type").iter().any(|rule| is(value, rule)), &format!("is none of {rule}")),
            "enum" => demand(list("enum").contains(value), &format!("is none of {rule}")),
            "minimum" => demand(value.as_f64().is_none_or(|number| number >= bound), &format!("is under {rule}")),
            "maximum" => demand(value.as_f64().is_none_or(|number| number <= bound), &format!("is over {rule}")),
            "minItems" => demand(value.as_array().is_none_or(|items| items.len() as f64 >= bound), "is too short"),
            "maxItems" => demand(value.as_array().is_none_or(|items| items.len() as f64 <= bound), "is too long"),
            "required" => {
                let missing = list("required").iter().find(|key| value.get(key.as_str().unwrap()).is_none());
                demand(!value.is_object() || missing.is_none(), &format!("lacks {missing:?}"));
            }
            other => panic!("{place}: a schema says {other}, which this test does not know"),
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key).or(schema.get("additionalProperties")) {
            Some(schema) => found.extend(wrong(schema, value, &format!("{place}.{key}"))),
            None => found.push(format!("{place}: the schema does not name {key}")),
        }
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(wrong(&schema["items"], value, &format!("{place}[{index}]")));
    }
    found
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("{other} is no type of JSON"),
    }
}

/// Ends the test where a document is not as `schemas/NAME.json` says.
pub fn check(name: &str, document: &Value) {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let wrong = wrong(&serde_json::from_str(&text).unwrap(), document, name);
    assert!(wrong.is_empty(), "{}\n{document:#}", wrong.join("\n"));
}
