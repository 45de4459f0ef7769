//! Procedural faces: bits, sizes, brightness, and that people differ.

mod sheet;
