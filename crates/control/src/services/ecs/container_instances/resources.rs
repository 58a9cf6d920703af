//! The resources of a container instance, from and to the lists of the API.

use std::collections::BTreeSet;

use portcullis_api::ecs::{PlatformDevice, Resource};

use crate::schedule::resources;
use crate::services::ecs::errors::EcsError;
use crate::world::records::ecs::{ContainerInstance, Load, RegisteredResources};

/// TCP ports no task gets when the agent does not say: SSH, Docker and the agent itself (ecs.md 8).
const RESERVED_PORTS: [u16; 5] = [22, 2375, 2376, 51678, 51679];

/// Reads `totalResources` and `platformDevices`.
pub(super) fn parse(
    given: Option<&[Resource]>,
    devices: Option<&[PlatformDevice]>,
) -> Result<RegisteredResources, EcsError> {
    let given = given.unwrap_or_default();
    let find = |name: &str| {
        given
            .iter()
            .find(|resource| resource.name.as_deref() == Some(name))
    };
    let number = |name: &str| {
        let value = find(name)
            .and_then(|resource| resource.integer_value)
            .filter(|value| *value >= 0);
        value.ok_or_else(|| EcsError::InstanceResource(name.to_owned()))
    };
    let ports = |name: &str| find(name).map(|resource| port_set(resource, name)).transpose();
    let gpus = devices
        .unwrap_or_default()
        .iter()
        .filter(|device| device.r#type == "GPU");
    Ok(RegisteredResources {
        cpu: number("CPU")?,
        memory: number("MEMORY")?,
        ports: ports("PORTS")?.unwrap_or_else(|| BTreeSet::from(RESERVED_PORTS)),
        udp_ports: ports("PORTS_UDP")?.unwrap_or_default(),
        gpus: gpus.map(|device| device.id.clone()).collect(),
    })
}

fn port_set(resource: &Resource, name: &str) -> Result<BTreeSet<u16>, EcsError> {
    let texts = resource.string_set_value.iter().flatten();
    let ports: Result<_, _> = texts.map(|text| text.parse()).collect();
    ports.map_err(|_| EcsError::InstanceResource(name.to_owned()))
}

/// `registeredResources`.
pub(super) fn registered(instance: &ContainerInstance) -> Vec<Resource> {
    let whole = &instance.resources;
    list(
        whole.cpu,
        whole.memory,
        &whole.ports,
        &whole.udp_ports,
        &whole.gpus,
    )
}

/// `remainingResources`; ports are those in use.
pub(super) fn remaining(instance: &ContainerInstance, load: &Load) -> Vec<Resource> {
    let left = resources::remaining(instance, Some(load));
    let number = |value: i64| i32::try_from(value).unwrap_or_default();
    let gpus = &instance.resources.gpus;
    list(
        number(left.cpu),
        number(left.memory),
        &left.load.ports,
        &left.load.udp_ports,
        gpus,
    )
}

fn list(cpu: i32, memory: i32, tcp: &BTreeSet<u16>, udp: &BTreeSet<u16>, gpus: &[String]) -> Vec<Resource> {
    let ports = |ports: &BTreeSet<u16>| ports.iter().map(ToString::to_string).collect();
    let mut all = vec![
        number("CPU", cpu),
        number("MEMORY", memory),
        texts("PORTS", ports(tcp)),
        texts("PORTS_UDP", ports(udp)),
    ];
    if !gpus.is_empty() {
        all.push(texts("GPU", gpus.to_vec()));
    }
    all
}

fn number(name: &str, value: i32) -> Resource {
    Resource {
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(value),
        ..empty(name)
    }
}

fn texts(name: &str, values: Vec<String>) -> Resource {
    Resource {
        r#type: Some("STRINGSET".to_owned()),
        string_set_value: Some(values),
        ..empty(name)
    }
}

fn empty(name: &str) -> Resource {
    Resource {
        name: Some(name.to_owned()),
        double_value: Some(0.0),
        long_value: Some(0),
        integer_value: Some(0),
        ..Resource::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_and_memory_are_needed_and_ports_have_defaults() {
        let parsed = parse(Some(&[number("CPU", 2048), number("MEMORY", 4096)]), None).unwrap();
        assert_eq!((parsed.cpu, parsed.memory), (2048, 4096));
        assert_eq!(parsed.ports, BTreeSet::from(RESERVED_PORTS));
        let own = [
            number("CPU", 1),
            number("MEMORY", 1),
            texts("PORTS", vec!["8080".to_owned()]),
        ];
        assert_eq!(parse(Some(&own), None).unwrap().ports, BTreeSet::from([8080]));
        let cases = [
            (vec![number("CPU", 1)], "MEMORY"),
            (vec![number("CPU", -1), number("MEMORY", 1)], "CPU"),
            (
                vec![
                    number("CPU", 1),
                    number("MEMORY", 1),
                    texts("PORTS", vec!["x".to_owned()]),
                ],
                "PORTS",
            ),
        ];
        for (given, bad) in cases {
            assert_eq!(
                parse(Some(&given), None),
                Err(EcsError::InstanceResource(bad.to_owned())),
                "{given:?}"
            );
        }
    }
}
