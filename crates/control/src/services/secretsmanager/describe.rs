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
use crate::world::records::secrets::{Order, StoredSecret};

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

fn order(by: Option<&str>) -> Order {
    match by {
        Some("name") => Order::Name,
        Some("last-changed-date") => Order::Change,
        Some("last-accessed-date") => Order::Access,
        _ => Order::Creation,
    }
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
    let is_wanted = |row: &StoredSecret| {
        (also_deleted || row.deleted.is_none()) && filters::is_wanted(call, input.filters.as_ref(), row)
    };
    let (order, is_backwards) = (
        order(input.sort_by.as_deref()),
        input.sort_order.as_deref() == Some("desc"),
    );
    let rows = view
        .secrets
        .listed(&call.region, order, is_backwards, pager.after());
    let (rows, next_token) = pager.page(rows.filter(|(_, row)| is_wanted(row)));
    let shown = rows.into_iter().map(|row| shown(&view.account, row)).collect();
    Ok(ListSecretsResponse {
        secret_list: Some(shown),
        next_token,
    })
}
