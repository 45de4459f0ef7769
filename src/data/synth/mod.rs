//! Procedural faces: a stand-in for photographs where there are none, made of arithmetic and a seed.
//!
//! A face is a pure function of (seed, identity, image). The person ([`identity`]) fixes geometry and colours, the picture
//! ([`picture`]) pose, light, expression, background and camera; [`scene`] paints the layers, [`camera`] develops them.
//! The crop is that of the 5-point template: eyes near (29.3, 50.7) and (64.5, 50.5), mouth corners near y = 91.
//! It is no face model fitted to people: numbers were chosen by looking. The arithmetic is f64 with `sqrt` and the std's
//! `sin`, `cos`, `exp`, `powf`; the same build gives the same bytes on any x86-64 machine with the same libm.

mod camera;
mod eyes;
mod hair;
mod identity;
mod mouth;
mod noise;
mod picture;
mod relief;
mod scene;
mod skin;

use super::image::{self, Compression};
use crate::error::{Error, Result};
use crate::files::{self, NewFolder};
use crate::random::Random;
use crate::shape::HR;
use rayon::prelude::*;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All the people that one seed can draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    pub seed: u64,
    /// Everybody has the same skull, hair and colours: what tells people apart is finer than a pixel of 28x24.
    pub siblings: bool,
}

/// One picture of one of many strangers: 112 rows x 96 columns x RGB bytes.
pub fn face(seed: u64, identity: u32, image: u32) -> Vec<u8> {
    World::strangers(seed).face(identity, image)
}

impl World {
    /// People who have nothing in common.
    pub fn strangers(seed: u64) -> Self {
        World { seed, siblings: false }
    }

    /// Picture number `image` of person number `identity`: 112 rows x 96 columns x RGB bytes.
    pub fn face(self, identity: u32, image: u32) -> Vec<u8> {
        let person = identity::Identity::draw(self.seed, identity);
        let person = if self.siblings { person.sibling_in(self.seed) } else { person };
        photograph(self.seed, person, identity, image)
    }
}

fn photograph(seed: u64, mut person: identity::Identity, identity: u32, image: u32) -> Vec<u8> {
    let picture = picture::Picture::draw(seed, identity, image);
    let style = &picture.style;
    person.hair.restyle(style.volume, style.fringe, style.length, style.tied);
    let portrait = scene::Portrait::new(&person, &picture);
    let (height, width) = HR;
    let light: Vec<noise::Rgb> =
        (0..height * width).map(|i| portrait.pixel((i % width) as f64, (i / width) as f64)).collect();
    // The camera meters the skin, but only half-heartedly: dark skin stays darker.
    let tone = person.skin.tone;
    let level = 0.78 * (0.42 / (0.3 * tone[0] + 0.6 * tone[1] + 0.1 * tone[2])).powf(0.45);
    let mut sensor = Random::keyed(seed, &[0x5e_50, u64::from(identity), u64::from(image)]);
    camera::develop(light, width, &picture.camera, level, &mut sensor)
}

/// Told how many pictures are finished; an error ends the work.
pub type Progress<'a> = dyn Fn(usize) -> Result<()> + Sync + 'a;

/// Writes `identities` folders `id00000`, `id00001`, ... of `images` pictures `0000.png`, ... into `out`.
///
/// Nothing half-written stays: all goes into a temporary folder beside `out`, which takes the name at the end.
///
/// # Errors
/// [`Error::Usage`] where there is nothing to make, [`Error::Output`] where `out` exists and is not an empty folder, [`Error::Io`].
pub fn write(out: &Path, world: World, identities: u32, images: u32, progress: &Progress<'_>) -> Result<()> {
    if identities == 0 || images == 0 {
        return Err(Error::Usage("synthetic faces need at least one identity and one image".into()));
    }
    files::check_new(out)?;
    let folder = NewFolder::create(out)?;
    let done = AtomicUsize::new(0);
    (0..identities).into_par_iter().try_for_each(|identity| {
        let person = folder.path().join(format!("id{identity:05}"));
        for picture in 0..images {
            // Sensor noise does not compress; trying hard would double the time of a picture.
            let bytes = image::encode(HR.1, HR.0, &world.face(identity, picture), Compression::Fast)?;
            folder.write(&person.join(format!("{picture:04}.png")), &bytes)?;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1)?;
        }
        Ok(())
    })?;
    folder.publish()
}
