//! Processor time of one call, the least of many short batches: what else runs on the machine can only add to it.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

/// A batch lasts about so long.
const BATCH_NS: f64 = 250_000.0;
/// Batches in all, and the time after which no further one begins.
const BATCHES_MAX: usize = 2_000;
const ALL_NS: f64 = 1_000_000_000.0;

/// Nanoseconds of this thread's processor time.
fn now_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "exact for the first hundred days")]
    let ns = (time.tv_sec * 1_000_000_000 + time.tv_nsec) as f64;
    ns
}

/// Nanoseconds of one call.
pub fn measure<T>(mut call: impl FnMut() -> T) -> f64 {
    let mut calls = 1u32;
    let mut took = batch(calls, &mut call);
    while took < BATCH_NS && calls < 1 << 30 {
        calls *= 2;
        took = batch(calls, &mut call);
    }
    let (mut least, began) = (took, now_ns());
    for _ in 0..BATCHES_MAX {
        least = batch(calls, &mut call).min(least);
        if now_ns() - began > ALL_NS {
            break;
        }
    }
    least / f64::from(calls)
}

fn batch<T>(calls: u32, call: &mut impl FnMut() -> T) -> f64 {
    let began = now_ns();
    for _ in 0..calls {
        black_box(call());
    }
    now_ns() - began
}
