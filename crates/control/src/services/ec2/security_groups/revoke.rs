//! Rules that are taken away.

use portcullis_api::ec2::op::{RevokeSecurityGroupEgress, RevokeSecurityGroupIngress};
use portcullis_api::ec2::{
    self as api, RevokeSecurityGroupEgressRequest, RevokeSecurityGroupEgressResult,
    RevokeSecurityGroupIngressRequest, RevokeSecurityGroupIngressResult,
};

use super::permission::{Plain, Said, said};
use super::{Named, named, on_named};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ec2::errors::Ec2Error;
use crate::services::ec2::ids::Kind;
use crate::services::ec2::place::{Place, begin};
use crate::world::Tx;
use crate::world::records::ec2::{Peer, Rule, SecurityGroup};

pub(in crate::services::ec2) fn require_revoke_ingress(
    ask: Ask<'_, RevokeSecurityGroupIngressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    Ok(vec![on_named(
        "ec2:RevokeSecurityGroupIngress",
        &place.tables(ask.view),
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    )])
}

/// Lets less come in.
pub(in crate::services::ec2) fn revoke_ingress(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, RevokeSecurityGroupIngress>,
) -> Result<RevokeSecurityGroupIngressResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let plain = Plain {
        protocol: input.ip_protocol.as_deref(),
        from_port: input.from_port,
        to_port: input.to_port,
        cidr: input.cidr_ip.as_deref(),
        group_name: input.source_security_group_name.as_deref(),
    };
    let group = (input.group_id.as_deref(), input.group_name.as_deref());
    let less = (input.ip_permissions.as_deref(), plain);
    let ids = input.security_group_rule_ids.as_deref();
    let gone = revoke(tx, place, (group, false), less, ids)?;
    Ok(RevokeSecurityGroupIngressResult {
        r#return: Some(true),
        unknown_ip_permissions: None,
        revoked_security_group_rules: Some(gone),
    })
}

pub(in crate::services::ec2) fn require_revoke_egress(
    ask: Ask<'_, RevokeSecurityGroupEgressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    Ok(vec![on_named(
        "ec2:RevokeSecurityGroupEgress",
        &place.tables(ask.view),
        place,
        Some(&input.group_id),
        None,
    )])
}

/// Lets less go out.
pub(in crate::services::ec2) fn revoke_egress(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, RevokeSecurityGroupEgress>,
) -> Result<RevokeSecurityGroupEgressResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let plain = Plain {
        protocol: input.ip_protocol.as_deref(),
        from_port: input.from_port,
        to_port: input.to_port,
        cidr: input.cidr_ip.as_deref(),
        group_name: input.source_security_group_name.as_deref(),
    };
    let group = (Some(input.group_id.as_str()), None);
    let less = (input.ip_permissions.as_deref(), plain);
    let ids = input.security_group_rule_ids.as_deref();
    let gone = revoke(tx, place, (group, true), less, ids)?;
    Ok(RevokeSecurityGroupEgressResult {
        r#return: Some(true),
        unknown_ip_permissions: None,
        revoked_security_group_rules: Some(gone),
    })
}

fn revoke(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    ((id, name), egress): (Named<'_>, bool),
    (permissions, plain): (Option<&[api::IpPermission]>, Plain<'_>),
    ids: Option<&[String]>,
) -> Result<Vec<api::RevokedSecurityGroupRule>, Ec2Error> {
    let tables = &tx.view().ec2;
    let group = named(tables, place, id, name)?.clone();
    let less = said(tables, place, permissions, plain)?;
    remove(tx, group, egress, (ids, &less))
}

fn remove(
    tx: &mut Tx<'_>,
    mut group: SecurityGroup,
    egress: bool,
    (ids, less): (Option<&[String]>, &[Said]),
) -> Result<Vec<api::RevokedSecurityGroupRule>, Ec2Error> {
    let ids = ids.unwrap_or_default();
    if ids.is_empty() && less.is_empty() {
        return Err(Ec2Error::Missing("ipPermissions or securityGroupRuleIds"));
    }
    let mut gone = Vec::new();
    for id in ids {
        Kind::SecurityGroupRule.check(id)?;
        let missing = || Ec2Error::NotFound(Kind::SecurityGroupRule, id.clone());
        let rule = take(&mut group, |rule| rule.egress == egress && rule.id == *id);
        gone.push(shown(&group, &rule.ok_or_else(missing)?));
    }
    for said in less {
        let wanted = said.clone().rule(String::new(), egress);
        let rule = take(&mut group, |rule| rule.says_the_same(&wanted));
        gone.push(shown(&group, &rule.ok_or(Ec2Error::RuleNotFound)?));
    }
    tx.put(group);
    Ok(gone)
}

fn take(group: &mut SecurityGroup, is_meant: impl Fn(&Rule) -> bool) -> Option<Rule> {
    let index = group.rules.iter().position(is_meant)?;
    Some(group.rules.remove(index))
}

fn shown(group: &SecurityGroup, rule: &Rule) -> api::RevokedSecurityGroupRule {
    let mut shown = api::RevokedSecurityGroupRule {
        security_group_rule_id: Some(rule.id.clone()),
        group_id: Some(group.id.clone()),
        is_egress: Some(rule.egress),
        ip_protocol: Some(rule.protocol.clone()),
        from_port: Some(rule.from_port),
        to_port: Some(rule.to_port),
        description: rule.description.clone(),
        ..api::RevokedSecurityGroupRule::default()
    };
    match &rule.peer {
        Peer::Ipv4(range) => shown.cidr_ipv4 = Some(range.clone()),
        Peer::Ipv6(range) => shown.cidr_ipv6 = Some(range.clone()),
        Peer::PrefixList(id) => shown.prefix_list_id = Some(id.clone()),
        Peer::Group { id, .. } => shown.referenced_group_id = Some(id.clone()),
    }
    shown
}
