//! Network interfaces.

use std::net::Ipv4Addr;

use portcullis_api::ec2::op::{
    CreateNetworkInterface, DeleteNetworkInterface, DescribeNetworkInterfaceAttribute,
    DescribeNetworkInterfaces, ModifyNetworkInterfaceAttribute,
};
use portcullis_api::ec2::{
    self as api, AttributeBooleanValue, AttributeValue, CreateNetworkInterfaceRequest,
    CreateNetworkInterfaceResult, DeleteNetworkInterfaceRequest, DescribeNetworkInterfaceAttributeRequest,
    DescribeNetworkInterfaceAttributeResult, DescribeNetworkInterfacesRequest,
    DescribeNetworkInterfacesResult, ModifyNetworkInterfaceAttributeRequest,
};
use portcullis_core::hex_id;
use portcullis_wire::{Empty, agent_proof};

use super::attachments::{check_managed, service_of};
use super::checks::{on, on_all, on_made, with_attributes};
use super::cidr::Cidr;
use super::describe::{Wanted, page};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _};
use super::interface_view::{groups, property, shown};
use super::place::{Place, begin, not_dry};
use super::tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::Record as _;
use crate::world::records::ec2::{NetworkInterface, SecurityGroup, Subnet, Tables};
use crate::world::{Snapshot, Tx};

/// Most security groups of an interface.
const GROUPS_MAX: usize = 5;
/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 255;

pub(super) fn require_create(
    ask: Ask<'_, CreateNetworkInterfaceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:CreateNetworkInterface";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tags = tags::requested(input.tag_specifications.as_deref(), Kind::NetworkInterface);
    let mut checks = on_made(
        (ACTION, "CreateNetworkInterface"),
        Kind::NetworkInterface,
        place,
        &tags,
    );
    let tables = place.tables(ask.view);
    checks.push(on::<Subnet>(ACTION, &tables, place, &input.subnet_id));
    for group in input.groups.iter().flatten() {
        checks.push(on::<SecurityGroup>(ACTION, &tables, place, group));
    }
    Ok(checks)
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateNetworkInterface>,
) -> Result<CreateNetworkInterfaceResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    check_served(input)?;
    let tables = &tx.view().ec2;
    let subnet = Subnet::get(tables, place, &input.subnet_id)?;
    if let Some(known) = repeated(tables, subnet, &auth)? {
        return Ok(result(place, tables, known));
    }
    let groups = wanted_groups(tables, place, subnet, input.groups.as_deref())?;
    let address = match &input.private_ip_address {
        Some(text) => chosen_address(tables, subnet, text)?,
        None => tables.free_address(subnet).ok_or(Ec2Error::NoAddresses)?,
    };
    let interface = NetworkInterface {
        region: place.region.clone(),
        id: Kind::NetworkInterface.make(tx.random),
        subnet: subnet.id.clone(),
        vpc: subnet.vpc.clone(),
        zone: subnet.zone.clone(),
        addresses: vec![address.to_string()],
        mac: hardware_address(&hex_id(tx.random)),
        description: checked_description(input.description.as_ref())?,
        groups,
        source_dest_check: true,
        client_token: input.client_token.clone(),
        made_by: input.client_token.as_ref().map(|_| digest_of(input)),
        created: tx.now,
        attachment: None,
        permissions: Vec::new(),
        requester: service_of(auth.call()),
        tags: tags::checked(input.tag_specifications.as_deref(), Kind::NetworkInterface)?,
    };
    let result = result(place, tables, &interface);
    tx.put(interface);
    Ok(result)
}

fn result(place: Place<'_>, tables: &Tables, interface: &NetworkInterface) -> CreateNetworkInterfaceResult {
    CreateNetworkInterfaceResult {
        network_interface: Some(api::NetworkInterface {
            // AWS answers before it is there.
            status: Some("pending".to_owned()),
            ..shown(place, tables, interface)
        }),
        client_token: interface.client_token.clone(),
    }
}

/// The interface that an earlier call with this token made: a service's, or somebody else's.
fn repeated<'t>(
    tables: &'t Tables,
    subnet: &Subnet,
    auth: &Authorized<'_, CreateNetworkInterface>,
) -> Result<Option<&'t NetworkInterface>, Ec2Error> {
    let input = auth.input();
    let by_service = service_of(auth.call()).is_some();
    let token = input.client_token.as_ref();
    let known = token.and_then(|token| tables.interface_with_token(subnet, token, by_service));
    match known.and_then(|known| known.made_by.as_ref()) {
        Some(made_by) if *made_by != digest_of(input) => Err(Ec2Error::OtherParameters),
        _ => Ok(known.map(|interface| &**interface)),
    }
}

