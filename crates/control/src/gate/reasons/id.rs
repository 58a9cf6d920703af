//! Authorization ids: lower-case letters and digits (policy-language R175). They begin with the time, so that they are
//! ordered by age; the rest is random.

use portcullis_core::{Random, Timestamp};

/// Digits of the time, in milliseconds to base 36: enough until the year 5188.
const TIME_DIGITS: usize = 9;
const RANDOM_DIGITS: usize = 16;
const BASE: u8 = 36;

/// A new id.
pub(super) fn new(now: Timestamp, random: &dyn Random) -> String {
    let mut rest = u64::try_from(now.as_millis()).unwrap_or_default();
    let mut time = Vec::with_capacity(TIME_DIGITS);
    for _ in 0..TIME_DIGITS {
        time.push(digit(rest % u64::from(BASE)));
        rest /= u64::from(BASE);
    }
    let mut id: String = time.into_iter().rev().collect();
    while id.len() < TIME_DIGITS + RANDOM_DIGITS {
        let mut bytes = [0; 2 * RANDOM_DIGITS];
        random.fill(&mut bytes);
        // Below seven times 36 every digit is as likely as the others.
        let fair = bytes.into_iter().filter(|byte| *byte < 7 * BASE);
        let missing = TIME_DIGITS + RANDOM_DIGITS - id.len();
        id.extend(fair.take(missing).map(|byte| digit(u64::from(byte % BASE))));
    }
    id
}

/// When an id was made; `None` when it is none of ours.
pub(super) fn time(id: &str) -> Option<Timestamp> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    if id.len() != TIME_DIGITS + RANDOM_DIGITS || !id.bytes().all(is_digit) {
        return None;
    }
    let millis = i64::from_str_radix(id.get(..TIME_DIGITS)?, u32::from(BASE)).ok()?;
    Some(Timestamp::from_millis(millis))
}

fn digit(value: u64) -> char {
    u32::try_from(value)
        .ok()
        .and_then(|value| char::from_digit(value, u32::from(BASE)))
        .unwrap_or('0')
}

#[cfg(test)]
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    #[test]
    fn r175_ids_are_letters_and_digits_that_begin_with_their_time() {
        let random = SeededRandom::new(7);
        let earlier = Timestamp::from_millis(1_764_000_000_123);
        let later = Timestamp::from_millis(1_764_000_000_124);
        let (first, second) = (new(earlier, &random), new(later, &random));
        assert_eq!((time(&first), time(&second)), (Some(earlier), Some(later)));
        assert!(first < second);
        assert_ne!(new(earlier, &random), new(earlier, &random));
    }

    #[test]
    fn what_is_no_id_has_no_time() {
        for text in [
            "",
            "abc",
            "A234567890123456789012345",
            "!!!!!!!!!!!!!!!!!!!!!!!!!",
            "0000/0000000000000000000x",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
