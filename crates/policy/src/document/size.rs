//! How large a policy counts (R26).

use crate::{Kind, open_points};

/// Characters without white space: what IAM's size quotas count (R26).
///
/// ```
/// assert_eq!(portcullis_policy::size_without_whitespace("{ \"a\":\n\t1 }"), 7);
/// ```
pub fn size_without_whitespace(text: &str) -> usize {
    text.chars().filter(|c| open_points::r26_counts(*c)).count()
}

/// How many characters a policy of a kind may have (R26); `None` where the service that keeps it decides. Inline policies
/// have quotas of whom they are attached to instead.
///
/// ```
/// use portcullis_policy::{Kind, size_quota};
/// assert_eq!(size_quota(Kind::Identity), Some(6_144));
/// ```
pub const fn size_quota(kind: Kind) -> Option<usize> {
    match kind {
        Kind::Identity | Kind::Boundary => Some(6_144),
        Kind::Session => Some(2_048),
        Kind::Trust => Some(open_points::r26_trust_policy_size()),
        Kind::ServiceControl | Kind::ResourceControl => Some(open_points::r26_control_policy_size()),
        Kind::Resource | Kind::Endpoint => None,
    }
}
