//! Tags of managed instances.

use std::collections::HashSet;

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    self as api, AddTagsToResourceRequest, AddTagsToResourceResult, ListTagsForResourceRequest,
    ListTagsForResourceResult,
};
use portcullis_core::{Tag, Tags};

use super::errors::SsmError;
use super::machines::{check, found};
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ssm::ManagedInstance;
use crate::world::{Snapshot, Tx};

const MANAGED_INSTANCE: &str = "ManagedInstance";

/// The tags of a request, unchecked: for the context of a decision.
pub(super) fn requested(tags: Option<&Vec<api::Tag>>) -> Tags {
    let tags = tags.into_iter().flatten();
    tags.map(|tag| Tag::new(tag.key.clone(), tag.value.clone()))
        .collect()
}

/// The tags of a request, checked.
pub(super) fn checked(tags: Option<&Vec<api::Tag>>) -> Result<Tags, SsmError> {
    let mut seen = HashSet::new();
    let is_good = |tag: &api::Tag| {
        let reserved = tag
            .key
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
        !reserved && seen.insert(tag.key.clone())
    };
    match tags.into_iter().flatten().all(is_good) {
        true => Ok(requested(tags)),
        false => Err(SsmError::Tags),
    }
}

/// Tags as replies show them.
pub(super) fn shown(tags: &Tags) -> Vec<api::Tag> {
    let one = |tag: &Tag| api::Tag {
        key: tag.key.clone(),
        value: tag.value.clone(),
    };
    tags.iter().map(one).collect()
}

/// Only managed instances are here: nothing else has an id that could be right.
fn only_machines(kind: &str) -> Result<(), SsmError> {
    match kind {
        MANAGED_INSTANCE => Ok(()),
        _ => Err(SsmError::ResourceId),
    }
}

/// The managed instance, with the request's tags.
pub(super) fn require_add(ask: Ask<'_, AddTagsToResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    only_machines(&ask.input.resource_type)?;
    let mut check = check(
        ask.view,
        ask.call,
        "ssm:AddTagsToResource",
        &ask.input.resource_id,
    );
    add_request_tags(&mut check.context, &requested(Some(&ask.input.tags)));
    Ok(vec![check])
}

/// Gives a managed instance more tags.
pub(super) fn add(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::AddTagsToResource>,
) -> Result<AddTagsToResourceResult, ServiceError> {
    let input = auth.input();
    let more = checked(Some(&input.tags))?;
    let found = found(tx.view(), auth.call(), &input.resource_id).ok_or(SsmError::ResourceId)?;
    let mut row = ManagedInstance::clone(found);
    more.iter().for_each(|tag| row.tags.set(tag.clone()));
    tx.put(row);
    Ok(AddTagsToResourceResult {})
}

/// The managed instance.
pub(super) fn require_list(ask: Ask<'_, ListTagsForResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    only_machines(&ask.input.resource_type)?;
    let id = &ask.input.resource_id;
    Ok(vec![check(ask.view, ask.call, "ssm:ListTagsForResource", id)])
}

/// The tags of a managed instance.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListTagsForResource>,
) -> Result<ListTagsForResourceResult, ServiceError> {
    let found = found(view, auth.call(), &auth.input().resource_id).ok_or(SsmError::ResourceId)?;
    Ok(ListTagsForResourceResult {
        tag_list: Some(shown(&found.tags)),
    })
}
