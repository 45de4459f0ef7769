//! File formats of the outside world, each read from its own definition and with suspicion.

pub mod npy;
pub mod npz;
pub mod onnx;
pub mod safetensors;
