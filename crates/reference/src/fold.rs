//! Names without ASCII case: their hash, their order, and the hash tables' form. The generator (`xtask/src/generate/reference`)
//! compiles this very file, so that what it writes is what we read; nothing here may depend on the rest of the crate.

use std::cmp::Ordering;

/// The longest text before a placeholder in a key pattern, bytes: no key is cut later than here.
pub const HEAD_MAX: usize = 64;

/// The id in a free slot of a table.
pub const FREE: u16 = u16::MAX;

/// One slot of a table: id, then fingerprint, both little-endian.
pub type Slot = [u8; 4];

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
const EVERY: u64 = 0x0101_0101_0101_0101;

/// Eight bytes with `A-Z` made small.
pub const fn fold(bytes: u64) -> u64 {
    let low = bytes & (EVERY * 0x7f);
    // No sum leaves its byte: 0x7f + 0x3f < 0x100.
    let from_a = low + EVERY * (0x80 - b'A' as u64);
    let after_z = low + EVERY * (0x7f - b'Z' as u64);
    let upper = !bytes & (from_a ^ after_z) & (EVERY * 0x80);
    bytes | (upper >> 2)
}

const fn mix(state: u64) -> u64 {
    let product = (state ^ ODD) as u128 * 0xd6e8_feb8_6659_fd93;
    (product as u64) ^ ((product >> 64) as u64)
}

/// Up to seven bytes as one number, without a loop over them.
pub fn tail(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        // The two may overlap; of one length, different bytes still make different numbers.
        (Some(first), Some(last), _) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        (.., [a, b, c]) => u64::from(u32::from_le_bytes([*a, *b, *c, 0])),
        (.., [a, b]) => u64::from(u16::from_le_bytes([*a, *b])),
        (.., [a]) => u64::from(*a),
        _ => 0,
    }
}

/// A hash that is the same for names that differ in ASCII case only.
pub fn hash(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let state = words.iter().fold(name.len() as u64, |state, word| {
        mix(state ^ fold(u64::from_le_bytes(*word)))
    });
    mix(state.rotate_left(32) ^ fold(tail(rest)))
}

/// The hash of an action, from those of its service's prefix and of its name.
pub fn action_hash(service: u64, name: u64) -> u64 {
    mix(service.rotate_left(32) ^ name)
}

/// The order of names in the tables: by their bytes, ASCII case aside.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let small = u8::to_ascii_lowercase;
    a.iter().map(small).cmp(b.iter().map(small))
}

/// Where the search for a hash begins in a table of `slots`, a power of two.
pub fn first_slot(hash: u64, slots: usize) -> usize {
    hash as usize & slots.wrapping_sub(1)
}

/// What a slot keeps of a hash, to pass over most strangers without looking at their names.
pub fn fingerprint(hash: u64) -> u16 {
    (hash >> 48) as u16
}
