//! The networks of a container.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use super::Version;
use super::describe::Object;
use crate::task::model::{Container, Known, Task};

/// One network: containers of this agent never have more. Nothing before the container runs, unless the task has its own
/// interface.
pub(super) fn of(version: Version, task: &Task, container: &Container) -> Option<Vec<Value>> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) =
        container.addresses.iter().partition(|address| address.is_ipv4());
    let mode = match (container.host_network, &task.network_mode) {
        (true, _) => "host",
        (false, Some(mode)) if !mode.is_empty() => mode,
        _ => "bridge",
    };
    let mut object = Object::default();
    object.put("NetworkMode", mode);
    object.put_some("IPv4Addresses", Some(v4).filter(|all| !all.is_empty()));
    object.put_some("IPv6Addresses", Some(v6).filter(|all| !all.is_empty()));
    if version == Version::V4 {
        own_interface(&mut object, task);
    }
    let is_shown = container.known == Known::Running || task.network_mode.as_deref() == Some("awsvpc");
    is_shown.then(|| vec![object.into_value()])
}

/// What version 4 adds for a task with an interface of its own.
fn own_interface(object: &mut Object, task: &Task) {
    let Some(interface) = &task.interface else {
        return;
    };
    let mac: Vec<_> = interface.mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let subnet = subnet(interface.gateway, interface.ipv4_prefix);
    object.put("AttachmentIndex", 0);
    object.put("MACAddress", mac.join(":"));
    object.put("IPv4SubnetCIDRBlock", subnet);
    object.put_some(
        "DomainNameServers",
        Some(&interface.dns_servers).filter(|all| !all.is_empty()),
    );
    object.put_some(
        "DomainNameSearchList",
        Some(&interface.dns_search).filter(|all| !all.is_empty()),
    );
    object.put_some("PrivateDNSName", interface.host_name.as_ref());
    let gateway = format!("{}/{}", interface.gateway, interface.ipv4_prefix);
    object.put("SubnetGatewayIpv4Address", gateway);
}

/// The block an address with this prefix lies in.
fn subnet(address: Ipv4Addr, prefix: u8) -> String {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let first = Ipv4Addr::from(u32::from(address) & mask);
    format!("{first}/{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_begins_where_its_prefix_says() {
        let of = |address: &str, prefix| subnet(address.parse().unwrap(), prefix);
        assert_eq!(of("172.31.17.1", 20), "172.31.16.0/20");
        assert_eq!(of("10.0.0.1", 32), "10.0.0.1/32");
        assert_eq!(of("10.0.0.1", 0), "0.0.0.0/0");
    }
}
