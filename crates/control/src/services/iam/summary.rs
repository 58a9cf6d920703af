//! GetAccountSummary: how many there are, and how many there may be.

use std::collections::BTreeMap;

use portcullis_api::iam as api;
use portcullis_api::iam::op;

use super::access_keys::KEYS_PER_USER;
use super::checks::one;
use super::documents::{MANAGED_SIZE, TRUST_SIZE};
use super::entity::Holder;
use super::memberships::GROUPS_PER_USER;
use super::versions::VERSIONS;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Check, Row, read};
use crate::world::Snapshot;
use crate::world::records::iam::{Group, Role, User};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![read::<op::GetAccountSummary>(
        &["iam:GetAccountSummary"],
        |_| one(Check::new("iam:GetAccountSummary", "*")),
        get,
    )]
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    _auth: Authorized<'_, op::GetAccountSummary>,
) -> Result<api::GetAccountSummaryResponse, ServiceError> {
    let all = counts(view).into_iter().chain(QUOTAS.iter().copied());
    let summary: BTreeMap<_, _> = all
        .map(|(key, value)| (key.to_owned(), i32::try_from(value).unwrap_or(i32::MAX)))
        .collect();
    Ok(api::GetAccountSummaryResponse {
        summary_map: Some(summary),
    })
}

fn counts(view: &Snapshot) -> [(&'static str, usize); 10] {
    let in_use = view
        .mfa_devices
        .iter()
        .filter(|(_, device)| device.user.is_some())
        .count();
    let root_has_keys = view.user_keys(None).next().is_some();
    [
        ("Users", view.users.len()),
        ("Groups", view.groups.len()),
        ("Roles", view.roles.len()),
        ("Policies", view.policies.len()),
        ("InstanceProfiles", view.instance_profiles.len()),
        (
            "PolicyVersionsInUse",
            view.policies
                .iter()
                .map(|(_, policy)| policy.versions.len())
                .sum(),
        ),
        ("MFADevices", view.mfa_devices.len()),
        ("MFADevicesInUse", in_use),
        ("AccountAccessKeysPresent", usize::from(root_has_keys)),
        ("Providers", 0),
    ]
}

/// AWS's quotas. How many entities an account may have is shown and not enforced (docs/fidelity.md).
const QUOTAS: &[(&str, usize)] = &[
    ("UsersQuota", 5_000),
    ("GroupsQuota", 300),
    ("RolesQuota", 1_000),
    ("PoliciesQuota", 1_500),
    ("InstanceProfilesQuota", 1_000),
    ("PolicyVersionsInUseQuota", 10_000),
    ("ServerCertificates", 0),
    ("ServerCertificatesQuota", 20),
    ("SigningCertificatesPerUserQuota", 2),
    ("AccessKeysPerUserQuota", KEYS_PER_USER),
    ("GroupsPerUserQuota", GROUPS_PER_USER),
    ("VersionsPerPolicyQuota", VERSIONS),
    ("PolicySizeQuota", MANAGED_SIZE),
    ("AssumeRolePolicySizeQuota", TRUST_SIZE),
    ("UserPolicySizeQuota", User::INLINE_BYTES),
    ("GroupPolicySizeQuota", Group::INLINE_BYTES),
    ("RolePolicySizeQuota", Role::INLINE_BYTES),
    ("AttachedPoliciesPerUserQuota", User::ATTACHED.1),
    ("AttachedPoliciesPerGroupQuota", Group::ATTACHED.1),
    ("AttachedPoliciesPerRoleQuota", Role::ATTACHED.1),
    ("AccountMFAEnabled", 0),
    ("AccountPasswordPresent", 0),
    ("AccountSigningCertificatesPresent", 0),
    ("GlobalEndpointTokenVersion", 2),
];
