//! SSH public keys of users.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{IamIdKind, iam_id};
use portcullis_wire::Empty;

use super::checks::{self, Checks, Whose, one};
use super::credential_errors::CredentialError;
use super::entity;
use super::errors::IamError;
use super::paging::Paging;
use super::ssh_format::PublicKey;
use super::status::{self, shown as shown_status};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Row, read, write};
use crate::world::records::Record as _;
use crate::world::records::credentials::SshKey;
use crate::world::records::iam::User;
use crate::world::{Snapshot, Tx};

/// Keys a user may have.
const KEYS_PER_USER: usize = 5;

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::UploadSSHPublicKey>(
            &["iam:UploadSSHPublicKey"],
            |ask| on_user("iam:UploadSSHPublicKey", &ask, &ask.input.user_name),
            upload,
        ),
        read::<op::GetSSHPublicKey>(
            &["iam:GetSSHPublicKey"],
            |ask| on_user("iam:GetSSHPublicKey", &ask, &ask.input.user_name),
            get,
        ),
        read::<op::ListSSHPublicKeys>(
            &["iam:ListSSHPublicKeys"],
            |ask| checks::on_own("iam:ListSSHPublicKeys", &ask, ask.input.user_name.as_ref()),
            list,
        ),
        write::<op::UpdateSSHPublicKey>(
            &["iam:UpdateSSHPublicKey"],
            |ask| on_user("iam:UpdateSSHPublicKey", &ask, &ask.input.user_name),
            update,
        ),
        write::<op::DeleteSSHPublicKey>(
            &["iam:DeleteSSHPublicKey"],
            |ask| on_user("iam:DeleteSSHPublicKey", &ask, &ask.input.user_name),
            delete,
        ),
    ]
}

fn on_user(action: &'static str, ask: &Ask<'_, impl Sized>, name: &str) -> Checks {
    one(checks::on::<User>(action, ask, name))
}

/// The keys of a user.
pub(super) fn of_user<'v>(view: &'v Snapshot, user: &User) -> Vec<&'v SshKey> {
    entity::owned(&view.ssh_keys, &user.id)
}

fn find<'v>(view: &'v Snapshot, user: &str, id: &str) -> Result<(&'v User, &'v SshKey), ServiceError> {
    let user = entity::get::<User>(view, user)?;
    let key = view.ssh_keys.get(&format!("{}/{id}", user.id));
    if let Some(key) = key {
        return Ok((user, key));
    }
    let somebody_elses = view.ssh_keys.iter().any(|(_, key)| key.id == id);
    Err(if somebody_elses {
        CredentialError::NotUsersSshKey(id.to_owned()).into()
    } else {
        CredentialError::NoSshKey(id.to_owned()).into()
    })
}

fn shown(user: &User, key: &SshKey, public: &PublicKey, body: String) -> api::SSHPublicKey {
    api::SSHPublicKey {
        user_name: user.name.clone(),
        ssh_public_key_id: key.id.clone(),
        fingerprint: public.fingerprint(),
        ssh_public_key_body: body,
        status: shown_status(key.active),
        upload_date: Some(key.uploaded),
    }
}

/// The reply shows the key as it came; what is kept is the key without comment.
fn upload(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UploadSSHPublicKey>,
) -> Result<api::UploadSSHPublicKeyResponse, ServiceError> {
    let input = auth.input();
    let user = entity::get::<User>(tx.view(), &input.user_name)?.clone();
    let public = PublicKey::of_text(&input.ssh_public_key_body)?;
    let key = public.to_base64();
    let known = of_user(tx.view(), &user);
    if known.iter().any(|known| known.key == key) {
        return Err(CredentialError::SshKeyExists.into());
    }
    if known.len() >= KEYS_PER_USER {
        return Err(IamError::Quota("SSHPublicKeysPerUser", KEYS_PER_USER).into());
    }
    let row = SshKey {
        id: iam_id(IamIdKind::PublicKey, &auth.call().account, tx.random),
        user_id: user.id.clone(),
        key,
        active: true,
        uploaded: tx.now,
    };
    let shown = shown(&user, &row, &public, input.ssh_public_key_body.clone());
    tx.put(row);
    Ok(api::UploadSSHPublicKeyResponse {
        ssh_public_key: Some(shown),
    })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetSSHPublicKey>,
) -> Result<api::GetSSHPublicKeyResponse, ServiceError> {
    let input = auth.input();
    let (user, key) = find(view, &input.user_name, &input.ssh_public_key_id)?;
    let public = PublicKey::of_base64(&key.key).ok_or(IamError::Internal)?;
    let body = match input.encoding.as_str() {
        "PEM" => public.to_pem().ok_or(IamError::Internal)?,
        _ => public.to_ssh(),
    };
    Ok(api::GetSSHPublicKeyResponse {
        ssh_public_key: Some(shown(user, key, &public, body)),
    })
}

fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListSSHPublicKeys>,
) -> Result<api::ListSSHPublicKeysResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let mut keys = Vec::new();
    if let Whose::User(name) = Whose::of(auth.call(), input.user_name.as_ref())? {
        let user = entity::get::<User>(view, &name)?;
        keys.extend(of_user(view, user).into_iter().map(|key| metadata(user, key)));
    }
    let page = paging.sorted(keys.into_iter().map(|key| (key.ssh_public_key_id.clone(), key)));
    Ok(api::ListSSHPublicKeysResponse {
        is_truncated: page.is_truncated(),
        ssh_public_keys: Some(page.items),
        marker: page.marker,
    })
}

fn metadata(user: &User, key: &SshKey) -> api::SSHPublicKeyMetadata {
    api::SSHPublicKeyMetadata {
        user_name: user.name.clone(),
        ssh_public_key_id: key.id.clone(),
        status: shown_status(key.active),
        upload_date: key.uploaded,
    }
}

fn update(tx: &mut Tx<'_>, auth: Authorized<'_, op::UpdateSSHPublicKey>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let active = status::accept(&input.status)?;
    let (_, key) = find(tx.view(), &input.user_name, &input.ssh_public_key_id)?;
    let key = key.clone();
    tx.put(SshKey { active, ..key });
    Ok(Empty {})
}

fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeleteSSHPublicKey>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let (_, key) = find(tx.view(), &input.user_name, &input.ssh_public_key_id)?;
    let key = key.key();
    tx.delete::<SshKey>(&key);
    Ok(Empty {})
}
