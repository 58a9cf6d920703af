//! The first start: an account and somebody who may administer it.

use std::collections::BTreeMap;
use std::convert::Infallible;

use portcullis_core::{AccountId, Arn, IamIdKind, Partition, Secret, Tags, iam_id, secret_access_key};
use portcullis_policy::{Document, Kind};
use portcullis_store::Vault;
use serde_json::json;
use thiserror::Error;

use crate::gate::authenticate::SECRET_KEY_PURPOSE;
use crate::gate::error::ServiceError;
use crate::services::ecs;
use crate::services::iam::quotas;
use crate::world::records::account::Account;
use crate::world::records::iam::{AccessKey, Permissions, Role, User};
use crate::world::records::organization::MemberAccount;
use crate::world::records::settings::AccountProfile;
use crate::world::records::{PolicyText, Sealed};
use crate::world::{Tx, World, WriteError};

/// The name of the administrator that the first start makes.
pub const ADMINISTRATOR: &str = "admin";
const ADMINISTRATOR_POLICY: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A long-term key in the clear: shown once, to whoever started the server.
#[derive(Debug, Clone)]
pub struct LongTermKey {
    access_key_id: String,
    secret: Secret,
}

/// A root key that no client could sign with, or that anybody could.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// Empty, too long, or with characters that a credential scope cannot hold.
    #[error("the root user's access key id has 1 to 128 letters, digits, `-` and `_`")]
    Id,
    /// Empty.
    #[error("the root user's secret access key must not be empty")]
    Secret,
}

impl LongTermKey {
    /// A key that the starter of the server chose.
    pub fn chosen(access_key_id: String, secret: Secret) -> Result<Self, InvalidKey> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if access_key_id.is_empty() || access_key_id.len() > 128 || !access_key_id.chars().all(fits) {
            return Err(InvalidKey::Id);
        }
        if secret.expose().is_empty() {
            return Err(InvalidKey::Secret);
        }
        Ok(Self {
            access_key_id,
            secret,
        })
    }

    /// `AKIA...`, or what the starter chose.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The secret access key.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// Why the first start failed; nothing was made then.
