//! Subnets.

use portcullis_api::ec2::op::{CreateSubnet, DeleteSubnet, DescribeSubnets, ModifySubnetAttribute};
use portcullis_api::ec2::{
    self as api, AttributeBooleanValue, CreateSubnetRequest, CreateSubnetResult, DeleteSubnetRequest,
    DescribeSubnetsRequest, DescribeSubnetsResult, ModifySubnetAttributeRequest,
};
use portcullis_wire::Empty;

use super::checks::{on, on_all, on_made, with_attributes};
use super::cidr::Cidr;
use super::describe::{Found, Wanted, of_tags, page};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _};
use super::place::{Place, begin, not_dry};
use super::{tags, vpcs, zones};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::Record as _;
use crate::world::records::ec2::{self, NetworkInterface, RouteTable, Subnet, Tables, Vpc};
use crate::world::{Snapshot, Tx};

/// Longest and shortest prefix a subnet can have.
const PREFIXES: std::ops::RangeInclusive<u32> = 16..=28;

pub(super) fn require_create(ask: Ask<'_, CreateSubnetRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tags = tags::requested(input.tag_specifications.as_deref(), Kind::Subnet);
    let mut checks = on_made(("ec2:CreateSubnet", "CreateSubnet"), Kind::Subnet, place, &tags);
    let in_vpc = on::<Vpc>("ec2:CreateSubnet", &place.tables(ask.view), place, &input.vpc_id);
    checks.insert(1, in_vpc);
    Ok(checks)
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateSubnet>,
) -> Result<CreateSubnetResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let vpc = Vpc::get(&tx.view().ec2, place, &input.vpc_id)?;
    let cidr = wanted_range(input)?;
    let text = input.cidr_block.clone().unwrap_or_default();
    let whole = Cidr::parse(&vpc.cidr).ok_or_else(|| Ec2Error::SubnetRange(text.clone()))?;
    if !PREFIXES.contains(&cidr.prefix()) || !whole.contains(cidr) {
        return Err(Ec2Error::SubnetRange(text).into());
    }
    let others = tx.view().ec2.children::<Subnet>(place.region, &vpc.id);
    let conflicts = |other: &Subnet| Cidr::parse(&other.cidr).is_some_and(|other| other.overlaps(cidr));
    if others.into_iter().any(|other| conflicts(other)) {
        return Err(Ec2Error::SubnetConflict(text).into());
    }
    let subnet = Subnet {
        region: place.region.clone(),
        id: Kind::Subnet.make(tx.random),
        vpc: vpc.id.clone(),
        cidr: cidr.to_string(),
        zone: wanted_zone(place, input)?,
        default_for_zone: false,
        public_ip_on_launch: false,
        hostname_type: "ip-name".to_owned(),
        resource_name_record: false,
        tags: tags::checked(input.tag_specifications.as_deref(), Kind::Subnet)?,
    };
    tx.put(subnet.clone());
    let shown = shown(place, &tx.view().ec2, &subnet);
    Ok(CreateSubnetResult { subnet: Some(shown) })
}

fn wanted_range(input: &CreateSubnetRequest) -> Result<Cidr, Ec2Error> {
    let asks_for_ipv6 = input.ipv6_cidr_block.is_some()
        || input.ipv6_native.unwrap_or_default()
        || input.ipv6_ipam_pool_id.is_some()
        || input.ipv6_netmask_length.is_some();
    if asks_for_ipv6 {
        return Err(Ec2Error::Unsupported("IPv6 ranges of subnets"));
    }
    if input.ipv4_ipam_pool_id.is_some() || input.ipv4_netmask_length.is_some() {
        return Err(Ec2Error::Unsupported("IPAM pools"));
    }
    if input.outpost_arn.is_some() {
        return Err(Ec2Error::Unsupported("Outposts"));
    }
    let text = input
        .cidr_block
        .as_deref()
        .ok_or(Ec2Error::Missing("CidrBlock"))?;
    Cidr::parse(text).ok_or_else(|| vpcs::not_a_range(text, "cidrBlock"))
}

