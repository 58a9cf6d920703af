//! Tags of managed instances and parameters.

use std::collections::HashSet;

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    self as api, AddTagsToResourceRequest, AddTagsToResourceResult, ListTagsForResourceRequest,
    ListTagsForResourceResult, RemoveTagsFromResourceRequest, RemoveTagsFromResourceResult,
};
use portcullis_core::{Tag, Tags};

use super::errors::SsmError;
use super::machines;
use super::parameters::tagging;
use crate::gate::call::Call;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::tags::is_reserved;
use crate::world::records::ssm::ManagedInstance;
use crate::world::{Snapshot, Tx};

/// What may be tagged.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Machine,
    Parameter,
}

impl Kind {
    /// Nothing else is here: nothing else has an id that could be right.
    fn of(word: &str) -> Result<Self, SsmError> {
        match word {
            "ManagedInstance" => Ok(Self::Machine),
            "Parameter" => Ok(Self::Parameter),
            _ => Err(SsmError::ResourceId),
        }
    }

    fn check(self, view: &Snapshot, call: &Call, action: &'static str, id: &str) -> Check {
        match self {
            Self::Machine => machines::check(view, call, action, id),
            Self::Parameter => tagging::check(view, call, action, id),
        }
    }

    fn change(
        self,
        tx: &mut Tx<'_>,
        call: &Call,
        id: &str,
        change: impl FnOnce(&mut Tags),
    ) -> Result<(), SsmError> {
        match self {
            Self::Parameter => tagging::change(tx, call, id, change),
            Self::Machine => {
                let found = machines::found(tx.view(), call, id).ok_or(SsmError::ResourceId)?;
                let mut row = ManagedInstance::clone(found);
                change(&mut row.tags);
                tx.put(row);
                Ok(())
            }
        }
    }
}

/// The tags of a request, unchecked: for the context of a decision.
pub(super) fn requested(tags: Option<&Vec<api::Tag>>) -> Tags {
    let tags = tags.into_iter().flatten();
    tags.map(|tag| Tag::new(tag.key.clone(), tag.value.clone()))
        .collect()
}

/// The tags of a request, checked.
pub(super) fn checked(tags: Option<&Vec<api::Tag>>) -> Result<Tags, SsmError> {
    let mut seen = HashSet::new();
    let is_good = |tag: &api::Tag| !is_reserved(&tag.key) && seen.insert(tag.key.clone());
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

/// What is tagged, with the request's tags.
pub(super) fn require_add(ask: Ask<'_, AddTagsToResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let kind = Kind::of(&ask.input.resource_type)?;
    let id = &ask.input.resource_id;
    let mut check = kind.check(ask.view, ask.call, "ssm:AddTagsToResource", id);
    add_request_tags(&mut check.context, &requested(Some(&ask.input.tags)));
    Ok(vec![check])
}

/// Gives a managed instance or a parameter more tags.
pub(super) fn add(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::AddTagsToResource>,
) -> Result<AddTagsToResourceResult, ServiceError> {
    let input = auth.input();
    let more = checked(Some(&input.tags))?;
    let kind = Kind::of(&input.resource_type)?;
    kind.change(tx, auth.call(), &input.resource_id, |tags| {
        more.iter().for_each(|tag| tags.set(tag.clone()));
    })?;
    Ok(AddTagsToResourceResult {})
}

/// What loses tags, with their keys.
pub(super) fn require_remove(
    ask: Ask<'_, RemoveTagsFromResourceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let kind = Kind::of(&ask.input.resource_type)?;
    let id = &ask.input.resource_id;
    let check = kind.check(ask.view, ask.call, "ssm:RemoveTagsFromResource", id);
    Ok(vec![check.with_many("aws:TagKeys", ask.input.tag_keys.clone())])
}

/// Takes tags off a managed instance or a parameter; keys that are not there do no harm.
pub(super) fn remove(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RemoveTagsFromResource>,
) -> Result<RemoveTagsFromResourceResult, ServiceError> {
    let input = auth.input();
    let kind = Kind::of(&input.resource_type)?;
    kind.change(tx, auth.call(), &input.resource_id, |tags| {
        input.tag_keys.iter().for_each(|key| tags.remove(key));
    })?;
    Ok(RemoveTagsFromResourceResult {})
}

/// What has the tags.
pub(super) fn require_list(ask: Ask<'_, ListTagsForResourceRequest>) -> Result<Vec<Check>, ServiceError> {
    let kind = Kind::of(&ask.input.resource_type)?;
    let id = &ask.input.resource_id;
    Ok(vec![kind.check(
        ask.view,
        ask.call,
        "ssm:ListTagsForResource",
        id,
    )])
}

/// The tags of a managed instance or a parameter.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListTagsForResource>,
) -> Result<ListTagsForResourceResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let tags = match Kind::of(&input.resource_type)? {
        Kind::Machine => machines::found(view, call, &input.resource_id).map(|row| &row.tags),
        Kind::Parameter => tagging::found(view, call, &input.resource_id).map(|row| &row.tags),
    };
    Ok(ListTagsForResourceResult {
        tag_list: Some(shown(tags.ok_or(SsmError::ResourceId)?)),
    })
}
