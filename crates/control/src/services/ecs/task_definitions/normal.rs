//! The normal form of a definition: defaults filled in, as Describe shows it.

use portcullis_api::ecs::{self as api, ContainerDefinition, HealthCheck, PortMapping};

use super::compatibility::compatibilities;
use super::requirements::required_attributes;
use super::rules::Draft;

/// A checked definition with its defaults and what follows from it. Identity and life are still missing.
pub(super) fn normal(draft: Draft<'_>) -> api::TaskDefinition {
    let input = draft.input;
    let mode = draft.network_mode();
    let containers = input
        .container_definitions
        .iter()
        .map(|container| with_defaults(container, mode));
    api::TaskDefinition {
        family: Some(input.family.clone()),
        container_definitions: Some(containers.collect()),
        network_mode: input.network_mode.clone(),
        volumes: Some(input.volumes.clone().unwrap_or_default()),
        placement_constraints: Some(input.placement_constraints.clone().unwrap_or_default()),
        requires_attributes: Some(required_attributes(draft)),
        compatibilities: Some(compatibilities(draft)),
        requires_compatibilities: input.requires_compatibilities.clone(),
        runtime_platform: input.runtime_platform.clone(),
        cpu: draft.size.cpu.map(|cpu| cpu.to_string()),
        memory: draft.size.memory.map(|memory| memory.to_string()),
        pid_mode: input.pid_mode.clone(),
        ipc_mode: input.ipc_mode.clone(),
        proxy_configuration: input.proxy_configuration.clone(),
        ephemeral_storage: input.ephemeral_storage.clone(),
        enable_fault_injection: input.enable_fault_injection,
        trusted_execution_configuration: input.trusted_execution_configuration.clone(),
        ..api::TaskDefinition::default()
    }
}

fn with_defaults(container: &ContainerDefinition, mode: &str) -> ContainerDefinition {
    let ports = container
        .port_mappings
        .iter()
        .flatten()
        .map(|mapping| with_port_defaults(mapping, mode));
    ContainerDefinition {
        cpu: Some(container.cpu.unwrap_or(0)),
        essential: Some(container.essential.unwrap_or(true)),
        environment: Some(container.environment.clone().unwrap_or_default()),
        mount_points: Some(container.mount_points.clone().unwrap_or_default()),
        volumes_from: Some(container.volumes_from.clone().unwrap_or_default()),
        system_controls: Some(container.system_controls.clone().unwrap_or_default()),
        port_mappings: Some(ports.collect()),
        health_check: container.health_check.as_ref().map(with_check_defaults),
        ..container.clone()
    }
}

fn with_port_defaults(mapping: &PortMapping, mode: &str) -> PortMapping {
    let host_port = match (mapping.host_port, mapping.container_port) {
        (Some(port), _) => Some(port),
        (None, None) => None,
        (None, Some(port)) if matches!(mode, "host" | "awsvpc") => Some(port),
        (None, Some(_)) => Some(0),
    };
    let protocol = mapping.protocol.clone().unwrap_or_else(|| "tcp".to_owned());
    PortMapping {
        host_port,
        protocol: Some(protocol),
        ..mapping.clone()
    }
}

fn with_check_defaults(check: &HealthCheck) -> HealthCheck {
    HealthCheck {
        interval: Some(check.interval.unwrap_or(30)),
        timeout: Some(check.timeout.unwrap_or(5)),
        retries: Some(check.retries.unwrap_or(3)),
        ..check.clone()
    }
}