/// The zone that was named, or the first one.
fn wanted_zone(place: Place<'_>, input: &CreateSubnetRequest) -> Result<String, Ec2Error> {
    let all: Vec<String> = ec2::zones(place.region).collect();
    let (named, parameter, found) = match (&input.availability_zone, &input.availability_zone_id) {
        (Some(_), Some(_)) => {
            let text = "You may specify either AvailabilityZone or AvailabilityZoneId, not both.";
            return Err(Ec2Error::Combination(text.to_owned()));
        }
        (Some(name), None) => (
            name,
            "availabilityZone",
            all.iter().find(|zone| *zone == name).cloned(),
        ),
        (None, Some(id)) => (
            id,
            "availabilityZoneId",
            all.iter().find(|zone| zones::id_of(zone) == *id).cloned(),
        ),
        (None, None) => {
            return all
                .into_iter()
                .next()
                .ok_or(Ec2Error::Missing("AvailabilityZone"));
        }
    };
    found.ok_or_else(|| Ec2Error::Value {
        value: named.clone(),
        parameter,
        reason: format!(
            "Subnets can currently only be created in the following availability zones: {}.",
            all.join(", ")
        ),
    })
}

pub(super) fn require_describe(ask: Ask<'_, DescribeSubnetsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeSubnets", ask.call.into()))
}

pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeSubnets>,
) -> Result<DescribeSubnetsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let wanted = Wanted {
        ids: input.subnet_ids.as_deref(),
        filters: input.filters.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "subnetSet",
    };
    let tables = place.tables(view);
    let (rows, next_token) = page::<Subnet>(&tables, place, wanted, |subnet, name| {
        property(place, &tables, subnet, name)
    })?;
    let rows = rows.into_iter().map(|subnet| shown(place, &tables, subnet));
    Ok(DescribeSubnetsResult {
        subnets: Some(rows.collect()),
        next_token,
    })
}

fn property(place: Place<'_>, tables: &Tables, subnet: &Subnet, name: &str) -> Found {
    match name {
        "subnet-id" => Found::one(&subnet.id),
        "vpc-id" => Found::one(&subnet.vpc),
        "cidr" | "cidrBlock" | "cidr-block" => Found::one(&subnet.cidr),
        "availability-zone" | "availabilityZone" => Found::one(&subnet.zone),
        "availability-zone-id" | "availabilityZoneId" => Found::one(zones::id_of(&subnet.zone)),
        "available-ip-address-count" => Found::one(tables.free_addresses(subnet).to_string()),
        "default-for-az" | "defaultForAz" => Found::one(subnet.default_for_zone.to_string()),
        "map-public-ip-on-launch" => Found::one(subnet.public_ip_on_launch.to_string()),
        "map-customer-owned-ip-on-launch" | "enable-dns64" | "ipv6-native" => Found::one("false"),
        "owner-id" => Found::one(place.account.as_str()),
        "state" => Found::one("available"),
        "subnet-arn" => Found::one(Kind::Subnet.arn(place, &subnet.id).as_str()),
        "private-dns-name-options-on-launch.hostname-type" => Found::one(&subnet.hostname_type),
        "outpost-arn" | "customer-owned-ipv4-pool" => Found::some(None::<String>),
        _ if name.starts_with("ipv6-cidr-block-association.") => Found::some(None::<String>),
        _ => of_tags(&subnet.tags, name),
    }
}

/// A subnet as answers show it.
pub(super) fn shown(place: Place<'_>, tables: &Tables, subnet: &Subnet) -> api::Subnet {
    api::Subnet {
        subnet_id: Some(subnet.id.clone()),
        subnet_arn: Some(Kind::Subnet.arn(place, &subnet.id).to_string()),
        vpc_id: Some(subnet.vpc.clone()),
        cidr_block: Some(subnet.cidr.clone()),
        availability_zone: Some(subnet.zone.clone()),
        availability_zone_id: Some(zones::id_of(&subnet.zone)),
        available_ip_address_count: Some(tables.free_addresses(subnet)),
        default_for_az: Some(subnet.default_for_zone),
        map_public_ip_on_launch: Some(subnet.public_ip_on_launch),
        map_customer_owned_ip_on_launch: Some(false),
        assign_ipv6_address_on_creation: Some(false),
        ipv6_cidr_block_association_set: Some(Vec::new()),
        ipv6_native: Some(false),
        enable_dns64: Some(false),
        owner_id: Some(place.account.to_string()),
        private_dns_name_options_on_launch: Some(api::PrivateDnsNameOptionsOnLaunch {
            hostname_type: Some(subnet.hostname_type.clone()),
            enable_resource_name_dns_a_record: Some(subnet.resource_name_record),
            enable_resource_name_dns_aaaa_record: Some(false),
        }),
        state: Some("available".to_owned()),
        tags: tags::shown(&subnet.tags),
        ..api::Subnet::default()
    }
}

