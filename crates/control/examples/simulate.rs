//! Simulated regions, as many and as large as you like: `cargo xtask simulate --seeds 1000 --agents 1000`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is made of tests"
)]
#![expect(dead_code, reason = "the tests use the rest")]

#[path = "../tests/it/agent.rs"]
mod agent;
#[path = "../tests/it/harness.rs"]
mod harness;
#[path = "../tests/it/simulation/mod.rs"]
mod simulation;

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use simulation::{Size, run};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers: Vec<u64> = arguments
        .iter()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [seeds, agents, steps, first] = numbers.as_slice() else {
        eprintln!("usage: simulate SEEDS AGENTS STEPS FIRST");
        return ExitCode::FAILURE;
    };
    let size = Size {
        agents: usize::try_from(*agents).unwrap(),
        steps: usize::try_from(*steps).unwrap(),
    };
    let next = AtomicU64::new(*first);
    let end = first + seeds;
    let began = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| work(&next, end, size));
        }
    });
    println!(
        "{seeds} seeds from {first}, {size:?}: all hold, in {:.1?}",
        began.elapsed()
    );
    ExitCode::SUCCESS
}

/// Seed after seed, each in one thread.
fn work(next: &AtomicU64, end: u64, size: Size) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let began = Instant::now();
        let guard = Named(seed);
        let summary = runtime.block_on(run(seed, size));
        std::mem::forget(guard);
        println!("seed {seed} in {:.1?}: {summary:?}", began.elapsed());
    }
}

/// Says which seed it was when one fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        eprintln!("seed {} fails", self.0);
    }
}
