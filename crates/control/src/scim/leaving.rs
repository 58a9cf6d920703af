//! A user leaves: what was given ends with the next request.

use portcullis_api::iam as api;
use portcullis_api::iam::op;

use super::away;
use super::desk::Desk;
use super::errors::ScimError;

/// Entries of a page of IAM's: more than a user can have of anything.
const ALL: Option<i32> = Some(1_000);

/// Ends everything a user can do: first by the mark that binds keys and sessions alike, then piece by piece, so that
/// lists of keys and groups show it. May be done again.
pub(super) async fn deactivate(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    if desk.is_own(name) {
        return Err(ScimError::own_user());
    }
    away::leave(desk, name).await?;
    for (id, is_active) in keys(desk, name).await? {
        if is_active {
            set_key(desk, name, id, "Inactive").await?;
        }
    }
    for (id, is_active) in credentials(desk, name).await? {
        if is_active {
            set_credential(desk, name, id, "Inactive").await?;
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

/// Gives back what worked when the user left, and takes the mark away at the end: until then nothing works. Sessions from
/// before stay ended, and memberships are the provider's to give.
pub(super) async fn reactivate(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    let departure = desk.departure(name).unwrap_or_default();
    for id in departure.access_keys {
        set_key(desk, name, id, "Active").await?;
    }
    for id in departure.credentials {
        set_credential(desk, name, id, "Active").await?;
    }
    away::come_back(desk, name).await
}

async fn set_key(desk: &Desk<'_>, name: &str, access_key_id: String, status: &str) -> Result<(), ScimError> {
    let input = api::UpdateAccessKeyRequest {
        user_name: Some(name.to_owned()),
        access_key_id,
        status: status.to_owned(),
    };
    desk.call_unless_gone::<op::UpdateAccessKey>(&input).await
}

async fn set_credential(desk: &Desk<'_>, name: &str, id: String, status: &str) -> Result<(), ScimError> {
    let input = api::UpdateServiceSpecificCredentialRequest {
        user_name: Some(name.to_owned()),
        service_specific_credential_id: id,
        status: status.to_owned(),
    };
    desk.call_unless_gone::<op::UpdateServiceSpecificCredential>(&input)
        .await
}

/// Deactivates a user, takes away what is left and deletes it.
pub(super) async fn delete(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
    deactivate(desk, name).await?;
    delete_credentials(desk, name).await?;
    delete_devices(desk, name).await?;
    delete_policies(desk, name).await?;
    desk.call::<op::DeleteUser>(&api::DeleteUserRequest {
        user_name: name.to_owned(),
    })
    .await?;
    Ok(())
}

async fn delete_policies(desk: &Desk<'_>, name: &str) -> Result<(), ScimError> {
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
    let input = api::ListUserPoliciesRequest {
        user_name: user_name(),
        max_items: ALL,
        ..Default::default()
    };
    for policy_name in desk.call::<op::ListUserPolicies>(&input).await?.policy_names {
        let input = api::DeleteUserPolicyRequest {
            user_name: user_name(),
            policy_name,
        };
        desk.call_unless_gone::<op::DeleteUserPolicy>(&input).await?;
    }
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
