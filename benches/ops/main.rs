//! One file per room of `src/ops/`, at the shapes of the networks of `configs/paper.toml` and a small batch.

mod add;
mod cast;
mod center_loss;
#[path = "../clock/mod.rs"]
mod clock;
mod conv;
mod cosine_loss;
mod harness;
mod linear;
mod pixel_loss;
mod pixels;
mod pool;
mod prelu;
mod resize;
mod roofline;
mod sgd;
mod softmax_loss;

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::Duration;

/// Few samples: kernels are deterministic, and a look at all of them should take a minute.
fn quick() -> Criterion {
    let criterion = Criterion::default().sample_size(10).without_plots();
    criterion
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .configure_from_args()
}

criterion_group! {
    name = ops;
    config = quick();
    targets = clock::announce, add::bench, cast::bench, center_loss::bench, conv::bench, cosine_loss::bench, linear::bench,
        pixel_loss::bench, pixels::bench, pool::bench, prelu::bench, resize::bench, roofline::bench, sgd::bench, softmax_loss::bench
}
criterion_main!(ops);
