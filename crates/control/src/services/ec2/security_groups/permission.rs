//! Rules as requests write them - `IpPermissions`, or one rule in plain parameters - and as answers show them.

use portcullis_api::ec2 as api;

use super::{by_name, check_text};
use crate::services::ec2::cidr::{Cidr, parse_ipv6};
use crate::services::ec2::errors::Ec2Error;
use crate::services::ec2::ids::{Kind, Stored as _};
use crate::services::ec2::place::Place;
use crate::services::ec2::tags;
use crate::services::ec2::vpcs::not_a_range;
use crate::world::records::ec2::{Peer, Rule, SecurityGroup, Tables};

/// The rules of a request in its plain parameters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plain<'a> {
    pub protocol: Option<&'a str>,
    pub from_port: Option<i32>,
    pub to_port: Option<i32>,
    pub cidr: Option<&'a str>,
    /// The name of another group; only what comes in can be said so.
    pub group_name: Option<&'a str>,
}

/// A rule of a request, still without an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub protocol: String,
    pub from_port: i32,
    pub to_port: i32,
    pub peer: Peer,
    pub description: Option<String>,
}

impl Said {
    /// The same as a rule of a group.
    pub fn rule(self, id: String, egress: bool) -> Rule {
        Rule {
            id,
            egress,
            protocol: self.protocol,
            from_port: self.from_port,
            to_port: self.to_port,
            peer: self.peer,
            description: self.description,
            tags: portcullis_core::Tags::new(),
        }
    }
}

/// The rules of a request, in whichever way they are written.
pub(super) fn said(
    tables: &Tables,
    place: Place<'_>,
    permissions: Option<&[api::IpPermission]>,
    plain: Plain<'_>,
) -> Result<Vec<Said>, Ec2Error> {
    let permissions = permissions.unwrap_or_default();
    if permissions.is_empty() {
        return plain_rule(tables, place, plain);
    }
    if plain.protocol.is_some() || plain.cidr.is_some() || plain.group_name.is_some() {
        let text = "The parameter ipPermissions may not be used in combination with other rule parameters";
        return Err(Ec2Error::Combination(text.to_owned()));
    }
    let mut all = Vec::new();
    for permission in permissions {
        let (protocol, from_port, to_port) = ports(
            permission.ip_protocol.as_deref(),
            permission.from_port,
            permission.to_port,
        )?;
        let before = all.len();
        for (peer, description) in peers(tables, place, permission)? {
            all.push(Said {
                protocol: protocol.clone(),
                from_port,
                to_port,
                peer,
                description,
            });
        }
        if all.len() == before {
            return Err(Ec2Error::Missing("cidrIp"));
        }
    }
    Ok(all)
}

fn plain_rule(tables: &Tables, place: Place<'_>, plain: Plain<'_>) -> Result<Vec<Said>, Ec2Error> {
    let peer = match (plain.cidr, plain.group_name) {
        (Some(cidr), _) => Peer::Ipv4(range(cidr)?),
        (None, Some(name)) => members_of(place, by_name(tables, place, name)?),
        (None, None) if plain.protocol.is_some() => return Err(Ec2Error::Missing("cidrIp")),
        (None, None) => return Ok(Vec::new()),
    };
    // A group named so stands for all protocols unless one is said.
    let protocol = plain.protocol.or(plain.group_name.map(|_| "-1"));
    let (protocol, from_port, to_port) = ports(protocol, plain.from_port, plain.to_port)?;
    Ok(vec![Said {
        protocol,
        from_port,
        to_port,
        peer,
        description: None,
    }])
}

fn members_of(place: Place<'_>, group: &SecurityGroup) -> Peer {
    Peer::Group {
        id: group.id.clone(),
        account: place.account.clone(),
    }
}

/// The ranges and groups of a permission, each with its description.
fn peers(
    tables: &Tables,
    place: Place<'_>,
    permission: &api::IpPermission,
) -> Result<Vec<(Peer, Option<String>)>, Ec2Error> {
    let mut peers = Vec::new();
    for said in permission.ip_ranges.iter().flatten() {
        let peer = Peer::Ipv4(range(said.cidr_ip.as_deref().unwrap_or_default())?);
        peers.push((peer, checked(said.description.as_ref())?));
    }
    for said in permission.ipv6_ranges.iter().flatten() {
        let text = said.cidr_ipv6.as_deref().unwrap_or_default();
        let range = parse_ipv6(text).ok_or_else(|| not_a_range(text, "cidrIpv6"))?;
        peers.push((Peer::Ipv6(range), checked(said.description.as_ref())?));
    }
    if permission
        .prefix_list_ids
        .as_ref()
        .is_some_and(|lists| !lists.is_empty())
    {
        return Err(Ec2Error::Unsupported("prefix lists"));
    }
    for said in permission.user_id_group_pairs.iter().flatten() {
        let peer = group_peer(tables, place, said)?;
        peers.push((peer, checked(said.description.as_ref())?));
    }
    Ok(peers)
}

