//! The people of the demo: pictures to train on, pictures of others to test on, and pairs of the latter. All a function of the
//! seed.

use super::Sizes;
use crate::data::image::{self, Picture};
use crate::data::synth;
use crate::error::{Error, Result};
use crate::random::Random;
use crate::shape::HR;
use crate::tasks::Context;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Draws people `first..first + count`, `images` pictures each, as `NAME/NAME_0001.png`: the names that pairs go by.
///
/// # Errors
/// `Io`, and `Interrupted` when the user stopped.
pub fn draw(context: &Context, folder: &Path, seed: u64, (first, count): (u32, u32), images: u32) -> Result<()> {
    let (total, done) = (u64::from(count) * u64::from(images), AtomicUsize::new(0));
    (first..first.saturating_add(count)).into_par_iter().try_for_each(|identity| {
        let own = folder.join(name(identity));
        std::fs::create_dir_all(&own).map_err(Error::io("cannot create the folder", &own))?;
        for picture in 0..images {
            if context.stopped() {
                return Err(Error::Interrupted("stopped while drawing faces".into()));
            }
            let face = Picture::new(HR.1, HR.0, synth::face(seed, identity, picture))?;
            let file = own.join(format!("{}_{:04}.png", name(identity), picture + 1));
            // A demo that loses power is run again: a plain write is enough, and syncing each of many small files is slow.
            std::fs::write(&file, image::encode_png(&face)?).map_err(Error::io("cannot write", &file))?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            context.listener.progress("draw", done as u64, total, 1, "");
        }
        Ok(())
    })
}

fn name(identity: u32) -> String {
    format!("id{identity:05}")
}

/// The text of a `pairs.txt` of the test people: each fold has people of its own, as many pairs of one person as of two.
///
/// # Errors
/// `Usage` where there are too few people or pictures for so many pairs.
pub fn pairs(sizes: &Sizes, seed: u64) -> Result<String> {
    let (folds, wanted) = (sizes.folds, sizes.pairs);
    let mut text = format!("{folds}\t{wanted}\n");
    for fold in 0..folds {
        let mut random = Random::keyed(seed, &[u64::from_le_bytes(*b"demopair"), fold as u64]);
        let bound = |fold: usize| sizes.identities + (fold as u64 * u64::from(sizes.strangers) / folds as u64) as u32;
        let people: Vec<u32> = (bound(fold)..bound(fold + 1)).collect();
        let (mut same, mut different) = (Vec::new(), Vec::new());
        for (position, person) in people.iter().enumerate() {
            for a in 1..=sizes.strangers_images {
                same.extend((a + 1..=sizes.strangers_images).map(|b| format!("{}\t{a}\t{b}\n", name(*person))));
                for other in &people[position + 1..] {
                    let pair = |b| format!("{}\t{a}\t{}\t{b}\n", name(*person), name(*other));
                    different.extend((1..=sizes.strangers_images).map(pair));
                }
            }
        }
        for list in [same, different] {
            if list.len() < wanted {
                return Err(Error::Usage(format!(
                    "{} people with {} pictures each do not give {folds} folds of {wanted} pairs of a kind",
                    sizes.strangers, sizes.strangers_images
                )));
            }
            let chosen = random.permutation(list.len());
            text.extend(chosen.iter().take(wanted).map(|choice| list[*choice as usize].as_str()));
        }
    }
    Ok(text)
}
