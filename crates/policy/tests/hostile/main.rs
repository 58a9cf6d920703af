//! Hostile input: the corpus of the fuzz targets, and inputs made from it by a seeded mutator. Nothing may panic, and
//! nothing may need much memory; a program of its own, because its allocator counts. How long it takes is measured by
//! `cargo xtask bench hostile`.

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
mod inputs;
mod large;
mod mutate;
#[path = "../it/naive/mod.rs"]
mod naive;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

use std::path::Path;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What one input may need.
const MEMORY_LIMIT: usize = 64 << 20;

/// Mutated inputs of each target.
const MUTATIONS: u64 = 10_000;
const SEED: u64 = 20_261_122;

/// Does something with an input within the limit. Memory is that of the whole program, so tests of this file share it
/// and only the growth counts.
fn within_memory<T>(input: &str, run: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = run();
    let memory = MEMORY.peak_usage().saturating_sub(before);
    let shown: String = input.chars().take(300).collect();
    assert!(
        memory <= MEMORY_LIMIT,
        "{memory} bytes for {} of input: {shown}",
        input.len()
    );
    result
}

/// Replays the corpus of a target, then mutations of it.
fn attack(name: &str) {
    let (_, target) = targets::TARGETS
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    // The first call reads the reference; that is no input's doing.
    let _read = naive::reference::applies("ecs:RunTask", "ecs:cluster");
    inputs::each(name, MUTATIONS, SEED, |input| {
        within_memory(&String::from_utf8_lossy(input), || target(input));
    });
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
