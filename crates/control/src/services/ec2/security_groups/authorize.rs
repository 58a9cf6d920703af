//! New rules.

use portcullis_api::ec2::op::{AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress};
use portcullis_api::ec2::{
    self as api, AuthorizeSecurityGroupEgressRequest, AuthorizeSecurityGroupEgressResult,
    AuthorizeSecurityGroupIngressRequest, AuthorizeSecurityGroupIngressResult,
};
use portcullis_core::Tags;

use super::permission::{Plain, Said, in_words, said, shown_rule};
use super::{named, on_named};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ec2::checks::tag_on_create;
use crate::services::ec2::errors::Ec2Error;
use crate::services::ec2::ids::Kind;
use crate::services::ec2::place::{Place, begin};
use crate::services::ec2::tags;
use crate::world::Tx;
use crate::world::records::ec2::SecurityGroup;

/// Most rules of one direction that a group can have.
const RULES_MAX: usize = 60;

pub(in crate::services::ec2) fn require_authorize_ingress(
    ask: Ask<'_, AuthorizeSecurityGroupIngressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tags = tags::requested(input.tag_specifications.as_deref(), Kind::SecurityGroupRule);
    let group = on_named(
        "ec2:AuthorizeSecurityGroupIngress",
        &place.tables(ask.view),
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    );
    let tagging = tag_on_create(
        "AuthorizeSecurityGroupIngress",
        Kind::SecurityGroupRule,
        place,
        &tags,
    );
    Ok(std::iter::once(group).chain(tagging).collect())
}

/// Lets more come in.
pub(in crate::services::ec2) fn authorize_ingress(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, AuthorizeSecurityGroupIngress>,
) -> Result<AuthorizeSecurityGroupIngressResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let plain = Plain {
        protocol: input.ip_protocol.as_deref(),
        from_port: input.from_port,
        to_port: input.to_port,
        cidr: input.cidr_ip.as_deref(),
        group_name: input.source_security_group_name.as_deref(),
    };
    let tables = &tx.view().ec2;
    let group = named(
        tables,
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    )?
    .clone();
    let more = said(tables, place, input.ip_permissions.as_deref(), plain)?;
    let tags = tags::checked(input.tag_specifications.as_deref(), Kind::SecurityGroupRule)?;
    let rules = add(tx, place, group, (false, more), &tags)?;
    Ok(AuthorizeSecurityGroupIngressResult {
        r#return: Some(true),
        security_group_rules: Some(rules),
    })
}

pub(in crate::services::ec2) fn require_authorize_egress(
    ask: Ask<'_, AuthorizeSecurityGroupEgressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tags = tags::requested(input.tag_specifications.as_deref(), Kind::SecurityGroupRule);
    let group = on_named(
        "ec2:AuthorizeSecurityGroupEgress",
        &place.tables(ask.view),
        place,
        Some(&input.group_id),
        None,
    );
    let tagging = tag_on_create(
        "AuthorizeSecurityGroupEgress",
        Kind::SecurityGroupRule,
        place,
        &tags,
    );
    Ok(std::iter::once(group).chain(tagging).collect())
}

/// Lets more go out.
pub(in crate::services::ec2) fn authorize_egress(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, AuthorizeSecurityGroupEgress>,
) -> Result<AuthorizeSecurityGroupEgressResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let plain = Plain {
        protocol: input.ip_protocol.as_deref(),
        from_port: input.from_port,
        to_port: input.to_port,
        cidr: input.cidr_ip.as_deref(),
        group_name: input.source_security_group_name.as_deref(),
    };
    let tables = &tx.view().ec2;
    let group = named(tables, place, Some(&input.group_id), None)?.clone();
    let more = said(tables, place, input.ip_permissions.as_deref(), plain)?;
    let tags = tags::checked(input.tag_specifications.as_deref(), Kind::SecurityGroupRule)?;
    let rules = add(tx, place, group, (true, more), &tags)?;
    Ok(AuthorizeSecurityGroupEgressResult {
        r#return: Some(true),
        security_group_rules: Some(rules),
    })
}

fn add(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    mut group: SecurityGroup,
    (egress, more): (bool, Vec<Said>),
    tags: &Tags,
) -> Result<Vec<api::SecurityGroupRule>, Ec2Error> {
    if more.is_empty() {
        return Err(Ec2Error::Missing("ipPermissions"));
    }
    let mut made = Vec::new();
    for said in more {
        let words = in_words(&said);
        let mut rule = said.rule(Kind::SecurityGroupRule.make(tx.random), egress);
        if group.rules.iter().any(|known| known.says_the_same(&rule)) {
            return Err(Ec2Error::DuplicateRule(words));
        }
        rule.tags = tags.clone();
        made.push(shown_rule(place, &group, &rule));
        group.rules.push(rule);
    }
    let count = group.rules.iter().filter(|rule| rule.egress == egress).count();
    if count > RULES_MAX {
        return Err(Ec2Error::RuleLimit);
    }
    tx.put(group);
    Ok(made)
}
