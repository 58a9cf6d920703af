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
use super::{quotas, signing_certificates, token_preferences};
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

fn counts(view: &Snapshot) -> [(&'static str, usize); 19] {
    let in_use = view
        .mfa_devices
        .iter()
        .filter(|(_, device)| device.user.is_some())
        .count();
    let root_has_keys = view.user_keys(None).next().is_some();
    let root_has_certificates = !signing_certificates::of(view, view.account.as_str()).is_empty();
    [
        ("Users", view.users.len()),
        ("Groups", view.groups.len()),
        ("Roles", view.roles.len()),
        ("Policies", view.policies.len()),
        ("InstanceProfiles", view.instance_profiles.len()),
        ("PolicyVersionsInUse", policies_in_use(view)),
        ("ServerCertificates", view.server_certificates.len()),
        ("MFADevices", view.mfa_devices.len()),
        ("MFADevicesInUse", in_use),
        ("AccountAccessKeysPresent", usize::from(root_has_keys)),
        (
            "AccountSigningCertificatesPresent",
            usize::from(root_has_certificates),
        ),
        ("Providers", view.saml_providers.len() + view.oidc_providers.len()),
        ("UsersQuota", quotas::USERS.limit(view)),
        ("GroupsQuota", quotas::GROUPS.limit(view)),
        ("RolesQuota", quotas::ROLES.limit(view)),
        ("PoliciesQuota", quotas::POLICIES.limit(view)),
        ("InstanceProfilesQuota", quotas::INSTANCE_PROFILES.limit(view)),
        ("ServerCertificatesQuota", quotas::SERVER_CERTIFICATES.limit(view)),
        (
            "GlobalEndpointTokenVersion",
            token_preferences::global_version(view),
        ),
    ]
}

/// How many managed policies somebody uses, AWS's too: of each only the default version is in use.
fn policies_in_use(view: &Snapshot) -> usize {
    let mut last = None;
    let mut count = 0;
    for (key, _) in view.attachments.iter() {
        let policy = key.split('\n').next();
        if policy != last {
            count += 1;
            last = policy;
        }
    }
    count
}

/// AWS's quotas that are the same for every account, and what no root user of ours has: a console.
const QUOTAS: &[(&str, usize)] = &[
    ("PolicyVersionsInUseQuota", 10_000),
    ("SigningCertificatesPerUserQuota", signing_certificates::PER_USER),
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
];
