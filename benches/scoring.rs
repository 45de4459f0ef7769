//! What scoring costs beside the networks: search in a gallery of 100,000 features, and the principal components of features.
//! `cargo bench --bench scoring`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hallucinet::metrics::eigen::symmetric;
use hallucinet::metrics::identification::{Features, nearest, normalised};
use hallucinet::random::Random;
use std::hint::black_box;

fn directions(seed: u64, count: usize, width: usize) -> Vec<f32> {
    let mut random = Random::keyed(seed, &[]);
    let mut rows = Vec::with_capacity(count * width);
    for _ in 0..count {
        let row: Vec<f32> = (0..width).map(|_| random.unit() as f32 - 0.5).collect();
        rows.extend(normalised(&row).unwrap());
    }
    rows
}

/// The ten nearest of 100,000 people; the throughput is comparisons a second.
fn search(criterion: &mut Criterion) {
    let people = 100_000;
    let person: Vec<u32> = (0..people as u32).collect();
    let mut group = criterion.benchmark_group("search");
    group.sample_size(10);
    for width in [512, 1024] {
        let gallery = directions(1, people, width);
        for probes in [1, 16] {
            let asked = directions(2, probes, width);
            group.throughput(Throughput::Elements((people * probes) as u64));
            group.bench_function(format!("{people}x{width}, {probes} probes"), |bencher| {
                let (rows, asked) = (Features { width, rows: &gallery }, Features { width, rows: &asked });
                bencher.iter(|| black_box(nearest(rows, &person, asked, 10).unwrap()));
            });
        }
    }
}

/// All eigenvalues of a covariance and half of its eigenvectors: what one fold of `--pca` costs.
fn components(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("eigen");
    group.sample_size(10);
    for side in [256, 512, 1024] {
        let mut random = Random::keyed(3, &[]);
        let mut matrix = vec![0.0; side * side];
        for i in 0..side {
            for j in 0..=i {
                let value = random.normal();
                (matrix[i * side + j], matrix[j * side + i]) = (value, value);
            }
        }
        group.bench_function(format!("{side}x{side}"), |bencher| {
            bencher.iter(|| black_box(symmetric(&matrix, side, side / 2).unwrap()));
        });
    }
}

criterion_group!(benches, search, components);
criterion_main!(benches);
