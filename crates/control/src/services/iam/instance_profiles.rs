//! Instance profiles: the one role a machine may have.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{IamIdKind, iam_id};
use portcullis_wire::Empty;

use super::checks::{self, Checks, one};
use super::entity::{self, Entity as _};
use super::errors::IamError;
use super::paging::Paging;
use super::{names, quotas, shapes, tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::iam::{InstanceProfile, Role};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    [life(), use_of_roles()].into_iter().flatten().collect()
}

fn life() -> Vec<Row> {
    vec![
        write::<op::CreateInstanceProfile>(
            &["iam:CreateInstanceProfile", "iam:TagInstanceProfile"],
            |ask| {
                let (input, action) = (ask.input, "iam:CreateInstanceProfile");
                let name = &input.instance_profile_name;
                let check = checks::on_new::<InstanceProfile>(action, &ask, input.path.as_ref(), name);
                checks::creating(check, "iam:TagInstanceProfile", false, input.tags.as_ref())
            },
            create,
        ),
        read::<op::GetInstanceProfile>(
            &["iam:GetInstanceProfile"],
            |ask| {
                let name = &ask.input.instance_profile_name;
                one(checks::on::<InstanceProfile>(
                    "iam:GetInstanceProfile",
                    &ask,
                    name,
                ))
            },
            get,
        ),
        read::<op::ListInstanceProfiles>(
            &["iam:ListInstanceProfiles"],
            |ask| {
                let prefix = ask.input.path_prefix.as_ref();
                one(checks::on_list(
                    "iam:ListInstanceProfiles",
                    &ask,
                    InstanceProfile::ARN_TYPE,
                    prefix,
                ))
            },
            list,
        ),
        write::<op::DeleteInstanceProfile>(
            &["iam:DeleteInstanceProfile"],
            |ask| {
                let name = &ask.input.instance_profile_name;
                one(checks::on::<InstanceProfile>(
                    "iam:DeleteInstanceProfile",
                    &ask,
                    name,
                ))
            },
            delete,
        ),
    ]
}

fn use_of_roles() -> Vec<Row> {
    vec![
        write::<op::AddRoleToInstanceProfile>(
            &["iam:AddRoleToInstanceProfile", "iam:PassRole"],
            require_add_role,
            add_role,
        ),
        write::<op::RemoveRoleFromInstanceProfile>(
            &["iam:RemoveRoleFromInstanceProfile"],
            |ask| {
                let name = &ask.input.instance_profile_name;
                one(checks::on::<InstanceProfile>(
                    "iam:RemoveRoleFromInstanceProfile",
                    &ask,
                    name,
                ))
            },
            remove_role,
        ),
        read::<op::ListInstanceProfilesForRole>(
            &["iam:ListInstanceProfilesForRole"],
            |ask| {
                one(checks::on::<Role>(
                    "iam:ListInstanceProfilesForRole",
                    &ask,
                    &ask.input.role_name,
                ))
            },
            list_for_role,
        ),
    ]
}

/// The role is handed to EC2 (R149, R150); its tags are no condition keys of PassRole (R153).
fn require_add_role(ask: Ask<'_, api::AddRoleToInstanceProfileRequest>) -> Checks {
    let input = ask.input;
    let profile =
        checks::on::<InstanceProfile>("iam:AddRoleToInstanceProfile", &ask, &input.instance_profile_name);
    let role = match ask.view.role(&input.role_name) {
        Some(role) => role.arn.clone(),
        None => checks::arn(ask.call, Role::ARN_TYPE, "/", &input.role_name),
    };
    let pass = Check::new("iam:PassRole", role.as_str()).with("iam:PassedToService", "ec2.amazonaws.com");
    Ok(vec![profile, pass])
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateInstanceProfile>,
) -> Result<api::CreateInstanceProfileResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if InstanceProfile::find(tx.view(), &input.instance_profile_name).is_some() {
        return Err(IamError::InstanceProfileExists(input.instance_profile_name.clone()).into());
    }
    quotas::INSTANCE_PROFILES.room(tx.view(), tx.view().instance_profiles.len())?;
    let path = names::path(input.path.as_ref())?;
    let profile = InstanceProfile {
        id: iam_id(IamIdKind::InstanceProfile, &call.account, tx.random),
        arn: checks::arn(
            call,
            InstanceProfile::ARN_TYPE,
            &path,
            &input.instance_profile_name,
        ),
        name: input.instance_profile_name.clone(),
        path,
        created: tx.now,
        role: None,
        tags: tags::accept(input.tags.as_ref())?,
    };
    let shown = shapes::instance_profile(tx.view(), &profile);
    tx.put(profile);
    Ok(api::CreateInstanceProfileResponse {
        instance_profile: shown,
    })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetInstanceProfile>,
) -> Result<api::GetInstanceProfileResponse, ServiceError> {
    let profile = entity::get::<InstanceProfile>(view, &auth.input().instance_profile_name)?;
    Ok(api::GetInstanceProfileResponse {
        instance_profile: shapes::instance_profile(view, profile),
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListInstanceProfiles>,
) -> Result<api::ListInstanceProfilesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let profiles = view.instance_profiles.after("", paging.after());
    let profiles = profiles.filter(|(_, profile)| profile.path.starts_with(prefix));
    let page =
        paging.rows(profiles.map(|(key, profile)| (key, shapes::listed_instance_profile(view, profile))));
    Ok(api::ListInstanceProfilesResponse {
        is_truncated: page.is_truncated(),
        instance_profiles: page.items,
        marker: page.marker,
    })
}

fn list_for_role(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListInstanceProfilesForRole>,
) -> Result<api::ListInstanceProfilesForRoleResponse, ServiceError> {
    let input = auth.input();
    let role = entity::get::<Role>(view, &input.role_name)?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let profiles = view
        .role_profiles(&role.name)
        .filter_map(|name| InstanceProfile::find(view, name));
    let page = paging
        .sorted(profiles.map(|profile| (profile.key(), shapes::listed_instance_profile(view, profile))));
    Ok(api::ListInstanceProfilesForRoleResponse {
        is_truncated: page.is_truncated(),
        instance_profiles: page.items,
        marker: page.marker,
    })
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteInstanceProfile>) -> Result<Empty, ServiceError> {
    let profile = entity::get::<InstanceProfile>(tx.view(), &auth.input().instance_profile_name)?;
    if profile.role.is_some() {
        return Err(IamError::DeleteConflict("remove roles from instance profile").into());
    }
    let key = profile.key();
    tx.delete::<InstanceProfile>(&key);
    Ok(Empty {})
}

fn add_role(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::AddRoleToInstanceProfile>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut profile = InstanceProfile::clone(entity::get(tx.view(), &input.instance_profile_name)?);
    let role = entity::edit::<Role>(tx.view(), &input.role_name)?;
    if profile.role.is_some() {
        return Err(IamError::Quota("InstanceSessionsPerInstanceProfile", 1).into());
    }
    profile.role = Some(role.name);
    tx.put(profile);
    Ok(Empty {})
}

fn remove_role(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RemoveRoleFromInstanceProfile>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let mut profile = InstanceProfile::clone(entity::get(tx.view(), &input.instance_profile_name)?);
    if !profile
        .role
        .as_ref()
        .is_some_and(|role| role.eq_ignore_ascii_case(&input.role_name))
    {
        let role = input.role_name.clone();
        return Err(IamError::NoRoleInProfile {
            role,
            profile: profile.name,
        }
        .into());
    }
    profile.role = None;
    tx.put(profile);
    Ok(Empty {})
}
