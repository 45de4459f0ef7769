//! (being built)

pub mod safetensors;
