//! Lists of log groups: DescribeLogGroups and ListLogGroups.

use portcullis_api::logs::op;
use portcullis_api::logs::{
    self as api, DescribeLogGroupsRequest, DescribeLogGroupsResponse, ListLogGroupsRequest,
    ListLogGroupsResponse, LogGroupSummary,
};
use portcullis_core::Tags;

use super::errors::LogsError;
use super::names::GroupRef;
use super::paging::Pager;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::Snapshot;
use crate::world::records::logs::{LogGroup, LogGroupClass};

/// The groups that a caller asks for, by name.
pub(super) fn describe(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::DescribeLogGroups>,
) -> Result<DescribeLogGroupsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    check_filters(input)?;
    let begin = input.log_group_name_prefix.as_deref().unwrap_or_default();
    let prefix = LogGroup::key_of(&call.region, begin);
    let pager = Pager::of(input.next_token.as_deref(), input.limit, &prefix)?;
    let named = names(input, call)?;
    let part = input.log_group_name_pattern.as_deref();
    let is_wanted = |row: &LogGroup| {
        part.is_none_or(|part| row.name.contains(part))
            && named.as_ref().is_none_or(|names| names.contains(&row.name))
            && is_of_class(row, input.log_group_class.as_deref())
    };
    let rows = view.logs.groups.after(&prefix, pager.after.as_deref());
    let (rows, next_token) = pager.page(rows.filter(|(_, row)| is_wanted(row)));
    let show = |row: &std::sync::Arc<LogGroup>| match part {
        Some(_) => in_brief(row, call),
        None => shown(row, env, call),
    };
    Ok(DescribeLogGroupsResponse {
        log_groups: Some(rows.into_iter().map(show).collect()),
        next_token,
    })
}

fn check_filters(input: &DescribeLogGroupsRequest) -> Result<(), LogsError> {
    let (prefix, pattern) = (&input.log_group_name_prefix, &input.log_group_name_pattern);
    if prefix.is_some() && pattern.is_some() {
        return Err(LogsError::PrefixAndPattern);
    }
    let is_filtered = prefix.is_some() || pattern.is_some() || input.log_group_class.is_some();
    match input.log_group_identifiers.is_some() && is_filtered {
        true => Err(LogsError::IdentifiersAndMore),
        false => Ok(()),
    }
}

/// The names of the groups that are asked for one by one. Those of other accounts and regions are as unknown here as names that
/// nobody has, and are left out like them.
fn names(input: &DescribeLogGroupsRequest, call: &Call) -> Result<Option<Vec<String>>, LogsError> {
    let named = input.log_group_identifiers.as_ref().map(|identifiers| {
        let each = identifiers.iter().map(|one| GroupRef::identified(call, one));
        let here = each.filter(|group| group.as_ref().map_or(true, GroupRef::is_here));
        here.map(|group| group.map(|group| group.name)).collect()
    });
    named.transpose()
}

/// Infrequent Access and Essentials are one to those who ask for one of them.
fn is_of_class(row: &LogGroup, wanted: Option<&str>) -> bool {
    let cheaper = |class| matches!(class, LogGroupClass::InfrequentAccess | LogGroupClass::Essentials);
    wanted.is_none_or(|wanted| {
        let wanted = LogGroupClass::parse(Some(wanted));
        row.class == wanted || (cheaper(row.class) && cheaper(wanted))
    })
}

/// What is shown of groups that are found by a part of their name.
fn in_brief(row: &LogGroup, call: &Call) -> api::LogGroup {
    let arn = LogGroup::arn_of(&row.region, &call.account, &row.name);
    api::LogGroup {
        log_group_name: Some(row.name.clone()),
        creation_time: Some(row.created.as_millis()),
        arn: Some(format!("{arn}:*")),
        ..api::LogGroup::default()
    }
}