/// Tells requests apart that have the same token.
fn digest_of(input: &CreateNetworkInterfaceRequest) -> String {
    let body = portcullis_wire::encode_request::<CreateNetworkInterface>(input).body;
    let digest = agent_proof::digest(&body);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_served(input: &CreateNetworkInterfaceRequest) -> Result<(), Ec2Error> {
    let has = |count: Option<i32>| count.is_some_and(|count| count != 0);
    let unserved = [
        (
            has(input.ipv6_address_count)
                || input.ipv6_addresses.as_ref().is_some_and(|own| !own.is_empty())
                || has(input.ipv6_prefix_count)
                || input.ipv6_prefixes.as_ref().is_some_and(|own| !own.is_empty())
                || input.enable_primary_ipv6.unwrap_or_default(),
            "IPv6 addresses of network interfaces",
        ),
        (
            has(input.ipv4_prefix_count) || input.ipv4_prefixes.as_ref().is_some_and(|own| !own.is_empty()),
            "prefixes of network interfaces",
        ),
        (
            has(input.secondary_private_ip_address_count)
                || input
                    .private_ip_addresses
                    .as_ref()
                    .is_some_and(|own| !own.is_empty()),
            "secondary addresses of network interfaces",
        ),
        (
            input
                .interface_type
                .as_deref()
                .is_some_and(|kind| kind != "interface"),
            "network interfaces of this type",
        ),
    ];
    match unserved.into_iter().find(|(given, _)| *given) {
        Some((_, what)) => Err(Ec2Error::Unsupported(what)),
        None => Ok(()),
    }
}

/// The ids of the groups that were named, or of the VPC's default group.
fn wanted_groups(
    tables: &Tables,
    place: Place<'_>,
    subnet: &Subnet,
    named: Option<&[String]>,
) -> Result<Vec<String>, Ec2Error> {
    let named = named.unwrap_or_default();
    if named.len() > GROUPS_MAX {
        let text = "The maximum number of security groups per interface has been reached.";
        return Err(Ec2Error::Parameter(text.to_owned()));
    }
    for id in named {
        let group = SecurityGroup::get(tables, place, id)?;
        if group.vpc != subnet.vpc {
            let text = format!(
                "Security group {id} and subnet {} belong to different networks.",
                subnet.id
            );
            return Err(Ec2Error::OtherNetwork(text));
        }
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let own = tables.children::<SecurityGroup>(place.region, &subnet.vpc);
    let mut default = own
        .into_iter()
        .filter(|group| group.vpc == subnet.vpc && group.name == SecurityGroup::DEFAULT);
    Ok(default.next().map(|group| group.id.clone()).into_iter().collect())
}

fn chosen_address(tables: &Tables, subnet: &Subnet, text: &str) -> Result<Ipv4Addr, Ec2Error> {
    let wrong = |reason: &str| Ec2Error::Value {
        value: text.to_owned(),
        parameter: "address",
        reason: reason.to_owned(),
    };
    let address: Ipv4Addr = text.parse().map_err(|_| wrong("Not a valid IPv4 address."))?;
    let range = Cidr::parse(&subnet.cidr);
    if !range.is_some_and(|range| range.has(address)) {
        return Err(wrong("Address does not fall within the subnet's address range"));
    }
    if !range.is_some_and(|range| range.is_free_for_use(address)) {
        return Err(wrong("Address is in subnet's reserved address range"));
    }
    if !tables.is_free(subnet, address) {
        return Err(Ec2Error::AddressInUse);
    }
    Ok(address)
}

/// What an interface's maker says of it; nothing that no terminal or log should see.
fn checked_description(given: Option<&String>) -> Result<String, Ec2Error> {
    let text = given.cloned().unwrap_or_default();
    let reason = if text.chars().count() > DESCRIPTION_MAX {
        "Descriptions can have at most 255 characters."
    } else if text.chars().any(char::is_control) {
        "Descriptions cannot have control characters."
    } else {
        return Ok(text);
    };
    Err(Ec2Error::Value {
        value: text.chars().filter(|c| !c.is_control()).collect(),
        parameter: "description",
        reason: reason.to_owned(),
    })
}

/// A locally administered address, as AWS gives them.
fn hardware_address(digits: &str) -> String {
    let mut address = String::from("02");
    for (index, digit) in digits.chars().take(10).enumerate() {
        if index % 2 == 0 {
            address.push(':');
        }
        address.push(digit);
    }
    address
}

pub(super) fn require_describe(
    ask: Ask<'_, DescribeNetworkInterfacesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeNetworkInterfaces", ask.call.into()))
}

pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeNetworkInterfaces>,
) -> Result<DescribeNetworkInterfacesResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let wanted = Wanted {
        ids: input.network_interface_ids.as_deref(),
        filters: input.filters.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "networkInterfaceIdSet",
    };
    let tables = place.tables(view);
    let (rows, next_token) = page::<NetworkInterface>(&tables, place, wanted, |interface, name| {
        property(place, &tables, interface, name)
    })?;
    let rows = rows.into_iter().map(|interface| shown(place, &tables, interface));
    Ok(DescribeNetworkInterfacesResult {
        network_interfaces: Some(rows.collect()),
        next_token,
    })
}