/// The value of a boolean attribute that a call sets.
fn given(attribute: &Option<AttributeBooleanValue>) -> Option<bool> {
    attribute.as_ref().map(|given| given.value.unwrap_or_default())
}

pub(super) fn require_modify(ask: Ask<'_, ModifySubnetAttributeRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let flag = |attribute| given(attribute).map(|value| value.to_string());
    let check = on::<Subnet>(
        "ec2:ModifySubnetAttribute",
        &place.tables(ask.view),
        place,
        &input.subnet_id,
    );
    Ok(vec![with_attributes(
        check,
        &[
            ("MapPublicIpOnLaunch", flag(&input.map_public_ip_on_launch)),
            (
                "AssignIpv6AddressOnCreation",
                flag(&input.assign_ipv6_address_on_creation),
            ),
            (
                "PrivateDnsHostnameTypeOnLaunch",
                input.private_dns_hostname_type_on_launch.clone(),
            ),
            (
                "EnableResourceNameDnsARecordOnLaunch",
                flag(&input.enable_resource_name_dns_a_record_on_launch),
            ),
        ],
    )])
}

/// Changes one attribute.
pub(super) fn modify(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, ModifySubnetAttribute>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), None)?;
    let mut subnet = Subnet::clone(Subnet::get(&tx.view().ec2, place, &input.subnet_id)?);
    let unserved = [
        (
            given(&input.assign_ipv6_address_on_creation),
            "IPv6 addresses of subnets",
        ),
        (
            given(&input.map_customer_owned_ip_on_launch),
            "customer-owned addresses",
        ),
        (given(&input.enable_dns64), "DNS64 settings"),
        (
            given(&input.enable_resource_name_dns_aaaa_record_on_launch),
            "AAAA records of resource names",
        ),
        (
            given(&input.disable_lni_at_device_index),
            "local network interfaces",
        ),
        (
            input.enable_lni_at_device_index.map(|_| true),
            "local network interfaces",
        ),
        (
            input.customer_owned_ipv4_pool.as_ref().map(|_| true),
            "customer-owned addresses",
        ),
    ];
    let mut changes = unserved.iter().filter(|(value, _)| value.is_some()).count();
    if let Some((_, what)) = unserved.into_iter().find(|(value, _)| *value == Some(true)) {
        return Err(Ec2Error::Unsupported(what).into());
    }
    if let Some(value) = given(&input.map_public_ip_on_launch) {
        changes += 1;
        subnet.public_ip_on_launch = value;
    }
    if let Some(value) = given(&input.enable_resource_name_dns_a_record_on_launch) {
        changes += 1;
        subnet.resource_name_record = value;
    }
    if let Some(kind) = &input.private_dns_hostname_type_on_launch {
        changes += 1;
        subnet.hostname_type.clone_from(kind);
    }
    match changes {
        0 => return Err(Ec2Error::Combination("No attributes specified.".to_owned()).into()),
        1 => tx.put(subnet),
        _ => {
            let text = "Fields for multiple attribute types specified.";
            return Err(Ec2Error::Combination(text.to_owned()).into());
        }
    }
    Ok(Empty {})
}

pub(super) fn require_delete(ask: Ask<'_, DeleteSubnetRequest>) -> Result<Vec<Check>, ServiceError> {
    let place = Place::from(ask.call);
    Ok(vec![on::<Subnet>(
        "ec2:DeleteSubnet",
        &place.tables(ask.view),
        place,
        &ask.input.subnet_id,
    )])
}

/// Deletes a subnet in which there is no network interface; its route table forgets it.
pub(super) fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, DeleteSubnet>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let key = Subnet::get(tables, place, &input.subnet_id)?.key();
    let interfaces = tables.children::<NetworkInterface>(place.region, &input.subnet_id);
    if !interfaces.is_empty() {
        return Err(Ec2Error::InUse(Kind::Subnet, input.subnet_id.clone()).into());
    }
    let users: Vec<RouteTable> = tables
        .children::<RouteTable>(place.region, &input.subnet_id)
        .into_iter()
        .map(|table| RouteTable::clone(table))
        .collect();
    for mut table in users {
        table
            .associations
            .retain(|use_| use_.subnet.as_deref() != Some(input.subnet_id.as_str()));
        tx.put(table);
    }
    tx.delete::<Subnet>(&key);
    Ok(Empty {})
}
