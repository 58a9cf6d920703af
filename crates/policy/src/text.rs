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
    compare(a, b) == Ordering::Equal
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
    }
}