fn shown(row: &LogGroup, env: &Environment, call: &Call) -> api::LogGroup {
    let arn = LogGroup::arn_of(&row.region, &call.account, &row.name);
    let bytes = env.logs.group_bytes(&row.stored_as(&call.account));
    api::LogGroup {
        retention_in_days: row.retention_days.and_then(|days| i32::try_from(days).ok()),
        metric_filter_count: Some(0),
        stored_bytes: Some(i64::try_from(bytes).unwrap_or(i64::MAX)),
        kms_key_id: row.kms_key.as_ref().map(|own| own.key.to_string()),
        log_group_class: Some(row.class.as_str().to_owned()),
        log_group_arn: Some(arn.to_string()),
        deletion_protection_enabled: Some(row.is_protected),
        ..in_brief(row, call)
    }
}

/// The groups that a caller asks for, by name, in short.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListLogGroups>,
) -> Result<ListLogGroupsResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let prefix = LogGroup::key_of(&call.region, "");
    let pager = Pager::of(input.next_token.as_deref(), input.limit, &prefix)?;
    let rows = view.logs.groups.after(&prefix, pager.after.as_deref());
    let (rows, next_token) = pager.page(rows.filter(|(_, row)| is_listed(row, input)));
    let summary = |row: &std::sync::Arc<LogGroup>| LogGroupSummary {
        log_group_name: Some(row.name.clone()),
        log_group_arn: Some(LogGroup::arn_of(&row.region, &call.account, &row.name).to_string()),
        log_group_class: Some(row.class.as_str().to_owned()),
    };
    Ok(ListLogGroupsResponse {
        log_groups: Some(rows.into_iter().map(summary).collect()),
        next_token,
    })
}

/// No group here has data sources or field indexes: whoever asks for some gets none.
fn is_listed(row: &LogGroup, input: &ListLogGroupsRequest) -> bool {
    let by_name = input.log_group_name_pattern.as_deref().is_none_or(|pattern| {
        let mut parts = pattern.split('|');
        parts.any(|part| match part.strip_prefix('^') {
            Some(begin) => row.name.starts_with(begin),
            None => row.name.contains(part),
        })
    });
    let mut tags = input.log_group_tags.iter().flatten();
    by_name
        && is_of_class(row, input.log_group_class.as_deref())
        && tags.all(|filter| {
            has_tag(
                &row.tags,
                &filter.key,
                filter.values.as_deref().unwrap_or_default(),
            )
        })
        && input.data_sources.is_none()
        && input.field_index_names.is_none()
}

/// Whether a tag of that key has one of these values, which may begin with `!` for "not" and begin or end with a star.
fn has_tag(tags: &Tags, key: &str, values: &[String]) -> bool {
    let Some(value) = tags.get(key) else {
        return false;
    };
    let fits = |wanted: &String| match wanted.strip_prefix('!') {
        Some(unwanted) => !is_like(value, unwanted),
        None => is_like(value, wanted),
    };
    values.is_empty() || values.iter().any(fits)
}

fn is_like(value: &str, pattern: &str) -> bool {
    let (inner, open_start) = pattern
        .strip_prefix('*')
        .map_or((pattern, false), |rest| (rest, true));
    let (inner, open_end) = inner
        .strip_suffix('*')
        .map_or((inner, false), |rest| (rest, true));
    match (open_start, open_end) {
        (true, true) => value.contains(inner),
        (true, false) => value.ends_with(inner),
        (false, true) => value.starts_with(inner),
        (false, false) => value == inner,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Tag;

    use super::*;

    #[test]
    fn tags_are_filtered_by_key_and_by_values_with_stars_and_negation() {
        let tags: Tags = [Tag::new("stage", "production")].into_iter().collect();
        let cases: [(&str, &[&str], bool); 9] = [
            ("stage", &[], true),
            ("Stage", &[], false),
            ("stage", &["production"], true),
            ("stage", &["prod"], false),
            ("stage", &["prod*"], true),
            ("stage", &["*tion"], true),
            ("stage", &["test", "*duct*"], true),
            ("stage", &["!prod*"], false),
            ("stage", &["!test"], true),
        ];
        for (key, values, expected) in cases {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(has_tag(&tags, key, &values), expected, "{key} {values:?}");
        }
    }
}
