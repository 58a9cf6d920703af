//! What EC2 shows of an account beside its objects, and never changes here: account attributes, network ACLs, DHCP options.

use portcullis_api::ec2::op::{DescribeAccountAttributes, DescribeDhcpOptions, DescribeNetworkAcls};
use portcullis_api::ec2::{
    self as api, DescribeAccountAttributesRequest, DescribeAccountAttributesResult,
    DescribeDhcpOptionsRequest, DescribeDhcpOptionsResult, DescribeNetworkAclsRequest,
    DescribeNetworkAclsResult,
};

use super::checks::on_all;
use super::describe::{Found, Wanted, matching, paged};
use super::errors::Ec2Error;
use super::ids::Kind;
use super::place::{Place, not_dry};
use super::vpcs::digits;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::ec2::{Subnet, Tables, Vpc, default_id};

/// The id of the DHCP options that all VPCs of a region have.
pub(super) fn id(place: Place<'_>) -> String {
    default_id(place.account, place.region, "dopt", "default")
}

pub(super) fn require_account(
    ask: Ask<'_, DescribeAccountAttributesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeAccountAttributes", ask.call.into()))
}

/// AWS's default quotas of these names, which are not enforced here, and the default VPC.
pub(super) fn account(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeAccountAttributes>,
) -> Result<DescribeAccountAttributesResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let default = tables
        .default_vpc(place.region)
        .map_or("none", |vpc| vpc.id.as_str());
    let all = [
        ("supported-platforms", "VPC"),
        ("vpc-max-security-groups-per-interface", "5"),
        ("max-elastic-ips", "5"),
        ("max-instances", "20"),
        ("vpc-max-elastic-ips", "5"),
        ("default-vpc", default),
    ];
    let names = input.attribute_names.as_deref().unwrap_or_default();
    let wanted = all
        .into_iter()
        .filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name));
    let shown = wanted.map(|(name, value)| api::AccountAttribute {
        attribute_name: Some(name.to_owned()),
        attribute_values: Some(vec![api::AccountAttributeValue {
            attribute_value: Some(value.to_owned()),
        }]),
    });
    Ok(DescribeAccountAttributesResult {
        account_attributes: Some(shown.collect()),
    })
}

pub(super) fn require_acls(ask: Ask<'_, DescribeNetworkAclsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeNetworkAcls", ask.call.into()))
}

/// The default network ACL of each VPC, which all its subnets have.
pub(super) fn acls(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeNetworkAcls>,
) -> Result<DescribeNetworkAclsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let ids = input.network_acl_ids.as_deref().unwrap_or_default();
    let all: Vec<api::NetworkAcl> = tables
        .all::<Vpc>(place.region)
        .into_iter()
        .map(|vpc| acl(place, &tables, vpc))
        .collect();
    for id in ids {
        Kind::NetworkAcl.check(id)?;
        if !all.iter().any(|acl| acl.network_acl_id.as_ref() == Some(id)) {
            return Err(Ec2Error::NotFound(Kind::NetworkAcl, id.clone()).into());
        }
    }
    let is_wanted = |acl: &api::NetworkAcl| {
        ids.is_empty() || acl.network_acl_id.as_ref().is_some_and(|id| ids.contains(id))
    };
    let rows = all.into_iter().filter(is_wanted).collect();
    let rows = matching(rows, input.filters.as_deref(), acl_property)?;
    let wanted = Wanted {
        ids: Some(ids),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "networkAclIdSet",
        ..Wanted::default()
    };
    let (rows, next_token) = paged(rows, wanted, |acl| acl.network_acl_id.clone().unwrap_or_default())?;
    Ok(DescribeNetworkAclsResult {
        network_acls: Some(rows),
        next_token,
    })
}

