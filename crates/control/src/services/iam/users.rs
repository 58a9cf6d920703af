//! Users: create, get, list, update, delete.

use portcullis_api::iam::op;
use portcullis_api::iam::{
    CreateUserResponse, GetUserResponse, ListUsersResponse, UpdateUserRequest, User as ShownUser,
};
use portcullis_core::{IamIdKind, iam_id};
use portcullis_wire::Empty;

use super::boundaries;
use super::checks::{self, Whose};
use super::entity::{self, Entity as _};
use super::errors::IamError;
use super::paging::Paging;
use super::{names, quotas, service_credentials, shapes, signing_certificates, ssh_keys, tags};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Authorized, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::account::Account;
use crate::world::records::iam::{AccessKey, MfaDevice, Permissions, User};
use crate::world::{Snapshot, Tx};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreateUser>(
            &["iam:CreateUser", "iam:TagUser"],
            |ask| {
                let input = ask.input;
                let check =
                    checks::on_new::<User>("iam:CreateUser", &ask, input.path.as_ref(), &input.user_name)
                        .with_some("iam:PermissionsBoundary", input.permissions_boundary.clone());
                checks::creating(
                    check,
                    "iam:TagUser",
                    User::HAS_IAM_RESOURCE_TAG,
                    input.tags.as_ref(),
                )
            },
            create,
        ),
        read::<op::GetUser>(
            &["iam:GetUser"],
            |ask| checks::on_own("iam:GetUser", &ask, ask.input.user_name.as_ref()),
            get,
        ),
        read::<op::ListUsers>(
            &["iam:ListUsers"],
            |ask| {
                checks::one(checks::on_list(
                    "iam:ListUsers",
                    &ask,
                    "user",
                    ask.input.path_prefix.as_ref(),
                ))
            },
            list,
        ),
        write::<op::UpdateUser>(
            &["iam:UpdateUser"],
            |ask| {
                let (input, name) = (ask.input, ask.input.new_user_name.as_ref());
                let path = input.new_path.as_ref();
                checks::on_move::<User>("iam:UpdateUser", &ask, &input.user_name, name, path)
            },
            update,
        ),
        write::<op::DeleteUser>(
            &["iam:DeleteUser"],
            |ask| checks::one(checks::on::<User>("iam:DeleteUser", &ask, &ask.input.user_name)),
            delete,
        ),
    ]
}

fn create(tx: &mut Tx<'_>, auth: Authorized<'_, op::CreateUser>) -> Result<CreateUserResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if tx.view().user(&input.user_name).is_some() {
        return Err(IamError::UserExists(input.user_name.clone()).into());
    }
    quotas::USERS.room(tx.view(), tx.view().users.len())?;
    let path = names::path(input.path.as_ref())?;
    let boundary = boundaries::policy(tx.view(), input.permissions_boundary.as_ref())?;
    let user = User {
        id: iam_id(IamIdKind::User, &call.account, tx.random),
        arn: checks::arn(call, User::ARN_TYPE, &path, &input.user_name),
        name: input.user_name.clone(),
        path,
        created: tx.now,
        tags: tags::accept(input.tags.as_ref())?,
        permissions: Permissions {
            boundary,
            ..Permissions::default()
        },
        groups: Vec::new(),
        left: None,
        active_since: None,
    };
    let shown = shapes::user(&user);
    tx.put(user);
    Ok(CreateUserResponse { user: Some(shown) })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetUser>,
) -> Result<GetUserResponse, ServiceError> {
    let user = match Whose::of(auth.call(), auth.input().user_name.as_ref())? {
        Whose::User(name) => shapes::user(entity::get::<User>(view, &name)?),
        Whose::Root => root(view, auth.call()),
    };
    Ok(GetUserResponse { user })
}

/// The root user has no name and no path.
fn root(view: &Snapshot, call: &Call) -> ShownUser {
    let account = Account::table(view).get(call.account.as_str());
    ShownUser {
        user_id: call.account.to_string(),
        arn: call.caller.arn(),
        create_date: account.map(|account| account.created).unwrap_or_default(),
        ..ShownUser::default()
    }
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListUsers>,
) -> Result<ListUsersResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let users = view
        .users
        .after("", paging.after())
        .filter(|(_, user)| user.path.starts_with(prefix));
    let page = paging.rows(users.map(|(key, user)| (key, shapes::listed_user(user))));
    Ok(ListUsersResponse {
        is_truncated: page.is_truncated(),
        users: page.items,
        marker: page.marker,
    })
}

fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateUser>) -> Result<Empty, ServiceError> {
    let UpdateUserRequest {
        user_name,
        new_path,
        new_user_name,
    } = auth.input();
    let before = entity::get::<User>(tx.view(), user_name)?.clone();
    let name = new_user_name.as_ref().unwrap_or(&before.name).clone();
    let is_other = |found: &&std::sync::Arc<User>| found.id != before.id;
    if tx.view().user(&name).filter(is_other).is_some() {
        return Err(IamError::UserExists(name).into());
    }
    let path = match new_path {
        Some(path) => names::path(Some(path))?,
        None => before.path.clone(),
    };
    let arn = checks::arn(auth.call(), User::ARN_TYPE, &path, &name);
    let user = User {
        name,
        path,
        arn,
        ..User::clone(&before)
    };
    if user.name != before.name {
        rename_belongings(tx, &before.name, &user.name);
        tx.delete::<User>(&before.key());
    }
    tx.put(user);
    Ok(Empty {})
}

/// Keys and devices know their user by name.
fn rename_belongings(tx: &mut Tx<'_>, from: &str, to: &str) {
    for key in keys(tx.view(), from) {
        tx.put(AccessKey {
            user: Some(to.to_owned()),
            ..key
        });
    }
    for device in devices(tx.view(), from) {
        tx.put(MfaDevice {
            user: Some(to.to_owned()),
            ..device
        });
    }
}

fn keys(view: &Snapshot, user: &str) -> Vec<AccessKey> {
    let ids = view.user_keys(Some(user));
    ids.filter_map(|id| view.access_keys.get(id))
        .map(|key| AccessKey::clone(key))
        .collect()
}

fn devices(view: &Snapshot, user: &str) -> Vec<MfaDevice> {
    let serials = view.user_devices(user);
    serials
        .filter_map(|serial| view.mfa_devices.get(serial))
        .map(|device| MfaDevice::clone(device))
        .collect()
}

/// Everything a user has must go first.
fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteUser>) -> Result<Empty, ServiceError> {
    let user = entity::get::<User>(tx.view(), &auth.input().user_name)?;
    let conflict = if !user.groups.is_empty() {
        Some("remove users from group")
    } else if !user.permissions.attached.is_empty() {
        Some("detach all policies")
    } else if !user.permissions.inline.is_empty() {
        Some("delete policies")
    } else if tx.view().user_keys(Some(&user.name)).next().is_some() {
        Some("delete access keys")
    } else if tx.view().login_profiles.get(&user.id).is_some() {
        Some("delete login profile")
    } else if !signing_certificates::of(tx.view(), &user.id).is_empty() {
        Some("delete certificates")
    } else if !ssh_keys::of_user(tx.view(), user).is_empty()
        || !service_credentials::of_user(tx.view(), user).is_empty()
    {
        Some("remove referenced objects")
    } else if tx.view().user_devices(&user.name).next().is_some() {
        Some("delete MFA device")
    } else {
        None
    };
    if let Some(first) = conflict {
        return Err(IamError::DeleteConflict(first).into());
    }
    let key = user.key();
    tx.delete::<User>(&key);
    Ok(Empty {})
}
