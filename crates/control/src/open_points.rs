//! Where AWS is silent about what happens around a decision, one function per open point decides, named after its rule in
//! the policy-language specification. Those of the language itself stand in `portcullis-policy`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use portcullis_core::{Arn, Timestamp};

use crate::gate::operation::Check;

/// R27: how many bytes session policies, their ARNs and session tags take in a token. AWS's format is secret; ours is
/// deflate.
pub(crate) fn r27_packed_bytes(plain: &str) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let packed = encoder
        .write_all(plain.as_bytes())
        .and_then(|()| encoder.finish());
    packed.map_or(plain.len(), |packed| packed.len())
}

/// R27: how many bytes they may take.
pub(crate) fn r27_packed_bytes_max() -> usize {
    2_048
}

/// R139: of several refused checks of a call, which one is its answer. The first; the call is refused as a whole, also
/// where it describes several things.
pub(crate) fn r139_answer<E>(refused: impl IntoIterator<Item = E>) -> Option<E> {
    refused.into_iter().next()
}

/// R146: the checks of a StartTask on several container instances, given the check without any. One for each, since
/// `ecs:container-instances` is single-valued.
pub(crate) fn r146_check_for_each(own: &Check, instances: impl Iterator<Item = Arn>) -> Vec<Check> {
    instances
        .map(|arn| own.clone().with("ecs:container-instances", arn.as_str()))
        .collect()
}

/// R148: whether tags given at creation need `ecs:TagResource`. Always, as the account setting tagResourceAuthorization has
/// it by default.
pub(crate) fn r148_tags_need_permission() -> bool {
    true
}

/// R151: `iam:AssociatedResourceArn` when a role is passed to ECS. Absent.
pub(crate) fn r151_associated_resource(_role: &Arn) -> Option<String> {
    None
}

/// R159: when the MFA code of a role's session was accepted, given when that of its AssumeRole was. Never: role sessions
/// carry `aws:MultiFactorAuthPresent` = false and no age.
pub(crate) fn r159_mfa_of_role_session(_of_the_call: Option<Timestamp>) -> Option<Timestamp> {
    None
}

/// R175: the resource that asking for the details of a refusal is checked on. The authorisation reference does not have
/// the action; everything.
pub(crate) fn r175_resource() -> &'static str {
    "*"
}

/// R181: the check on something that is not there. As on something without tags, so that only who may see it learns
/// that it is not there.
pub(crate) fn r181_check_on_missing(check: Check) -> Check {
    check
}
