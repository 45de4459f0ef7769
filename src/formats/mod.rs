//! (being built)

pub mod npy;
