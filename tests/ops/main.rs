//! One file per room of `src/ops/`: its plain loops and its case list. `harness.rs` asks every case every question.

mod add;
mod cast;
mod center_loss;
mod conv;
mod cosine_loss;
mod faults;
mod harness;
mod linear;
mod number;
mod pairs;
mod pixel_loss;
mod pixels;
mod pool;
mod prelu;
mod resize;
mod roofline;
mod sgd;
mod softmax_loss;
#[path = "../standin/mod.rs"]
mod standin;

/// The whole of this program again, on the CUDA kernels over the stand-in driver.
#[test]
fn every_case_on_the_stand_in_driver() {
    if standin::is_inside() {
        return;
    }
    match standin::library() {
        Err(why) => println!("skipped: every_case_on_the_stand_in_driver: {why}"),
        Ok(folder) => {
            let mut child = standin::child(folder);
            // The deliberate faults are in host code.
            child.args(["--skip", "faults::", "--skip", "every_case_on"]);
            standin::finish("every_case_on_the_stand_in_driver", child);
        }
    }
}
