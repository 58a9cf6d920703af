//! Tags of keys.

use std::collections::HashSet;

use portcullis_api::kms::op;
use portcullis_api::kms::{
    self as api, ListResourceTagsRequest, ListResourceTagsResponse, TagResourceRequest, UntagResourceRequest,
};
use portcullis_core::{Tag, Tags};
use portcullis_wire::Empty;

use super::errors::KmsError;
use super::keys::{edit, own};
use super::paging::Pager;
use super::resolve::{Takes, find, staying};
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::tags::is_reserved;
use crate::world::{Snapshot, Tx};

const TAGS_MAX: usize = 50;

/// The tags of a request, unchecked: for the context of a decision.
pub(super) fn requested(tags: Option<&Vec<api::Tag>>) -> Tags {
    let tags = tags.into_iter().flatten();
    tags.map(|tag| Tag::new(tag.tag_key.clone(), tag.tag_value.clone()))
        .collect()
}

/// The tags of a request, checked.
pub(super) fn checked(tags: Option<&Vec<api::Tag>>) -> Result<Tags, KmsError> {
    let mut seen = HashSet::new();
    for tag in tags.into_iter().flatten() {
        not_reserved(&tag.tag_key)?;
        if !seen.insert(&tag.tag_key) {
            return Err(KmsError::Tag("Duplicate tag keys".to_owned()));
        }
    }
    within_limit(requested(tags))
}

fn not_reserved(key: &str) -> Result<(), KmsError> {
    match is_reserved(key) {
        true => Err(KmsError::Tag("Tags beginning with aws: are reserved".to_owned())),
        false => Ok(()),
    }
}

fn within_limit(tags: Tags) -> Result<Tags, KmsError> {
    match tags.len() <= TAGS_MAX {
        true => Ok(tags),
        false => Err(KmsError::Tag("Too many tags".to_owned())),
    }
}

/// The key, with the request's tags.
pub(super) fn require_tag(ask: Ask<'_, TagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let mut checks = own(ask.view, ask.call, &ask.input.key_id, "kms:TagResource")?;
    for check in &mut checks {
        add_request_tags(&mut check.context, &requested(Some(&ask.input.tags)));
    }
    Ok(checks)
}

/// Gives a key more tags.
pub(super) fn tag(tx: &mut Tx<'_>, auth: Authorized<'_, op::TagResource>) -> Result<Empty, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    staying(&key)?;
    let more = checked(Some(&auth.input().tags))?;
    more.iter().for_each(|tag| key.tags.set(tag.clone()));
    key.tags = within_limit(key.tags)?;
    tx.put(key);
    Ok(Empty {})
}

/// The key, with the request's tag keys.
pub(super) fn require_untag(ask: Ask<'_, UntagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let checks = own(ask.view, ask.call, &ask.input.key_id, "kms:UntagResource")?;
    let with_keys = |check: Check| check.with_many("aws:TagKeys", ask.input.tag_keys.clone());
    Ok(checks.into_iter().map(with_keys).collect())
}

/// Takes tags off a key.
pub(super) fn untag(tx: &mut Tx<'_>, auth: Authorized<'_, op::UntagResource>) -> Result<Empty, ServiceError> {
    let mut key = edit(tx, auth.call(), &auth.input().key_id)?;
    staying(&key)?;
    for tag in &auth.input().tag_keys {
        not_reserved(tag)?;
        key.tags.remove(tag);
    }
    tx.put(key);
    Ok(Empty {})
}

/// The key.
pub(super) fn require_list(ask: Ask<'_, ListResourceTagsRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:ListResourceTags")
}

/// The tags of a key.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListResourceTags>,
) -> Result<ListResourceTagsResponse, ServiceError> {
    let input = auth.input();
    let found = find(view, auth.call(), &input.key_id, Takes::Own)?;
    let pager = Pager::of(input.marker.as_deref(), input.limit, 50, 50)?;
    let mut tags: Vec<_> = found.there()?.tags.iter().collect();
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    let row = |tag: &Tag| {
        let shown = api::Tag {
            tag_key: tag.key.clone(),
            tag_value: tag.value.clone(),
        };
        (tag.key.clone(), shown)
    };
    let (tags, next_marker) = pager.page(tags.into_iter().map(row));
    Ok(ListResourceTagsResponse {
        tags: Some(tags),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}
