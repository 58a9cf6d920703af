//! Versions of managed policies: at most five, one in force (R26).

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::documents;
use super::errors::IamError;
use super::managed_policies::{self, listed_version, version_number};
use super::paging::Paging;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::iam::PolicyVersion;
use crate::world::{Snapshot, Tx};

/// Versions a policy may have.
pub(super) const VERSIONS: usize = 5;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreatePolicyVersion>(
            &["iam:CreatePolicyVersion"],
            |ask| {
                one(checks::on_policy(
                    "iam:CreatePolicyVersion",
                    &ask,
                    &ask.input.policy_arn,
                ))
            },
            create,
        ),
        read::<op::GetPolicyVersion>(
            &["iam:GetPolicyVersion"],
            |ask| {
                let input = ask.input;
                let shown = format!("policy {} version {}", input.policy_arn, input.version_id);
                one(checks::on_policy("iam:GetPolicyVersion", &ask, &input.policy_arn).shown_as(shown))
            },
            get,
        ),
        read::<op::ListPolicyVersions>(
            &["iam:ListPolicyVersions"],
            |ask| {
                one(checks::on_policy(
                    "iam:ListPolicyVersions",
                    &ask,
                    &ask.input.policy_arn,
                ))
            },
            list,
        ),
        write::<op::DeletePolicyVersion>(
            &["iam:DeletePolicyVersion"],
            |ask| {
                one(checks::on_policy(
                    "iam:DeletePolicyVersion",
                    &ask,
                    &ask.input.policy_arn,
                ))
            },
            delete,
        ),
        write::<op::SetDefaultPolicyVersion>(
            &["iam:SetDefaultPolicyVersion"],
            |ask| {
                let input = ask.input;
                let shown = format!("policy {} version {}", input.policy_arn, input.version_id);
                one(checks::on_policy("iam:SetDefaultPolicyVersion", &ask, &input.policy_arn).shown_as(shown))
            },
            set_default,
        ),
    ]
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreatePolicyVersion>,
) -> Result<api::CreatePolicyVersionResponse, ServiceError> {
    let input = auth.input();
    let mut policy = managed_policies::edit(tx.view(), &input.policy_arn)?;
    let document = documents::managed(&input.policy_document)?;
    if policy.versions.len() >= VERSIONS {
        return Err(IamError::PolicyVersions.into());
    }
    let number = policy.next_version;
    policy.next_version += 1;
    policy.updated = tx.now;
    if input.set_as_default == Some(true) {
        policy.default_version = number;
    }
    let version = PolicyVersion {
        document,
        created: tx.now,
    };
    let shown = listed_version(&policy, number, &version);
    policy.versions.insert(number, version);
    tx.put(policy);
    Ok(api::CreatePolicyVersionResponse {
        policy_version: Some(shown),
    })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetPolicyVersion>,
) -> Result<api::GetPolicyVersionResponse, ServiceError> {
    let input = auth.input();
    let policy = managed_policies::get(view, &input.policy_arn)?;
    let version = policy
        .version(&input.version_id)
        .ok_or_else(|| missing(&input.policy_arn, &input.version_id))?;
    Ok(api::GetPolicyVersionResponse {
        policy_version: Some(version),
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListPolicyVersions>,
) -> Result<api::ListPolicyVersionsResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let versions = managed_policies::get(view, &input.policy_arn)?.versions();
    let without_document = |version| api::PolicyVersion {
        document: None,
        ..version
    };
    let page = paging.counted(versions.into_iter().map(without_document))?;
    Ok(api::ListPolicyVersionsResponse {
        is_truncated: page.is_truncated(),
        versions: Some(page.items),
        marker: page.marker,
    })
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeletePolicyVersion>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut policy = managed_policies::edit(tx.view(), &input.policy_arn)?;
    let number = version_number(&input.version_id).filter(|number| policy.versions.contains_key(number));
    let number = number.ok_or_else(|| missing(&input.policy_arn, &input.version_id))?;
    if number == policy.default_version {
        return Err(IamError::DefaultVersion.into());
    }
    policy.versions.remove(&number);
    tx.put(policy);
    Ok(Empty {})
}

fn set_default(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::SetDefaultPolicyVersion>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut policy = managed_policies::edit(tx.view(), &input.policy_arn)?;
    let number = version_number(&input.version_id).filter(|number| policy.versions.contains_key(number));
    policy.default_version = number.ok_or_else(|| missing(&input.policy_arn, &input.version_id))?;
    policy.updated = tx.now;
    tx.put(policy);
    Ok(Empty {})
}

fn missing(policy: &str, version: &str) -> IamError {
    IamError::NoPolicyVersion {
        arn: policy.to_owned(),
        version: version.to_owned(),
    }
}
