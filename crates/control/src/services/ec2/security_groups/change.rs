//! Rules that change: their descriptions, or all they say.

use portcullis_api::ec2::op::{
    ModifySecurityGroupRules, UpdateSecurityGroupRuleDescriptionsEgress,
    UpdateSecurityGroupRuleDescriptionsIngress,
};
use portcullis_api::ec2::{
    self as api, ModifySecurityGroupRulesRequest, ModifySecurityGroupRulesResult,
    UpdateSecurityGroupRuleDescriptionsEgressRequest, UpdateSecurityGroupRuleDescriptionsEgressResult,
    UpdateSecurityGroupRuleDescriptionsIngressRequest, UpdateSecurityGroupRuleDescriptionsIngressResult,
};

use super::permission::{Plain, checked, in_words, ports, range, said};
use super::{Named, named, on_named};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ec2::checks::on_id;
use crate::services::ec2::cidr::parse_ipv6;
use crate::services::ec2::errors::Ec2Error;
use crate::services::ec2::ids::{Kind, Stored as _};
use crate::services::ec2::place::{Place, begin};
use crate::services::ec2::vpcs::not_a_range;
use crate::world::Tx;
use crate::world::records::ec2::{Peer, SecurityGroup, Tables};

use super::permission::Said;
use crate::gate::context::add_resource_tags;

pub(in crate::services::ec2) fn require_describe_ingress(
    ask: Ask<'_, UpdateSecurityGroupRuleDescriptionsIngressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    Ok(vec![on_named(
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
        &place.tables(ask.view),
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    )])
}

/// Says something else of rules for what comes in.
pub(in crate::services::ec2) fn describe_ingress(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateSecurityGroupRuleDescriptionsIngress>,
) -> Result<UpdateSecurityGroupRuleDescriptionsIngressResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let group = (input.group_id.as_deref(), input.group_name.as_deref());
    let wanted = (
        input.ip_permissions.as_deref(),
        input.security_group_rule_descriptions.as_deref(),
    );
    redescribe(tx, place, (group, false), wanted)?;
    Ok(UpdateSecurityGroupRuleDescriptionsIngressResult { r#return: Some(true) })
}

pub(in crate::services::ec2) fn require_describe_egress(
    ask: Ask<'_, UpdateSecurityGroupRuleDescriptionsEgressRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    Ok(vec![on_named(
        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        &place.tables(ask.view),
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    )])
}

/// Says something else of rules for what goes out.
pub(in crate::services::ec2) fn describe_egress(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, UpdateSecurityGroupRuleDescriptionsEgress>,
) -> Result<UpdateSecurityGroupRuleDescriptionsEgressResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let group = (input.group_id.as_deref(), input.group_name.as_deref());
    let wanted = (
        input.ip_permissions.as_deref(),
        input.security_group_rule_descriptions.as_deref(),
    );
    redescribe(tx, place, (group, true), wanted)?;
    Ok(UpdateSecurityGroupRuleDescriptionsEgressResult { r#return: Some(true) })
}

type Descriptions<'a> = (
    Option<&'a [api::IpPermission]>,
    Option<&'a [api::SecurityGroupRuleDescription]>,
);

