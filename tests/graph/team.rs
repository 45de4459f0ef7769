//! Work shared by the threads of a pool: every item once, whatever the pool, also inside another share and beside other launches; and a
//! panic that reaches the caller instead of leaving everybody waiting.

use hallucinet::backend::cpu::team::{awake, each};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Adds 1 to so many numbers, a few at a time.
fn count_up(numbers: &mut [u32]) {
    each(numbers.par_chunks_mut(3), |numbers| numbers.iter_mut().for_each(|number| *number += 1));
}

#[test]
fn every_item_is_worked_on_once_for_any_number_of_threads_and_items() {
    for threads in [1, 2, 3, 7] {
        let pool = pool(threads);
        for items in [0, 1, 2, 3, 4, 5, 50, 1000] {
            let mut numbers = vec![0; items];
            awake(&pool, || (0..20).for_each(|_| count_up(&mut numbers)));
            assert!(numbers.iter().all(|number| *number == 20), "{threads} threads, {items} numbers");
        }
    }
}

#[test]
fn items_may_share_out_work_themselves() {
    let mut tables = vec![vec![0; 100]; 9];
    awake(&pool(3), || each(tables.par_iter_mut(), |table| count_up(table)));
    assert!(tables.iter().flatten().all(|number| *number == 1));
}

#[test]
fn launches_of_several_callers_share_a_pool() {
    let pool = pool(2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut numbers = vec![0; 64];
                (0..200).for_each(|_| awake(&pool, || count_up(&mut numbers)));
                assert!(numbers.iter().all(|number| *number == 200));
            });
        }
    });
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
    let (pool, worked) = (pool(3), AtomicUsize::new(0));
    for bad in [0, 17, 39] {
        let attempt = || {
            awake(&pool, || {
                each((0..40).into_par_iter(), |item: usize| {
                    assert!(item != bad, "planted");
                    worked.fetch_add(1, Ordering::Relaxed);
                });
            });
        };
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).unwrap_err();
        assert_eq!(told.downcast_ref::<&str>(), Some(&"planted"));
    }
    assert!(worked.load(Ordering::Relaxed) > 0);
    let mut numbers = vec![0; 10];
    awake(&pool, || count_up(&mut numbers));
    assert!(numbers.iter().all(|number| *number == 1));
}
