//! Finding a name in a hash table of the generated data.

use crate::fold::{FREE, Slot, fingerprint, first_slot, fold, tail};

/// Whether two names differ in ASCII case at most.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let same = |(a, b): (&[u8; 8], &[u8; 8])| fold(u64::from_le_bytes(*a)) == fold(u64::from_le_bytes(*b));
    a_words.iter().zip(b_words).all(same) && fold(tail(a_rest)) == fold(tail(b_rest))
}

/// The id in `slots` that has this hash and `is` the one looked for.
pub fn find(slots: &[Slot], hash: u64, is: impl Fn(u16) -> bool) -> Option<u16> {
    let wanted = fingerprint(hash);
    let (before, from) = slots.split_at_checked(first_slot(hash, slots.len()))?;
    for [id_low, id_high, print_low, print_high] in from.iter().chain(before) {
        let id = u16::from_le_bytes([*id_low, *id_high]);
        if id == FREE {
            return None;
        }
        if u16::from_le_bytes([*print_low, *print_high]) == wanted && is(id) {
            return Some(id);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::equal;
    use crate::fold::{compare, hash};

    /// Bytes around the ends of the alphabet and of ASCII, of all lengths that take other ways.
    fn near_misses() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            any::<u8>(),
            prop::sample::select(&b"@AZ[`az{\x7f\x80\xc1\xe1"[..])
        ];
        prop::collection::vec(byte, 0..40)
    }

    proptest! {
        #[test]
        fn ascii_case_is_all_that_names_may_differ_in(name in near_misses(), at: usize, bit in 0u8..8) {
            let large = name.to_ascii_uppercase();
            prop_assert!(equal(&name, &large));
            prop_assert_eq!(hash(&name), hash(&large));
            prop_assert!(compare(&name, &large).is_eq());

            let mut other = name.clone();
            if let Some(byte) = other.get_mut(at % name.len().max(1)) {
                *byte ^= 1 << bit;
            }
            let same = name.eq_ignore_ascii_case(&other);
            prop_assert_eq!(equal(&name, &other), same);
            prop_assert_eq!(compare(&name, &other).is_eq(), same);
            prop_assert_eq!(hash(&name) == hash(&other), same);
        }
    }
}
