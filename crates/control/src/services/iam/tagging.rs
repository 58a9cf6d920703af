//! Tag, Untag and List tags of users, roles, instance profiles, policies, MFA devices and server certificates.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Tags;
use portcullis_wire::Empty;

use super::checks::{self, one};
use super::credential_errors::CredentialError;
use super::entity::{self, Entity};
use super::errors::IamError;
use super::paging::{Page, Paging};
use super::{managed_policies, mfa, shapes, tags};
use crate::gate::context::add_request_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Check, Row, read, write};
use crate::world::records::credentials::ServerCertificate;
use crate::world::records::iam::{InstanceProfile, Role, User};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    let groups = [
        users(),
        roles(),
        instance_profiles(),
        policies(),
        devices(),
        server_certificates(),
    ];
    groups.into_iter().flatten().collect()
}

/// A check with the tags of the request.
pub(super) fn tagging(mut check: Check, tags: &Vec<api::Tag>) -> Check {
    add_request_tags(&mut check.context, &tags::as_given(Some(tags)));
    check
}

/// A check with the tag keys of the request.
pub(super) fn untagging(check: Check, keys: &[String]) -> Check {
    check.with_many("aws:TagKeys", keys.to_vec())
}

fn tag<E: Entity>(tx: &mut Tx<'_>, name: &str, new: &Vec<api::Tag>) -> Result<Empty, ServiceError> {
    let mut entity = E::clone(entity::get::<E>(tx.view(), name)?);
    let exact = E::EXACT_TAG_KEYS;
    if let Some(existing) = entity.tags_mut() {
        if exact {
            set_exact(existing, new)?;
        } else {
            tags::add(existing, &tags::accept(Some(new))?)?;
        }
    }
    tx.put(entity);
    Ok(Empty {})
}

fn untag<E: Entity>(tx: &mut Tx<'_>, name: &str, keys: &[String]) -> Result<Empty, ServiceError> {
    let mut entity = E::clone(entity::get::<E>(tx.view(), name)?);
    let exact = E::EXACT_TAG_KEYS;
    if let Some(existing) = entity.tags_mut() {
        if exact {
            remove_exact(existing, keys)?;
        } else {
            tags::remove(existing, keys);
        }
    }
    tx.put(entity);
    Ok(Empty {})
}

/// Sets tags on what keeps keys apart that differ in case alone.
pub(super) fn set_exact(existing: &mut Tags, new: &Vec<api::Tag>) -> Result<(), ServiceError> {
    if new.is_empty() {
        return Err(CredentialError::NoTags.into());
    }
    Ok(tags::add_exact(existing, &tags::accept_exact(Some(new))?)?)
}

/// Removes tags of the same; keys that are not there do no harm.
pub(super) fn remove_exact(existing: &mut Tags, keys: &[String]) -> Result<(), ServiceError> {
    if keys.is_empty() {
        return Err(CredentialError::NoTagKeys.into());
    }
    for key in keys {
        existing.remove(key);
    }
    Ok(())
}

fn list<E: Entity>(
    view: &Snapshot,
    name: &str,
    marker: Option<&String>,
    max_items: Option<i32>,
) -> Result<Page<api::Tag>, IamError> {
    let none = Tags::new();
    page(
        entity::get::<E>(view, name)?.tags().unwrap_or(&none),
        marker,
        max_items,
    )
}

/// A page of tags.
pub(super) fn page(
    tags: &Tags,
    marker: Option<&String>,
    max_items: Option<i32>,
) -> Result<Page<api::Tag>, IamError> {
    Paging::of(marker, max_items)?.counted(shapes::tag_list(tags).into_iter())
}

