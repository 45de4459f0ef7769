//! Procedural faces: bits, sizes, brightness, and that people differ; then the folder that `data synth` writes.

mod faces;
mod folder;
mod sheet;
