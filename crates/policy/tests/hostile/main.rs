//! Hostile input: the corpus of the fuzz targets, and inputs made from it by a seeded mutator. Nothing may panic, and
//! nothing may need much memory; a program of its own, because its allocator counts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may panic"
)]
#![expect(dead_code, reason = "the other tests use the rest")]

#[path = "../it/differential/mod.rs"]
mod differential;
#[path = "../it/generate/mod.rs"]
mod generate;
mod large;
mod mutate;
#[path = "../it/naive/mod.rs"]
mod naive;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use generate::Dice;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What one input may need.
const MEMORY_LIMIT: usize = 64 << 20;

/// Mutated inputs of each target.
const MUTATIONS: u64 = 10_000;

/// The most memory one input needed, and the longest it took. The time is printed, never asserted.
#[derive(Debug, Default)]
struct Worst {
    memory: usize,
    time: Duration,
}

impl Worst {
    /// Runs a target; memory is that of the whole program, so tests of this file share it and only the growth counts.
    fn run(&mut self, target: targets::Target, input: &[u8]) {
        MEMORY.reset_peak_usage();
        let (before, start) = (MEMORY.current_usage(), Instant::now());
        target(input);
        let (memory, time) = (MEMORY.peak_usage().saturating_sub(before), start.elapsed());
        assert!(memory <= MEMORY_LIMIT, "{memory} bytes for {}", shown(input));
        self.memory = self.memory.max(memory);
        self.time = self.time.max(time);
    }
}

fn shown(input: &[u8]) -> String {
    String::from_utf8_lossy(&input[..input.len().min(300)]).into_owned()
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Replays the corpus of a target, then mutations of it.
fn attack(name: &str) {
    let (_, target) = targets::TARGETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    // The first call reads the reference; that is no input's doing.
    let _read = naive::reference::applies("ecs:RunTask", "ecs:cluster");
    let corpus = corpus(name);
    let mut worst = Worst::default();
    for input in &corpus {
        worst.run(target, input);
    }
    let seed = 20_261_122;
    let mut dice = Dice::seed(seed);
    for _ in 0..MUTATIONS {
        worst.run(target, &mutate::mutated(&mut dice, &corpus));
    }
    println!(
        "{name}: {} inputs, {MUTATIONS} mutations with seed {seed}, worst {worst:?}",
        corpus.len()
    );
}

#[test]
fn json() {
    attack("json");
}

#[test]
fn document() {
    attack("document");
}

#[test]
fn arn() {
    attack("arn");
}

#[test]
fn condition() {
    attack("condition");
}

#[test]
fn date() {
    attack("date");
}

#[test]
fn address() {
    attack("address");
}

#[test]
fn variable() {
    attack("variable");
}

#[test]
fn world() {
    attack("world");
}

#[test]
fn every_target_has_a_corpus_and_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(folders, names);
}
