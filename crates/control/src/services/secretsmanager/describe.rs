//! DescribeSecret and ListSecrets: everything about secrets but their values.

use std::collections::BTreeMap;

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    DescribeSecretRequest, DescribeSecretResponse, ListSecretsResponse, SecretListEntry, Tag,
};
use portcullis_core::AccountId;

use super::filters;
use super::names::Named;
use super::paging::Pager;
use super::versions::Stages;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::secrets::StoredSecret;

const PAGE_MAX: usize = 100;

/// The secret.
pub(super) fn require_describe(ask: Ask<'_, DescribeSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    Ok(vec![named.check("secretsmanager:DescribeSecret")])
}

/// Everything about a secret but its values; also of one that is to be deleted.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeSecret>,
) -> Result<DescribeSecretResponse, ServiceError> {
    let named = Named::of(view, auth.call(), &auth.input().secret_id);
    let row = named.any()?;
    let shown = shown(&named.home.account, row);
    Ok(DescribeSecretResponse {
        arn: shown.arn,
        name: shown.name,
        description: shown.description,
        kms_key_id: shown.kms_key_id,
        rotation_enabled: shown.rotation_enabled,
        last_changed_date: shown.last_changed_date,
        last_accessed_date: shown.last_accessed_date,
        deleted_date: shown.deleted_date,
        tags: shown.tags,
        version_ids_to_stages: shown.secret_versions_to_stages,
        created_date: shown.created_date,
        ..DescribeSecretResponse::default()
    })
}

/// A secret as lists show it.
fn shown(account: &AccountId, row: &StoredSecret) -> SecretListEntry {
    SecretListEntry {
        arn: Some(row.arn(account).to_string()),
        name: Some(row.name.clone()),
        description: row.description.clone(),
        kms_key_id: row.kms_key_id.clone(),
        rotation_enabled: row.rotation_enabled,
        last_changed_date: Some(row.changed),
        last_accessed_date: row.accessed.day(),
        deleted_date: row.deleted,
        tags: Some(tags(row)).filter(|tags| !tags.is_empty()),
        secret_versions_to_stages: by_version(&row.stages),
        created_date: Some(row.created),
        ..SecretListEntry::default()
    }
}

fn tags(row: &StoredSecret) -> Vec<Tag> {
    let one = |tag: &portcullis_core::Tag| Tag {
        key: Some(tag.key.clone()),
        value: Some(tag.value.clone()),
    };
    row.tags.iter().map(one).collect()
}

/// The labels of each version that has some.
fn by_version(stages: &Stages) -> Option<BTreeMap<String, Vec<String>>> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (label, id) in stages {
        versions.entry(id.clone()).or_default().push(label.clone());
    }
    Some(versions).filter(|versions| !versions.is_empty())
}

/// By what lists are sorted: text that sorts as it does, each secret's own.
fn sorting_key(by: Option<&str>, row: &StoredSecret) -> String {
    let time = match by {
        Some("name") => return row.name.clone(),
        Some("last-changed-date") => Some(row.changed),
        Some("last-accessed-date") => row.accessed.day(),
        _ => Some(row.created),
    };
    let millis = time.map_or(0, |time| time.as_millis().max(0));
    format!("{millis:016}/{}", row.name)
}

/// The secrets of the region that a caller asks for.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListSecrets>,
) -> Result<ListSecretsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let pager = Pager::of(input.next_token.as_deref(), input.max_results, PAGE_MAX)?;
    let also_deleted = input.include_planned_deletion.unwrap_or_default();
    let found = filters::matching(view, call, input.filters.as_ref());
    let found = found.filter(|row| also_deleted || row.deleted.is_none());
    let mut rows: Vec<_> = found
        .map(|row| (sorting_key(input.sort_by.as_deref(), row), row))
        .collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (rows, next_token) = match input.sort_order.as_deref() {
        Some("desc") => pager.page_backwards(rows.into_iter().rev()),
        _ => pager.page(rows.into_iter()),
    };
    let shown = rows.into_iter().map(|row| shown(&view.account, row)).collect();
    Ok(ListSecretsResponse {
        secret_list: Some(shown),
        next_token,
    })
}
