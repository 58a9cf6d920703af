//! Torn and flipped store files: refused with one line, never a panic, never served.

use std::path::Path;

use portcullis_core::{Random, SeededRandom};
use portcullis_store::{OpenError, StoreError};

use crate::fixture::{open_at, put};

const VALUES: usize = 60;

/// A closed store with known contents, and its file.
fn store_file(dir: &Path) -> Vec<u8> {
    let opened = open_at(dir).unwrap();
    for n in 0..VALUES {
        put(&*opened.store, &format!("key/{n}"), &content(n));
    }
    drop(opened);
    std::fs::read(dir.join("state.redb")).unwrap()
}

fn content(n: usize) -> String {
    format!("{n}:{}", "value ".repeat(n * 10))
}

/// Opens the damaged store: it is refused in one line, or everything in it is right.
fn check(dir: &Path, what: &str) -> bool {
    let opened = match open_at(dir) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error:?}");
            let line = error.to_string();
            assert!(!line.contains('\n') && line.contains("restore"), "{what}: {line}");
            return false;
        }
    };
    match opened.store.range(b"key/", None, usize::MAX) {
        Ok(page) => {
            assert_eq!(page.entries.len(), VALUES, "{what}");
            for entry in page.entries {
                let n: usize = std::str::from_utf8(&entry.key)
                    .unwrap()
                    .strip_prefix("key/")
                    .unwrap()
                    .parse()
                    .unwrap();
                assert_eq!(&*entry.value, content(n).as_bytes(), "{what}");
            }
            true
        }
        Err(error) => {
            assert!(matches!(error, StoreError::Corrupt(_)), "{what}: {error:?}");
            false
        }
    }
}

fn random_below(random: &dyn Random, limit: usize) -> usize {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(limit).unwrap()).unwrap()
}

#[test]
fn a_flipped_byte_is_found_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store_file(dir.path());
    let random = SeededRandom::new(1);
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut found = 0;
    for round in 0..300 {
        // Most bytes of the file are free space, where a flip is harmless: three of four rounds aim at used bytes.
        let at = if round % 4 == 0 {
            random_below(&random, whole.len())
        } else {
            used[random_below(&random, used.len())]
        };
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << random_below(&random, 8);
        std::fs::write(dir.path().join("state.redb"), &flipped).unwrap();
        found += usize::from(!check(dir.path(), &format!("byte {at} flipped")));
    }
    assert!(found > 100, "only {found} of 300 flips were found");
}

#[test]
fn an_overwritten_block_is_found_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store_file(dir.path());
    let random = SeededRandom::new(2);
    for round in 0..100 {
        let at = random_below(&random, whole.len() / 4096) * 4096;
        let mut torn = whole.clone();
        match round % 3 {
            0 => torn[at..at + 4096].fill(0),
            1 => random.fill(&mut torn[at..at + 4096]),
            _ => random.fill(&mut torn[at + 2048..at + 4096]),
        }
        std::fs::write(dir.path().join("state.redb"), &torn).unwrap();
        check(dir.path(), &format!("block at {at} overwritten"));
    }
}

#[test]
fn a_truncated_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store_file(dir.path());
    let random = SeededRandom::new(3);
    let lengths = [0, 1, 63, 64, 320, 4095, 4096, whole.len() / 2, whole.len() - 1];
    for length in lengths
        .into_iter()
        .chain((0..40).map(|_| random_below(&random, whole.len())))
    {
        std::fs::write(dir.path().join("state.redb"), &whole[..length]).unwrap();
        assert!(
            !check(dir.path(), &format!("truncated to {length}")),
            "truncated to {length} and accepted"
        );
    }
    std::fs::write(dir.path().join("state.redb"), &whole).unwrap();
    assert!(check(dir.path(), "whole again"));
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = store_file(dir.path());
    for foreign in [
        b"SQLite format 3\0".repeat(500),
        vec![0; 100_000],
        b"hello\n".to_vec(),
    ] {
        std::fs::write(dir.path().join("state.redb"), foreign).unwrap();
        assert!(!check(dir.path(), "foreign file"));
    }
    std::fs::write(dir.path().join("state.redb"), whole).unwrap();
}
