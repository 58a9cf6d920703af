//! Comparing text without case, the one way all parts of the language do it.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use crate::open_points;

/// Simple case folding of one character: what has no single lower-case character stays as it is (R78).
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() || !open_points::r78_folds_beyond_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// Whether two texts are equal without case.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a == b || compare(a, b) == Ordering::Equal
}

/// A hash of a text, the same in every run.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// A hash that is the same for texts that are equal without case. Keys are short: one block holds nearly all of them.
pub(crate) fn hash_without_case(text: &str) -> u64 {
    const BLOCK: usize = 64;
    let mut hasher = FixedState::default().build_hasher();
    if text.is_ascii() {
        for block in text.as_bytes().chunks(BLOCK) {
            let mut folded = [0; BLOCK];
            for (to, from) in folded.iter_mut().zip(block) {
                *to = from.to_ascii_lowercase();
            }
            hasher.write(folded.get(..block.len()).unwrap_or(&folded));
        }
        return hasher.finish();
    }
    let folded: String = text.chars().map(fold).collect();
    for block in folded.as_bytes().chunks(BLOCK) {
        hasher.write(block);
    }
    hasher.finish()
}

/// Orders two texts without case. Every decision compares hundreds of keys and names, nearly all of them ASCII and most
/// of them different early.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    for (x, y) in a.bytes().zip(b.bytes()) {
        if !x.is_ascii() || !y.is_ascii() {
            return a.chars().map(fold).cmp(b.chars().map(fold));
        }
        match x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase()) {
            Ordering::Equal => {}
            different => return different,
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comparing_byte_by_byte_is_comparing_folded_characters(a in "[abABkK\u{212a}éÉß]{0,6}", b in "[abABkK\u{212a}éÉß]{0,6}") {
            let folded = a.chars().map(fold).cmp(b.chars().map(fold));
            prop_assert_eq!(compare(&a, &b), folded);
        }

        #[test]
        fn equal_texts_have_equal_hashes(a in "[abABkK\u{212a}éÉß:/]{0,140}", upper in any::<bool>()) {
            let b: String = a.chars().map(|c| if upper { c.to_ascii_uppercase() } else { fold(c) }).collect();
            prop_assert!(same(&a, &b));
            prop_assert_eq!(hash_without_case(&a), hash_without_case(&b));
        }
    }
}
