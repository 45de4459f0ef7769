//! File formats of the outside world, each read and written by its own definition, read with suspicion.

pub mod npy;
pub mod safetensors;
pub mod tfevents;