#[derive(Debug, Error)]
pub enum BootstrapError {
    /// The administrator's key could not be given to anybody.
    #[error("the administrator's key could not be handed over: {0}")]
    NotHandedOver(String),
    /// A secret could not be sealed; the log says why.
    #[error("a secret could not be sealed")]
    NotSealed(#[from] ServiceError),
}

/// Makes the account if the data directory is new. A root key that is given takes the place of the one given at an
/// earlier start, and then no administrator is made; otherwise a new account gets one, whose key goes to `hand_over`
/// before anything is kept, so that nobody can be locked out. Answers that key.
pub async fn account(
    world: &World,
    root: Option<LongTermKey>,
    hand_over: impl FnOnce(&LongTermKey) -> Result<(), String>,
) -> Result<Option<LongTermKey>, WriteError<BootstrapError>> {
    world
        .write(|tx| {
            let known = tx
                .view()
                .accounts()
                .iter()
                .next()
                .map(|(_, account)| Account::clone(account));
            if root.is_none() && known.is_some() {
                return Ok(None);
            }
            let old = known.as_ref().and_then(|account| account.starters_key.clone());
            let (id, created) = (
                tx.view().account.clone(),
                known.map_or(tx.now, |account| account.created),
            );
            let starters_key = root.as_ref().map(|key| key.access_key_id.clone());
            tx.put(Account {
                id,
                created,
                starters_key,
                management: None,
            });
            match root {
                Some(key) => {
                    if let Some(old) = old {
                        tx.delete::<AccessKey>(&old);
                    }
                    put_key(tx, None, &key)?;
                    Ok(None)
                }
                None => {
                    let key = administrator(tx)?;
                    hand_over(&key).map_err(BootstrapError::NotHandedOver)?;
                    Ok(Some(key))
                }
            }
        })
        .await
}

/// Quotas of IAM and ECS that differ from AWS's defaults, by name, such as `roles`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IamQuotas(BTreeMap<String, usize>);

/// A quota that cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no quota: write NAME=NUMBER, where NAME is one of {1}")]
pub struct InvalidQuota(String, String);

impl IamQuotas {
    /// Reads `NAME=NUMBER`.
    pub fn set(&mut self, text: &str) -> Result<(), InvalidQuota> {
        let pair = text.split_once('=').and_then(|(name, number)| {
            let known = quotas::ALL.iter().find(|quota| quota.option == name)?;
            Some((known.option, number.parse().ok()?))
        });
        let Some((name, number)) = pair else {
            let names: Vec<_> = quotas::ALL.iter().map(|quota| quota.option).collect();
            return Err(InvalidQuota(text.to_owned(), names.join(", ")));
        };
        self.0.insert(name.to_owned(), number);
        Ok(())
    }
}

impl IamQuotas {
    /// Reads `NAME=NUMBER` of ECS, such as `tasks-per-service=10000`; kept beside those of IAM.
    pub fn set_of_ecs(&mut self, text: &str) -> Result<(), InvalidQuota> {
        let pair = text.split_once('=').and_then(|(name, number)| {
            let known = ecs::quotas::ALL.iter().find(|quota| quota.option == name)?;
            Some((known.key(), number.parse().ok()?))
        });
        let Some((name, number)) = pair else {
            let names: Vec<_> = ecs::quotas::ALL.iter().map(|quota| quota.option).collect();
            return Err(InvalidQuota(text.to_owned(), names.join(", ")));
        };
        self.0.insert(name.to_owned(), number);
        Ok(())
    }
}

/// Gives an account other quotas; those not named stay as they are.
pub async fn iam_quotas(world: &World, given: IamQuotas) -> Result<(), WriteError<Infallible>> {
    let known = AccountProfile::of(&world.view());
    let mut settings = known.clone();
    settings.quotas.extend(given.0);
    if settings == known {
        return Ok(());
    }
    world
        .write(|tx| {
            let quotas = settings.quotas;
            let known = AccountProfile::of(tx.view());
            tx.put(AccountProfile { quotas, ..known });
            Ok(())
        })
        .await
}

/// Makes an account of the organization: itself and the role by which the management account administers it.
pub async fn member(
    world: &World,
    member: &MemberAccount,
    management: &AccountId,
) -> Result<(), WriteError<ServiceError>> {
    world
        .write(|tx| {
            let account = tx.view().account.clone();
            tx.put(Account {
                id: account.clone(),
                created: tx.now,
                starters_key: None,
                management: Some(management.clone()),
            });
            let trust = trust_in(management)?;
            tx.put(Role {
                id: iam_id(IamIdKind::Role, &account, tx.random),
                arn: Arn::global(
                    "iam",
                    Partition::Aws,
                    &account,
                    format!("role/{}", member.role_name),
                ),
                name: member.role_name.clone(),
                path: "/".to_owned(),
                created: tx.now,
                description: None,
                max_session_seconds: 3_600,
                trust,
                tags: Tags::new(),
                permissions: administration(),
            });
            Ok(())
        })
        .await
}

/// A trust policy that leaves it to another account who of it may come.
fn trust_in(account: &AccountId) -> Result<PolicyText, ServiceError> {
    let text = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "sts:AssumeRole",
        }],
    });
    Document::parse(&text.to_string(), Kind::Trust)
        .map(|document| PolicyText::new(&document))
        .map_err(|_| ServiceError::internal(&portcullis_api::iam::SERVICE))
}

fn administration() -> Permissions {
    Permissions {
        attached: ADMINISTRATOR_POLICY.parse().into_iter().collect(),
        ..Permissions::default()
    }
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
        permissions: administration(),
        groups: Vec::new(),
        left: None,
        active_since: None,
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
        active_since: None,
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
