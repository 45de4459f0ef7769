//! What an evaluation found: every number with its recipe.

use super::Answer;
use crate::tasks::eval::{Evaluation, Identification, Restoration, Share, Verification, fraction};

/// Verification and restoration, as far as they were scored.
pub fn eval(evaluation: &Evaluation) -> Answer {
    let parts = [
        evaluation.verification.as_ref().map(verification),
        evaluation.identification.as_ref().map(identification),
        evaluation.restoration.as_ref().map(restoration),
    ];
    Answer { text: parts.into_iter().flatten().collect::<Vec<_>>().join("\n"), json: evaluation.to_json(), code: 0 }
}

fn verification(found: &Verification) -> String {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let known = |share: Option<f64>| share.map_or("not defined (too few pairs)".to_owned(), percent);
    let features = found.features();
    let roc = &found.roc;
    let same = found.scored.iter().filter(|pair| pair.same).count();
    let different = found.scored.len().saturating_sub(same);
    // Always answering the same is right half the time on an even list; the accuracy on an uneven one says less than it seems.
    let uneven = match same.max(different) > 2 * same.min(different) {
        true => {
            format!("  pairs       {same} of one person, {different} of two: AUC and EER say more than the accuracy\n")
        }
        false => String::new(),
    };
    format!(
        "verification  {}, input {}, cosine of {features}\n{uneven}  \
         accuracy    {} ± {} standard error; 95 % interval over pairs {} to {}\n  \
         AUC         {:.4}\n  EER         {}\n  TAR         {} at FAR 1e-2, {} at FAR 1e-3",
        found.recipe(),
        found.input_word(),
        percent(found.accuracy),
        percent(found.stderr),
        percent(found.interval.low),
        percent(found.interval.high),
        roc.auc(),
        percent(roc.eer()),
        known(roc.tar(1e-2)),
        known(roc.tar(1e-3)),
    )
}

fn identification(found: &Identification) -> String {
    let percent = |Share { share, interval }: Share| {
        format!("{:.2} %; 95 % interval {:.2} to {:.2} %", 100.0 * share, 100.0 * interval.low, 100.0 * interval.high)
    };
    let mut text = format!("identification  {}", found.recipe());
    for rank in &found.ranks {
        text += &format!("\n  rank-{:<7}{}", rank.k, percent(rank.found));
    }
    for rate in &found.rates {
        let detected = rate.detected.map(|(threshold, share)| format!("{} (cosine {threshold:.4})", percent(share)));
        let detected = detected.unwrap_or_else(|| "not defined (too few impostors)".to_owned());
        text += &format!("\n  DIR at FAR {}  {detected}", rate.name);
    }
    text
}

fn restoration(found: &Restoration) -> String {
    let mut text = format!(
        "restoration   mean of {} pictures, 8-bit RGB 96x112\n  {:<32}{:>12}{:>14}",
        found.pictures.len(),
        "",
        "bicubic",
        "hallucinated"
    );
    for score in found.scores() {
        let (bicubic, hallucinated) = (fraction(score.mean.bicubic), fraction(score.mean.hallucinated));
        text += &format!("\n  {:<32}{bicubic:>12}{hallucinated:>14}", score.name);
    }
    text
}
