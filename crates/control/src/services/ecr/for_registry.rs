//! What the door for registry clients needs beside the operations: who uploads belong to, checks of what streams, and
//! layers that go from one repository to another without being sent.

use std::sync::Arc;

use portcullis_blobs::Digest;
use portcullis_core::{AccountId, Region};

use super::names::Named;
use super::{checks, registry};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::world::records::ecr::{Layer, Repository, of_repository};
use crate::world::{Snapshot, Tx};

pub(crate) use super::image_ids::is_tag;
pub(crate) use super::tickets;
pub(crate) use crate::gate::registry_token::account_of;

/// Whose uploads those of a repository are in the blob store.
pub(crate) fn upload_owner(account: &AccountId, region: &Region, repository: &str) -> String {
    super::names::upload_owner(account, region, repository)
}

/// The checks of an action on a repository of the call's account.
pub(crate) fn check(
    view: &Snapshot,
    call: &Call,
    action: &'static str,
    repository: &str,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![checks::check(
        view,
        call,
        action,
        Named::of(None, repository),
    )])
}

/// The repository of the call's account, or ECR's error.
pub(crate) fn found<'v>(
    view: &'v Snapshot,
    call: &Call,
    repository: &str,
) -> Result<&'v Arc<Repository>, ServiceError> {
    Ok(Named::of(None, repository).found(view, call)?)
}

/// Tags of a repository after one of them, in order.
pub(crate) fn tags(
    view: &Snapshot,
    region: &Region,
    repository: &str,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    view.ecr.tags_after(region, repository, after, limit)
}

/// Whether layers may go from one repository of the account to another without being sent.
pub(crate) fn mounts_blobs(view: &Snapshot, region: &Region) -> bool {
    registry::mounts_blobs(view, region)
}

/// Says that a repository has a layer that another one of the account has. False if that one has not. The blob must be
/// held before.
pub(crate) fn link(tx: &mut Tx<'_>, region: &Region, from: &str, to: &str, digest: &Digest) -> bool {
    let digest = digest.to_string();
    let Some(layer) = tx.view().ecr.layer(region, from, &digest) else {
        return false;
    };
    let there = tx.view().ecr.layers.get(&(of_repository(region, to) + &digest));
    let row = Layer {
        repository: to.to_owned(),
        unused_since: None,
        ..Layer::clone(there.unwrap_or(layer))
    };
    // One that is about to be forgotten is wanted again.
    if there.is_none_or(|there| there.unused_since.is_some()) {
        tx.put(row);
    }
    true
}

/// Whether a repository of the account needs a blob.
pub(crate) fn needs_blob(view: &Snapshot, digest: &Digest) -> bool {
    view.ecr.needs_blob(&digest.to_string())
}
