//! Ids in the alphabets AWS uses. All randomness comes through the [`Random`] seam.

use crate::{AccountId, Random, Secret};

/// What an IAM unique id stands for; decides its four-letter prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IamIdKind {
    /// `AIDA`
    User,
    /// `AROA`
    Role,
    /// `AGPA`
    Group,
    /// `ANPA`
    ManagedPolicy,
    /// `AIPA`
    InstanceProfile,
    /// `AKIA`
    AccessKey,
    /// `ASIA`
    TemporaryAccessKey,
    /// `APKA`
    PublicKey,
    /// `ASCA`
    ServerCertificate,
    /// `ACCA`
    ServiceCredential,
}

impl IamIdKind {
    /// The prefix as IAM prints it.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::User => "AIDA",
            Self::Role => "AROA",
            Self::Group => "AGPA",
            Self::ManagedPolicy => "ANPA",
            Self::InstanceProfile => "AIPA",
            Self::AccessKey => "AKIA",
            Self::TemporaryAccessKey => "ASIA",
            Self::PublicKey => "APKA",
            Self::ServerCertificate => "ASCA",
            Self::ServiceCredential => "ACCA",
        }
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A unique id: the prefix and base-32 letters. Ids of keys have 20 characters, all others 21. In those of keys and of
/// service-specific credentials the letters from the fifth on hold the account number, as AWS's do, so that
/// [`account_of_key`] can read it.
pub fn iam_id(kind: IamIdKind, account: &AccountId, random: &dyn Random) -> String {
    let mut id = String::with_capacity(21);
    id.push_str(kind.prefix());
    let mut bytes = [0_u8; 17];
    random.fill(&mut bytes);
    let [fill, letters @ ..] = bytes;
    let random_letters = match kind {
        IamIdKind::AccessKey | IamIdKind::TemporaryAccessKey | IamIdKind::PublicKey => {
            push_account(&mut id, account, fill);
            7
        }
        IamIdKind::ServiceCredential => {
            push_account(&mut id, account, fill);
            8
        }
        _ => {
            push_base32(&mut id, u64::from(fill));
            16
        }
    };
    for byte in letters.iter().take(random_letters) {
        push_base32(&mut id, u64::from(*byte));
    }
    id
}

/// Letters that hold the account, the last one only with its highest bit.
const ACCOUNT_LETTERS: u32 = 9;

/// AWS keeps the account in 40 bits after one that is set, in the base-32 letters after the prefix. Four bits of the last
/// letter are free: `fill`.
fn push_account(id: &mut String, account: &AccountId, fill: u8) {
    let number = account.as_str().parse::<u64>().unwrap_or_default();
    let bits = (1 << 44) | (number << 4) | u64::from(fill & 15);
    for shift in (0..ACCOUNT_LETTERS).rev() {
        push_base32(id, bits >> (5 * shift));
    }
}

/// The account of an access key id; `None` if it holds none.
pub fn account_of_key(id: &str) -> Option<AccountId> {
    let letters = id.strip_prefix("AKIA").or_else(|| id.strip_prefix("ASIA"))?;
    let mut bits = 0_u64;
    for letter in letters.bytes().take(9) {
        let value = BASE32.iter().position(|known| *known == letter)?;
        bits = (bits << 5) | u64::try_from(value).ok()?;
    }
    // The bit that is set says that all nine letters were there, too.
    let number = (bits >> 4).checked_sub(1 << 40)?;
    format!("{number:012}").parse().ok()
}

fn push_base32(id: &mut String, value: u64) {
    let index = usize::try_from(value & 31).unwrap_or_default();
    id.push(char::from(BASE32.get(index).copied().unwrap_or(b'A')));
}

/// 32 lower-case hexadecimal digits: ECS task and container-instance ids.
pub fn hex_id(random: &dyn Random) -> String {
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes);
    hex(&bytes)
}

/// Bytes as lower-case hexadecimal digits, two each.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// A version-4 UUID with dashes.
pub fn uuid(random: &dyn Random) -> String {
    let mut b = [0_u8; 16];
    random.fill(&mut b);
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    let h = hex(&b);
    let mut text = String::with_capacity(36);
    for (position, letter) in h.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(letter);
    }
    text
}

/// A 40-character secret access key in AWS's alphabet (base 64 without padding).
pub fn secret_access_key(random: &dyn Random) -> Secret {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = [0_u8; 40];
    random.fill(&mut bytes);
    let text = bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)))
        .map(|letter| char::from(*letter))
        .collect::<String>();
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    #[test]
    fn ids_have_their_prefix_length_and_alphabet() {
        let random = SeededRandom::new(7);
        let account: AccountId = "123456789012".parse().unwrap();
        for (kind, length) in [
            (IamIdKind::User, 21),
            (IamIdKind::Role, 21),
            (IamIdKind::AccessKey, 20),
        ] {
            let id = iam_id(kind, &account, &random);
            assert_eq!(id.len(), length, "{id}");
            assert!(id.starts_with(kind.prefix()));
            assert!(
                id.bytes()
                    .all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)),
                "{id}"
            );
        }
        assert_eq!(hex_id(&random).len(), 32);
        assert_eq!(secret_access_key(&random).expose().len(), 40);
    }

    #[test]
    fn key_ids_hold_their_account_as_awss_do() {
        let read = |id: &str| account_of_key(id).map(|account| account.to_string());
        // Published examples.
        assert_eq!(read("ASIAQNZGKIQY56JQ7WML").as_deref(), Some("029608264753"));
        assert_eq!(read("ASIAY34FZKBOKMUTVV7A").as_deref(), Some("609629065308"));
        let random = SeededRandom::new(2);
        for account in ["000000000000", "000000000001", "123456789012", "999999999999"] {
            for kind in [IamIdKind::AccessKey, IamIdKind::TemporaryAccessKey] {
                let id = iam_id(kind, &account.parse().unwrap(), &random);
                assert_eq!(read(&id).as_deref(), Some(account), "{id}");
            }
        }
        for none in [
            "",
            "AKIA",
            "AKIA234567",
            "AKIAIOSFODNN7EXAMPLE",
            "AIDAQNZGKIQY56JQ7WML",
            "AKIA7777777777777777",
        ] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_uuid_is_version_four() {
        let id = uuid(&SeededRandom::new(1));
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn two_ids_of_one_seed_differ_and_two_runs_agree() {
        let (one, two) = (SeededRandom::new(3), SeededRandom::new(3));
        let (a, b) = (hex_id(&one), hex_id(&one));
        assert_ne!(a, b);
        assert_eq!((a, b), (hex_id(&two), hex_id(&two)));
    }

    #[test]
    fn every_byte_has_two_hexadecimal_digits() {
        let all: Vec<u8> = (0..=255).collect();
        let naive: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(super::hex(&all), naive);
    }
}