fn acl_property(acl: &api::NetworkAcl, name: &str) -> Found {
    let subnets = || acl.associations.iter().flatten();
    let entries = || acl.entries.iter().flatten();
    match name {
        "network-acl-id" | "association.network-acl-id" => Found::some(acl.network_acl_id.clone()),
        "vpc-id" => Found::some(acl.vpc_id.clone()),
        "default" => Found::one("true"),
        "owner-id" => Found::some(acl.owner_id.clone()),
        "association.subnet-id" => Found::many(subnets().filter_map(|own| own.subnet_id.clone())),
        "association.association-id" => {
            Found::many(subnets().filter_map(|own| own.network_acl_association_id.clone()))
        }
        "entry.cidr" => Found::many(entries().filter_map(|entry| entry.cidr_block.clone())),
        "entry.rule-action" => Found::many(entries().filter_map(|entry| entry.rule_action.clone())),
        "entry.protocol" => Found::many(entries().filter_map(|entry| entry.protocol.clone())),
        "entry.egress" => Found::many(["false", "true"]),
        "tag-key" => Found::some(None::<String>),
        _ if name.starts_with("tag:") => Found::some(None::<String>),
        _ => Found::Unknown,
    }
}

fn acl(place: Place<'_>, tables: &Tables, vpc: &Vpc) -> api::NetworkAcl {
    let id = format!("acl-{}", digits(&vpc.id));
    let subnets = tables.children::<Subnet>(place.region, &vpc.id);
    let associations = subnets.into_iter().map(|subnet| api::NetworkAclAssociation {
        network_acl_association_id: Some(format!("aclassoc-{}", digits(&subnet.id))),
        network_acl_id: Some(id.clone()),
        subnet_id: Some(subnet.id.clone()),
    });
    let entry = |egress, number, action: &str| api::NetworkAclEntry {
        cidr_block: Some("0.0.0.0/0".to_owned()),
        egress: Some(egress),
        protocol: Some("-1".to_owned()),
        rule_action: Some(action.to_owned()),
        rule_number: Some(number),
        ..api::NetworkAclEntry::default()
    };
    api::NetworkAcl {
        associations: Some(associations.collect()),
        entries: Some(vec![
            entry(true, 100, "allow"),
            entry(true, 32_767, "deny"),
            entry(false, 100, "allow"),
            entry(false, 32_767, "deny"),
        ]),
        is_default: Some(true),
        network_acl_id: Some(id.clone()),
        tags: Some(Vec::new()),
        vpc_id: Some(vpc.id.clone()),
        owner_id: Some(place.account.to_string()),
    }
}

pub(super) fn require_dhcp(ask: Ask<'_, DescribeDhcpOptionsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeDhcpOptions", ask.call.into()))
}

/// The DHCP options of the region.
pub(super) fn dhcp(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeDhcpOptions>,
) -> Result<DescribeDhcpOptionsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let own = id(place);
    for wanted in input.dhcp_options_ids.iter().flatten() {
        if *wanted != "default" && *wanted != own {
            Kind::DhcpOptions.check(wanted)?;
            return Err(Ec2Error::NotFound(Kind::DhcpOptions, wanted.clone()).into());
        }
    }
    let rows = matching(vec![own], input.filters.as_deref(), |id, name| match name {
        "dhcp-options-id" => Found::one(id),
        "owner-id" => Found::one(place.account.as_str()),
        "key" => Found::many(["domain-name", "domain-name-servers"]),
        "value" => Found::many([domain_name(place), "AmazonProvidedDNS".to_owned()]),
        "tag-key" => Found::some(None::<String>),
        _ if name.starts_with("tag:") => Found::some(None::<String>),
        _ => Found::Unknown,
    })?;
    let shown = rows.into_iter().map(|id| api::DhcpOptions {
        dhcp_options_id: Some(id),
        owner_id: Some(place.account.to_string()),
        tags: Some(Vec::new()),
        dhcp_configurations: Some(vec![
            configuration("domain-name", domain_name(place)),
            configuration("domain-name-servers", "AmazonProvidedDNS".to_owned()),
        ]),
    });
    Ok(DescribeDhcpOptionsResult {
        dhcp_options: Some(shown.collect()),
        next_token: None,
    })
}

fn configuration(key: &str, value: String) -> api::DhcpConfiguration {
    api::DhcpConfiguration {
        key: Some(key.to_owned()),
        values: Some(vec![api::AttributeValue { value: Some(value) }]),
    }
}

/// The private domain of a region.
pub(super) fn domain_name(place: Place<'_>) -> String {
    match place.region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    }
}
