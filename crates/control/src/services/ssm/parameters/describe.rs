//! DescribeParameters and GetParameterHistory.

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    DescribeParametersResult, GetParameterHistoryRequest, GetParameterHistoryResult, ParameterHistory,
    ParameterInlinePolicy, ParameterMetadata,
};

use super::errors::ParameterError;
use super::filters::Wanted;
use super::names::Asked;
use super::put::TEXT;
use super::{paging, sealing};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::parameters::{Parameter, ParameterVersion};

const PAGE_MAX: usize = 50;
const KEYS: [&str; 8] = [
    "Name", "Type", "KeyId", "Path", "Label", "Tier", "DataType", "tag",
];

/// What there is to know of parameters but their values.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeParameters>,
) -> Result<DescribeParametersResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if input.shared.unwrap_or_default() {
        return Err(ParameterError::Shared.into());
    }
    let has_some = |count: Option<usize>| count.is_some_and(|count| count > 0);
    let new = input.parameter_filters.as_ref();
    if has_some(input.filters.as_ref().map(Vec::len)) && has_some(new.map(Vec::len)) {
        return Err(ParameterError::TwoFilters.into());
    }
    let (old, new) = (
        Wanted::read_old(input.filters.as_ref()),
        Wanted::read(new, &KEYS)?,
    );
    let last = paging::last(input.next_token.as_deref())?;
    // Those of the older form and of the newer one never come together.
    let beginning = old.beginning() + &new.beginning();
    let prefix = Parameter::key_of(&call.region, &beginning);
    let rows = view.parameters.parameters.after(&prefix, last.as_deref());
    let rows = rows
        .filter(|(_, row)| !row.is_expired(call.now) && old.is_met_by(view, row) && new.is_met_by(view, row));
    let shown = rows.filter_map(|(key, row)| {
        let version = view.parameters.version(row, row.latest)?;
        Some((key.to_owned(), metadata(call, row, version)))
    });
    let (parameters, next_token) = paging::page(shown, paging::length(input.max_results, PAGE_MAX));
    Ok(DescribeParametersResult {
        parameters: Some(parameters),
        next_token,
    })
}

fn metadata(call: &Call, row: &Parameter, version: &ParameterVersion) -> ParameterMetadata {
    let arn = Parameter::arn_of(&call.region, &call.account, &row.name);
    ParameterMetadata {
        name: Some(row.name.clone()),
        arn: Some(arn.to_string()),
        r#type: Some(row.kind.clone()),
        key_id: version.key_id.clone(),
        last_modified_date: Some(version.modified),
        last_modified_user: Some(version.modified_by.clone()),
        description: version.description.clone(),
        allowed_pattern: version.allowed_pattern.clone(),
        version: Some(version.number),
        tier: Some(version.tier.as_str().to_owned()),
        policies: Some(policies(version)),
        data_type: Some(TEXT.to_owned()),
    }
}

fn policies(version: &ParameterVersion) -> Vec<ParameterInlinePolicy> {
    let policies = version.policies.iter();
    let one = policies.map(|policy| ParameterInlinePolicy {
        policy_text: Some(policy.text.clone()),
        policy_type: Some(policy.kind.clone()),
        policy_status: Some("Pending".to_owned()),
    });
    one.collect()
}

/// The versions of a page, the oldest first, and the token of the next one.
fn page<'v>(
    view: &'v Snapshot,
    call: &Call,
    input: &GetParameterHistoryRequest,
) -> Result<(&'v Parameter, Vec<&'v ParameterVersion>, Option<String>), ParameterError> {
    let asked = Asked::of(view, call, &input.name);
    let row = asked.find(view, call).filter(|_| asked.selector.is_none());
    let row = row.ok_or(ParameterError::NotFound)?;
    let last = paging::last(input.next_token.as_deref())?;
    let versions = view.parameters.versions_of(row).map(AsRef::as_ref);
    let keyed = versions.map(|version: &ParameterVersion| (format!("{:019}", version.number), version));
    let left = keyed.filter(|(key, _)| last.as_ref().is_none_or(|last| key > last));
    let (versions, next_token) = paging::page(left, paging::length(input.max_results, PAGE_MAX));
    Ok((row, versions, next_token))
}

/// The parameter, and the use of the keys of the versions that the page shows.
pub(super) fn require_history(ask: Ask<'_, GetParameterHistoryRequest>) -> Result<Vec<Check>, ServiceError> {
    let (view, call, input) = (ask.view, ask.call, ask.input);
    let asked = Asked::of(view, call, &input.name);
    let mut checks = vec![asked.check(view, call, "ssm:GetParameterHistory")];
    if input.with_decryption.unwrap_or_default()
        && let Ok((_, versions, _)) = page(view, call, input)
    {
        for version in versions {
            checks.extend(sealing::to_open(view, call, version)?);
        }
    }
    Ok(checks)
}

/// The versions of a parameter with their values.
pub(super) fn history(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetParameterHistory>,
) -> Result<GetParameterHistoryResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (row, versions, next_token) = page(view, call, input)?;
    let with_decryption = input.with_decryption.unwrap_or_default();
    let mut parameters = Vec::new();
    for version in versions {
        parameters.push(ParameterHistory {
            name: Some(row.name.clone()),
            r#type: Some(row.kind.clone()),
            key_id: version.key_id.clone(),
            last_modified_date: Some(version.modified),
            last_modified_user: Some(version.modified_by.clone()),
            description: version.description.clone(),
            value: Some(sealing::shown(view, env, call, version, with_decryption)?),
            allowed_pattern: version.allowed_pattern.clone(),
            version: Some(version.number),
            labels: Some(row.labels_of(version.number)),
            tier: Some(version.tier.as_str().to_owned()),
            policies: Some(policies(version)),
            data_type: Some(TEXT.to_owned()),
        });
    }
    Ok(GetParameterHistoryResult {
        parameters: Some(parameters),
        next_token,
    })
}
