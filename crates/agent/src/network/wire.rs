//! From the payload's interface and rules to ours (agent.md 5.2). Whatever cannot be read is no permission.

use std::net::Ipv4Addr;

use portcullis_api::acs;

use super::interface::{Interface, SecurityRule, SecurityRules, mac};

/// The interface of an awsvpc task; why it cannot be used.
pub(crate) fn interface_of(wire: &acs::ElasticNetworkInterface) -> Result<Interface, String> {
    let missing = |what: &str| format!("the task's elastic network interface has no usable {what}");
    let ipv4 = wire.ipv4_addresses.iter().flatten();
    let ipv4 = ipv4
        .clone()
        .find(|address| address.primary == Some(true))
        .or_else(|| ipv4.clone().next());
    let ipv4: Option<Ipv4Addr> = ipv4.and_then(|address| address.private_address.as_deref()?.parse().ok());
    let gateway = wire
        .subnet_gateway_ipv4_address
        .as_deref()
        .and_then(|text| text.split_once('/'));
    let (gateway, prefix) = gateway.ok_or_else(|| missing("subnetGatewayIpv4Address"))?;
    let prefix = prefix.parse().ok().filter(|prefix| (1..=32_u8).contains(prefix));
    let v6 = wire
        .ipv6_addresses
        .iter()
        .flatten()
        .filter_map(|v6| v6.address.as_deref()?.parse().ok());
    let servers = wire.domain_name_servers.iter().flatten();
    let security = wire.portcullis_firewall.as_ref();
    Ok(Interface {
        attachment_arn: wire.attachment_arn.clone().unwrap_or_default(),
        mac: wire
            .mac_address
            .as_deref()
            .and_then(mac)
            .ok_or_else(|| missing("macAddress"))?,
        ipv4: ipv4.ok_or_else(|| missing("IPv4 address"))?,
        ipv4_prefix: prefix.ok_or_else(|| missing("subnetGatewayIpv4Address"))?,
        gateway: gateway.parse().map_err(|_| missing("subnetGatewayIpv4Address"))?,
        ipv6: v6.collect(),
        dns_servers: servers.filter_map(|server| server.parse().ok()).collect(),
        dns_search: wire
            .domain_name
            .iter()
            .flatten()
            .filter(|name| is_host_name(name))
            .cloned()
            .collect(),
        host_name: wire.private_dns_name.clone().filter(|name| is_host_name(name)),
        security: security.map(|rules| security_rules(&rules.ingress, &rules.egress)),
    })
}

/// The rules of a task's security groups.
pub(crate) fn security_rules(
    ingress: &[acs::PortcullisFirewallRule],
    egress: &[acs::PortcullisFirewallRule],
) -> SecurityRules {
    SecurityRules {
        ingress: ingress
            .iter()
            .filter_map(|wire| rule(wire, wire.sources.as_deref()))
            .collect(),
        egress: egress
            .iter()
            .filter_map(|wire| rule(wire, wire.destinations.as_deref()))
            .collect(),
    }
}

fn rule(wire: &acs::PortcullisFirewallRule, peers: Option<&[String]>) -> Option<SecurityRule> {
    let Ok(protocol) = wire.protocol.parse() else {
        tracing::warn!(
            protocol = wire.protocol,
            "a security group's rule cannot be read: it allows nothing"
        );
        return None;
    };
    Some(SecurityRule {
        protocol,
        from_port: wire.from_port,
        to_port: wire.to_port,
        peers: peers
            .unwrap_or_default()
            .iter()
            .filter_map(|peer| peer.parse().ok())
            .collect(),
    })
}

/// Docker writes these names into files of the task.
fn is_host_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (1..=253).contains(&name.len()) && name.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> acs::ElasticNetworkInterface {
        acs::ElasticNetworkInterface {
            mac_address: Some("02:00:0a:00:00:0f".into()),
            ipv4_addresses: Some(vec![acs::Ipv4Address {
                primary: Some(true),
                private_address: Some("10.0.0.15".into()),
            }]),
            subnet_gateway_ipv4_address: Some("10.0.0.1/24".into()),
            private_dns_name: Some("ip-10-0-0-15.ec2.internal".into()),
            ..Default::default()
        }
    }

    #[test]
    fn agent_5_2_an_interface_needs_address_hardware_address_and_gateway() {
        let interface = interface_of(&wire()).unwrap();
        assert_eq!(
            (interface.ipv4_prefix, interface.gateway),
            (24, Ipv4Addr::new(10, 0, 0, 1))
        );
        assert_eq!(interface.security, None);
        type Change = fn(&mut acs::ElasticNetworkInterface);
        let broken: [Change; 5] = [
            |wire| wire.mac_address = Some("nonsense".into()),
            |wire| wire.ipv4_addresses = None,
            |wire| wire.subnet_gateway_ipv4_address = Some("10.0.0.1".into()),
            |wire| wire.subnet_gateway_ipv4_address = Some("10.0.0.1/33".into()),
            |wire| wire.subnet_gateway_ipv4_address = Some("x/24".into()),
        ];
        for change in broken {
            let mut wire = wire();
            change(&mut wire);
            assert!(interface_of(&wire).unwrap_err().contains("has no usable"));
        }
    }

    #[test]
    fn what_cannot_be_read_allows_nothing() {
        let rule = |protocol: &str, sources: &[&str]| acs::PortcullisFirewallRule {
            protocol: protocol.into(),
            from_port: 1,
            to_port: 2,
            sources: Some(sources.iter().map(|source| (*source).to_owned()).collect()),
            destinations: None,
        };
        let rules = security_rules(
            &[
                rule("x; accept", &["0.0.0.0/0"]),
                rule("tcp", &["pl-1234", "10.0.0.1/32"]),
            ],
            &[],
        );
        assert_eq!(rules.ingress.len(), 1);
        assert_eq!(
            rules.ingress.first().unwrap().peers,
            ["10.0.0.1".parse().unwrap()]
        );
        let mut hostile = wire();
        hostile.private_dns_name = Some("x\nnameserver 1.2.3.4".into());
        assert_eq!(interface_of(&hostile).unwrap().host_name, None);
    }
}
