//! Work shared by the threads of a pool, for launches that last microseconds.
//!
//! A thread of `rayon` that finds nothing to do sleeps after some microseconds, and waking it takes longer than many a launch. So the
//! threads are kept awake while a list of launches runs, and who has finished first waits for the others without sleeping.

use rayon::iter::IndexedParallelIterator;
use rayon::iter::plumbing::{Producer, ProducerCallback};
use rayon::{Scope, ThreadPool, Yield};
use std::collections::VecDeque;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Pieces per thread that items are cut into.
const PIECES: usize = 16;
/// Turns of waiting (some 20 microseconds) after which the processor is offered to others, who may be what is waited for, and turns of
/// that (a millisecond, more where somebody takes it) after which a thread may sleep after all.
const SPINS: u32 = 1_000;
const OFFERS: u32 = 2_000;

/// Runs `work` on every item, in no order that could be relied on, on all threads of the pool that this is called in.
///
/// Items are taken from both ends: of two threads each keeps to its half of a tensor from one launch to the next, where its caches
/// have it.
pub fn each<I: IndexedParallelIterator>(items: I, work: impl Fn(I::Item) + Sync) {
    let count = items.len();
    items.with_producer(Share { count, work });
}

struct Share<F> {
    count: usize,
    work: F,
}

impl<T, F: Fn(T) + Sync> ProducerCallback<T> for Share<F> {
    type Output = ();

    fn callback<P: Producer<Item = T>>(self, items: P) {
        let threads = rayon::current_num_threads();
        if threads == 1 || self.count < 2 {
            return items.into_iter().for_each(self.work);
        }
        let pieces = cut(items, self.count, self.count.min(PIECES * threads));
        let (left, work) = (AtomicUsize::new(pieces.len()), self.work);
        let helpers = pieces.len().min(threads) - 1;
        let pieces = Mutex::new(pieces);
        let take = |from_back: bool| {
            while let Some(piece) = next(&pieces, from_back) {
                let _finished = OnDrop(|| _ = left.fetch_sub(1, Ordering::Release));
                piece.into_iter().for_each(&work);
            }
        };
        rayon::scope(|scope: &Scope| {
            for helper in 0..helpers {
                let take = &take;
                scope.spawn(move |_| take(helper % 2 == 0));
            }
            take(false);
            let mut patience = Patience::default();
            while left.load(Ordering::Acquire) > 0 && patience.wait() {}
        });
    }
}

/// The items in so many pieces of nearly one size.
fn cut<P: Producer>(items: P, count: usize, pieces: usize) -> VecDeque<P> {
    let (mut rest, mut left) = (items, count);
    let mut cut = VecDeque::with_capacity(pieces);
    for pieces in (2..=pieces).rev() {
        let (piece, others) = rest.split_at(left / pieces);
        left -= left / pieces;
        rest = others;
        cut.push_back(piece);
    }
    cut.push_back(rest);
    cut
}

fn next<P>(pieces: &Mutex<VecDeque<P>>, from_back: bool) -> Option<P> {
    let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
    if from_back { pieces.pop_back() } else { pieces.pop_front() }
}

/// Runs `work` in a pool whose other threads stay awake meanwhile.
pub fn awake<R: Send>(pool: &ThreadPool, work: impl FnOnce() -> R + Send) -> R {
    let over = AtomicBool::new(false);
    pool.install(|| {
        rayon::scope(|scope| {
            for _ in 1..rayon::current_num_threads() {
                scope.spawn(|_| stay(&over));
            }
            let _over = OnDrop(|| over.store(true, Ordering::Release));
            work()
        })
    })
}

/// Does what the other threads ask for.
fn stay(over: &AtomicBool) {
    let mut patience = Patience::default();
    while !over.load(Ordering::Acquire) && patience.wait() {
        if rayon::yield_now() == Some(Yield::Executed) {
            patience = Patience::default();
        }
    }
}

/// How long a thread has been waiting.
#[derive(Default)]
struct Patience(u32);

impl Patience {
    /// Waits a little without sleeping; false where it has been enough.
    fn wait(&mut self) -> bool {
        self.0 += 1;
        if self.0 < SPINS {
            spin_loop()
        } else {
            thread::yield_now()
        }
        self.0 < SPINS + OFFERS
    }
}

/// Runs at the end of a block, also where that is a panic: nobody may be waited for in vain.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
