//! Tags of log groups: by ARN, and by name as it was before.

use std::collections::BTreeMap;

use portcullis_api::logs::op;
use portcullis_api::logs::{
    ListTagsForResourceRequest, ListTagsForResourceResponse, ListTagsLogGroupRequest,
    ListTagsLogGroupResponse, TagLogGroupRequest, TagResourceRequest, UntagLogGroupRequest,
    UntagResourceRequest,
};
use portcullis_core::{Tag, Tags};
use portcullis_wire::Empty;

use super::errors::LogsError;
use super::names::GroupRef;
use crate::gate::call::Call;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::tags::is_reserved;
use crate::world::records::logs::LogGroup;
use crate::world::{Snapshot, Tx};

/// Most tags a log group can have.
const TAGS_MAX: usize = 50;

/// The tags of a request, unchecked: for the context of a decision.
pub(super) fn requested(tags: Option<&BTreeMap<String, String>>) -> Tags {
    let pairs = tags.into_iter().flatten();
    pairs
        .map(|(key, value)| Tag::new(key.clone(), value.clone()))
        .collect()
}

/// The tags of a request, checked.
pub(super) fn checked(tags: Option<&BTreeMap<String, String>>) -> Result<Tags, LogsError> {
    match tags.into_iter().flatten().any(|(key, _)| is_reserved(key)) {
        true => Err(LogsError::ReservedTag),
        false => Ok(requested(tags)),
    }
}

fn shown(tags: &Tags) -> BTreeMap<String, String> {
    let pairs = tags.iter().map(|tag| (tag.key.clone(), tag.value.clone()));
    pairs.collect()
}

/// The group of an ARN. Nothing else here has tags.
fn of_resource(call: &Call, arn: &str) -> Result<GroupRef, LogsError> {
    match arn.starts_with("arn:") {
        true => GroupRef::identified(call, arn).map_err(|_| LogsError::NoResource),
        false => Err(LogsError::Identifier),
    }
}

/// The group, with the request's tags.
pub(super) fn require_tag(ask: Ask<'_, TagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = of_resource(ask.call, &ask.input.resource_arn)?;
    let mut check = group.check_bare(ask.view, ask.call, "logs:TagResource");
    add_request_tags(&mut check.context, &requested(Some(&ask.input.tags)));
    Ok(vec![check])
}

/// Gives a log group more tags.
pub(super) fn tag(tx: &mut Tx<'_>, auth: Authorized<'_, op::TagResource>) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let group = of_resource(call, &input.resource_arn)?;
    let found = group.find(tx.view(), call).ok_or(LogsError::NoResource)?.clone();
    add(tx, found, &input.tags, false)
}

/// The group, with the request's tags.
pub(super) fn require_tag_group(ask: Ask<'_, TagLogGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let mut check = group.check(ask.view, ask.call, "logs:TagLogGroup");
    add_request_tags(&mut check.context, &requested(Some(&ask.input.tags)));
    Ok(vec![check])
}

/// Gives a log group more tags.
pub(super) fn tag_group(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::TagLogGroup>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let group = GroupRef::named(call, &input.log_group_name);
    let found = group.found(tx.view(), call)?.clone();
    add(tx, found, &input.tags, true)
}

fn add(
    tx: &mut Tx<'_>,
    mut group: LogGroup,
    tags: &BTreeMap<String, String>,
    of_group: bool,
) -> Result<Empty, ServiceError> {
    for tag in checked(Some(tags))?.iter() {
        group.tags.set(tag.clone());
    }
    if group.tags.len() > TAGS_MAX {
        return Err(LogsError::TooManyTags { of_group }.into());
    }
    tx.put(group);
    Ok(Empty {})
}

/// The group, and the keys that are to go.
pub(super) fn require_untag(ask: Ask<'_, UntagResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = of_resource(ask.call, &ask.input.resource_arn)?;
    let check = group.check_bare(ask.view, ask.call, "logs:UntagResource");
    Ok(vec![check.with_many("aws:TagKeys", ask.input.tag_keys.clone())])
}

/// Takes tags from a log group; absent keys are passed over.
pub(super) fn untag(tx: &mut Tx<'_>, auth: Authorized<'_, op::UntagResource>) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let group = of_resource(call, &input.resource_arn)?;
    let found = group.find(tx.view(), call).ok_or(LogsError::NoResource)?.clone();
    Ok(remove(tx, found, &input.tag_keys))
}

/// The group, and the keys that are to go.
pub(super) fn require_untag_group(ask: Ask<'_, UntagLogGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let check = group.check(ask.view, ask.call, "logs:UntagLogGroup");
    Ok(vec![check.with_many("aws:TagKeys", ask.input.tags.clone())])
}

/// Takes tags from a log group; absent keys are passed over.
pub(super) fn untag_group(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UntagLogGroup>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let group = GroupRef::named(call, &input.log_group_name);
    let found = group.found(tx.view(), call)?.clone();
    Ok(remove(tx, found, &input.tags))
}

fn remove(tx: &mut Tx<'_>, mut group: LogGroup, keys: &[String]) -> Empty {
    keys.iter().for_each(|key| group.tags.remove(key));
    tx.put(group);
    Empty {}
}

/// The group.
pub(super) fn require_list(ask: Ask<'_, ListTagsForResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = of_resource(ask.call, &ask.input.resource_arn)?;
    Ok(vec![group.check_bare(
        ask.view,
        ask.call,
        "logs:ListTagsForResource",
    )])
}

/// The tags of a log group.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListTagsForResource>,
) -> Result<ListTagsForResourceResponse, ServiceError> {
    let group = of_resource(auth.call(), &auth.input().resource_arn)?;
    let found = group.find(view, auth.call()).ok_or(LogsError::NoResource)?;
    Ok(ListTagsForResourceResponse {
        tags: Some(shown(&found.tags)),
    })
}

/// The group.
pub(super) fn require_list_group(ask: Ask<'_, ListTagsLogGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    Ok(vec![group.check(ask.view, ask.call, "logs:ListTagsLogGroup")])
}

/// The tags of a log group.
pub(super) fn list_group(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListTagsLogGroup>,
) -> Result<ListTagsLogGroupResponse, ServiceError> {
    let group = GroupRef::named(auth.call(), &auth.input().log_group_name);
    let found = group.found(view, auth.call())?;
    Ok(ListTagsLogGroupResponse {
        tags: Some(shown(&found.tags)),
    })
}
