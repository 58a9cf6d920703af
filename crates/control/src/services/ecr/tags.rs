//! Tags of repositories.

use std::collections::HashSet;

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, ListTagsForResourceRequest, ListTagsForResourceResponse, TagResourceRequest,
    TagResourceResponse, UntagResourceRequest, UntagResourceResponse,
};
use portcullis_core::{Tag, Tags};

use super::checks::{Checks, check};
use super::errors::EcrError;
use super::names::Named;
use crate::gate::call::Call;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::tags::is_reserved;
use crate::world::records::ecr::Repository;
use crate::world::{Snapshot, Tx};

/// Most tags a repository can have.
const TAGS_MAX: usize = 50;

/// The tags of a request, unchecked: for the context of a decision.
pub(super) fn requested(tags: Option<&[api::Tag]>) -> Tags {
    let tags = tags.unwrap_or_default().iter();
    tags.map(|tag| Tag::new(tag.key.clone(), tag.value.clone()))
        .collect()
}

/// The tags of a request, checked.
pub(super) fn checked(tags: Option<&[api::Tag]>) -> Result<Tags, EcrError> {
    let mut seen = HashSet::new();
    let is_good = |tag: &api::Tag| {
        let lengths = (1..=128).contains(&tag.key.chars().count()) && tag.value.chars().count() <= 256;
        lengths && !is_reserved(&tag.key) && seen.insert(tag.key.clone())
    };
    if !tags.unwrap_or_default().iter().all(is_good) {
        return Err(EcrError::Tags);
    }
    limited(requested(tags))
}

fn limited(tags: Tags) -> Result<Tags, EcrError> {
    match tags.len() > TAGS_MAX {
        true => Err(EcrError::TooManyTags(TAGS_MAX)),
        false => Ok(tags),
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

/// The repository that an ARN names.
fn named(arn: &str) -> Option<Named<'_>> {
    let mut fields = arn.splitn(6, ':');
    let (arn, _partition, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (_region, account, resource) = (fields.next()?, fields.next()?, fields.next()?);
    let name = resource.strip_prefix("repository/")?;
    (arn == "arn" && service == "ecr" && !name.is_empty()).then_some(Named {
        registry: Some(account),
        name,
    })
}

/// Why an ARN names no repository.
fn invalid_arn(arn: &str) -> EcrError {
    let constraint = format!("Invalid ARN: '{arn}' is not the ARN of a repository");
    EcrError::parameter("resourceArn", constraint)
}

/// An action on an ARN's repository.
fn require(view: &Snapshot, call: &Call, action: &'static str, arn: &str) -> Result<Check, ServiceError> {
    let named = named(arn).ok_or_else(|| invalid_arn(arn))?;
    Ok(check(view, call, action, named))
}

/// The row of an ARN's repository.
fn found(view: &Snapshot, call: &Call, arn: &str) -> Result<Repository, EcrError> {
    let named = named(arn).ok_or_else(|| invalid_arn(arn))?;
    let is_of_region = arn.split(':').nth(3) == Some(call.region.as_str());
    if !is_of_region {
        return Err(EcrError::NoRepository(named.place(call)));
    }
    named.found(view, call).map(|row| Repository::clone(row))
}

/// The repository, with the request's tags.
pub(super) fn require_tag(ask: Ask<'_, TagResourceRequest>) -> Checks {
    let mut check = require(ask.view, ask.call, "ecr:TagResource", &ask.input.resource_arn)?;
    add_request_tags(&mut check.context, &requested(Some(&ask.input.tags)));
    Ok(vec![check])
}

/// Gives a repository more tags.
pub(super) fn tag(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::TagResource>,
) -> Result<TagResourceResponse, ServiceError> {
    let input = auth.input();
    let mut row = found(tx.view(), auth.call(), &input.resource_arn)?;
    let more = checked(Some(&input.tags))?;
    more.iter().for_each(|tag| row.tags.set(tag.clone()));
    row.tags = limited(row.tags)?;
    tx.put(row);
    Ok(TagResourceResponse {})
}

/// The repository, with the request's keys.
pub(super) fn require_untag(ask: Ask<'_, UntagResourceRequest>) -> Checks {
    let input = ask.input;
    let check = require(ask.view, ask.call, "ecr:UntagResource", &input.resource_arn)?;
    Ok(vec![check.with_many("aws:TagKeys", input.tag_keys.clone())])
}

/// Takes tags from a repository.
pub(super) fn untag(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UntagResource>,
) -> Result<UntagResourceResponse, ServiceError> {
    let input = auth.input();
    let mut row = found(tx.view(), auth.call(), &input.resource_arn)?;
    if input.tag_keys.iter().any(|key| is_reserved(key)) {
        return Err(EcrError::Tags.into());
    }
    input.tag_keys.iter().for_each(|key| row.tags.remove(key));
    tx.put(row);
    Ok(UntagResourceResponse {})
}

/// The repository.
pub(super) fn require_list(ask: Ask<'_, ListTagsForResourceRequest>) -> Checks {
    let arn = &ask.input.resource_arn;
    let check = require(ask.view, ask.call, "ecr:ListTagsForResource", arn)?;
    Ok(vec![check])
}

/// The tags of a repository.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListTagsForResource>,
) -> Result<ListTagsForResourceResponse, ServiceError> {
    let row = found(view, auth.call(), &auth.input().resource_arn)?;
    Ok(ListTagsForResourceResponse {
        tags: Some(shown(&row.tags)),
    })
}
