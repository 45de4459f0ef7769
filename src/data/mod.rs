//! (being built)
pub mod synth;
