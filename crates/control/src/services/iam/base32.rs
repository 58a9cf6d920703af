//! Base 32, in which IAM writes seeds and the ids of certificates.

/// Base 32 (RFC 4648) of whole groups of five bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut letters = String::with_capacity(bytes.len() * 8 / 5);
    for group in bytes.chunks_exact(5) {
        let bits = group
            .iter()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for shift in (0..8).rev() {
            let index = usize::try_from(bits >> (5 * shift) & 31).unwrap_or_default();
            letters.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'A')));
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_as_in_rfc_4648() {
        assert_eq!(encode(b"fooba"), "MZXW6YTB");
        assert_eq!(
            encode(b"12345678901234567890"),
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
    }
}
