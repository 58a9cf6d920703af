//! The differential test for as long as you like: `cargo xtask differential --cases 1000000000 --seed 7`.
//!
//! Generated policies and questions go to `decide`, `explain`, the compiled programs and the naive evaluator of the
//! tests, on every core; the first difference is shrunk and printed.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "it is made of tests"
)]
#![expect(dead_code, reason = "the tests use the rest")]

#[path = "../tests/it/differential/mod.rs"]
mod differential;
#[path = "../tests/it/generate/mod.rs"]
mod generate;
#[path = "../tests/it/naive/mod.rs"]
mod naive;

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use differential::{Tally, run};

/// How many cases a thread asks before it looks up.
const CHUNK: u64 = 1 << 18;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cases, seed] = arguments.as_slice() else {
        eprintln!("usage: differential CASES SEED");
        return ExitCode::FAILURE;
    };
    let (Ok(cases), Ok(seed)) = (cases.parse(), seed.parse()) else {
        eprintln!("CASES and SEED are whole numbers");
        return ExitCode::FAILURE;
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{cases} cases from seed {seed} on {cores} cores");
    let progress = Mutex::new(Progress::new(cases, seed));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| work(&progress));
        }
    });
    progress.into_inner().expect("no thread panicked").report()
}

/// Takes chunk after chunk until there is none, or a difference was found.
fn work(progress: &Mutex<Progress>) {
    loop {
        let next = progress.lock().expect("no thread panicked").take();
        let Some((seed, cases)) = next else {
            return;
        };
        let result = run(seed, cases);
        progress.lock().expect("no thread panicked").add(result);
    }
}

struct Progress {
    seed: u64,
    cases: u64,
    taken: u64,
    tally: Tally,
    difference: Option<String>,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    fn new(cases: u64, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            seed,
            cases,
            taken: 0,
            tally: Tally::default(),
            difference: None,
            start: now,
            last_line: now,
        }
    }

    /// The seed and size of the next chunk.
    fn take(&mut self) -> Option<(u64, u64)> {
        let left = self
            .cases
            .checked_sub(self.taken)
            .filter(|left| *left > 0 && self.difference.is_none())?;
        let seed = differential::world_seed(self.seed, self.taken / CHUNK);
        let cases = left.min(CHUNK);
        self.taken += cases;
        Some((seed, cases))
    }

    fn add(&mut self, result: Result<Tally, String>) {
        match result {
            Ok(tally) => self.tally.add(&tally),
            Err(difference) => self.difference = Some(difference),
        }
        if self.last_line.elapsed() > Duration::from_secs(10) {
            self.last_line = Instant::now();
            println!("{}", self.line());
        }
    }

    fn line(&self) -> String {
        let asked = self.tally.cases();
        let seconds = self.start.elapsed().as_secs_f64();
        format!(
            "{asked} cases, {seconds:.0} s, {:.0} cases a second",
            asked as f64 / seconds
        )
    }

    fn report(&self) -> ExitCode {
        println!("{}\n{}", self.line(), self.tally.lines());
        match &self.difference {
            None => {
                println!("seed {}: no difference", self.seed);
                ExitCode::SUCCESS
            }
            Some(difference) => {
                println!("seed {}: {difference}", self.seed);
                ExitCode::FAILURE
            }
        }
    }
}
