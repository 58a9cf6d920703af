//! Builds of the agent, and the operator's signature under each: an agent starts no build that its operator's key has not
//! signed (docs/agent-updates.md). Ours: in AWS's protocol a hash from the service itself is all there is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::agent_proof::{AgentKey, AgentPublicKey, Malformed};

/// The first line of what is signed: no signature made for anything else begins with it.
const DOMAIN: &str = "portcullis-agent-build-1";
/// What the file of a signature adds to the name of its build.
pub const SIGNATURE_SUFFIX: &str = ".sig";
/// Largest build that is made or taken, in bytes.
pub const BUILD_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A version: three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version(u64, u64, u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Version {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let number = |part: &str| {
            let is_plain =
                part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            part.parse::<u64>().ok().filter(|_| is_plain).ok_or(Malformed)
        };
        match text.split('.').collect::<Vec<_>>().as_slice() {
            [major, minor, patch] => Ok(Self(number(major)?, number(minor)?, number(patch)?)),
            _ => Err(Malformed),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        text.parse()
    }
}

/// A build, and the signature under what is said of it here. Not believed before [`holds`](Self::holds).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedBuild {
    /// Which version it is.
    pub version: Version,
    /// What it runs on, as the attribute `ecs.cpu-architecture` says it.
    pub architecture: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Ed25519, in base 64.
    pub signature: String,
}

impl SignedBuild {
    /// Signs a build; `None` for an architecture or a hash that is none.
    pub fn sign(key: &AgentKey, version: Version, architecture: &str, sha256: &str) -> Option<Self> {
        let mut build = Self {
            version,
            architecture: architecture.to_owned(),
            sha256: sha256.to_owned(),
            signature: String::new(),
        };
        build.signature = key.sign(&build.text());
        build.is_well_formed().then_some(build)
    }

    /// Whether the key signed exactly this.
    pub fn holds(&self, key: &AgentPublicKey) -> bool {
        self.is_well_formed() && key.signed(&self.text(), &self.signature)
    }

    /// Whether it can be a build at all. Only such a one has a [`file_name`](Self::file_name) that stays in its folder.
    pub fn is_well_formed(&self) -> bool {
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let length = self.architecture.len();
        (1..=32).contains(&length)
            && self.architecture.bytes().all(is_word)
            && self.sha256.len() == 64
            && self.sha256.bytes().all(is_hex)
    }

    /// What its file is called.
    pub fn file_name(&self) -> String {
        format!("portcullis-{}-{}", self.version, self.architecture)
    }

    fn text(&self) -> String {
        let Self {
            version,
            architecture,
            sha256,
            ..
        } = self;
        format!("{DOMAIN}\n{version}\n{architecture}\n{sha256}")
    }
}

/// This machine's architecture, as the attribute `ecs.cpu-architecture` says it.
pub fn own_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    #[test]
    fn versions_are_three_numbers_and_compare_as_such() {
        let version = |text: &str| text.parse::<Version>();
        assert!(
            version("0.10.0").unwrap() > version("0.9.9").unwrap()
                && version("1.0.0").unwrap() > version("0.99.99").unwrap()
        );
        assert_eq!(
            version("1.2.3").map(|version| version.to_string()),
            Ok("1.2.3".to_owned())
        );
        for bad in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "v1.2.3",
            "1.2.3-rc",
            "1.02.3",
            "1.+2.3",
            "1..3",
            "1.2.99999999999999999999",
        ] {
            assert_eq!(version(bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn a_signature_is_for_one_version_architecture_and_hash() {
        let key = AgentKey::generate(&SeededRandom::new(1)).unwrap();
        let version = "1.2.3".parse().unwrap();
        let sha256 = "ab".repeat(32);
        let build = SignedBuild::sign(&key, version, "x86_64", &sha256).unwrap();
        assert!(build.holds(&key.public()));
        let other = AgentKey::generate(&SeededRandom::new(2)).unwrap();
        assert!(!build.holds(&other.public()));
        let changes: [fn(&mut SignedBuild); 5] = [
            |build| build.version = "1.2.4".parse().unwrap(),
            |build| build.architecture = "arm64".to_owned(),
            |build| build.sha256 = "cd".repeat(32),
            |build| build.signature = "AAAA".to_owned(),
            |build| build.signature.clear(),
        ];
        for change in changes {
            let mut changed = build.clone();
            change(&mut changed);
            assert!(!changed.holds(&key.public()), "{changed:?}");
        }
    }

    #[test]
    fn no_name_leaves_its_folder() {
        let key = AgentKey::generate(&SeededRandom::new(1)).unwrap();
        let version = "1.2.3".parse().unwrap();
        let sha256 = "ab".repeat(32);
        for bad in ["", "../x", "x/y", "x86 64", "X", "."] {
            assert_eq!(SignedBuild::sign(&key, version, bad, &sha256), None, "{bad}");
        }
        assert_eq!(
            SignedBuild::sign(&key, version, "x86_64", "../../etc/passwd"),
            None
        );
    }
}
