//! What limits a session beyond its role: inline and managed session policies, packed together (R26, R27).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use portcullis_core::{Arn, Tags};
use portcullis_policy::{Document, Kind};

use super::errors::StsError;
use crate::gate::policies::default_document;
use crate::world::Snapshot;

/// Room for policies and tags in a token, in bytes of our packing (R27: AWS's is secret).
const PACKED_BYTES_MAX: u64 = 2_048;
/// Most characters of an inline session policy, white space included (R26).
const POLICY_CHARACTERS_MAX: usize = 2_048;
/// Most managed session policies (R26).
const POLICY_ARNS_MAX: usize = 10;

/// Checks session policies and tags; answers how much of the room they take, in percent.
pub fn check(view: &Snapshot, policy: Option<&str>, arns: &[Arn], tags: &Tags) -> Result<u64, StsError> {
    if let Some(text) = policy {
        if text.chars().count() > POLICY_CHARACTERS_MAX {
            return Err(StsError::PolicyTooLong {
                policy: text.to_owned(),
                max: POLICY_CHARACTERS_MAX,
            });
        }
        Document::parse(text, Kind::Session)
            .map_err(|malformed| StsError::MalformedPolicy(malformed.to_string()))?;
    }
    if arns.len() > POLICY_ARNS_MAX {
        return Err(StsError::TooManyPolicies);
    }
    if let Some(missing) = arns.iter().find(|arn| default_document(view, arn).is_none()) {
        return Err(StsError::NoSuchPolicy(missing.to_string()));
    }
    let percent = packed_percent(policy, arns, tags);
    if percent > 100 {
        Err(StsError::PackedPolicyTooLarge(percent))
    } else {
        Ok(percent)
    }
}

fn packed_percent(policy: Option<&str>, arns: &[Arn], tags: &Tags) -> u64 {
    let mut plain = policy.unwrap_or_default().to_owned();
    for arn in arns {
        plain.push_str(arn.as_str());
    }
    for tag in tags.iter() {
        plain.push_str(&tag.key);
        plain.push_str(&tag.value);
    }
    if plain.is_empty() {
        return 0;
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let packed = encoder
        .write_all(plain.as_bytes())
        .and_then(|()| encoder.finish());
    let bytes = packed.map_or(plain.len(), |packed| packed.len());
    (u64::try_from(bytes).unwrap_or(u64::MAX) * 100).div_ceil(PACKED_BYTES_MAX)
}