fn users() -> Vec<Row> {
    vec![
        write::<op::TagUser>(
            &["iam:TagUser"],
            |ask| {
                one(tagging(
                    checks::on::<User>("iam:TagUser", &ask, &ask.input.user_name),
                    &ask.input.tags,
                ))
            },
            |tx, auth| tag::<User>(tx, &auth.input().user_name, &auth.input().tags),
        ),
        write::<op::UntagUser>(
            &["iam:UntagUser"],
            |ask| {
                let check = checks::on::<User>("iam:UntagUser", &ask, &ask.input.user_name);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| untag::<User>(tx, &auth.input().user_name, &auth.input().tag_keys),
        ),
        read::<op::ListUserTags>(
            &["iam:ListUserTags"],
            |ask| one(checks::on::<User>("iam:ListUserTags", &ask, &ask.input.user_name)),
            |view, _, auth| {
                let input = auth.input();
                let page = list::<User>(view, &input.user_name, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListUserTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn roles() -> Vec<Row> {
    vec![
        write::<op::TagRole>(
            &["iam:TagRole"],
            |ask| {
                one(tagging(
                    checks::on::<Role>("iam:TagRole", &ask, &ask.input.role_name),
                    &ask.input.tags,
                ))
            },
            |tx, auth| tag::<Role>(tx, &auth.input().role_name, &auth.input().tags),
        ),
        write::<op::UntagRole>(
            &["iam:UntagRole"],
            |ask| {
                let check = checks::on::<Role>("iam:UntagRole", &ask, &ask.input.role_name);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| untag::<Role>(tx, &auth.input().role_name, &auth.input().tag_keys),
        ),
        read::<op::ListRoleTags>(
            &["iam:ListRoleTags"],
            |ask| one(checks::on::<Role>("iam:ListRoleTags", &ask, &ask.input.role_name)),
            |view, _, auth| {
                let input = auth.input();
                let page = list::<Role>(view, &input.role_name, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListRoleTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn instance_profiles() -> Vec<Row> {
    vec![
        write::<op::TagInstanceProfile>(
            &["iam:TagInstanceProfile"],
            |ask| {
                let name = &ask.input.instance_profile_name;
                one(tagging(
                    checks::on::<InstanceProfile>("iam:TagInstanceProfile", &ask, name),
                    &ask.input.tags,
                ))
            },
            |tx, auth| tag::<InstanceProfile>(tx, &auth.input().instance_profile_name, &auth.input().tags),
        ),
        write::<op::UntagInstanceProfile>(
            &["iam:UntagInstanceProfile"],
            |ask| {
                let name = &ask.input.instance_profile_name;
                let check = checks::on::<InstanceProfile>("iam:UntagInstanceProfile", &ask, name);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| {
                untag::<InstanceProfile>(tx, &auth.input().instance_profile_name, &auth.input().tag_keys)
            },
        ),
        read::<op::ListInstanceProfileTags>(
            &["iam:ListInstanceProfileTags"],
            |ask| {
                let name = &ask.input.instance_profile_name;
                one(checks::on::<InstanceProfile>(
                    "iam:ListInstanceProfileTags",
                    &ask,
                    name,
                ))
            },
            |view, _, auth| {
                let input = auth.input();
                let name = &input.instance_profile_name;
                let page = list::<InstanceProfile>(view, name, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListInstanceProfileTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn policies() -> Vec<Row> {
    vec![
        write::<op::TagPolicy>(
            &["iam:TagPolicy"],
            |ask| {
                one(tagging(
                    checks::on_policy("iam:TagPolicy", &ask, &ask.input.policy_arn),
                    &ask.input.tags,
                ))
            },
            |tx, auth| {
                let mut policy = managed_policies::edit(tx.view(), &auth.input().policy_arn)?;
                tags::add(&mut policy.tags, &tags::accept(Some(&auth.input().tags))?)?;
                tx.put(policy);
                Ok(Empty {})
            },
        ),
        write::<op::UntagPolicy>(
            &["iam:UntagPolicy"],
            |ask| {
                let check = checks::on_policy("iam:UntagPolicy", &ask, &ask.input.policy_arn);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| {
                let mut policy = managed_policies::edit(tx.view(), &auth.input().policy_arn)?;
                tags::remove(&mut policy.tags, &auth.input().tag_keys);
                tx.put(policy);
                Ok(Empty {})
            },
        ),
        read::<op::ListPolicyTags>(
            &["iam:ListPolicyTags"],
            |ask| {
                one(checks::on_policy(
                    "iam:ListPolicyTags",
                    &ask,
                    &ask.input.policy_arn,
                ))
            },
            |view, _, auth| {
                let input = auth.input();
                let tags = match managed_policies::get(view, &input.policy_arn)? {
                    managed_policies::Found::Customer(policy) => policy.tags.clone(),
                    managed_policies::Found::Aws(_) => Tags::new(),
                };
                let page = page(&tags, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListPolicyTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn devices() -> Vec<Row> {
    vec![
        write::<op::TagMFADevice>(
            &["iam:TagMFADevice"],
            |ask| {
                one(tagging(
                    checks::on_device("iam:TagMFADevice", &ask, &ask.input.serial_number),
                    &ask.input.tags,
                ))
            },
            |tx, auth| {
                let mut device = mfa::get(tx.view(), &auth.input().serial_number)?.clone();
                tags::add(&mut device.tags, &tags::accept(Some(&auth.input().tags))?)?;
                tx.put(device);
                Ok(Empty {})
            },
        ),
        write::<op::UntagMFADevice>(
            &["iam:UntagMFADevice"],
            |ask| {
                let check = checks::on_device("iam:UntagMFADevice", &ask, &ask.input.serial_number);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| {
                let mut device = mfa::get(tx.view(), &auth.input().serial_number)?.clone();
                tags::remove(&mut device.tags, &auth.input().tag_keys);
                tx.put(device);
                Ok(Empty {})
            },
        ),
        read::<op::ListMFADeviceTags>(
            &["iam:ListMFADeviceTags"],
            |ask| {
                one(checks::on_device(
                    "iam:ListMFADeviceTags",
                    &ask,
                    &ask.input.serial_number,
                ))
            },
            |view, _, auth| {
                let input = auth.input();
                let device = mfa::get(view, &input.serial_number)?;
                let page = page(&device.tags, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListMFADeviceTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}

fn server_certificates() -> Vec<Row> {
    vec![
        write::<op::TagServerCertificate>(
            &["iam:TagServerCertificate"],
            |ask| {
                let name = &ask.input.server_certificate_name;
                let check = checks::on::<ServerCertificate>("iam:TagServerCertificate", &ask, name);
                one(tagging(check, &ask.input.tags))
            },
            |tx, auth| {
                tag::<ServerCertificate>(tx, &auth.input().server_certificate_name, &auth.input().tags)
            },
        ),
        write::<op::UntagServerCertificate>(
            &["iam:UntagServerCertificate"],
            |ask| {
                let name = &ask.input.server_certificate_name;
                let check = checks::on::<ServerCertificate>("iam:UntagServerCertificate", &ask, name);
                one(untagging(check, &ask.input.tag_keys))
            },
            |tx, auth| {
                let input = auth.input();
                untag::<ServerCertificate>(tx, &input.server_certificate_name, &input.tag_keys)
            },
        ),
        read::<op::ListServerCertificateTags>(
            &["iam:ListServerCertificateTags"],
            |ask| {
                let name = &ask.input.server_certificate_name;
                one(checks::on::<ServerCertificate>(
                    "iam:ListServerCertificateTags",
                    &ask,
                    name,
                ))
            },
            |view, _, auth| {
                let input = auth.input();
                let name = &input.server_certificate_name;
                let page = list::<ServerCertificate>(view, name, input.marker.as_ref(), input.max_items)?;
                Ok(api::ListServerCertificateTagsResponse {
                    is_truncated: page.is_truncated(),
                    tags: page.items,
                    marker: page.marker,
                })
            },
        ),
    ]
}
