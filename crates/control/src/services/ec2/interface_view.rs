//! Network interfaces as answers show them and as filters find them.

use portcullis_api::ec2 as api;

use super::describe::{Found, of_tags};
use super::place::Place;
use super::{options, tags, zones};
use crate::world::records::ec2::{InterfaceAttachment, NetworkInterface, SecurityGroup, Tables};

/// Whose hosts are that Fargate attaches interfaces to; AWS shows an account of its own.
const FARGATE: &str = "amazon-ecs";

pub(super) fn property(place: Place<'_>, tables: &Tables, interface: &NetworkInterface, name: &str) -> Found {
    match name {
        "network-interface-id" => Found::one(&interface.id),
        "subnet-id" => Found::one(&interface.subnet),
        "vpc-id" => Found::one(&interface.vpc),
        "availability-zone" => Found::one(&interface.zone),
        "availability-zone-id" => Found::one(zones::id_of(&interface.zone)),
        "addresses.private-ip-address" => Found::many(&interface.addresses),
        "private-ip-address" => Found::some(interface.addresses.first()),
        "addresses.primary" => Found::one("true"),
        "private-dns-name" => Found::some(dns_name(place, interface)),
        "group-id" => Found::many(&interface.groups),
        "group-name" => Found::many(
            groups(place, tables, interface)
                .into_iter()
                .filter_map(|own| own.group_name),
        ),
        "description" => Found::one(&interface.description),
        "mac-address" => Found::one(&interface.mac),
        "owner-id" => Found::one(place.account.as_str()),
        "interface-type" => Found::one("interface"),
        "requester-managed" => Found::one(interface.requester.is_some().to_string()),
        "requester-id" => Found::some(interface.requester.as_ref()),
        "source-dest-check" => Found::one(interface.source_dest_check.to_string()),
        "status" => Found::one(status(interface)),
        "private-dns-name-options" => Found::some(None::<String>),
        _ if name.starts_with("attachment.") => attachment_property(place, interface, name),
        _ if name.starts_with("association.")
            || name.starts_with("addresses.association.")
            || name.starts_with("ipv6-addresses.")
            || name.starts_with("operator.") =>
        {
            Found::some(None::<String>)
        }
        _ => of_tags(&interface.tags, name),
    }
}

pub(super) fn groups(
    place: Place<'_>,
    tables: &Tables,
    interface: &NetworkInterface,
) -> Vec<api::GroupIdentifier> {
    let own = interface.groups.iter().map(|id| api::GroupIdentifier {
        group_id: Some(id.clone()),
        group_name: tables
            .find::<SecurityGroup>(place.region, id)
            .map(|group| group.name.clone()),
    });
    own.collect()
}

pub(super) fn dns_name(place: Place<'_>, interface: &NetworkInterface) -> Option<String> {
    let address = interface.addresses.first()?.replace('.', "-");
    Some(format!("ip-{address}.{}", options::domain_name(place)))
}

/// A network interface as answers show it.
pub(super) fn shown(
    place: Place<'_>,
    tables: &Tables,
    interface: &NetworkInterface,
) -> api::NetworkInterface {
    let addresses = interface.addresses.iter().enumerate().map(|(index, address)| {
        api::NetworkInterfacePrivateIpAddress {
            primary: Some(index == 0),
            private_ip_address: Some(address.clone()),
            private_dns_name: dns_name(place, interface).filter(|_| index == 0),
            ..api::NetworkInterfacePrivateIpAddress::default()
        }
    });
    api::NetworkInterface {
        network_interface_id: Some(interface.id.clone()),
        subnet_id: Some(interface.subnet.clone()),
        vpc_id: Some(interface.vpc.clone()),
        availability_zone: Some(interface.zone.clone()),
        availability_zone_id: Some(zones::id_of(&interface.zone)),
        description: Some(interface.description.clone()),
        groups: Some(groups(place, tables, interface)),
        interface_type: Some("interface".to_owned()),
        ipv6_addresses: Some(Vec::new()),
        mac_address: Some(interface.mac.clone()),
        owner_id: Some(place.account.to_string()),
        private_dns_name: dns_name(place, interface),
        private_ip_address: interface.addresses.first().cloned(),
        private_ip_addresses: Some(addresses.collect()),
        attachment: interface.attachment.as_ref().map(|one| attachment(place, one)),
        requester_id: interface.requester.clone(),
        requester_managed: Some(interface.requester.is_some()),
        source_dest_check: Some(interface.source_dest_check),
        status: Some(status(interface).to_owned()),
        tag_set: tags::shown(&interface.tags),
        ..api::NetworkInterface::default()
    }
}

fn status(interface: &NetworkInterface) -> &'static str {
    match interface.attachment {
        Some(_) => "in-use",
        None => "available",
    }
}

fn attachment(place: Place<'_>, attachment: &InterfaceAttachment) -> api::NetworkInterfaceAttachment {
    api::NetworkInterfaceAttachment {
        attachment_id: Some(attachment.id.clone()),
        attach_time: Some(attachment.since),
        // Whoever made it for itself takes it away itself.
        delete_on_termination: Some(false),
        device_index: Some(attachment.device_index),
        instance_id: attachment.instance.clone(),
        instance_owner_id: Some(owner(place, attachment)),
        network_card_index: Some(0),
        status: Some("attached".to_owned()),
        ..api::NetworkInterfaceAttachment::default()
    }
}

fn owner(place: Place<'_>, attachment: &InterfaceAttachment) -> String {
    match attachment.instance {
        Some(_) => place.account.to_string(),
        None => FARGATE.to_owned(),
    }
}

fn attachment_property(place: Place<'_>, interface: &NetworkInterface, name: &str) -> Found {
    let known = [
        "attach-time",
        "attachment-id",
        "delete-on-termination",
        "device-index",
        "instance-id",
        "instance-owner-id",
        "nat-gateway-id",
        "status",
    ];
    let name = name.strip_prefix("attachment.").unwrap_or(name);
    let Some(own) = interface.attachment.as_ref().filter(|_| known.contains(&name)) else {
        return Found::some(None::<String>);
    };
    match name {
        "attach-time" => Found::one(own.since.to_string()),
        "attachment-id" => Found::one(&own.id),
        "delete-on-termination" => Found::one("false"),
        "device-index" => Found::one(own.device_index.to_string()),
        "instance-id" => Found::some(own.instance.as_ref()),
        "instance-owner-id" => Found::one(owner(place, own)),
        "status" => Found::one("attached"),
        _ => Found::some(None::<String>),
    }
}
