//! The resource of a request, looked at once for all programs: is it canonical, and the hashes of all its beginnings.

/// Beginnings up to this many bytes are hashed when the request is prepared; longer ones when they are asked for.
const PREPARED_MAX: usize = 128;
const WORD: usize = size_of::<u64>();
const STATES: usize = PREPARED_MAX / WORD + 1;

/// A request's resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) text: &'a str,
    /// Whether it has six fields and the first five hold no capital letter: then patterns, whose fields 2-5 are kept in small
    /// letters, compare byte by byte (R46).
    pub(super) is_canonical: bool,
    /// The state of the hash after so many words.
    states: [u64; STATES],
}

impl<'a> Resource<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut states = [START; STATES];
        let mut state = START;
        let words = text.as_bytes().chunks_exact(WORD);
        for (slot, word) in states.iter_mut().skip(1).zip(words) {
            state = mix(state ^ number(word));
            *slot = state;
        }
        Self {
            text,
            is_canonical: is_canonical(text),
            states,
        }
    }

    /// The hash of the first `length` bytes, the same as [`hash`] of them.
    #[inline]
    pub(super) fn hash_of_first(&self, length: usize) -> u64 {
        let whole_words = length / WORD;
        let bytes = self.text.as_bytes();
        let Some(state) = self.states.get(whole_words) else {
            return hash(bytes.get(..length).unwrap_or(bytes));
        };
        let rest = match bytes.get(whole_words * WORD..whole_words * WORD + WORD) {
            Some(word) => number(word) & ((1 << (length % WORD * 8)) - 1),
            None => number(bytes.get(whole_words * WORD..length).unwrap_or_default()),
        };
        finish(*state, rest, length)
    }
}

const START: u64 = 0x243f_6a88_85a3_08d3;

/// The hash of a text such that the hashes of all its beginnings cost one pass and a step each.
pub(super) fn hash(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<WORD>();
    let state = words
        .iter()
        .fold(START, |state, word| mix(state ^ u64::from_le_bytes(*word)));
    finish(state, number(rest), text.len())
}

#[inline]
fn finish(state: u64, rest: u64, length: usize) -> u64 {
    mix(state ^ rest)
        .wrapping_add(length as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Up to eight bytes as a number.
#[inline]
fn number(bytes: &[u8]) -> u64 {
    match <[u8; WORD]>::try_from(bytes) {
        Ok(word) => u64::from_le_bytes(word),
        Err(_) => bytes
            .iter()
            .rev()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
    }
}

#[inline]
fn mix(state: u64) -> u64 {
    let product = u128::from(state ^ 0x1319_8a2e_0370_7344) * 0xd6e8_feb8_6659_fd93;
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded
}

/// Whether the text has six fields and the first five hold nothing but ASCII and no capital letter; eight bytes at a time.
fn is_canonical(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<WORD>();
    let mut colons = 0;
    for word in words
        .iter()
        .map(|word| u64::from_le_bytes(*word))
        .chain([number(rest)])
    {
        let odd = (word & FLAGS) | capitals(word);
        let mut ends = equal(word, b':');
        while ends != 0 {
            colons += 1;
            if colons == 5 {
                let up_to_the_end = ends ^ ends.wrapping_sub(1);
                return odd & up_to_the_end == 0;
            }
            ends &= ends.wrapping_sub(1);
        }
        if odd != 0 {
            return false;
        }
    }
    false
}

/// The highest bit of each byte.
const FLAGS: u64 = EVERY << 7;
const EVERY: u64 = 0x0101_0101_0101_0101;

/// A flag for each byte that is this one.
fn equal(word: u64, byte: u8) -> u64 {
    let differing = word ^ (EVERY.wrapping_mul(u64::from(byte)));
    // No sum leaves its byte.
    !((differing & !FLAGS).wrapping_add(!FLAGS) | differing) & FLAGS
}

/// A flag for each ASCII byte that is a capital letter.
fn capitals(word: u64) -> u64 {
    let low = word & !FLAGS;
    let from_a = low.wrapping_add(EVERY * (0x80 - b'A' as u64));
    let after_z = low.wrapping_add(EVERY * (0x7f - b'Z' as u64));
    from_a & !after_z & !word & FLAGS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_hash_of_a_beginning_is_the_hash_of_that_text(text in "[a-c:/é]{0,400}") {
            let resource = Resource::new(&text);
            for length in 0..=text.len() {
                prop_assert_eq!(resource.hash_of_first(length), hash(&text.as_bytes()[..length]), "{}", length);
            }
        }

        #[test]
        fn canonical_is_what_the_definition_says(text in "[a-c@AZ\\[:é]{0,40}") {
            let fields: Vec<&str> = text.splitn(6, ':').collect();
            let is_small = |field: &&str| field.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
            prop_assert_eq!(is_canonical(&text), fields.len() == 6 && fields[..5].iter().all(is_small));
        }
    }

    #[test]
    fn r46_canonical_is_six_fields_without_capitals_in_the_first_five() {
        for (text, expected) in [
            ("arn:aws:ecs:us-east-1:111122223333:cluster/Default", true),
            ("arn:aws:ecs:US-EAST-1:111122223333:cluster/default", false),
            ("arn:aws:ecs:us-east-1:111122223333", false),
            ("arn:aws:ecs:us-é:111122223333:cluster/default", false),
            ("arn:aws:s3:::É", true),
            ("*", false),
        ] {
            assert_eq!(is_canonical(text), expected, "{text}");
        }
    }
}
