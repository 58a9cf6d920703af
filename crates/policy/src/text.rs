//! Comparing text without case, the one way all parts of the language do it.

use std::cmp::Ordering;

/// Simple case folding of one character: what has no single lower-case character stays as it is (R78).
pub(crate) fn fold(c: char) -> char {
    if c.is_ascii() {
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
    a.chars().map(fold).eq(b.chars().map(fold))
}

/// Orders two texts without case.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    a.chars().map(fold).cmp(b.chars().map(fold))
}
