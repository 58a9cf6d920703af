//! Whose token is it? A token is a service-specific credential of an IAM user for this service: made, listed,
//! deactivated, reset and deleted by IAM's own operations; only a sealed digest of it rests.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use http::request::Parts;
use portcullis_core::{AccountId, Partition, Secret};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::errors::ScimError;
use crate::accounts::{Accounts, Doors};
use crate::gate::caller::{Caller, Identity};
use crate::world::records::credentials::ServiceCredential;
use crate::world::{Snapshot, World};

/// The service that the credential is for.
pub(crate) const SERVICE: &str = "scim.portcullis";
/// How tokens begin.
pub(crate) const PREFIX: &str = "PCSCIM";

/// A token in its parts: the credential's alias, which ends with its account, and the password.
struct Token {
    login: String,
    password: Secret,
}

impl Token {
    fn of(parts: &Parts) -> Option<Self> {
        let header = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = header.split_once(' ')?;
        let token = token
            .trim()
            .strip_prefix(PREFIX)
            .filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
        let pair = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
        let (login, password) = pair.split_once(':')?;
        Some(Self {
            login: login.to_owned(),
            password: Secret::new(password),
        })
    }

    fn account(&self) -> Option<AccountId> {
        self.login.rsplit_once("-at-")?.1.parse().ok()
    }
}

/// The account and the user of the request's token.
pub(super) fn authenticate(accounts: &Accounts, parts: &Parts) -> Result<(Arc<Doors>, Caller), ScimError> {
    let found = || {
        let token = Token::of(parts)?;
        let doors = accounts.get(&token.account()?)?;
        let world = doors.gate.world();
        let caller = caller(world, &world.view(), &token)?;
        Some((doors, caller))
    };
    found().ok_or_else(ScimError::unauthorized)
}

fn caller(world: &World, view: &Snapshot, token: &Token) -> Option<Caller> {
    let mut all = view.service_credentials.iter();
    let (_, row) = all.find(|(_, row)| row.service == SERVICE && row.login == token.login)?;
    let is_over = row.expires.is_some_and(|end| end <= world.clock().now());
    if !row.active || is_over || !is_password(world, row, &token.password) {
        return None;
    }
    let user = view.user_by_id(&row.user_id).filter(|user| user.left.is_none())?;
    Some(Caller {
        account: view.account.clone(),
        partition: Partition::Aws,
        identity: Identity::User {
            id: user.id.clone(),
            name: user.name.clone(),
            arn: user.arn.clone(),
        },
        access_key_id: row.id.clone(),
        session: None,
    })
}

fn is_password(world: &World, row: &ServiceCredential, password: &Secret) -> bool {
    let opened = world.vault().open(
        ServiceCredential::PURPOSE,
        row.id.as_bytes(),
        row.digest.ciphertext(),
    );
    let digest = Sha256::digest(password.expose().as_bytes());
    match opened {
        Ok(kept) => bool::from(digest.as_slice().ct_eq(&kept)),
        Err(error) => {
            tracing::error!(%error, credential = row.id, "the digest of a token cannot be opened");
            false
        }
    }
}
