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
    // Every request compares hundreds of keys and services, nearly all of them ASCII.
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars().map(fold).eq(b.chars().map(fold))
}

/// Orders two texts without case.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() {
        let lower = |byte: u8| byte.to_ascii_lowercase();
        return a.bytes().map(lower).cmp(b.bytes().map(lower));
    }
    a.chars().map(fold).cmp(b.chars().map(fold))
}
