//! `eval` through the real program: the document's keys, folds, missing pictures, HR against LR, models of one network only.

mod fixture;
mod pictures;
mod protocols;
mod refused;
mod report;
mod scores;
#[path = "../weights/mod.rs"]
mod weights;
