//! The first start: an account and somebody who may administer it.

use portcullis_core::{Arn, IamIdKind, Partition, Secret, Tags, iam_id, secret_access_key};
use portcullis_store::Vault;

use crate::gate::authenticate::SECRET_KEY_PURPOSE;
use crate::gate::error::ServiceError;
use crate::world::records::Sealed;
use crate::world::records::account::Account;
use crate::world::records::iam::{AccessKey, Permissions, User};
use crate::world::{Tx, World, WriteError};

/// The name of the administrator that the first start makes.
pub const ADMINISTRATOR: &str = "admin";
const ADMINISTRATOR_POLICY: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A long-term key in the clear: shown once, to whoever started the server.
#[derive(Debug, Clone)]
pub struct LongTermKey {
    /// `AKIA...`, or what the starter chose.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
}

/// Makes the account if the data directory is new; answers the administrator's key if one was made. A root key that
/// is given is put in place of an earlier one at every start, and then no administrator is made.
pub async fn account(
    world: &World,
    root: Option<LongTermKey>,
) -> Result<Option<LongTermKey>, WriteError<ServiceError>> {
    world
        .write(|tx| {
            let is_new = tx.view().accounts().is_empty();
            if is_new {
                let id = tx.view().account.clone();
                tx.put(Account { id, created: tx.now });
            }
            match root {
                Some(key) => put_root_key(tx, &key).map(|()| None),
                None if is_new => administrator(tx).map(Some),
                None => Ok(None),
            }
        })
        .await
}

fn put_root_key(tx: &mut Tx<'_>, key: &LongTermKey) -> Result<(), ServiceError> {
    let old = tx
        .view()
        .access_keys
        .iter()
        .filter(|(_, row)| row.user.is_none())
        .map(|(id, _)| id.to_owned());
    for id in old.collect::<Vec<_>>() {
        tx.delete::<AccessKey>(&id);
    }
    put_key(tx, None, key)
}

fn administrator(tx: &mut Tx<'_>) -> Result<LongTermKey, ServiceError> {
    let account = tx.view().account.clone();
    let user = User {
        id: iam_id(IamIdKind::User, &account, tx.random),
        name: ADMINISTRATOR.to_owned(),
        path: "/".to_owned(),
        arn: Arn::global("iam", Partition::Aws, &account, format!("user/{ADMINISTRATOR}")),
        created: tx.now,
        tags: Tags::new(),
        permissions: Permissions {
            attached: ADMINISTRATOR_POLICY.parse().into_iter().collect(),
            ..Permissions::default()
        },
        groups: Vec::new(),
    };
    tx.put(user);
    let key = LongTermKey {
        access_key_id: iam_id(IamIdKind::AccessKey, &account, tx.random),
        secret: secret_access_key(tx.random),
    };
    put_key(tx, Some(ADMINISTRATOR), &key)?;
    Ok(key)
}

fn put_key(tx: &mut Tx<'_>, user: Option<&str>, key: &LongTermKey) -> Result<(), ServiceError> {
    let secret = seal_secret(tx.vault, &key.access_key_id, &key.secret)?;
    let created = tx.now;
    let user = user.map(str::to_owned);
    tx.put(AccessKey {
        id: key.access_key_id.clone(),
        user,
        active: true,
        created,
        secret,
    });
    Ok(())
}

/// A secret access key as it rests in its record.
pub fn seal_secret(vault: &Vault, access_key_id: &str, secret: &Secret) -> Result<Sealed, ServiceError> {
    let sealed = vault.seal(
        SECRET_KEY_PURPOSE,
        access_key_id.as_bytes(),
        secret.expose().as_bytes(),
    );
    sealed.map(Sealed::new).map_err(|error| {
        tracing::error!(%error, "a secret could not be sealed");
        ServiceError::internal(&portcullis_api::iam::SERVICE)
    })
}
