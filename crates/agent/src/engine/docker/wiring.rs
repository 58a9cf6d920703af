//! A container's place in the network, in Docker's words. In mode awsvpc the task's containers share everything that
//! has to do with names and addresses with its pause container, and Docker refuses them settings of their own.

use bollard::models::{ContainerCreateBody, HostConfig};

use crate::network::{Interface, Wiring};

/// Lays the wiring over what the definition says.
pub(super) fn wire(body: &mut ContainerCreateBody, wiring: &Wiring) {
    match wiring {
        Wiring::AsDefined | Wiring::Host(_) => {}
        Wiring::Pause(interface) => hold(body, interface),
        Wiring::Joined(pause) => join(body, pause),
    }
}

fn hold(body: &mut ContainerCreateBody, interface: &Interface) {
    let host = body.host_config.get_or_insert_default();
    host.network_mode = Some("none".to_owned());
    let texts =
        |all: &mut dyn Iterator<Item = String>| Some(all.collect::<Vec<_>>()).filter(|all| !all.is_empty());
    host.dns = texts(&mut interface.dns_servers.iter().map(ToString::to_string));
    host.dns_search = texts(&mut interface.dns_search.iter().cloned());
    if let Some(name) = &interface.host_name {
        host.extra_hosts = Some(vec![format!("{name}:{}", interface.ipv4)]);
        body.hostname = Some(name.clone());
    }
}

fn join(body: &mut ContainerCreateBody, pause: &str) {
    body.hostname = None;
    body.domainname = None;
    body.exposed_ports = None;
    let host = body.host_config.get_or_insert_default();
    *host = HostConfig {
        network_mode: Some(format!("container:{pause}")),
        port_bindings: None,
        publish_all_ports: None,
        links: None,
        dns: None,
        dns_options: None,
        dns_search: None,
        extra_hosts: None,
        ..std::mem::take(host)
    };
}
