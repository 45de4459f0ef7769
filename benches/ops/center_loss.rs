//! Center loss and center update over the identities of CASIA-WebFace at a batch of 256, as in the recipe.

use crate::harness::{Given, time};
use criterion::Criterion;
use hallucinet::ops::center_loss::{CenterGradient, CenterLoss, CenterUpdate};
use hallucinet::shape::Shape;

const ROWS: usize = 256;
const IDENTITIES: usize = 10_572;

pub fn bench(criterion: &mut Criterion) {
    let x = || Given::f32(Shape::matrix(ROWS, 512));
    let labels = || Given::labels(ROWS, IDENTITIES);
    let centers = || Given::f32(Shape::matrix(IDENTITIES, 512));
    let (room, label) = ("center_loss", "256 of 10572 x 512");
    time(criterion, room, label, CenterLoss { weight: 0.008 }, vec![x(), labels(), centers()]);
    time(criterion, room, label, CenterGradient, vec![x(), labels(), centers()]);
    let guard = Given::f32(Shape::scalar());
    time(criterion, room, label, CenterUpdate { rate: 0.5 }, vec![x(), labels(), guard, centers()]);
}
