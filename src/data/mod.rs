//! Image files to aligned 96x112 crops to batches; knows files and bytes, nothing of networks.
//!
//! [`image`] reads and writes pictures, [`align`] cuts faces out of them, [`folder`] lists what is there, [`faces`] is a set of
//! cut faces in memory or in a [`pack`], [`likeness`] tells copies, [`lists`] are the world's lists of people and pairs,
//! [`splits`] of pairs of clips, [`batch`] says which face is which sample.

pub mod align;
pub mod archive;
pub mod batch;
pub mod faces;
pub mod folder;
pub mod image;
mod landmarks;
pub mod likeness;
pub mod lists;
mod netpbm;
pub mod pack;
pub mod splits;
pub mod synth;
