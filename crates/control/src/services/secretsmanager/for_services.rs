//! Secrets that another service of the same account reads by itself.

use portcullis_core::Secret;

use super::keys;
use super::names::{Home, Named};
use super::values::Wanted;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::world::Snapshot;

/// Why a service cannot read a secret.
#[derive(Debug)]
pub(crate) enum Unread {
    /// There is none in the account, or it was deleted.
    NoSecret,
    /// It is no text, or under a key that the service may not use.
    Sealed,
}

/// The current value of an account's own secret that lies under the account's key for secrets. Its owner said by a setting of
/// the service's that the service shall read it; nobody else is asked.
pub(crate) fn current_text(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    arn: &str,
) -> Result<Secret, Unread> {
    let named = Named::of(view, call, arn);
    let secret = named.live().map_err(|_| Unread::NoSecret)?;
    if !matches!(named.home, Home::Own(_)) {
        return Err(Unread::NoSecret);
    }
    let version = Wanted::default().find(view, secret);
    let version = version.map_err(|_| Unread::NoSecret)?;
    if secret.kms_key_id.is_some() || version.is_binary {
        return Err(Unread::Sealed);
    }
    let opened = keys::open(view, env, call, version, &named.arn);
    let mut value = opened.map_err(|_: ServiceError| Unread::Sealed)?;
    let text = String::from_utf8(std::mem::take(&mut *value));
    text.map(Secret::new).map_err(|error| {
        drop(zeroize::Zeroizing::new(error.into_bytes()));
        Unread::Sealed
    })
}
