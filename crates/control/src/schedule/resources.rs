//! What tasks take of a container instance and what it has left (ecs.md 8).

use portcullis_api::ecs as api;

use crate::world::records::ecs::{ContainerInstance, Load, Reservation};

/// What a task takes: the sizes of the whole task if it has any, otherwise those of its containers together.
pub fn reservation(definition: &api::TaskDefinition, overrides: &api::TaskOverride) -> Reservation {
    let containers = definition.container_definitions.as_deref().unwrap_or_default();
    let sized = |own: &Option<String>, default: &Option<String>| {
        own.as_ref()
            .or(default.as_ref())
            .and_then(|text| text.parse::<i32>().ok())
    };
    let sum = |size: &dyn Fn(&api::ContainerDefinition) -> i32| {
        containers
            .iter()
            .fold(0_i32, |sum, container| sum.saturating_add(size(container)))
    };
    let cpu = sized(&overrides.cpu, &definition.cpu);
    let memory = sized(&overrides.memory, &definition.memory);
    let mut reservation = Reservation {
        cpu: cpu.unwrap_or_else(|| sum(&|container| effective(container, overrides).cpu)),
        memory: memory.unwrap_or_else(|| sum(&|container| effective(container, overrides).reserved())),
        ..Reservation::default()
    };
    if definition.network_mode.as_deref() == Some("awsvpc") {
        reservation.interfaces = 1;
    } else {
        reserve_ports(&mut reservation, containers);
    }
    reservation
}

fn reserve_ports(reservation: &mut Reservation, containers: &[api::ContainerDefinition]) {
    let mappings = containers
        .iter()
        .flat_map(|container| container.port_mappings.iter().flatten());
    for mapping in mappings {
        let port = mapping
            .host_port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0);
        match (port, mapping.protocol.as_deref()) {
            (Some(port), Some("udp")) => drop(reservation.udp_ports.insert(port)),
            (Some(port), _) => drop(reservation.ports.insert(port)),
            (None, _) => {}
        }
    }
}

/// The sizes of one container after overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSize {
    /// CPU units.
    pub cpu: i32,
    /// Hard limit in MiB.
    pub memory: Option<i32>,
    /// Soft limit in MiB.
    pub memory_reservation: Option<i32>,
}

impl ContainerSize {
    /// The MiB that count: the soft limit if there is one.
    fn reserved(self) -> i32 {
        self.memory_reservation.or(self.memory).unwrap_or_default()
    }
}

/// The sizes of a container with what the caller changed.
pub fn effective(container: &api::ContainerDefinition, overrides: &api::TaskOverride) -> ContainerSize {
    let own = override_of(overrides, container.name.as_deref().unwrap_or_default());
    ContainerSize {
        cpu: own.and_then(|own| own.cpu).or(container.cpu).unwrap_or_default(),
        memory: own.and_then(|own| own.memory).or(container.memory),
        memory_reservation: own
            .and_then(|own| own.memory_reservation)
            .or(container.memory_reservation),
    }
}

/// What the caller changed of one container.
pub fn override_of<'a>(
    overrides: &'a api::TaskOverride,
    container: &str,
) -> Option<&'a api::ContainerOverride> {
    overrides
        .container_overrides
        .iter()
        .flatten()
        .find(|own| own.name.as_deref() == Some(container))
}

/// What a container instance has left for new tasks; ports are those that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remaining {
    /// CPU units; negative when more is reserved than there is.
    pub cpu: i64,
    /// MiB; negative when more is reserved than there is.
    pub memory: i64,
    /// Ports and what the tasks hold.
    pub load: Load,
}

/// What an instance has left under a load.
pub fn remaining(instance: &ContainerInstance, load: Option<&Load>) -> Remaining {
    let mut load = load.cloned().unwrap_or_default();
    load.ports.extend(&instance.resources.ports);
    load.udp_ports.extend(&instance.resources.udp_ports);
    Remaining {
        cpu: i64::from(instance.resources.cpu) - i64::from(load.cpu),
        memory: i64::from(instance.resources.memory) - i64::from(load.memory),
        load,
    }
}

impl Remaining {
    /// Takes a task's share.
    pub fn take(&mut self, reservation: &Reservation) {
        self.keep(reservation);
        self.load.pending_tasks += 1;
    }

    /// Keeps room for a task.
    pub fn keep(&mut self, reservation: &Reservation) {
        self.cpu -= i64::from(reservation.cpu);
        self.memory -= i64::from(reservation.memory);
        self.load.ports.extend(&reservation.ports);
        self.load.udp_ports.extend(&reservation.udp_ports);
        self.load.interfaces += reservation.interfaces;
    }

    /// How many tasks run or are on their way to run.
    pub fn tasks(&self) -> i64 {
        i64::from(self.load.running_tasks) + i64::from(self.load.pending_tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, cpu: i32, memory: Option<i32>, soft: Option<i32>) -> api::ContainerDefinition {
        api::ContainerDefinition {
            name: Some(name.to_owned()),
            cpu: Some(cpu),
            memory,
            memory_reservation: soft,
            ..Default::default()
        }
    }

    fn port(host: i32, protocol: &str) -> api::PortMapping {
        api::PortMapping {
            container_port: Some(80),
            host_port: Some(host),
            protocol: Some(protocol.to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn the_tasks_own_size_counts_before_its_containers() {
        let mut definition = api::TaskDefinition {
            container_definitions: Some(vec![
                container("a", 100, Some(300), Some(200)),
                container("b", 20, Some(64), None),
            ]),
            ..Default::default()
        };
        let none = api::TaskOverride::default();
        let sum = reservation(&definition, &none);
        assert_eq!((sum.cpu, sum.memory), (120, 264));
        definition.memory = Some("512".to_owned());
        let mixed = reservation(&definition, &none);
        assert_eq!((mixed.cpu, mixed.memory), (120, 512));
        let own = api::ContainerOverride {
            name: Some("b".to_owned()),
            cpu: Some(50),
            ..Default::default()
        };
        let overrides = api::TaskOverride {
            memory: Some("1024".to_owned()),
            container_overrides: Some(vec![own]),
            ..Default::default()
        };
        let overridden = reservation(&definition, &overrides);
        assert_eq!((overridden.cpu, overridden.memory), (150, 1024));
    }

    #[test]
    fn static_host_ports_are_reserved_and_of_awsvpc_an_interface() {
        let mut web = container("a", 0, None, None);
        web.port_mappings = Some(vec![port(0, "tcp"), port(8080, "tcp"), port(53, "udp")]);
        let mut definition = api::TaskDefinition {
            container_definitions: Some(vec![web]),
            ..Default::default()
        };
        let none = api::TaskOverride::default();
        let bridge = reservation(&definition, &none);
        assert_eq!(
            (Vec::from_iter(bridge.ports), Vec::from_iter(bridge.udp_ports)),
            (vec![8080], vec![53])
        );
        definition.network_mode = Some("awsvpc".to_owned());
        let own = Reservation {
            interfaces: 1,
            ..Reservation::default()
        };
        assert_eq!(reservation(&definition, &none), own);
    }
}
