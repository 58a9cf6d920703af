//! The checksums that S3 keeps and that SDKs send and want back.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Table};
use md5::Md5;
use portcullis_core::hex;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64NVME: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

impl Algorithm {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// `CRC64NVME`: of enums and elements.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// `x-amz-checksum-crc64nvme`
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of that name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose checksum that header holds.
    pub(super) fn of_header(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.header() == name)
    }

    /// Whether checksums of parts combine to that of the whole.
    pub(super) fn combines(self) -> bool {
        !matches!(self, Self::Sha1 | Self::Sha256)
    }

    /// Whether a base-64 text can be such a checksum.
    pub(super) fn is_value(self, text: &str) -> bool {
        let bytes = match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        };
        STANDARD.decode(text).is_ok_and(|value| value.len() == bytes)
    }

    /// The checksum of two stretches from those of each, given the second's length; `None` where they do not combine.
    pub(super) fn combined(self, first: &str, second: &str, second_bytes: u64) -> Option<String> {
        let number = |text: &str| {
            let bytes = STANDARD.decode(text).ok()?;
            Some(
                bytes
                    .iter()
                    .fold(0, |number: u64, byte| number << 8 | u64::from(*byte)),
            )
        };
        let (first, second) = (number(first)?, number(second)?);
        let (zeros, width) = match self {
            Self::Crc32 => (&CRC32_ZEROS, 32),
            Self::Crc32c => (&CRC32C_ZEROS, 32),
            Self::Crc64Nvme => (&CRC64NVME_ZEROS, 64),
            Self::Sha1 | Self::Sha256 => return None,
        };
        let combined = zeros.after(second_bytes, first) ^ second;
        let bytes = combined.to_be_bytes();
        let skipped = bytes.len() - width / 8;
        Some(STANDARD.encode(bytes.get(skipped..)?))
    }
}

// The generators with their bits reversed, as these algorithms shift to the right.
static CRC32_ZEROS: LazyLock<Zeros> = LazyLock::new(|| Zeros::new(0xEDB8_8320, 32));
static CRC32C_ZEROS: LazyLock<Zeros> = LazyLock::new(|| Zeros::new(0x82F6_3B78, 32));
static CRC64NVME_ZEROS: LazyLock<Zeros> = LazyLock::new(|| Zeros::new(0x9A6C_9329_AC4B_C9B5, 64));

/// What zero bytes do to a register, as linear steps: of one byte, of two, of four and so on. An upload of ten thousand parts
/// is put together under the writers' lock, so that they are worked out once.
struct Zeros(Vec<Vec<u64>>);

impl Zeros {
    fn new(polynomial: u64, width: u32) -> Self {
        let square = |step: &[u64]| -> Vec<u64> { step.iter().map(|column| apply(step, *column)).collect() };
        // One zero bit: shift to the right, the lowest bit through the generator.
        let bit: Vec<u64> = (0..width)
            .map(|bit| if bit == 0 { polynomial } else { 1 << (bit - 1) })
            .collect();
        let byte = (0..3).fold(bit, |step, _| square(&step));
        let steps = std::iter::successors(Some(byte), |step| Some(square(step)));
        Self(steps.take(64).collect())
    }

    /// A register after so many zero bytes.
    fn after(&self, bytes: u64, register: u64) -> u64 {
        let steps = self.0.iter().enumerate();
        let steps = steps.filter(|(power, _)| bytes >> power & 1 == 1);
        steps.fold(register, |register, (_, step)| apply(step, register))
    }
}

/// A linear step of a register: the sum of the columns of its bits.
fn apply(step: &[u64], register: u64) -> u64 {
    let columns = step.iter().enumerate();
    let columns = columns.filter(|(bit, _)| register >> bit & 1 == 1);
    columns.fold(0, |sum, (_, column)| sum ^ column)
}

/// A checksum in the making.
pub(super) enum Hasher {
    Crc32(Algorithm, crc::Digest<'static, u32, Table<16>>),
    Crc64(crc::Digest<'static, u64, Table<16>>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher({})", self.algorithm().name())
    }
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(algorithm, CRC32.digest()),
            Algorithm::Crc32c => Self::Crc32(algorithm, CRC32C.digest()),
            Algorithm::Crc64Nvme => Self::Crc64(CRC64NVME.digest()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Crc32(algorithm, _) => *algorithm,
            Self::Crc64(_) => Algorithm::Crc64Nvme,
            Self::Sha1(_) => Algorithm::Sha1,
            Self::Sha256(_) => Algorithm::Sha256,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(_, digest) => digest.update(bytes),
            Self::Crc64(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
        }
    }

    /// The checksum in base 64.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Crc32(_, digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            Self::Crc64(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            Self::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Self::Sha256(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

/// The checksum of some bytes.
#[cfg(test)]
fn of(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// The checksum of the parts' checksums, with how many they are.
pub(super) fn composite<'p>(algorithm: Algorithm, parts: impl Iterator<Item = &'p str>) -> String {
    let mut hasher = Hasher::new(algorithm);
    let mut count = 0;
    for part in parts {
        hasher.update(&STANDARD.decode(part).unwrap_or_default());
        count += 1;
    }
    format!("{}-{count}", hasher.finish())
}

/// The entity tag of an object that came in parts: the MD5 of their MD5s, and how many they are.
pub(super) fn etag_of_parts<'p>(parts: impl Iterator<Item = &'p str>) -> String {
    let mut digest = Md5::new();
    let mut count = 0;
    for part in parts {
        digest.update(unhex(part));
        count += 1;
    }
    format!("{}-{count}", hex(&digest.finalize()))
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn checksums_are_those_of_their_standards() {
        // The check values of the catalogue of CRCs, for the nine digits.
        for (algorithm, expected) in [
            (Algorithm::Crc32, 0xCBF4_3926_u64.to_be_bytes()[4..].to_vec()),
            (Algorithm::Crc32c, 0xE306_9283_u64.to_be_bytes()[4..].to_vec()),
            (
                Algorithm::Crc64Nvme,
                0xAE8B_1486_0A79_9888_u64.to_be_bytes().to_vec(),
            ),
        ] {
            assert_eq!(
                of(algorithm, b"123456789"),
                STANDARD.encode(expected),
                "{algorithm:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn checksums_of_parts_combine(
            first in prop::collection::vec(any::<u8>(), 0..300),
            second in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let whole = [first.as_slice(), second.as_slice()].concat();
            for algorithm in Algorithm::ALL {
                let length = u64::try_from(second.len()).unwrap();
                let combined = algorithm.combined(&of(algorithm, &first), &of(algorithm, &second), length);
                prop_assert_eq!(combined, algorithm.combines().then(|| of(algorithm, &whole)));
            }
        }
    }
}