fn redescribe(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    ((id, name), egress): (Named<'_>, bool),
    (permissions, by_id): Descriptions<'_>,
) -> Result<(), Ec2Error> {
    let mut group = named(&tx.view().ec2, place, id, name)?.clone();
    let wanted = said(&tx.view().ec2, place, permissions, Plain::default())?;
    let by_id = by_id.unwrap_or_default();
    if wanted.is_empty() && by_id.is_empty() {
        return Err(Ec2Error::Missing("ipPermissions"));
    }
    for said in wanted {
        let description = said.description.clone();
        let like = said.rule(String::new(), egress);
        let rule = group.rules.iter_mut().find(|rule| rule.says_the_same(&like));
        rule.ok_or(Ec2Error::RuleNotFound)?.description = description;
    }
    for said in by_id {
        let id = said.security_group_rule_id.as_deref().unwrap_or_default();
        Kind::SecurityGroupRule.check(id)?;
        let mut own = group.rules.iter_mut().filter(|rule| rule.egress == egress);
        let rule = own.find(|rule| rule.id == id);
        let missing = || Ec2Error::NotFound(Kind::SecurityGroupRule, id.to_owned());
        rule.ok_or_else(missing)?.description = checked(said.description.as_ref())?;
    }
    tx.put(group);
    Ok(())
}

/// The group, and each rule with its tags.
pub(in crate::services::ec2) fn require_modify_rules(
    ask: Ask<'_, ModifySecurityGroupRulesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:ModifySecurityGroupRules";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let mut checks = vec![on_named(ACTION, &tables, place, Some(&input.group_id), None)];
    let group = tables.find::<SecurityGroup>(place.region, &input.group_id);
    for update in &input.security_group_rules {
        let id = &update.security_group_rule_id;
        let mut check = on_id(ACTION, Kind::SecurityGroupRule, place, id);
        let rule = group.and_then(|group| group.rules.iter().find(|rule| rule.id == *id));
        if let Some(rule) = rule {
            add_resource_tags(&mut check.context, "ec2", &rule.tags);
        }
        checks.push(check);
    }
    Ok(checks)
}

/// Lets rules say something else.
pub(in crate::services::ec2) fn modify_rules(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, ModifySecurityGroupRules>,
) -> Result<ModifySecurityGroupRulesResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let mut group = named(&tx.view().ec2, place, Some(&input.group_id), None)?.clone();
    for update in &input.security_group_rules {
        let id = &update.security_group_rule_id;
        Kind::SecurityGroupRule.check(id)?;
        let index = group.rules.iter().position(|rule| rule.id == *id);
        let missing = || Ec2Error::NotFound(Kind::SecurityGroupRule, id.clone());
        let index = index.ok_or_else(missing)?;
        let wanted = update.security_group_rule.as_ref();
        let said = rewritten(
            &tx.view().ec2,
            place,
            wanted.ok_or(Ec2Error::Missing("SecurityGroupRule"))?,
        )?;
        change(&mut group, index, said)?;
    }
    tx.put(group);
    Ok(ModifySecurityGroupRulesResult { r#return: Some(true) })
}

fn change(group: &mut SecurityGroup, index: usize, said: Said) -> Result<(), Ec2Error> {
    let words = in_words(&said);
    let Some(old) = group.rules.get(index).cloned() else {
        return Ok(());
    };
    let mut new = said.rule(old.id.clone(), old.egress);
    new.tags = old.tags;
    let is_double =
        |other: &&crate::world::records::ec2::Rule| other.id != new.id && other.says_the_same(&new);
    if group.rules.iter().any(|other| is_double(&other)) {
        return Err(Ec2Error::DuplicateRule(words));
    }
    if let Some(rule) = group.rules.get_mut(index) {
        *rule = new;
    }
    Ok(())
}

fn rewritten(
    tables: &Tables,
    place: Place<'_>,
    wanted: &api::SecurityGroupRuleRequest,
) -> Result<Said, Ec2Error> {
    let (protocol, from_port, to_port) =
        ports(wanted.ip_protocol.as_deref(), wanted.from_port, wanted.to_port)?;
    let peer = match (
        &wanted.cidr_ipv4,
        &wanted.cidr_ipv6,
        &wanted.referenced_group_id,
        &wanted.prefix_list_id,
    ) {
        (Some(text), None, None, None) => Peer::Ipv4(range(text)?),
        (None, Some(text), None, None) => {
            Peer::Ipv6(parse_ipv6(text).ok_or_else(|| not_a_range(text, "cidrIpv6"))?)
        }
        (None, None, Some(id), None) => {
            let group = SecurityGroup::get(tables, place, id)?;
            Peer::Group {
                id: group.id.clone(),
                account: place.account.clone(),
            }
        }
        (None, None, None, Some(_)) => return Err(Ec2Error::Unsupported("prefix lists")),
        _ => {
            let text =
                "Exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId must be specified.";
            return Err(Ec2Error::Combination(text.to_owned()));
        }
    };
    Ok(Said {
        protocol,
        from_port,
        to_port,
        peer,
        description: checked(wanted.description.as_ref())?,
    })
}
