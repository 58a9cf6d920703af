//! Bytes as lower-case hexadecimal digits.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The digits of some bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| {
        DIGITS
            .get(usize::from(half))
            .map_or('0', |digit| char::from(*digit))
    };
    let mut digits = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        digits.push(digit(byte >> 4));
        digits.push(digit(byte & 15));
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn every_byte_has_two_digits() {
        let all: Vec<u8> = (0..=255).collect();
        let naive: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex(&all), naive);
    }
}
