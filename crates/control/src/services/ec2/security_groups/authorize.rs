//! New rules.

use portcullis_api::ec2::op::{AuthorizeSecurityGroupEgress, AuthorizeSecurityGroupIngress};
use portcullis_api::ec2::{
    self as api, AuthorizeSecurityGroupEgressRequest, AuthorizeSecurityGroupEgressResult,
    AuthorizeSecurityGroupIngressRequest, AuthorizeSecurityGroupIngressResult,
};
use portcullis_core::Tags;

use super::permission::{Plain, Said, in_words, said, shown_rule};
use super::{Named, named, on_named};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ec2::checks::tag_on_create;
use crate::services::ec2::errors::Ec2Error;
use crate::services::ec2::ids::Kind;
use crate::services::ec2::place::{Place, begin};
use crate::services::ec2::tags;
use crate::world::records::ec2::SecurityGroup;
use crate::world::{Snapshot, Tx};

/// Most rules of one direction that a group can have.
const RULES_MAX: usize = 60;

pub(in crate::services::ec2) fn require_authorize_ingress(
    ask: Ask<'_, AuthorizeSecurityGroupIngressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let actions = (
        "ec2:AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupIngress",
    );
    let group = (input.group_id.as_deref(), input.group_name.as_deref());
    Ok(require(
        actions,
        ask.view,
        ask.call,
        group,
        input.tag_specifications.as_deref(),
    ))
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
    let group = (input.group_id.as_deref(), input.group_name.as_deref());
    let more = (input.ip_permissions.as_deref(), plain);
    let rules = authorize(
        tx,
        place,
        (group, false),
        more,
        input.tag_specifications.as_deref(),
    )?;
    Ok(AuthorizeSecurityGroupIngressResult {
        r#return: Some(true),
        security_group_rules: Some(rules),
    })
}

pub(in crate::services::ec2) fn require_authorize_egress(
    ask: Ask<'_, AuthorizeSecurityGroupEgressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let actions = ("ec2:AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupEgress");
    let group = (Some(input.group_id.as_str()), None);
    Ok(require(
        actions,
        ask.view,
        ask.call,
        group,
        input.tag_specifications.as_deref(),
    ))
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
    let group = (Some(input.group_id.as_str()), None);
    let more = (input.ip_permissions.as_deref(), plain);
    let rules = authorize(
        tx,
        place,
        (group, true),
        more,
        input.tag_specifications.as_deref(),
    )?;
    Ok(AuthorizeSecurityGroupEgressResult {
        r#return: Some(true),
        security_group_rules: Some(rules),
    })
}

/// The group, and tagging its new rules: the action with and without its service's name.
fn require(
    (action, operation): (&'static str, &'static str),
    view: &Snapshot,
    call: &Call,
    (id, name): Named<'_>,
    specifications: Option<&[api::TagSpecification]>,
) -> Vec<Check> {
    let place = Place::from(call);
    let tags = tags::requested(specifications, Kind::SecurityGroupRule);
    let group = on_named(action, &place.tables(view), place, id, name);
    let tagging = tag_on_create(operation, Kind::SecurityGroupRule, place, &tags);
    std::iter::once(group).chain(tagging).collect()
}

fn authorize(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    ((id, name), egress): (Named<'_>, bool),
    (permissions, plain): (Option<&[api::IpPermission]>, Plain<'_>),
    specifications: Option<&[api::TagSpecification]>,
) -> Result<Vec<api::SecurityGroupRule>, Ec2Error> {
    let tables = &tx.view().ec2;
    let group = named(tables, place, id, name)?.clone();
    let more = said(tables, place, permissions, plain)?;
    let tags = tags::checked(specifications, Kind::SecurityGroupRule)?;
    add(tx, place, group, (egress, more), &tags)
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
