//! Lifecycle policies: put, previewed, and what they let expire.

mod evaluate;
mod rules;

use std::sync::Arc;

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, DeleteLifecyclePolicyResponse, GetLifecyclePolicyPreviewRequest,
    GetLifecyclePolicyPreviewResponse, GetLifecyclePolicyResponse, PutLifecyclePolicyResponse,
    StartLifecyclePolicyPreviewResponse,
};
use portcullis_core::Timestamp;

use super::errors::EcrError;
use super::images::wants;
use super::names::Named;
use super::paging::Pager;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::records::ecr::{Image, Lifecycle, Preview, Repository};
use crate::world::{Snapshot, Tx};
use evaluate::{Candidate, expiring};
use rules::{Rule, parse};

const COMPLETE: &str = "COMPLETE";
const EXPIRE: &str = "EXPIRE";

/// The rules of a policy that can be put.
pub(super) fn accepted(text: &str) -> Result<Vec<Rule>, EcrError> {
    parse(text).map_err(|error| {
        let constraint = format!("Lifecycle policy validation failure: {error}");
        EcrError::parameter("LifecyclePolicyText", constraint)
    })
}

/// The images of a repository that a policy lets expire at a moment, oldest first, with the priorities of their rules.
pub(super) fn victims(
    view: &Snapshot,
    repository: &Repository,
    rules: &[Rule],
    at: Timestamp,
) -> Vec<(Arc<Image>, u32)> {
    let tables = &view.ecr;
    let rows = tables.images_after(&repository.region, &repository.name, None);
    // A preview speaks about the images of its moment.
    let rows: Vec<_> = rows.filter(|row| row.pushed <= at).collect();
    let candidate = |row: &&Arc<Image>| is_listed(view, row);
    let listed: Vec<bool> = rows.iter().map(candidate).collect();
    let candidates = rows.iter().zip(listed).map(|(row, is_listed)| Candidate {
        digest: &row.digest,
        tags: &row.tags,
        pushed: row.pushed,
        is_listed,
    });
    let candidates: Vec<_> = candidates.collect();
    let found = expiring(rules, &candidates, at).into_iter();
    found
        .filter_map(|(index, priority)| Some((Arc::clone(rows.get(index)?), priority)))
        .collect()
}

fn is_listed(view: &Snapshot, row: &Image) -> bool {
    !view
        .ecr
        .parents(&row.region, &row.repository, &row.digest)
        .is_empty()
}

/// Puts a policy. What it lets expire goes with the next sweep.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutLifecyclePolicy>,
) -> Result<PutLifecyclePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    accepted(&input.lifecycle_policy_text)?;
    row.lifecycle = Some(Lifecycle {
        text: input.lifecycle_policy_text.clone(),
        evaluated: None,
    });
    tx.put(row);
    Ok(PutLifecyclePolicyResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        lifecycle_policy_text: Some(input.lifecycle_policy_text.clone()),
    })
}

/// The policy of a repository.
pub(super) fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetLifecyclePolicy>,
) -> Result<GetLifecyclePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let lifecycle = named.found(view, call)?.lifecycle.as_ref();
    let lifecycle = lifecycle.ok_or_else(|| EcrError::NoLifecyclePolicy(named.place(call)))?;
    Ok(GetLifecyclePolicyResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        lifecycle_policy_text: Some(lifecycle.text.clone()),
        last_evaluated_at: lifecycle.evaluated,
    })
}

/// Takes the policy from a repository.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteLifecyclePolicy>,
) -> Result<DeleteLifecyclePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    let lifecycle = row.lifecycle.take();
    let lifecycle = lifecycle.ok_or_else(|| EcrError::NoLifecyclePolicy(named.place(call)))?;
    tx.put(row);
    Ok(DeleteLifecyclePolicyResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        lifecycle_policy_text: Some(lifecycle.text),
        last_evaluated_at: lifecycle.evaluated,
    })
}

/// Asks what a policy would do: the one given, or the repository's own. Known at once; it is asked for with another call,
/// as in ECR.
pub(super) fn start_preview(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::StartLifecyclePolicyPreview>,
) -> Result<StartLifecyclePolicyPreviewResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    let own = row.lifecycle.as_ref().map(|lifecycle| &lifecycle.text);
    let text = input.lifecycle_policy_text.as_ref().or(own);
    let text = text.ok_or_else(|| EcrError::NoLifecyclePolicy(named.place(call)))?;
    accepted(text)?;
    let text = text.clone();
    row.preview = Some(Preview {
        text: text.clone(),
        at: tx.now,
    });
    tx.put(row);
    Ok(StartLifecyclePolicyPreviewResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        lifecycle_policy_text: Some(text),
        status: Some("IN_PROGRESS".to_owned()),
    })
}

/// What the policy that was asked about would do.
pub(super) fn preview(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetLifecyclePolicyPreview>,
) -> Result<GetLifecyclePolicyPreviewResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let row = named.found(view, call)?;
    let asked = row.preview.as_ref();
    let asked = asked.ok_or_else(|| EcrError::NoPreview(named.place(call)))?;
    let rules = accepted(&asked.text)?;
    let all = victims(view, row, &rules, asked.at);
    let count = i32::try_from(all.len()).unwrap_or(i32::MAX);
    let wanted = all.iter().filter(|(image, _)| is_wanted(input, image));
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let rest =
        wanted.skip_while(|(image, _)| pager.after.as_ref().is_some_and(|after| image.digest != *after));
    let rest = rest.skip(usize::from(pager.after.is_some()));
    let (page, next_token) = pager.page(rest, |(image, _)| image.digest.clone());
    Ok(GetLifecyclePolicyPreviewResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(input.repository_name.clone()),
        lifecycle_policy_text: Some(asked.text.clone()),
        status: Some(COMPLETE.to_owned()),
        next_token,
        preview_results: Some(
            page.into_iter()
                .map(|(image, priority)| result(image, *priority))
                .collect(),
        ),
        summary: Some(api::LifecyclePolicyPreviewSummary {
            expiring_image_total_count: Some(count),
            transitioning_image_total_counts: None,
        }),
    })
}

fn is_wanted(input: &GetLifecyclePolicyPreviewRequest, image: &Image) -> bool {
    let status = input
        .filter
        .as_ref()
        .and_then(|filter| filter.tag_status.as_deref());
    let is_named = |id: &api::ImageIdentifier| {
        let digest = id
            .image_digest
            .as_ref()
            .is_none_or(|digest| *digest == image.digest);
        digest && id.image_tag.as_ref().is_none_or(|tag| image.tags.contains(tag))
    };
    let named = input
        .image_ids
        .as_ref()
        .is_none_or(|ids| ids.iter().any(is_named));
    named && wants(status, image)
}

fn result(image: &Image, priority: u32) -> api::LifecyclePolicyPreviewResult {
    api::LifecyclePolicyPreviewResult {
        image_tags: Some(image.tags.clone()),
        image_digest: Some(image.digest.clone()),
        image_pushed_at: Some(image.pushed),
        action: Some(api::LifecyclePolicyRuleAction {
            r#type: Some(EXPIRE.to_owned()),
            target_storage_class: None,
        }),
        applied_rule_priority: i32::try_from(priority).ok(),
        storage_class: Some("STANDARD".to_owned()),
    }
}
