//! What limits a session beyond its role: inline and managed session policies, packed together (R26, R27).

use portcullis_core::{Arn, Tags};
use portcullis_policy::{Document, Kind, size_quota};

use super::errors::StsError;
use crate::gate::policies::default_policy;
use crate::open_points;
use crate::world::Snapshot;

/// Most managed session policies (R26).
const POLICY_ARNS_MAX: usize = 10;

/// Checks session policies and tags; answers how much of the room they take, in percent.
pub fn check(view: &Snapshot, policy: Option<&str>, arns: &[Arn], tags: &Tags) -> Result<u64, StsError> {
    if let Some(text) = policy {
        // White space counts here: the limit is that of the parameter.
        if let Some(max) = size_quota(Kind::Session).filter(|max| text.chars().count() > *max) {
            return Err(StsError::PolicyTooLong {
                policy: text.to_owned(),
                max,
            });
        }
        Document::parse(text, Kind::Session)
            .map_err(|malformed| StsError::MalformedPolicy(malformed.to_string()))?;
    }
    if arns.len() > POLICY_ARNS_MAX {
        return Err(StsError::TooManyPolicies);
    }
    if let Some(missing) = arns.iter().find(|arn| default_policy(view, arn).is_none()) {
        return Err(StsError::NoSuchPolicy(missing.to_string()));
    }
    let percent = packed_percent(policy, arns, tags);
    match percent {
        ..=100 => Ok(percent),
        _ if policy.is_none() && arns.is_empty() => Err(StsError::PackedTagsTooLarge(percent)),
        _ => Err(StsError::PackedPolicyTooLarge(percent)),
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
    let bytes = open_points::r27_packed_bytes(&plain);
    let percent = (bytes * 100).div_ceil(open_points::r27_packed_bytes_max());
    u64::try_from(percent).unwrap_or(u64::MAX)
}
