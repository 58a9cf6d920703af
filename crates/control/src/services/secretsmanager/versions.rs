//! Versions and their staging labels: which label is where after which call.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;

use super::content::Content;
use super::errors::SecretsError;
use super::keys::{self, Place};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::world::Tx;
use crate::world::records::Sealed;
use crate::world::records::secrets::{LastRead, SecretVersion, StoredSecret};

/// The version that is meant when nobody says.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The version that was current before.
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";
/// The version that a rotation is trying.
pub(super) const PENDING: &str = "AWSPENDING";

/// Labels a version may have.
const LABELS: usize = 20;
/// Versions a secret may have.
const VERSIONS: usize = 100;
/// How long a version stays though no label is on it, in seconds.
const KEPT_SECONDS: i64 = 24 * 3_600;

/// Which version each label is on.
pub(super) type Stages = BTreeMap<String, String>;

/// Puts a label on a version. `AWSPREVIOUS` follows `AWSCURRENT`: it goes where that was.
pub(super) fn attach(stages: &mut Stages, label: &str, version: &str) {
    let before = stages.insert(label.to_owned(), version.to_owned());
    let left = before.filter(|before| label == CURRENT && before != version);
    if let Some(left) = left {
        stages.insert(PREVIOUS.to_owned(), left);
    }
}

/// Puts the labels of a new version in place: `AWSCURRENT` when the caller names none, and with the first version always.
pub(super) fn label_new(
    stages: &mut Stages,
    version: &str,
    labels: Option<&Vec<String>>,
) -> Result<(), SecretsError> {
    let is_first = !stages.contains_key(CURRENT);
    for label in labels.into_iter().flatten() {
        attach(stages, label, version);
    }
    if labels.is_none() || is_first {
        attach(stages, CURRENT, version);
    }
    not_too_many(stages, version)
}

/// Fails when a version has more labels than it may.
pub(super) fn not_too_many(stages: &Stages, version: &str) -> Result<(), SecretsError> {
    let count = stages.values().filter(|id| *id == version).count();
    match count > LABELS {
        true => Err(SecretsError::Stages),
        false => Ok(()),
    }
}

/// A version to be made.
pub(super) struct NewVersion<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its value.
    pub content: Content<'a>,
    /// Its labels, when the caller names some.
    pub labels: Option<&'a Vec<String>>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It is there now.
    New,
    /// It was there before, with the same value.
    Already,
}

/// Whether a version of that id may be made: one that is there keeps its value for ever.
pub(super) fn may_be_made(
    tx: &Tx<'_>,
    secret: &StoredSecret,
    new: &NewVersion<'_>,
) -> Result<Made, SecretsError> {
    let Some(there) = tx.view().secrets.version(secret, new.id) else {
        return Ok(Made::New);
    };
    let arn = secret.arn(&tx.view().account);
    let place = Place {
        arn: arn.as_str(),
        version: new.id,
    };
    let is_same =
        there.is_binary == new.content.is_binary && new.content.is_the_same(tx.vault, place, &there.digest);
    match is_same {
        true => Ok(Made::Already),
        false => Err(SecretsError::TokenInUse(new.id.to_owned(), arn.to_string())),
    }
}

/// Makes a version of a secret and labels it. The secret's row is the caller's to keep.
pub(super) fn make(
    tx: &mut Tx<'_>,
    call: &Call,
    secret: &mut StoredSecret,
    new: &NewVersion<'_>,
) -> Result<Made, ServiceError> {
    if may_be_made(tx, secret, new)? == Made::Already {
        return Ok(Made::Already);
    }
    label_new(&mut secret.stages, new.id, new.labels)?;
    make_room(tx, secret)?;
    let arn = secret.arn(&tx.view().account);
    let place = Place {
        arn: arn.as_str(),
        version: new.id,
    };
    let value = keys::seal(tx, call, secret.kms_key_id.as_ref(), place, new.content.bytes())?;
    let digest = new.content.digest(tx.vault, place).to_vec();
    tx.put(SecretVersion {
        region: secret.region.clone(),
        name: secret.name.clone(),
        id: new.id.to_owned(),
        created: tx.now,
        accessed: LastRead::default(),
        kms_key_id: secret.kms_key_id.clone(),
        is_binary: new.content.is_binary,
        value,
        digest: Sealed::new(digest),
    });
    secret.changed = tx.now;
    Ok(Made::New)
}

/// Removes the oldest versions without labels until another one has room.
fn make_room(tx: &mut Tx<'_>, secret: &StoredSecret) -> Result<(), SecretsError> {
    let versions = tx.view().secrets.versions_of(&secret.region, &secret.name);
    let mut kept = 0;
    let mut old: Vec<(Timestamp, String)> = Vec::new();
    for version in versions {
        kept += 1;
        let is_young = tx.now.seconds_since(version.created) < KEPT_SECONDS;
        if !is_young && !secret.stages.values().any(|id| *id == version.id) {
            old.push((version.created, version.id.clone()));
        }
    }
    old.sort();
    for (_, id) in old {
        if kept < VERSIONS {
            break;
        }
        tx.delete::<SecretVersion>(&SecretVersion::key_of(&secret.region, &secret.name, &id));
        kept -= 1;
    }
    match kept < VERSIONS {
        true => Ok(()),
        false => Err(SecretsError::Versions),
    }
}

/// Removes a secret with all its versions, for good.
pub(super) fn forget(tx: &mut Tx<'_>, secret: &StoredSecret) {
    let versions = tx.view().secrets.versions_of(&secret.region, &secret.name);
    let ids: Vec<_> = versions.map(|version| version.id.clone()).collect();
    for id in ids {
        tx.delete::<SecretVersion>(&SecretVersion::key_of(&secret.region, &secret.name, &id));
    }
    tx.delete::<StoredSecret>(&StoredSecret::key_of(&secret.region, &secret.name));
}
