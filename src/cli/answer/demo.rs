//! The end of the demo: what the numbers show, where the report is, what to do next.

use super::Answer;
use crate::error::Result;
use crate::tasks::demo::Findings;

/// Sentences and commands.
pub fn demo(findings: &Findings) -> Result<Answer> {
    let report = findings.out.join("report.html");
    let sentences = findings.sentences()?.join("\n");
    let next = findings.next().join("\n  ");
    let text = format!("{sentences}\nreport   {} ({:.0} s)\nnext\n  {next}", report.display(), findings.seconds);
    Ok(Answer { text, json: findings.to_json(), code: 0 })
}
