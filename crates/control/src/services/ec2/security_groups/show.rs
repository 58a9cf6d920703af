//! DescribeSecurityGroups and DescribeSecurityGroupRules.

use portcullis_api::ec2::op::{DescribeSecurityGroupRules, DescribeSecurityGroups};
use portcullis_api::ec2::{
    self as api, DescribeSecurityGroupRulesRequest, DescribeSecurityGroupRulesResult,
    DescribeSecurityGroupsRequest, DescribeSecurityGroupsResult,
};

use super::by_name;
use super::permission::{shown as shown_permissions, shown_rule};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ec2::checks::on_all;
use crate::services::ec2::describe::{Found, Wanted, matching, of_tags, page, paged};
use crate::services::ec2::errors::Ec2Error;
use crate::services::ec2::ids::Kind;
use crate::services::ec2::place::{Place, not_dry};
use crate::services::ec2::tags;
use crate::world::Snapshot;
use crate::world::records::ec2::{Peer, Rule, SecurityGroup};

pub(in crate::services::ec2) fn require_describe(
    ask: Ask<'_, DescribeSecurityGroupsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeSecurityGroups", ask.call.into()))
}

pub(in crate::services::ec2) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeSecurityGroups>,
) -> Result<DescribeSecurityGroupsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let mut ids = input.group_ids.clone().unwrap_or_default();
    for name in input.group_names.iter().flatten() {
        ids.push(by_name(&tables, place, name)?.id.clone());
    }
    let wanted = Wanted {
        ids: Some(&ids),
        filters: input.filters.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "securityGroupIdSet",
    };
    let (rows, next_token) =
        page::<SecurityGroup>(&tables, place, wanted, |group, name| property(place, group, name))?;
    Ok(DescribeSecurityGroupsResult {
        security_groups: Some(rows.into_iter().map(|group| shown(place, group)).collect()),
        next_token,
    })
}

fn property(place: Place<'_>, group: &SecurityGroup, name: &str) -> Found {
    match name {
        "group-id" => Found::one(&group.id),
        "group-name" => Found::one(&group.name),
        "description" => Found::one(&group.description),
        "vpc-id" => Found::one(&group.vpc),
        "owner-id" => Found::one(place.account.as_str()),
        _ => match name
            .strip_prefix("egress.ip-permission.")
            .map(|rest| (true, rest))
            .or_else(|| name.strip_prefix("ip-permission.").map(|rest| (false, rest)))
        {
            Some((egress, rest)) => {
                let rules = group.rules.iter().filter(|rule| rule.egress == egress);
                rule_values(&rules.collect::<Vec<_>>(), rest)
            }
            None => of_tags(&group.tags, name),
        },
    }
}

fn rule_values(rules: &[&Rule], name: &str) -> Found {
    let rules = rules.iter();
    match name {
        "cidr" => Found::many(rules.filter_map(|rule| match &rule.peer {
            Peer::Ipv4(range) => Some(range.clone()),
            _ => None,
        })),
        "ipv6-cidr" => Found::many(rules.filter_map(|rule| match &rule.peer {
            Peer::Ipv6(range) => Some(range.clone()),
            _ => None,
        })),
        "group-id" => Found::many(rules.filter_map(|rule| match &rule.peer {
            Peer::Group { id, .. } => Some(id.clone()),
            _ => None,
        })),
        "user-id" => Found::many(rules.filter_map(|rule| match &rule.peer {
            Peer::Group { account, .. } => Some(account.to_string()),
            _ => None,
        })),
        "prefix-list-id" | "group-name" => Found::some(None::<String>),
        "protocol" => Found::many(rules.map(|rule| rule.protocol.clone())),
        "from-port" => Found::many(rules.map(|rule| rule.from_port.to_string())),
        "to-port" => Found::many(rules.map(|rule| rule.to_port.to_string())),
        _ => Found::Unknown,
    }
}

fn shown(place: Place<'_>, group: &SecurityGroup) -> api::SecurityGroup {
    api::SecurityGroup {
        group_id: Some(group.id.clone()),
        group_name: Some(group.name.clone()),
        description: Some(group.description.clone()),
        vpc_id: Some(group.vpc.clone()),
        owner_id: Some(place.account.to_string()),
        security_group_arn: Some(Kind::SecurityGroup.arn(place, &group.id).to_string()),
        ip_permissions: Some(shown_permissions(group, false)),
        ip_permissions_egress: Some(shown_permissions(group, true)),
        tags: tags::shown(&group.tags),
    }
}

pub(in crate::services::ec2) fn require_describe_rules(
    ask: Ask<'_, DescribeSecurityGroupRulesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeSecurityGroupRules", ask.call.into()))
}

pub(in crate::services::ec2) fn describe_rules(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeSecurityGroupRules>,
) -> Result<DescribeSecurityGroupRulesResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let groups = tables.all::<SecurityGroup>(place.region);
    let mut all: Vec<(&SecurityGroup, &Rule)> = groups
        .iter()
        .flat_map(|group| group.rules.iter().map(|rule| (&***group, rule)))
        .collect();
    all.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
    let ids = input.security_group_rule_ids.as_deref().unwrap_or_default();
    for id in ids {
        Kind::SecurityGroupRule.check(id)?;
        if !all.iter().any(|(_, rule)| rule.id == *id) {
            return Err(Ec2Error::NotFound(Kind::SecurityGroupRule, id.clone()).into());
        }
    }
    all.retain(|(_, rule)| ids.is_empty() || ids.contains(&rule.id));
    let rows = matching(all, input.filters.as_deref(), |(group, rule), name| match name {
        "group-id" => Found::one(&group.id),
        "security-group-rule-id" => Found::one(&rule.id),
        _ => of_tags(&rule.tags, name),
    })?;
    let wanted = Wanted {
        ids: Some(ids),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "securityGroupRuleIdSet",
        ..Wanted::default()
    };
    let (rows, next_token) = paged(rows, wanted, |(_, rule)| rule.id.clone())?;
    let rows = rows
        .into_iter()
        .map(|(group, rule)| shown_rule(place, group, rule));
    Ok(DescribeSecurityGroupRulesResult {
        security_group_rules: Some(rows.collect()),
        next_token,
    })
}
