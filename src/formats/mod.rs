//! File formats of the outside world, each read and written by its own definition, read with suspicion.

pub mod gallery;
pub mod npy;
pub mod npz;
pub mod onnx;
pub mod safetensors;
pub mod tfevents;
