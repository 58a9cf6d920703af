//! VPCs.

use portcullis_api::ec2::op::{
    CreateDefaultVpc, CreateVpc, DeleteVpc, DescribeVpcAttribute, DescribeVpcs, ModifyVpcAttribute,
};
use portcullis_api::ec2::{
    self as api, AttributeBooleanValue, CreateDefaultVpcRequest, CreateDefaultVpcResult, CreateVpcRequest,
    CreateVpcResult, DeleteVpcRequest, DescribeVpcAttributeRequest, DescribeVpcAttributeResult,
    DescribeVpcsRequest, DescribeVpcsResult, ModifyVpcAttributeRequest,
};
use portcullis_wire::Empty;

use super::checks::{on, on_all, on_made, on_new, with_attributes};
use super::cidr::Cidr;
use super::describe::{Found, Wanted, of_tags, page};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _, made};
use super::place::{Place, begin, not_dry};
use super::{options, tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::Record as _;
use crate::world::records::ec2::{RouteTable, SecurityGroup, Tables, Vpc};
use crate::world::{Snapshot, Tx};

/// Longest and shortest prefix a VPC can have.
const PREFIXES: std::ops::RangeInclusive<u32> = 16..=28;
/// What no VPC can have: this network, loopback, link-local and multicast.
const RESERVED: [&str; 4] = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"];

pub(super) fn require_create(ask: Ask<'_, CreateVpcRequest>) -> Result<Vec<Check>, ServiceError> {
    let tags = tags::requested(ask.input.tag_specifications.as_deref(), Kind::Vpc);
    let names = ("ec2:CreateVpc", "CreateVpc");
    Ok(on_made(names, Kind::Vpc, ask.call.into(), &tags))
}

/// Makes a VPC with its main route table and its default security group.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateVpc>,
) -> Result<CreateVpcResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let cidr = wanted_range(input)?;
    let tenancy = match input.instance_tenancy.as_deref() {
        None => "default",
        Some(tenancy @ ("default" | "dedicated")) => tenancy,
        Some(other) => {
            let value = other.to_owned();
            return Err(Ec2Error::Value {
                value,
                parameter: "instanceTenancy",
                reason: "Only 'default' and 'dedicated' tenancies are allowed.".to_owned(),
            }
            .into());
        }
    };
    let vpc = Vpc {
        region: place.region.clone(),
        id: Kind::Vpc.make(tx.random),
        cidr: cidr.to_string(),
        is_default: false,
        tenancy: tenancy.to_owned(),
        dns_support: true,
        dns_hostnames: false,
        usage_metrics: false,
        tags: tags::checked(input.tag_specifications.as_deref(), Kind::Vpc)?,
    };
    let table = RouteTable::main_of(
        &vpc,
        Kind::RouteTable.make(tx.random),
        Kind::Association.make(tx.random),
    );
    let ids = [
        Kind::SecurityGroup,
        Kind::SecurityGroupRule,
        Kind::SecurityGroupRule,
    ]
    .map(|kind| kind.make(tx.random));
    let group = SecurityGroup::default_of(&vpc, place.account, ids);
    let shown = shown(place, &vpc);
    tx.put(vpc);
    tx.put(table);
    tx.put(group);
    Ok(CreateVpcResult { vpc: Some(shown) })
}

fn wanted_range(input: &CreateVpcRequest) -> Result<Cidr, Ec2Error> {
    let asks_for_ipv6 = input.amazon_provided_ipv6_cidr_block.unwrap_or_default()
        || input.ipv6_cidr_block.is_some()
        || input.ipv6_pool.is_some()
        || input.ipv6_ipam_pool_id.is_some()
        || input.ipv6_netmask_length.is_some();
    if asks_for_ipv6 {
        return Err(Ec2Error::Unsupported("IPv6 ranges of VPCs"));
    }
    if input.ipv4_ipam_pool_id.is_some() || input.ipv4_netmask_length.is_some() {
        return Err(Ec2Error::Unsupported("IPAM pools"));
    }
    if input.vpc_encryption_control.is_some() {
        return Err(Ec2Error::Unsupported("VPC encryption controls"));
    }
    let text = input
        .cidr_block
        .as_deref()
        .ok_or(Ec2Error::Missing("CidrBlock"))?;
    let cidr = Cidr::parse(text).ok_or_else(|| not_a_range(text, "cidrBlock"))?;
    let is_reserved = |range: &str| Cidr::parse(range).is_some_and(|range| range.overlaps(cidr));
    if PREFIXES.contains(&cidr.prefix()) && !RESERVED.iter().any(|range| is_reserved(range)) {
        Ok(cidr)
    } else {
        Err(Ec2Error::VpcRange(text.to_owned()))
    }
}

