//! Rules of network modes and ports.

use std::collections::{BTreeSet, HashSet};

use portcullis_api::ecs::{ContainerDefinition, PortMapping};

use super::{DefinitionFault, Draft, some};

const PORT_NAME_CHARS_MAX: usize = 64;
const PORT_RANGES_MAX: usize = 100;
const APPMESH_PROPERTIES: [&str; 4] = ["IgnoredUID", "AppPorts", "ProxyIngressPort", "ProxyEgressPort"];

pub(super) fn ports(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for (name, container) in draft.containers() {
        let mappings = container.port_mappings.as_deref().unwrap_or_default();
        if !mappings.is_empty() && draft.network_mode() == "none" {
            return Err(DefinitionFault::PortsWithoutNetwork);
        }
        let mut used = BTreeSet::new();
        let mut ranges = 0;
        for mapping in mappings {
            ranges += usize::from(mapping.container_port_range.is_some());
            for port in container_ports(mapping)? {
                if !used.insert(port) {
                    return Err(DefinitionFault::PortUsed(port, name.to_owned()));
                }
            }
            host_port(draft.network_mode(), mapping)?;
        }
        if ranges > PORT_RANGES_MAX {
            return Err(DefinitionFault::PortRanges);
        }
    }
    Ok(())
}

fn container_ports(mapping: &PortMapping) -> Result<std::ops::RangeInclusive<u16>, DefinitionFault> {
    match (mapping.container_port, mapping.container_port_range.as_deref()) {
        (Some(_), Some(_)) => Err(DefinitionFault::PortAndRange),
        (None, None) => Err(DefinitionFault::PortMissing),
        (Some(port), None) => {
            let port = u16::try_from(port)
                .ok()
                .filter(|port| *port > 0)
                .ok_or(DefinitionFault::Port(port))?;
            Ok(port..=port)
        }
        (None, Some(range)) => parse_range(range).ok_or_else(|| DefinitionFault::PortRange(range.to_owned())),
    }
}

/// `FIRST-LAST`, both from 1 to 65,535, the first lower.
fn parse_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first < last).then_some(first..=last)
}

fn host_port(mode: &str, mapping: &PortMapping) -> Result<(), DefinitionFault> {
    let Some(host) = mapping.host_port else {
        return Ok(());
    };
    u16::try_from(host).map_err(|_| DefinitionFault::Port(host))?;
    let must_match = matches!(mode, "awsvpc" | "host");
    if must_match && Some(host) != mapping.container_port {
        return Err(DefinitionFault::HostPort(mode.to_owned()));
    }
    Ok(())
}

pub(super) fn port_names(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let mut seen = HashSet::new();
    let mappings = draft
        .containers()
        .flat_map(|(_, container)| container.port_mappings.iter().flatten());
    for name in mappings.filter_map(|mapping| mapping.name.as_deref()) {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let fits = (1..=PORT_NAME_CHARS_MAX).contains(&name.len());
        if !fits || name.starts_with('-') || !name.bytes().all(known) {
            return Err(DefinitionFault::PortName(name.to_owned()));
        }
        if !seen.insert(name) {
            return Err(DefinitionFault::PortNameUsed(name.to_owned()));
        }
    }
    Ok(())
}

pub(super) fn mode(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if draft.network_mode() != "awsvpc" {
        return Ok(());
    }
    draft
        .containers()
        .try_for_each(|(_, container)| without_own_network(container))
}

fn without_own_network(container: &ContainerDefinition) -> Result<(), DefinitionFault> {
    let fields = [
        ("Links", some(container.links.as_ref())),
        (
            "Hostnames",
            container.hostname.as_deref().is_some_and(|name| !name.is_empty()),
        ),
        ("Extra hosts", some(container.extra_hosts.as_ref())),
        ("DNS servers", some(container.dns_servers.as_ref())),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, given)| *given) {
        return Err(DefinitionFault::AwsvpcField { field });
    }
    if container.disable_networking == Some(true) {
        return Err(DefinitionFault::AwsvpcDisableNetworking);
    }
    Ok(())
}

pub(super) fn proxy(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let Some(proxy) = &draft.input.proxy_configuration else {
        return Ok(());
    };
    if draft.container(&proxy.container_name).is_none() {
        return Err(DefinitionFault::UnknownContainer(proxy.container_name.clone()));
    }
    if proxy.r#type.as_deref().unwrap_or("APPMESH") != "APPMESH" {
        return Ok(());
    }
    if draft.network_mode() != "awsvpc" {
        return Err(DefinitionFault::ProxyNetworkMode);
    }
    let given: Vec<_> = proxy
        .properties
        .iter()
        .flatten()
        .filter_map(|pair| pair.name.as_deref())
        .collect();
    let has = |name: &str| given.contains(&name) || (name == "IgnoredUID" && given.contains(&"IgnoredGID"));
    match APPMESH_PROPERTIES.into_iter().find(|name| !has(name)) {
        Some(missing) => Err(DefinitionFault::ProxyProperty(missing)),
        None => Ok(()),
    }
}
