//! What has to go before an entity can be deleted.

use std::collections::BTreeMap;

use anyhow::Result;
use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_wire::Operation;

use super::step::Step;
use super::who::{Who, leave};
use super::{Grants, Identities, InstanceProfile, Policy, User, arn_of};
use crate::client::Client;

/// What users have that the file does not hold: keys, passwords, devices. The steps that delete it, by user.
pub type Belongings = BTreeMap<String, Vec<Step>>;

/// Asks what the users that `wanted` does not hold have.
pub async fn belongings(client: &Client, wanted: &Identities, present: &Identities) -> Result<Belongings> {
    let mut found = Belongings::new();
    for name in present
        .users
        .keys()
        .filter(|name| !wanted.users.contains_key(*name))
    {
        let mut steps = credentials(client, name).await?;
        steps.extend(certificates(client, name).await?);
        steps.extend(devices(client, name).await?);
        found.insert(name.clone(), steps);
    }
    Ok(found)
}

async fn credentials(client: &Client, name: &str) -> Result<Vec<Step>> {
    let user_name = || Some(name.to_owned());
    let mut steps = Vec::new();
    let request = api::ListAccessKeysRequest {
        user_name: user_name(),
        ..Default::default()
    };
    let keys = client
        .expect::<op::ListAccessKeys>(&request)
        .await?
        .access_key_metadata;
    for id in keys.into_iter().filter_map(|key| key.access_key_id) {
        let input = api::DeleteAccessKeyRequest {
            user_name: user_name(),
            access_key_id: id.clone(),
        };
        steps.push(removal::<op::DeleteAccessKey>(
            name,
            &format!("access key {id}"),
            input,
        ));
    }
    let request = api::GetLoginProfileRequest {
        user_name: user_name(),
    };
    match client.call::<op::GetLoginProfile>(&request).await?.result {
        Ok(_) => {
            let input = api::DeleteLoginProfileRequest {
                user_name: user_name(),
            };
            steps.push(removal::<op::DeleteLoginProfile>(name, "password", input));
        }
        Err(refusal) if refusal.code == "NoSuchEntity" => {}
        Err(refusal) => anyhow::bail!("GetLoginProfile failed: {refusal}"),
    }
    Ok(steps)
}

async fn certificates(client: &Client, name: &str) -> Result<Vec<Step>> {
    let user_name = || Some(name.to_owned());
    let mut steps = Vec::new();
    let request = api::ListSSHPublicKeysRequest {
        user_name: user_name(),
        ..Default::default()
    };
    let keys = client
        .expect::<op::ListSSHPublicKeys>(&request)
        .await?
        .ssh_public_keys;
    for id in keys.into_iter().flatten().map(|key| key.ssh_public_key_id) {
        let input = api::DeleteSSHPublicKeyRequest {
            user_name: name.to_owned(),
            ssh_public_key_id: id.clone(),
        };
        steps.push(removal::<op::DeleteSSHPublicKey>(
            name,
            &format!("SSH key {id}"),
            input,
        ));
    }
    let request = api::ListSigningCertificatesRequest {
        user_name: user_name(),
        ..Default::default()
    };
    for found in client
        .expect::<op::ListSigningCertificates>(&request)
        .await?
        .certificates
    {
        let id = found.certificate_id;
        let what = format!("signing certificate {id}");
        let input = api::DeleteSigningCertificateRequest {
            user_name: user_name(),
            certificate_id: id,
        };
        steps.push(removal::<op::DeleteSigningCertificate>(name, &what, input));
    }
    let request = api::ListServiceSpecificCredentialsRequest {
        user_name: user_name(),
        ..Default::default()
    };
    let found = client
        .expect::<op::ListServiceSpecificCredentials>(&request)
        .await?;
    for found in found.service_specific_credentials.into_iter().flatten() {
        let id = found.service_specific_credential_id;
        let what = format!("credential {id} for {}", found.service_name);
        let input = api::DeleteServiceSpecificCredentialRequest {
            user_name: user_name(),
            service_specific_credential_id: id,
        };
        steps.push(removal::<op::DeleteServiceSpecificCredential>(name, &what, input));
    }
    Ok(steps)
}

