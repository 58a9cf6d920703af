//! Passwords of registry clients: whoever brings one that ECR gave out calls as the one whom it was given to. What ends the
//! session or key it came from ends it too.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{AccountId, Region, Secret, Timestamp};
use portcullis_store::Vault;
use serde::{Deserialize, Serialize};

use super::Gate;
use super::call::Call;
use super::caller::{Caller, Identity};
use super::error::ServiceError;
use super::session::Session;
use crate::open_points;
use crate::world::Snapshot;

/// How long a token is good, in seconds.
const LIFE_SECONDS: i64 = 12 * 3_600;
const PURPOSE: &str = "ecr-authorization-token";

/// A password, and when it ends.
#[derive(Debug)]
pub(crate) struct Token {
    pub password: Secret,
    pub expires: Timestamp,
}

/// What a password holds.
#[derive(Serialize, Deserialize)]
struct Claims {
    region: Region,
    issued: Timestamp,
    expires: Timestamp,
    /// Of long-term credentials.
    access_key_id: String,
    /// Of temporary credentials: their session token.
    session: Option<String>,
}

/// Makes a password for whoever calls; `None` only if the vault fails, or for services, which have no credentials.
pub(crate) fn issue(call: &Call, vault: &Vault) -> Option<Token> {
    let caller = &call.caller;
    let session = caller.session.as_ref();
    if session.is_none() && caller.access_key_id.is_empty() {
        return None;
    }
    let twelve_hours = call.now.plus_seconds(LIFE_SECONDS);
    let ends = session.and_then(|session| open_points::registry_token_ends_with(session.expires));
    let expires = ends.map_or(twelve_hours, |ends| ends.min(twelve_hours));
    let claims = Claims {
        region: call.region.clone(),
        issued: call.now,
        expires,
        access_key_id: caller.access_key_id.clone(),
        session: match session {
            Some(session) => Some(session.token(vault)?.expose().to_owned()),
            None => None,
        },
    };
    let plain = serde_json::to_vec(&claims).ok()?;
    let sealed = vault
        .seal(PURPOSE, caller.account.as_str().as_bytes(), &plain)
        .ok()?;
    let password = format!("{}.{}", caller.account, URL_SAFE_NO_PAD.encode(sealed));
    Some(Token {
        password: Secret::new(password),
        expires,
    })
}

/// The account whose credentials a password came from, as it says.
pub(crate) fn account_of(password: &str) -> Option<AccountId> {
    password.split_once('.')?.0.parse().ok()
}

impl Gate {
    /// Who brings a password, and the region it was given out in.
    pub(crate) fn registry_caller(&self, password: &str) -> Result<(Caller, Region), ServiceError> {
        let account = account_of(password).ok_or_else(invalid)?;
        let own = self.world.view();
        let other = match account == own.account {
            true => None,
            false => Some(own.neighbours().view(&account).ok_or_else(invalid)?),
        };
        let home = other.as_deref().unwrap_or(&own);
        let claims = self.open(&account, password).ok_or_else(invalid)?;
        if self.world.clock().now() >= claims.expires {
            return Err(expired());
        }
        let caller = self.caller_of(home, &claims).ok_or_else(invalid)?;
        Ok((caller, claims.region))
    }

    fn open(&self, account: &AccountId, password: &str) -> Option<Claims> {
        let (_, sealed) = password.split_once('.')?;
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = self
            .world
            .vault()
            .open(PURPOSE, account.as_str().as_bytes(), &sealed)
            .ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn caller_of(&self, home: &Snapshot, claims: &Claims) -> Option<Caller> {
        let partition = claims.region.partition();
        if let Some(token) = &claims.session {
            return Session::open(token, self.world.vault())?.caller(home, partition);
        }
        let key = home
            .access_keys
            .get(&claims.access_key_id)
            .filter(|key| key.active)?;
        let identity = match &key.user {
            None => Identity::Root,
            Some(name) => {
                let user = home.user(name).filter(|user| user.left.is_none())?;
                Identity::User {
                    id: user.id.clone(),
                    name: user.name.clone(),
                    arn: user.arn.clone(),
                }
            }
        };
        let caller = Caller {
            account: home.account.clone(),
            partition,
            identity,
            access_key_id: key.id.clone(),
            session: None,
        };
        caller.is_alive(home, claims.issued).then_some(caller)
    }
}

/// In ECR's words, which registry clients show.
fn invalid() -> ServiceError {
    ServiceError::new("DENIED", 400, "Your Authorization Token is invalid.")
}

fn expired() -> ServiceError {
    let text = "Your authorization token has expired. Reauthenticate and try again.";
    ServiceError::new("DENIED", 403, text)
}
