//! A user leaves: what was given ends with the next request.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Timestamp;
use serde_json::json;

use super::desk::Desk;
use super::errors::ScimError;

/// The inline policy of a deactivated user. It denies everything, so that open sessions end, too; whoever has it is
/// not active.
pub(super) const MARK: &str = "ScimDeactivated";
const DENY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Deactivated","Effect":"Deny","Action":"*","Resource":"*"}]}"#;
/// The inline policy by which sessions from before the deactivation stay refused when the user comes back.
const OLD_SESSIONS: &str = "ScimRevokeOlderSessions";
/// Entries of a page of IAM's: more than a user can have of anything.
const ALL: Option<i32> = Some(1_000);

/// Ends everything a user can do: first by a denial that binds sessions and keys alike, then piece by piece. A denial
/// that cannot be written, for want of room, is told at the end and keeps nothing else open. May be done again.
pub(super) async fn deactivate(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    if desk.is_own(name) {
        return Err(ScimError::own_user());
    }
    let denied = deny(desk, name).await;
    take_away(desk, name).await?;
    denied
}

async fn deny(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    if !inline_policies(desk, name)
        .await?
        .iter()
        .any(|policy| policy == MARK)
    {
        put_inline(desk, name, MARK, DENY.to_owned()).await?;
        put_inline(desk, name, OLD_SESSIONS, deny_sessions_until(desk.now())).await?;
    }
    Ok(())
}

/// Keys and credentials end, and memberships.
async fn take_away(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    for (id, is_active) in keys(desk, name).await? {
        if is_active {
            let input = api::UpdateAccessKeyRequest {
                user_name: Some(name.to_owned()),
                access_key_id: id,
                status: "Inactive".to_owned(),
            };
            desk.call_unless_gone::<op::UpdateAccessKey>(&input).await?;
        }
    }
    for (id, is_active) in credentials(desk, name).await? {
        if is_active {
            let input = api::UpdateServiceSpecificCredentialRequest {
                user_name: Some(name.to_owned()),
                service_specific_credential_id: id,
                status: "Inactive".to_owned(),
            };
            desk.call_unless_gone::<op::UpdateServiceSpecificCredential>(&input)
                .await?;
        }
    }
    for group in groups(desk, name).await? {
        let input = api::RemoveUserFromGroupRequest {
            group_name: group.group_name,
            user_name: name.to_owned(),
        };
        desk.call_unless_gone::<op::RemoveUserFromGroup>(&input).await?;
    }
    Ok(())
}

/// Takes the denial away. Keys, sessions and memberships do not come back by themselves.
pub(super) async fn reactivate(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    delete_inline(desk, name, MARK).await
}

/// Deactivates a user, takes away what is left and deletes it. The denial goes last; without room for one the deletion
/// itself ends what it would have ended.
pub(super) async fn delete(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    if desk.is_own(name) {
        return Err(ScimError::own_user());
    }
    if let Err(error) = deny(desk, name).await {
        tracing::warn!(
            ?error,
            user = name,
            "a user who leaves could not be denied everything first"
        );
    }
    take_away(desk, name).await?;
    delete_credentials(desk, name).await?;
    delete_devices(desk, name).await?;
    let user_name = || name.to_owned();
    let input = api::ListAttachedUserPoliciesRequest {
        user_name: user_name(),
        max_items: ALL,
        ..Default::default()
    };
    let attached = desk
        .call::<op::ListAttachedUserPolicies>(&input)
        .await?
        .attached_policies;
    for policy_arn in attached
        .into_iter()
        .flatten()
        .filter_map(|policy| policy.policy_arn)
    {
        let input = api::DetachUserPolicyRequest {
            user_name: user_name(),
            policy_arn,
        };
        desk.call_unless_gone::<op::DetachUserPolicy>(&input).await?;
    }
    let policies = inline_policies(desk, name).await?;
    for policy in policies.iter().filter(|policy| *policy != MARK) {
        delete_inline(desk, name, policy).await?;
    }
    delete_inline(desk, name, MARK).await?;
    desk.call::<op::DeleteUser>(&api::DeleteUserRequest {
        user_name: user_name(),
    })
    .await?;
    Ok(())
}

