//! One file per room of `src/ops/`: its plain loops and its case list. `harness.rs` asks every case every question.

mod add;
mod center_loss;
mod conv;
mod faults;
mod harness;
mod linear;
mod number;
mod pixel_loss;
mod pixels;
mod pool;
mod prelu;
mod resize;
mod sgd;
mod softmax_loss;
