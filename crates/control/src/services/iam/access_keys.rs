//! Long-term access keys of users and of the root user.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{IamIdKind, iam_id, secret_access_key};
use portcullis_wire::Empty;

use super::checks::{self, Checks, Whose, one};
use super::entity;
use super::errors::IamError;
use super::paging::Paging;
use super::shapes;
use crate::advisor;
use crate::gate::authenticate::SECRET_KEY_PURPOSE;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::records::Sealed;
use crate::world::records::iam::{AccessKey, User};
use crate::world::records::uses::KeyUse;
use crate::world::{Snapshot, Tx};

/// Access keys a user, or the root user, may have.
pub(super) const KEYS_PER_USER: usize = 2;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreateAccessKey>(
            &["iam:CreateAccessKey"],
            |ask| checks::on_own("iam:CreateAccessKey", &ask, ask.input.user_name.as_ref()),
            create,
        ),
        read::<op::ListAccessKeys>(
            &["iam:ListAccessKeys"],
            |ask| checks::on_own("iam:ListAccessKeys", &ask, ask.input.user_name.as_ref()),
            list,
        ),
        write::<op::UpdateAccessKey>(
            &["iam:UpdateAccessKey"],
            |ask| checks::on_own("iam:UpdateAccessKey", &ask, ask.input.user_name.as_ref()),
            update,
        ),
        write::<op::DeleteAccessKey>(
            &["iam:DeleteAccessKey"],
            |ask| checks::on_own("iam:DeleteAccessKey", &ask, ask.input.user_name.as_ref()),
            delete,
        ),
        read::<op::GetAccessKeyLastUsed>(&["iam:GetAccessKeyLastUsed"], require_last_used, last_used),
    ]
}

/// The name of the user meant, with its case, if the user exists; `None` is root.
fn owner(view: &Snapshot, whose: &Whose) -> Result<Option<String>, IamError> {
    match whose.user() {
        None => Ok(None),
        Some(name) => Ok(Some(entity::get::<User>(view, name)?.name.clone())),
    }
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateAccessKey>,
) -> Result<api::CreateAccessKeyResponse, ServiceError> {
    let user = owner(
        tx.view(),
        &Whose::of(auth.call(), auth.input().user_name.as_ref())?,
    )?;
    if tx.view().user_keys(user.as_deref()).count() >= KEYS_PER_USER {
        return Err(IamError::Quota("AccessKeysPerUser", KEYS_PER_USER).into());
    }
    let id = iam_id(IamIdKind::AccessKey, &auth.call().account, tx.random);
    let secret = secret_access_key(tx.random);
    let sealed = tx
        .vault
        .seal(SECRET_KEY_PURPOSE, id.as_bytes(), secret.expose().as_bytes())
        .map_err(|error| {
            tracing::error!(%error, "a secret access key could not be sealed");
            IamError::Internal
        })?;
    let shown = api::AccessKey {
        user_name: user.clone().unwrap_or_default(),
        access_key_id: id.clone(),
        status: "Active".to_owned(),
        secret_access_key: secret.expose().to_owned(),
        create_date: Some(tx.now),
    };
    tx.put(AccessKey {
        id,
        user,
        active: true,
        active_since: None,
        created: tx.now,
        secret: Sealed::new(sealed),
    });
    Ok(api::CreateAccessKeyResponse { access_key: shown })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListAccessKeys>,
) -> Result<api::ListAccessKeysResponse, ServiceError> {
    let input = auth.input();
    let user = owner(view, &Whose::of(auth.call(), input.user_name.as_ref())?)?;
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let keys = view
        .user_keys(user.as_deref())
        .filter_map(|id| view.access_keys.get(id));
    let page = paging.sorted(keys.map(|key| (key.id.clone(), shapes::access_key(key))));
    Ok(api::ListAccessKeysResponse {
        is_truncated: page.is_truncated(),
        access_key_metadata: page.items,
        marker: page.marker,
    })
}

fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateAccessKey>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let active = match input.status.as_str() {
        "Active" => true,
        "Inactive" => false,
        other => return Err(IamError::InvalidInput(format!("Status {other} cannot be set.")).into()),
    };
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let key = find(tx.view(), &whose, &input.access_key_id)?;
    // What it opened before it was deactivated stays ended.
    let active_since = match active && !key.active {
        true => Some(tx.now),
        false => key.active_since,
    };
    tx.put(AccessKey {
        active,
        active_since,
        ..key
    });
    Ok(Empty {})
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteAccessKey>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let whose = Whose::of(auth.call(), input.user_name.as_ref())?;
    let key = find(tx.view(), &whose, &input.access_key_id)?;
    tx.delete::<AccessKey>(&key.id);
    tx.delete::<KeyUse>(&key.id);
    Ok(Empty {})
}

fn find(view: &Snapshot, whose: &Whose, id: &str) -> Result<AccessKey, IamError> {
    let user = owner(view, whose)?;
    let key = view.access_keys.get(id).filter(|key| key.user == user);
    key.map(|key| AccessKey::clone(key))
        .ok_or_else(|| IamError::NoAccessKey(id.to_owned()))
}

/// Authorised on the key's user; on `*` when there is no such key.
fn require_last_used(ask: Ask<'_, api::GetAccessKeyLastUsedRequest>) -> Checks {
    const ACTION: &str = "iam:GetAccessKeyLastUsed";
    let key = ask.view.access_keys.get(&ask.input.access_key_id);
    match key.and_then(|key| key.user.as_deref()) {
        Some(user) => one(checks::on::<User>(ACTION, &ask, user)),
        None => one(Check::new(ACTION, "*")),
    }
}

/// When a key was last used.
fn last_used(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetAccessKeyLastUsed>,
) -> Result<api::GetAccessKeyLastUsedResponse, ServiceError> {
    let id = &auth.input().access_key_id;
    let key = view
        .access_keys
        .get(id)
        .ok_or_else(|| IamError::NoAccessKey(id.clone()))?;
    let never = || api::AccessKeyLastUsed {
        last_used_date: None,
        service_name: "N/A".to_owned(),
        region: "N/A".to_owned(),
    };
    let used = advisor::key_use(view, &env.uses, id).map(|last| api::AccessKeyLastUsed {
        last_used_date: Some(last.at),
        service_name: last.service,
        region: last.region,
    });
    Ok(api::GetAccessKeyLastUsedResponse {
        user_name: key.user.clone(),
        access_key_last_used: Some(used.unwrap_or_else(never)),
    })
}
