//! The architecture as a test: the sentences of DESIGN.md that can be checked by reading the source.

#[path = "house/arrows.rs"]
mod arrows;
#[path = "house/rules.rs"]
mod rules;
#[path = "house/source.rs"]
mod source;

use source::{Source, code_of};

/// The reader itself, on text that would fool a search for words.
#[test]
fn code_is_told_from_comments_and_strings() {
    let text =
        "let a = \"unsafe // {\"; // panic!\nlet b = '\"'; /* dbg! */ x.unwrap();\nlet c: &'a str = r#\"todo!\"#;\n";
    let code = code_of(text);
    assert_eq!(code.lines().count(), 3);
    assert!(["unsafe", "panic!", "dbg!", "todo!"].iter().all(|word| !code.contains(word)), "{code}");
    assert!(code.contains("x.unwrap();") && code.contains("&'a str"), "{code}");
}

#[test]
fn paths_are_read_from_trees_and_from_code() {
    let text = "use crate::ops::{Desc, conv::{self, Conv as C}, *};\npub(crate) fn f() -> crate::Result<()> { crate::graph::run(mycrate::no) }\n";
    let source = Source { path: "src/model/x.rs".into(), text: text.into(), code: code_of(text) };
    let paths: Vec<String> = source.crate_paths().iter().map(|path| path.join("::")).collect();
    let expected = ["Result", "graph::run", "ops::", "ops::Desc", "ops::conv", "ops::conv::Conv"];
    assert_eq!(paths, expected);
    assert_eq!(source.module(), "model");

    let text = "use crate::backend::{self, Choice};\nfn f() { backend::open(Choice::Cpu) }\n";
    let source = Source { path: "src/tasks/x.rs".into(), text: text.into(), code: code_of(text) };
    let paths: Vec<String> = source.crate_paths().iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["backend::Choice", "backend::open"]);
}
