//! From Docker's inspect answer to what the agent needs to know.

use std::net::IpAddr;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, HealthStatusEnum, NetworkSettings,
};
use portcullis_core::Timestamp;

use super::super::{Exit, Facts, Observed};
use crate::task::model::{Health, NetworkBinding};

/// Reason of a container the kernel ended for want of memory [M].
const REASON_OOM: &str = "OutOfMemoryError: Container killed due to memory usage";

/// Reads the answer.
pub(super) fn observed(container: &ContainerInspectResponse, exclude_ipv6: bool) -> Observed {
    let runtime_id = container.id.clone().unwrap_or_default();
    let Some(state) = &container.state else {
        return Observed::Missing;
    };
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => Observed::Created,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::DEAD) => {
            Observed::Exited(exit(runtime_id, state))
        }
        // A container being removed was told to end; it is reported missing once it is gone.
        Some(_) => Observed::Running(facts(runtime_id, container, state, exclude_ipv6)),
        None => Observed::Missing,
    }
}

fn exit(runtime_id: String, state: &ContainerState) -> Exit {
    let reason = match (&state.error, state.oom_killed) {
        (_, Some(true)) => Some(REASON_OOM.to_owned()),
        (Some(error), _) if !error.is_empty() => Some(format!(
            "CannotStartContainerError: Error response from daemon: {error}"
        )),
        _ => None,
    };
    Exit {
        runtime_id,
        code: state.exit_code.and_then(|code| i32::try_from(code).ok()),
        reason,
        finished_at: time(state.finished_at.as_deref()),
    }
}

fn facts(
    runtime_id: String,
    container: &ContainerInspectResponse,
    state: &ContainerState,
    exclude_ipv6: bool,
) -> Facts {
    let network = container.network_settings.as_ref();
    Facts {
        runtime_id,
        image_id: container.image.clone(),
        created_at: time(container.created.as_deref()),
        started_at: time(state.started_at.as_deref()),
        health: health(state),
        bindings: network
            .map(|network| bindings(network, exclude_ipv6))
            .unwrap_or_default(),
        addresses: network.map(addresses).unwrap_or_default(),
        host_network: container
            .host_config
            .as_ref()
            .and_then(|host| host.network_mode.as_deref())
            == Some("host"),
    }
}

fn health(state: &ContainerState) -> Health {
    match state.health.as_ref().and_then(|health| health.status) {
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        _ => Health::Unknown,
    }
}

/// IPv6 bindings of the unspecified address are left out, the genuine agent's default (agent.md 5.1).
fn bindings(network: &NetworkSettings, exclude_ipv6: bool) -> Vec<NetworkBinding> {
    let mut bindings = Vec::new();
    for (key, hosts) in network.ports.iter().flatten() {
        let Some((port, protocol)) = key.split_once('/') else {
            continue;
        };
        let Ok(container_port) = port.parse() else {
            continue;
        };
        for host in hosts.iter().flatten() {
            let bind_ip = host.host_ip.clone().unwrap_or_default();
            let Some(host_port) = host.host_port.as_deref().and_then(|port| port.parse().ok()) else {
                continue;
            };
            if !exclude_ipv6 || bind_ip != "::" {
                bindings.push(NetworkBinding {
                    bind_ip,
                    container_port,
                    host_port,
                    protocol: protocol.to_owned(),
                });
            }
        }
    }
    bindings.sort_by_key(|binding| (binding.container_port, binding.host_port));
    bindings
}

fn addresses(network: &NetworkSettings) -> Vec<IpAddr> {
    let endpoints = network.networks.iter().flatten().map(|(_, endpoint)| endpoint);
    endpoints
        .flat_map(|endpoint| [&endpoint.ip_address, &endpoint.global_ipv6_address])
        .filter_map(|text| text.as_deref()?.parse().ok())
        .collect()
}

/// Docker's zero time is year 1.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok().filter(|time: &Timestamp| time.as_millis() > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn see(mut state: Value) -> Observed {
        state["StartedAt"] = json!("2026-11-21T23:39:16.034451251Z");
        let container = json!({
            "Id": "9e8f", "Image": "sha256:7c", "Created": "2026-11-21T23:39:15.5Z", "State": state,
            "HostConfig": {"NetworkMode": "bridge"},
            "NetworkSettings": {
                "Ports": {"8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}], "9/udp": null},
                "Networks": {"bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": ""}}
            }
        });
        observed(&serde_json::from_value(container).unwrap(), true)
    }

    #[test]
    fn a_running_container_shows_its_addresses_and_ports() {
        insta::assert_debug_snapshot!(see(json!({"Status": "running", "Health": {"Status": "healthy"}})));
    }

    #[test]
    fn agent_8_ends_have_their_code_and_reason() {
        let end = |state| match see(state) {
            Observed::Exited(exit) => (exit.code, exit.reason, exit.finished_at),
            other => panic!("{other:?}"),
        };
        let cases = [
            (
                json!({"Status": "exited", "ExitCode": 7, "FinishedAt": "2026-11-21T23:39:17Z"}),
                Some(7),
                None,
            ),
            (
                json!({"Status": "exited", "ExitCode": 137, "OOMKilled": true}),
                Some(137),
                Some(REASON_OOM.to_owned()),
            ),
            (
                json!({"Status": "dead", "ExitCode": 128, "Error": "no space"}),
                Some(128),
                Some("CannotStartContainerError: Error response from daemon: no space".to_owned()),
            ),
        ];
        for (state, code, reason) in cases {
            let seen = end(state.clone());
            assert_eq!((seen.0, seen.1), (code, reason), "{state}");
        }
        assert_eq!(
            end(json!({"Status": "exited", "FinishedAt": "0001-01-01T00:00:00Z"})).2,
            None
        );
        assert_eq!(see(json!({"Status": "created"})), Observed::Created);
    }
}