/// A text that is no range of addresses.
pub(super) fn not_a_range(text: &str, parameter: &'static str) -> Ec2Error {
    Ec2Error::Value {
        value: text.to_owned(),
        parameter,
        reason: "This is not a valid CIDR block.".to_owned(),
    }
}

pub(super) fn require_create_default(
    ask: Ask<'_, CreateDefaultVpcRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let none = portcullis_core::Tags::new();
    Ok(vec![on_new(
        "ec2:CreateDefaultVpc",
        Kind::Vpc,
        ask.call.into(),
        &none,
    )])
}

/// Makes the default VPC anew, with everything that belongs to it.
pub(super) fn create_default(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateDefaultVpc>,
) -> Result<CreateDefaultVpcResult, ServiceError> {
    let place = begin(tx, auth.call(), auth.input().dry_run)?;
    if tx.view().ec2.default_vpc(place.region).is_some() {
        return Err(Ec2Error::DefaultVpcExists.into());
    }
    let random = tx.random;
    let id = tx.make_default_vpc(place.region, |prefix, _| made(prefix, random));
    let vpc = Vpc::get(&tx.view().ec2, place, &id)?;
    Ok(CreateDefaultVpcResult {
        vpc: Some(shown(place, vpc)),
    })
}

pub(super) fn require_describe(ask: Ask<'_, DescribeVpcsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeVpcs", ask.call.into()))
}

pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeVpcs>,
) -> Result<DescribeVpcsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let wanted = Wanted {
        ids: input.vpc_ids.as_deref(),
        filters: input.filters.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "vpcIdSet",
    };
    let tables = place.tables(view);
    let (rows, next_token) = page::<Vpc>(&tables, place, wanted, |vpc, name| property(place, vpc, name))?;
    Ok(DescribeVpcsResult {
        vpcs: Some(rows.into_iter().map(|vpc| shown(place, vpc)).collect()),
        next_token,
    })
}

fn property(place: Place<'_>, vpc: &Vpc, name: &str) -> Found {
    match name {
        "vpc-id" => Found::one(&vpc.id),
        "cidr" | "cidr-block" | "cidrBlock" | "cidr-block-association.cidr-block" => Found::one(&vpc.cidr),
        "cidr-block-association.association-id" => Found::one(association_id(vpc)),
        "cidr-block-association.state" => Found::one("associated"),
        "dhcp-options-id" | "dhcpOptionsId" => Found::one(options::id(place)),
        "is-default" | "isDefault" => Found::one(vpc.is_default.to_string()),
        "owner-id" => Found::one(place.account.as_str()),
        "state" => Found::one("available"),
        _ if name.starts_with("ipv6-cidr-block-association.") => Found::some(None::<String>),
        _ => of_tags(&vpc.tags, name),
    }
}

/// A VPC as answers show it.
pub(super) fn shown(place: Place<'_>, vpc: &Vpc) -> api::Vpc {
    let state = api::VpcCidrBlockState {
        state: Some("associated".to_owned()),
        ..api::VpcCidrBlockState::default()
    };
    api::Vpc {
        vpc_id: Some(vpc.id.clone()),
        cidr_block: Some(vpc.cidr.clone()),
        cidr_block_association_set: Some(vec![api::VpcCidrBlockAssociation {
            association_id: Some(association_id(vpc)),
            cidr_block: Some(vpc.cidr.clone()),
            cidr_block_state: Some(state),
        }]),
        ipv6_cidr_block_association_set: Some(Vec::new()),
        dhcp_options_id: Some(options::id(place)),
        instance_tenancy: Some(vpc.tenancy.clone()),
        is_default: Some(vpc.is_default),
        owner_id: Some(place.account.to_string()),
        state: Some("available".to_owned()),
        tags: tags::shown(&vpc.tags),
        ..api::Vpc::default()
    }
}

/// The id of the association of a VPC with its addresses.
fn association_id(vpc: &Vpc) -> String {
    format!("vpc-cidr-assoc-{}", digits(&vpc.id))
}

/// The digits of an id, from which the ids of what belongs to it alone are made.
pub(super) fn digits(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(_, digits)| digits)
}

