//! From what a request calls a key - id, ARN, alias, alias's ARN - to the key.

use std::sync::Arc;

use portcullis_core::Arn;

use super::errors::KmsError;
use crate::gate::call::Call;
use crate::services::resource_policies::Home;
use crate::world::Snapshot;
use crate::world::records::kms::{Key, State};

/// What an operation takes for the name of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Id and ARN, of the caller's account.
    Own,
    /// Id and ARN, of any account.
    Id,
    /// The same and aliases.
    Any,
}

/// What a name stands for.
pub(super) struct Found<'v> {
    /// The ARN of the key; of the alias if that is not there.
    pub arn: Arn,
    /// The key, if it is there.
    pub key: Option<Arc<Key>>,
    /// The alias it was called by.
    pub alias: Option<String>,
    /// The picture of its account, if it is one of this server.
    pub home: Option<Home<'v>>,
}

impl Found<'_> {
    /// The key, or what the service says when it is not there.
    pub fn there(&self) -> Result<&Arc<Key>, KmsError> {
        self.key.as_ref().ok_or_else(|| self.missing())
    }

    fn missing(&self) -> KmsError {
        match self.arn.resource().starts_with("alias/") {
            true => KmsError::NoAlias(self.arn.clone()),
            false => KmsError::NoKey(self.arn.clone()),
        }
    }
}

/// Looks up a name.
pub(super) fn find<'v>(
    view: &'v Snapshot,
    call: &Call,
    named: &str,
    takes: Takes,
) -> Result<Found<'v>, KmsError> {
    let arn = arn_of(call, named)?;
    if arn.region() != call.region.as_str() {
        return Err(KmsError::ArnRegion(arn.region().to_owned()));
    }
    let is_own = arn.account() == view.account.as_str();
    let home = match is_own || takes != Takes::Own {
        true => Home::of_call(view, call, arn.account()),
        false => None,
    };
    match arn.resource_parts() {
        Some(("key", id)) => Ok(found(home, call, arn.clone(), id, None)),
        Some(("alias", _)) if takes == Takes::Any => {
            let alias = arn.resource().to_owned();
            let target = home
                .as_deref()
                .and_then(|home| home.kms.alias(arn.region(), &alias));
            let target = target.map(|row| row.target.clone());
            Ok(match target {
                Some(id) => found(home, call, arn, &id, Some(alias)),
                None => Found {
                    arn,
                    key: None,
                    alias: Some(alias),
                    home,
                },
            })
        }
        _ => Err(KmsError::KeyId(named.to_owned())),
    }
}

fn found<'v>(home: Option<Home<'v>>, call: &Call, arn: Arn, id: &str, alias: Option<String>) -> Found<'v> {
    let key = home.as_deref().and_then(|home| home.kms.key(arn.region(), id));
    let key = key.filter(|key| !key.is_destroyed(call.now)).cloned();
    Found {
        arn: key.as_ref().map_or(arn, |key| key.arn.clone()),
        key,
        alias,
        home,
    }
}

fn arn_of(call: &Call, named: &str) -> Result<Arn, KmsError> {
    if named.starts_with("arn:") {
        let arn: Arn = named.parse().map_err(|_| KmsError::Arn(named.to_owned()))?;
        return match arn.service() == "kms" && !arn.account().is_empty() {
            true => Ok(arn),
            false => Err(KmsError::Arn(named.to_owned())),
        };
    }
    let own = |resource: String| Arn::regional("kms", &call.region, &call.account, resource);
    match named.starts_with("alias/") {
        true => Ok(own(named.to_owned())),
        false if is_id(named) => Ok(own(format!("key/{named}"))),
        false => Err(KmsError::KeyId(named.to_owned())),
    }
}

/// A UUID, or the id of a multi-region key.
fn is_id(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.strip_prefix("mrk-") {
        Some(rest) => rest.len() == 32 && is_hex(rest),
        None => {
            let parts: Vec<_> = text.split('-').collect();
            let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
            lengths == [8, 4, 4, 4, 12] && parts.into_iter().all(is_hex)
        }
    }
}

/// Refuses a key that does not work now.
pub(super) fn working(key: &Key) -> Result<(), KmsError> {
    match key.state {
        State::Enabled => Ok(()),
        State::Disabled => Err(KmsError::Disabled(key.arn.clone())),
        State::PendingDeletion { .. } => Err(KmsError::PendingDeletion(key.arn.clone())),
    }
}

/// Refuses a key that is about to go.
pub(super) fn staying(key: &Key) -> Result<(), KmsError> {
    match key.state {
        State::PendingDeletion { .. } => Err(KmsError::PendingDeletion(key.arn.clone())),
        State::Enabled | State::Disabled => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_or_those_of_multi_region_keys() {
        for (text, expected) in [
            ("1234abcd-12ab-34cd-56ef-1234567890ab", true),
            ("mrk-1234abcd12ab34cd56ef1234567890ab", true),
            ("1234abcd12ab34cd56ef1234567890ab", false),
            ("1234abcd-12ab-34cd-56ef-1234567890ag", false),
            ("mrk-fake-key-id", false),
            ("", false),
        ] {
            assert_eq!(is_id(text), expected, "{text}");
        }
    }
}