async fn delete_credentials(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    let user_name = || Some(name.to_owned());
    for (access_key_id, _) in keys(desk, name).await? {
        let input = api::DeleteAccessKeyRequest {
            user_name: user_name(),
            access_key_id,
        };
        desk.call_unless_gone::<op::DeleteAccessKey>(&input).await?;
    }
    for (service_specific_credential_id, _) in credentials(desk, name).await? {
        let input = api::DeleteServiceSpecificCredentialRequest {
            user_name: user_name(),
            service_specific_credential_id,
        };
        desk.call_unless_gone::<op::DeleteServiceSpecificCredential>(&input)
            .await?;
    }
    desk.call_unless_gone::<op::DeleteLoginProfile>(&api::DeleteLoginProfileRequest {
        user_name: user_name(),
    })
    .await?;
    let input = api::ListSSHPublicKeysRequest {
        user_name: user_name(),
        max_items: ALL,
        ..Default::default()
    };
    for key in desk
        .call::<op::ListSSHPublicKeys>(&input)
        .await?
        .ssh_public_keys
        .into_iter()
        .flatten()
    {
        let input = api::DeleteSSHPublicKeyRequest {
            user_name: name.to_owned(),
            ssh_public_key_id: key.ssh_public_key_id,
        };
        desk.call_unless_gone::<op::DeleteSSHPublicKey>(&input).await?;
    }
    let input = api::ListSigningCertificatesRequest {
        user_name: user_name(),
        max_items: ALL,
        ..Default::default()
    };
    for found in desk
        .call::<op::ListSigningCertificates>(&input)
        .await?
        .certificates
    {
        let input = api::DeleteSigningCertificateRequest {
            user_name: user_name(),
            certificate_id: found.certificate_id,
        };
        desk.call_unless_gone::<op::DeleteSigningCertificate>(&input)
            .await?;
    }
    Ok(())
}

async fn delete_devices(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    let input = api::ListMFADevicesRequest {
        user_name: Some(name.to_owned()),
        max_items: ALL,
        ..Default::default()
    };
    for device in desk.call::<op::ListMFADevices>(&input).await?.mfa_devices {
        let serial_number = device.serial_number;
        let input = api::DeactivateMFADeviceRequest {
            user_name: Some(name.to_owned()),
            serial_number: serial_number.clone(),
        };
        desk.call_unless_gone::<op::DeactivateMFADevice>(&input).await?;
        let input = api::DeleteVirtualMFADeviceRequest { serial_number };
        desk.call_unless_gone::<op::DeleteVirtualMFADevice>(&input)
            .await?;
    }
    Ok(())
}

/// Denies whatever a session that was issued by then asks for.
fn deny_sessions_until(end: Timestamp) -> String {
    let condition = json!({ "DateLessThanEquals": { "aws:TokenIssueTime": end.to_iso() } });
    let statement = json!({ "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

async fn put_inline(
    desk: &Desk<'_>,
    name: &str,
    policy: &str,
    policy_document: String,
) -> Result<(), ScimError> {
    let input = api::PutUserPolicyRequest {
        user_name: name.to_owned(),
        policy_name: policy.to_owned(),
        policy_document,
    };
    desk.call::<op::PutUserPolicy>(&input).await?;
    Ok(())
}

async fn delete_inline(desk: &Desk<'_>, name: &str, policy: &str) -> Result<(), ScimError> {
    let input = api::DeleteUserPolicyRequest {
        user_name: name.to_owned(),
        policy_name: policy.to_owned(),
    };
    desk.call_unless_gone::<op::DeleteUserPolicy>(&input).await
}

/// Names of the user's inline policies.
pub(super) async fn inline_policies(desk: &Desk<'_>, name: &str) -> Result<Vec<String>, ScimError> {
    let input = api::ListUserPoliciesRequest {
        user_name: name.to_owned(),
        max_items: ALL,
        ..Default::default()
    };
    Ok(desk.call::<op::ListUserPolicies>(&input).await?.policy_names)
}

/// The user's groups.
pub(super) async fn groups(desk: &Desk<'_>, name: &str) -> Result<Vec<api::Group>, ScimError> {
    let input = api::ListGroupsForUserRequest {
        user_name: name.to_owned(),
        max_items: ALL,
        ..Default::default()
    };
    Ok(desk.call::<op::ListGroupsForUser>(&input).await?.groups)
}

/// Access key ids, and whether they are active.
async fn keys(desk: &Desk<'_>, name: &str) -> Result<Vec<(String, bool)>, ScimError> {
    let input = api::ListAccessKeysRequest {
        user_name: Some(name.to_owned()),
        max_items: ALL,
        ..Default::default()
    };
    let keys = desk
        .call::<op::ListAccessKeys>(&input)
        .await?
        .access_key_metadata
        .into_iter();
    let keys = keys.filter_map(|key| Some((key.access_key_id?, key.status.as_deref() == Some("Active"))));
    Ok(keys.collect())
}

/// Ids of service-specific credentials, and whether they are active.
async fn credentials(desk: &Desk<'_>, name: &str) -> Result<Vec<(String, bool)>, ScimError> {
    let input = api::ListServiceSpecificCredentialsRequest {
        user_name: Some(name.to_owned()),
        max_items: ALL,
        ..Default::default()
    };
    let found = desk
        .call::<op::ListServiceSpecificCredentials>(&input)
        .await?
        .service_specific_credentials;
    let found = found.into_iter().flatten();
    Ok(found
        .map(|one| (one.service_specific_credential_id, one.status == "Active"))
        .collect())
}