pub(super) fn require_modify(ask: Ask<'_, ModifyVpcAttributeRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let value = |attribute: &Option<AttributeBooleanValue>| {
        let value = attribute.as_ref()?.value;
        value.map(|value| value.to_string())
    };
    let check = on::<Vpc>(
        "ec2:ModifyVpcAttribute",
        &place.tables(ask.view),
        place,
        &input.vpc_id,
    );
    Ok(vec![with_attributes(
        check,
        &[
            ("EnableDnsSupport", value(&input.enable_dns_support)),
            ("EnableDnsHostnames", value(&input.enable_dns_hostnames)),
            (
                "EnableNetworkAddressUsageMetrics",
                value(&input.enable_network_address_usage_metrics),
            ),
        ],
    )])
}

/// Changes one attribute.
pub(super) fn modify(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, ModifyVpcAttribute>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), None)?;
    let mut vpc = Vpc::clone(Vpc::get(&tx.view().ec2, place, &input.vpc_id)?);
    let given = [
        (&input.enable_dns_support, &mut vpc.dns_support),
        (&input.enable_dns_hostnames, &mut vpc.dns_hostnames),
        (
            &input.enable_network_address_usage_metrics,
            &mut vpc.usage_metrics,
        ),
    ];
    let mut changes = 0;
    for (attribute, setting) in given {
        if let Some(attribute) = attribute {
            changes += 1;
            *setting = attribute.value.unwrap_or_default();
        }
    }
    match changes {
        0 => return Err(Ec2Error::Combination("No attributes specified.".to_owned()).into()),
        1 => {}
        _ => {
            let text = "Fields for multiple attribute types specified.";
            return Err(Ec2Error::Combination(text.to_owned()).into());
        }
    }
    tx.put(vpc);
    Ok(Empty {})
}

pub(super) fn require_attribute(
    ask: Ask<'_, DescribeVpcAttributeRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let place = Place::from(ask.call);
    Ok(vec![on::<Vpc>(
        "ec2:DescribeVpcAttribute",
        &place.tables(ask.view),
        place,
        &ask.input.vpc_id,
    )])
}

/// One attribute.
pub(super) fn attribute(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeVpcAttribute>,
) -> Result<DescribeVpcAttributeResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let vpc = Vpc::get(&tables, place, &input.vpc_id)?;
    let mut result = DescribeVpcAttributeResult {
        vpc_id: Some(vpc.id.clone()),
        ..DescribeVpcAttributeResult::default()
    };
    let value = |value| Some(AttributeBooleanValue { value: Some(value) });
    match input.attribute.as_str() {
        "enableDnsSupport" => result.enable_dns_support = value(vpc.dns_support),
        "enableDnsHostnames" => result.enable_dns_hostnames = value(vpc.dns_hostnames),
        _ => result.enable_network_address_usage_metrics = value(vpc.usage_metrics),
    }
    Ok(result)
}

pub(super) fn require_delete(ask: Ask<'_, DeleteVpcRequest>) -> Result<Vec<Check>, ServiceError> {
    let place = Place::from(ask.call);
    Ok(vec![on::<Vpc>(
        "ec2:DeleteVpc",
        &place.tables(ask.view),
        place,
        &ask.input.vpc_id,
    )])
}

/// Deletes a VPC in which there is nothing but what it had from the start.
pub(super) fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, DeleteVpc>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let vpc = Vpc::get(tables, place, &input.vpc_id)?.key();
    let (tables_of_vpc, groups) = own(tables, place, &input.vpc_id);
    let own_count = tables_of_vpc.len() + groups.len();
    if tables.children_ids(place.region, &input.vpc_id).len() > own_count {
        return Err(Ec2Error::InUse(Kind::Vpc, input.vpc_id.clone()).into());
    }
    for key in tables_of_vpc {
        tx.delete::<RouteTable>(&key);
    }
    for key in groups {
        tx.delete::<SecurityGroup>(&key);
    }
    tx.delete::<Vpc>(&vpc);
    Ok(Empty {})
}

/// The keys of what goes with a VPC: its main route table and its default group.
fn own(tables: &Tables, place: Place<'_>, vpc: &str) -> (Vec<String>, Vec<String>) {
    let route_tables = tables.children::<RouteTable>(place.region, vpc);
    let groups = tables.children::<SecurityGroup>(place.region, vpc);
    (
        route_tables
            .into_iter()
            .filter(|table| table.is_main())
            .map(|table| table.key())
            .collect(),
        groups
            .into_iter()
            .filter(|group| group.name == SecurityGroup::DEFAULT)
            .map(|group| group.key())
            .collect(),
    )
}
