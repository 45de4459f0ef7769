//! The page: blocks in the order in which they were added, everything escaped, style and pictures inside.
//!
//! It knows text, tables, charts and PNG; it fetches nothing, and a content security policy in the page forbids that too.

use super::charts::Chart;
use super::grid::Sheet;
use crate::error::Result;

/// A report in the making.
///
/// ```
/// use hallucinet::report::Report;
/// let mut report = Report::new("A run");
/// report.facts(&[("device", "cpu"), ("seed", "7")]);
/// report.section("Scores").table(&["row", "PSNR[RGB]"], &[vec!["bicubic".into(), "27.31".into()]], "");
/// assert!(report.render().starts_with("<!DOCTYPE html>"));
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    title: String,
    body: String,
}

impl Report {
    /// A page with a title.
    pub fn new(title: &str) -> Self {
        Report { title: title.to_owned(), body: String::new() }
    }

    /// A heading; what follows belongs to it.
    pub fn section(&mut self, heading: &str) -> &mut Self {
        self.add(&["<h2>", &escape(heading), "</h2>\n"])
    }

    /// A paragraph of plain text.
    pub fn paragraph(&mut self, text: &str) -> &mut Self {
        self.add(&["<p>", &escape(text), "</p>\n"])
    }

    /// A command or other text to be copied, in the typewriter's face, line breaks kept.
    pub fn code(&mut self, text: &str) -> &mut Self {
        self.add(&["<pre><code>", &escape(text), "</code></pre>\n"])
    }

    /// The recipe: names and values (device, seed, command).
    pub fn facts(&mut self, facts: &[(&str, &str)]) -> &mut Self {
        self.add(&["<dl>\n"]);
        for (name, value) in facts {
            self.add(&["<div><dt>", &escape(name), "</dt><dd>", &escape(value), "</dd></div>\n"]);
        }
        self.add(&["</dl>\n"])
    }

    /// A table: a header and rows of cells; columns of numbers stand right. Short rows are filled with empty cells.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>], caption: &str) -> &mut Self {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(header.len());
        let right: Vec<bool> = (0..columns).map(|column| is_numeric(rows, column)).collect();
        let cell = |tag: &str, column: usize, text: &str| {
            let class = if right[column] { " class=\"n\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", escape(text))
        };
        self.add(&["<div class=\"wide\"><table>\n"]);
        if !caption.is_empty() {
            self.add(&["<caption>", &escape(caption), "</caption>\n"]);
        }
        let head: String = (0..columns).map(|c| cell("th", c, header.get(c).copied().unwrap_or(""))).collect();
        self.add(&["<thead><tr>", &head, "</tr></thead>\n<tbody>\n"]);
        for row in rows {
            let cells: String = (0..columns).map(|c| cell("td", c, row.get(c).map_or("", String::as_str))).collect();
            self.add(&["<tr>", &cells, "</tr>\n"]);
        }
        self.add(&["</tbody></table></div>\n"])
    }

    /// A chart with a caption.
    pub fn chart(&mut self, chart: &Chart, caption: &str) -> &mut Self {
        self.add(&["<figure>\n", chart.svg(), "<figcaption>", &escape(caption), "</figcaption></figure>\n"])
    }

    /// A picture with a caption, embedded as PNG.
    ///
    /// # Errors
    /// Those of [`Sheet::png`].
    pub fn picture(&mut self, sheet: &Sheet, caption: &str) -> Result<&mut Self> {
        let data = base64(&sheet.png()?);
        let size = format!("width=\"{}\" height=\"{}\"", sheet.width, sheet.height);
        let text = escape(caption);
        Ok(self.add(&[
            "<figure><div class=\"wide\"><img ",
            &size,
            " alt=\"",
            &text,
            "\" src=\"data:image/png;base64,",
            &data,
            "\"></div><figcaption>",
            &text,
            "</figcaption></figure>\n",
        ]))
    }

    /// The whole page.
    pub fn render(&self) -> String {
        let title = escape(&self.title);
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <header><h1>{title}</h1></header>\n{}<footer>hallucinet {version}</footer>\n</main>\n</body>\n</html>\n",
            self.body
        )
    }

    fn add(&mut self, parts: &[&str]) -> &mut Self {
        self.body.extend(parts.iter().copied());
        self
    }
}

const STYLE: &str = include_str!("style.css");

/// Text for HTML, inside elements and inside quoted attributes. Control characters other than line breaks and tabs become
/// the replacement character: a page must stay a page whatever a file was called.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// True where a column holds numbers and nothing else but blanks and dashes.
fn is_numeric(rows: &[Vec<String>], column: usize) -> bool {
    let blank = |text: &str| matches!(text.trim(), "" | "-" | "\u{2013}" | "\u{2014}");
    let mut cells = rows.iter().filter_map(|row| row.get(column)).filter(|text| !blank(text)).peekable();
    cells.peek().is_some() && cells.all(|text| starts_as_number(text))
}

/// "27.31", "-3", "+0.4", "91.2 %", "0.92 ± 0.01", "3/7", "12 ms".
fn starts_as_number(text: &str) -> bool {
    let unsigned = text.trim().trim_start_matches(['+', '-', '\u{2212}', '<', '>', '~']).trim_start();
    let digits = unsigned.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '_'));
    let rest = digits.trim_start();
    unsigned.starts_with(|c: char| c.is_ascii_digit())
        && rest.split_whitespace().count() <= 3
        && rest.chars().count() <= 12
        || matches!(unsigned, "NaN" | "inf")
}

/// Base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for k in 0..4 {
            let known = k <= group.len();
            out.push(if known { ALPHABET[(word >> (18 - 6 * k) & 63) as usize] as char } else { '=' });
        }
    }
    out
}
