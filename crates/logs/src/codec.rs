//! Numbers and texts as bytes.

/// Writes a number in as few bytes as it needs.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a number with sign; small ones of either sign are short.
pub(crate) fn put_i64(out: &mut Vec<u8>, number: i64) {
    put_u64(out, (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned());
}

/// Writes bytes and how many they are.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote. `None` means that the bytes cannot be what they wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        let number = self.u64()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(crate) fn usize(&mut self) -> Option<usize> {
        self.u64()?.try_into().ok()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.u64()?.try_into().ok()
    }

    /// That many bytes.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Bytes after their count.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.usize()?;
        self.take(count)
    }

    /// Text after its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A number of four bytes.
    pub(crate) fn fixed_u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A number of eight bytes.
    pub(crate) fn fixed_u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let numbers = [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN, 1_795_304_278_737];
        for number in numbers {
            put_i64(&mut bytes, number);
            put_u64(&mut bytes, number.cast_unsigned());
        }
        put_bytes(&mut bytes, b"abc");
        let mut reader = Reader::new(&bytes);
        for number in numbers {
            assert_eq!(reader.i64(), Some(number));
            assert_eq!(reader.u64(), Some(number.cast_unsigned()));
        }
        assert_eq!(reader.text(), Some("abc"));
        assert!(reader.is_empty());
        assert_eq!(reader.u64(), None);
        assert_eq!(Reader::new(&[0xff; 11]).u64(), None);
    }
}