fn group_peer(tables: &Tables, place: Place<'_>, said: &api::UserIdGroupPair) -> Result<Peer, Ec2Error> {
    let is_own = |owner: &String| owner == place.account.as_str();
    let is_account = |owner: &&String| owner.len() == 12 && owner.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(owner) = said.user_id.as_ref().filter(|owner| !is_account(owner)) {
        return Err(Ec2Error::UserId(
            owner.chars().filter(|c| !c.is_control()).collect(),
        ));
    }
    if said.user_id.as_ref().is_some_and(|owner| !is_own(owner)) {
        return Err(Ec2Error::Unsupported("security groups of other accounts"));
    }
    let group = match (&said.group_id, &said.group_name) {
        (Some(id), _) => &**SecurityGroup::get(tables, place, id)?,
        (None, Some(name)) => by_name(tables, place, name)?,
        (None, None) => return Err(Ec2Error::Missing("groupId")),
    };
    Ok(members_of(place, group))
}

/// A description that a rule can have.
pub(super) fn checked(description: Option<&String>) -> Result<Option<String>, Ec2Error> {
    match description {
        Some(text) if !text.is_empty() => {
            check_text("IpPermissions", text)?;
            Ok(Some(text.clone()))
        }
        _ => Ok(None),
    }
}

/// A range of IPv4 addresses as AWS keeps it.
pub(super) fn range(text: &str) -> Result<String, Ec2Error> {
    let cidr =
        Cidr::parse(text).ok_or_else(|| Ec2Error::Parameter(format!("CIDR block {text} is malformed")))?;
    Ok(cidr.to_string())
}

/// Protocol and ports as AWS keeps them: protocols that have names by these, and no ports for others.
pub(super) fn ports(
    protocol: Option<&str>,
    from: Option<i32>,
    to: Option<i32>,
) -> Result<(String, i32, i32), Ec2Error> {
    let protocol = protocol.ok_or(Ec2Error::Missing("ipProtocol"))?;
    let name = match protocol.to_ascii_lowercase().as_str() {
        "-1" | "all" => "-1".to_owned(),
        "tcp" | "6" => "tcp".to_owned(),
        "udp" | "17" => "udp".to_owned(),
        "icmp" | "1" => "icmp".to_owned(),
        "icmpv6" | "58" => "icmpv6".to_owned(),
        number => match number.parse::<u8>() {
            Ok(number) => number.to_string(),
            Err(_) => {
                let text = format!("Invalid value '{protocol}' for IP protocol. Unknown protocol.");
                return Err(Ec2Error::Parameter(text));
            }
        },
    };
    match name.as_str() {
        "tcp" | "udp" => {
            let ports = (
                from.ok_or_else(|| no_ports(&name))?,
                to.ok_or_else(|| no_ports(&name))?,
            );
            check_ports(ports)?;
            Ok((name, ports.0, ports.1))
        }
        "icmp" | "icmpv6" => {
            let codes = (from.unwrap_or(-1), to.unwrap_or(-1));
            match (-1..=255).contains(&codes.0) && (-1..=255).contains(&codes.1) {
                true => Ok((name, codes.0, codes.1)),
                false => Err(Ec2Error::Parameter(format!(
                    "ICMP code ({}) out of range",
                    codes.0.max(codes.1)
                ))),
            }
        }
        _ => Ok((name, -1, -1)),
    }
}

fn no_ports(protocol: &str) -> Ec2Error {
    let text = format!(
        "Invalid value 'Must specify both from and to ports with {}.' for portRange.",
        protocol.to_uppercase()
    );
    Ec2Error::Parameter(text)
}

fn check_ports((from, to): (i32, i32)) -> Result<(), Ec2Error> {
    let is_port = |port: i32| (0..=65_535).contains(&port);
    if let Some(bad) = [from, to].into_iter().find(|port| !is_port(*port)) {
        let text = format!("Invalid value '{bad}' for port. Must be between 0 and 65535.");
        return Err(Ec2Error::Parameter(text));
    }
    if from > to {
        let text = format!("Invalid TCP/UDP port range ({from}:{to})");
        return Err(Ec2Error::Parameter(text));
    }
    Ok(())
}

