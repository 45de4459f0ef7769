//! A small strict reader of tags: every element closed, in order, attributes quoted. Enough for pages and charts of ours.

/// The names of all elements in order of opening; panics with the place where nesting breaks.
pub fn elements(text: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "img", "br"];
    let (mut open, mut seen, mut rest): (Vec<String>, Vec<String>, &str) = (Vec::new(), Vec::new(), text);
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "stray '>' in {:?}", &rest[..start]);
        let end = end_of_tag(&rest[start..]) + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') || tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closing tag out of order after {seen:?}");
            continue;
        }
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(!name.is_empty(), "no element name in <{tag}>");
        seen.push(name.clone());
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("style is closed")..];
        }
        if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    seen
}

fn end_of_tag(text: &str) -> usize {
    let mut quote = false;
    for (i, c) in text.char_indices() {
        match c {
            '"' => quote = !quote,
            '<' if i > 0 => panic!("'<' inside a tag: {:?}", &text[..i.min(80)]),
            '>' if !quote => return i,
            _ => {}
        }
    }
    panic!("tag without end: {:?}", &text[..text.len().min(80)]);
}

#[test]
fn the_reader_notices_bad_nesting() {
    for bad in ["<p><b></p></b>", "<p>", "<p class=\"a>", "a > b <p></p>", "</p>"] {
        assert!(std::panic::catch_unwind(|| elements(bad)).is_err(), "{bad} passed");
    }
    assert_eq!(elements("<!DOCTYPE html><p a=\"x>y\">t<img src=\"\"><br></p>"), ["p", "img", "br"]);
}