async fn devices(client: &Client, name: &str) -> Result<Vec<Step>> {
    let request = api::ListMFADevicesRequest {
        user_name: Some(name.to_owned()),
        ..Default::default()
    };
    let mut steps = Vec::new();
    for device in client.expect::<op::ListMFADevices>(&request).await?.mfa_devices {
        let serial_number = device.serial_number;
        let what = format!("MFA device {serial_number}");
        let input = api::DeactivateMFADeviceRequest {
            user_name: Some(name.to_owned()),
            serial_number: serial_number.clone(),
        };
        steps.push(removal::<op::DeactivateMFADevice>(name, &what, input));
        if serial_number.contains(":mfa/") {
            let input = api::DeleteVirtualMFADeviceRequest { serial_number };
            steps.push(Step::remove::<op::DeleteVirtualMFADevice>(what, input));
        }
    }
    Ok(steps)
}

fn removal<O: Operation>(user: &str, what: &str, input: O::Input) -> Step {
    Step::remove::<O>(format!("user {user}: {what}"), input)
}

/// Deletes a user, who leaves the groups first.
pub fn user(name: &str, user: &User, belongings: Vec<Step>, account: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = user.groups.iter().map(|group| leave(name, group)).collect();
    steps.extend(belongings);
    steps.extend(bare(Who::User(name), &user.grants, account));
    steps.push(Who::User(name).delete());
    steps
}

/// Deletes a group or role.
pub fn entity(who: Who<'_>, grants: &Grants, account: &str) -> Vec<Step> {
    let mut steps = bare(who, grants, account);
    steps.push(who.delete());
    steps
}

fn bare(who: Who<'_>, grants: &Grants, account: &str) -> Vec<Step> {
    let attached = grants.attached.iter();
    let detach = attached.map(|reference| who.detach(reference, arn_of(reference, account)));
    detach
        .chain(grants.inline.keys().map(|name| who.delete_inline(name)))
        .collect()
}

/// Deletes a customer managed policy with all its versions.
pub fn policy(name: &str, policy: &Policy, arn: &str) -> Vec<Step> {
    let versions = policy
        .other_versions
        .iter()
        .map(|version| version_of(name, arn, version));
    let mut steps: Vec<Step> = versions.collect();
    let input = api::DeletePolicyRequest {
        policy_arn: arn.to_owned(),
    };
    steps.push(Step::remove::<op::DeletePolicy>(format!("policy {name}"), input));
    steps
}

/// Deletes one version of a policy.
pub fn version_of(name: &str, arn: &str, version: &str) -> Step {
    let input = api::DeletePolicyVersionRequest {
        policy_arn: arn.to_owned(),
        version_id: version.to_owned(),
    };
    Step::remove::<op::DeletePolicyVersion>(format!("policy {name}: version {version}"), input)
}

/// Takes the role out of an instance profile.
pub fn role_of(profile: &str, role: &str) -> Step {
    let input = api::RemoveRoleFromInstanceProfileRequest {
        instance_profile_name: profile.to_owned(),
        role_name: role.to_owned(),
    };
    Step::remove::<op::RemoveRoleFromInstanceProfile>(
        format!("instance profile {profile}: role {role}"),
        input,
    )
}

/// Deletes an instance profile.
pub fn instance_profile(name: &str, profile: &InstanceProfile) -> Vec<Step> {
    let mut steps: Vec<Step> = profile.role.iter().map(|role| role_of(name, role)).collect();
    let input = api::DeleteInstanceProfileRequest {
        instance_profile_name: name.to_owned(),
    };
    steps.push(Step::remove::<op::DeleteInstanceProfile>(
        format!("instance profile {name}"),
        input,
    ));
    steps
}