pub(super) fn require_attribute(
    ask: Ask<'_, DescribeNetworkInterfaceAttributeRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeNetworkInterfaceAttribute", ask.call.into()))
}

/// One attribute.
pub(super) fn attribute(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeNetworkInterfaceAttribute>,
) -> Result<DescribeNetworkInterfaceAttributeResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let interface = NetworkInterface::get(&tables, place, &input.network_interface_id)?;
    let mut result = DescribeNetworkInterfaceAttributeResult {
        network_interface_id: Some(interface.id.clone()),
        ..DescribeNetworkInterfaceAttributeResult::default()
    };
    match input.attribute.as_deref() {
        Some("description") => {
            result.description = Some(AttributeValue {
                value: Some(interface.description.clone()),
            });
        }
        Some("groupSet") => result.groups = Some(groups(place, &tables, interface)),
        Some("sourceDestCheck") => {
            result.source_dest_check = Some(AttributeBooleanValue {
                value: Some(interface.source_dest_check),
            });
        }
        Some("associatePublicIpAddress") => result.associate_public_ip_address = Some(false),
        Some(_) => {}
        None => return Err(Ec2Error::Missing("attribute").into()),
    }
    Ok(result)
}

pub(super) fn require_modify(
    ask: Ask<'_, ModifyNetworkInterfaceAttributeRequest>,
) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:ModifyNetworkInterfaceAttribute";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let own = on::<NetworkInterface>(ACTION, &tables, place, &input.network_interface_id);
    let check = input.source_dest_check.as_ref();
    let own = with_attributes(
        own,
        &[
            (
                "Description",
                input.description.as_ref().and_then(|given| given.value.clone()),
            ),
            (
                "SourceDestCheck",
                check.and_then(|given| given.value.map(|on| on.to_string())),
            ),
            ("GroupSet", input.groups.as_ref().map(|groups| groups.join(","))),
        ],
    );
    let groups = input.groups.iter().flatten();
    let groups = groups.map(|group| on::<SecurityGroup>(ACTION, &tables, place, group));
    Ok(std::iter::once(own).chain(groups).collect())
}

/// Changes one attribute.
pub(super) fn modify(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, ModifyNetworkInterfaceAttribute>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let found = NetworkInterface::get(tables, place, &input.network_interface_id)?;
    check_managed(auth.call(), found)?;
    let mut interface = NetworkInterface::clone(found);
    let mut changes = 0;
    if let Some(description) = &input.description {
        changes += 1;
        interface.description = checked_description(description.value.as_ref())?;
    }
    if let Some(given) = &input.source_dest_check {
        changes += 1;
        interface.source_dest_check = given.value.unwrap_or_default();
    }
    if let Some(named) = &input.groups {
        changes += 1;
        let subnet = Subnet::get(tables, place, &interface.subnet)?;
        interface.groups = wanted_groups(tables, place, subnet, Some(named))?;
    }
    match changes {
        0 => Err(Ec2Error::Combination("No attributes specified.".to_owned()).into()),
        1 => {
            tx.put(interface);
            Ok(Empty {})
        }
        _ => {
            let text = "Fields for multiple attribute types specified.";
            Err(Ec2Error::Combination(text.to_owned()).into())
        }
    }
}

pub(super) fn require_delete(
    ask: Ask<'_, DeleteNetworkInterfaceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let place = Place::from(ask.call);
    Ok(vec![on::<NetworkInterface>(
        "ec2:DeleteNetworkInterface",
        &place.tables(ask.view),
        place,
        &ask.input.network_interface_id,
    )])
}

/// Deletes an interface that is attached to nothing. Routes to it stay, as black holes.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteNetworkInterface>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let found = NetworkInterface::get(&tx.view().ec2, place, &input.network_interface_id)?;
    if found.attachment.is_some() {
        return Err(Ec2Error::InterfaceInUse(found.id.clone()).into());
    }
    check_managed(auth.call(), found)?;
    let key = found.key();
    tx.delete::<NetworkInterface>(&key);
    Ok(Empty {})
}