/// A rule as AWS names it in an error.
pub(super) fn in_words(rule: &Said) -> String {
    let peer = match &rule.peer {
        Peer::Ipv4(range) | Peer::Ipv6(range) => range,
        Peer::PrefixList(id) | Peer::Group { id, .. } => id,
    };
    let protocol = match rule.protocol.as_str() {
        "-1" => "ALL".to_owned(),
        name => name.to_uppercase(),
    };
    if matches!(rule.protocol.as_str(), "tcp" | "udp") {
        let (from, to) = (rule.from_port, rule.to_port);
        return format!("peer: {peer}, {protocol}, from port: {from}, to port: {to}, ALLOW");
    }
    format!("peer: {peer}, {protocol}, ALLOW")
}

/// The rules of one direction as `IpPermissions`: one for each protocol and range of ports.
pub(super) fn shown(group: &SecurityGroup, egress: bool) -> Vec<api::IpPermission> {
    let mut permissions: Vec<api::IpPermission> = Vec::new();
    for rule in group.rules.iter().filter(|rule| rule.egress == egress) {
        let ports = shown_ports(rule);
        let same = permissions.iter().position(|permission| {
            permission.ip_protocol.as_deref() == Some(rule.protocol.as_str())
                && (permission.from_port, permission.to_port) == ports
        });
        let index = same.unwrap_or_else(|| {
            permissions.push(api::IpPermission {
                ip_protocol: Some(rule.protocol.clone()),
                from_port: ports.0,
                to_port: ports.1,
                ip_ranges: Some(Vec::new()),
                ipv6_ranges: Some(Vec::new()),
                prefix_list_ids: Some(Vec::new()),
                user_id_group_pairs: Some(Vec::new()),
            });
            permissions.len() - 1
        });
        if let Some(permission) = permissions.get_mut(index) {
            add_peer(permission, rule);
        }
    }
    permissions
}

/// The ports as answers show them: none where all are meant.
fn shown_ports(rule: &Rule) -> (Option<i32>, Option<i32>) {
    match rule.protocol.as_str() {
        "tcp" | "udp" | "icmp" | "icmpv6" => (Some(rule.from_port), Some(rule.to_port)),
        _ => (None, None),
    }
}

fn add_peer(permission: &mut api::IpPermission, rule: &Rule) {
    let description = rule.description.clone();
    match &rule.peer {
        Peer::Ipv4(range) => permission.ip_ranges.get_or_insert_default().push(api::IpRange {
            cidr_ip: Some(range.clone()),
            description,
        }),
        Peer::Ipv6(range) => permission
            .ipv6_ranges
            .get_or_insert_default()
            .push(api::Ipv6Range {
                cidr_ipv6: Some(range.clone()),
                description,
            }),
        Peer::PrefixList(id) => permission
            .prefix_list_ids
            .get_or_insert_default()
            .push(api::PrefixListId {
                prefix_list_id: Some(id.clone()),
                description,
            }),
        Peer::Group { id, account } => {
            permission
                .user_id_group_pairs
                .get_or_insert_default()
                .push(api::UserIdGroupPair {
                    group_id: Some(id.clone()),
                    user_id: Some(account.to_string()),
                    description,
                    ..api::UserIdGroupPair::default()
                })
        }
    }
}

/// One rule as answers show it.
pub(super) fn shown_rule(place: Place<'_>, group: &SecurityGroup, rule: &Rule) -> api::SecurityGroupRule {
    let mut shown = api::SecurityGroupRule {
        security_group_rule_id: Some(rule.id.clone()),
        security_group_rule_arn: Some(Kind::SecurityGroupRule.arn(place, &rule.id).to_string()),
        group_id: Some(group.id.clone()),
        group_owner_id: Some(place.account.to_string()),
        is_egress: Some(rule.egress),
        ip_protocol: Some(rule.protocol.clone()),
        from_port: Some(rule.from_port),
        to_port: Some(rule.to_port),
        description: rule.description.clone(),
        tags: tags::shown(&rule.tags),
        ..api::SecurityGroupRule::default()
    };
    match &rule.peer {
        Peer::Ipv4(range) => shown.cidr_ipv4 = Some(range.clone()),
        Peer::Ipv6(range) => shown.cidr_ipv6 = Some(range.clone()),
        Peer::PrefixList(id) => shown.prefix_list_id = Some(id.clone()),
        Peer::Group { id, account } => {
            shown.referenced_group_info = Some(api::ReferencedSecurityGroup {
                group_id: Some(id.clone()),
                user_id: Some(account.to_string()),
                vpc_id: Some(group.vpc.clone()),
                ..api::ReferencedSecurityGroup::default()
            });
        }
    }
    shown
}
