//! (being built)
pub mod map;
