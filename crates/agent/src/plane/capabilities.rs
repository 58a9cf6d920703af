//! What the instance says it can do and has to give (agent.md 5.1). Placement matches task definitions against it, so
//! only what this agent honours is named.

use portcullis_api::ecs::{Attribute, Resource};

use crate::{Config, EngineKind};

const PREFIXED: &str = "com.amazonaws.ecs.capability.";
/// Versions of Docker's API that task definitions may ask for.
const DOCKER_API_VERSIONS: [&str; 13] = [
    "1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.28", "1.29", "1.30", "1.32",
];
const BOTH_ENGINES: [&str; 5] = [
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.task-iam-role-network-host",
    "ecs.capability.container-ordering",
    "ecs.capability.execute-command",
    "ecs.capability.full-sync",
];
const DOCKER_ONLY: [&str; 5] = [
    "com.amazonaws.ecs.capability.privileged-container",
    "ecs.capability.container-health-check",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.external",
];
const DOCKER_LOG_DRIVERS: [&str; 5] = ["json-file", "syslog", "awslogs", "fluentd", "none"];
const PROCESS_LOG_DRIVERS: [&str; 2] = ["json-file", "none"];
const RESERVED_PORTS: [&str; 5] = ["22", "2375", "2376", "51678", "51679"];

/// Custom attributes first (only at the first registration), then capabilities, then facts of the machine.
pub(super) fn attributes(config: &Config, kind: EngineKind, first_time: bool) -> Vec<Attribute> {
    let custom = config.attributes.iter().filter(|_| first_time);
    let custom = custom.map(|(name, value)| attribute(name, Some(value)));
    let only: (&[&str], &[&str]) = match kind {
        EngineKind::Docker => (&DOCKER_ONLY, &DOCKER_LOG_DRIVERS),
        EngineKind::Process => (&[], &PROCESS_LOG_DRIVERS),
    };
    let capabilities = BOTH_ENGINES
        .iter()
        .chain(only.0)
        .map(|name| attribute(name, None));
    let versions = DOCKER_API_VERSIONS
        .iter()
        .map(|v| attribute(&format!("{PREFIXED}docker-remote-api.{v}"), None));
    let drivers = only
        .1
        .iter()
        .map(|driver| attribute(&format!("{PREFIXED}logging-driver.{driver}"), None));
    let machine = [
        ("ecs.os-type", "linux"),
        ("ecs.os-family", "LINUX"),
        ("ecs.cpu-architecture", architecture()),
    ];
    let machine = machine.map(|(name, value)| attribute(name, Some(value)));
    custom
        .chain(capabilities)
        .chain(versions)
        .chain(drivers)
        .chain(machine)
        .collect()
}

fn attribute(name: &str, value: Option<&str>) -> Attribute {
    Attribute {
        name: name.to_owned(),
        value: value.map(ToOwned::to_owned),
        ..Attribute::default()
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}

/// CPU units, MiB of memory, and the ports the host keeps for itself.
pub(super) fn resources(config: &Config) -> Vec<Resource> {
    let number = |name: &str, value: i32| Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(value),
        ..Resource::default()
    };
    let ports = |name: &str, ports: &[&str]| Resource {
        name: Some(name.to_owned()),
        r#type: Some("STRINGSET".to_owned()),
        string_set_value: Some(ports.iter().map(|port| (*port).to_owned()).collect()),
        ..Resource::default()
    };
    vec![
        number("CPU", config.cpu_units.unwrap_or_else(machine_cpu_units)),
        number("MEMORY", config.memory_mib.unwrap_or_else(machine_memory_mib)),
        ports("PORTS", &RESERVED_PORTS),
        ports("PORTS_UDP", &[]),
    ]
}

fn machine_cpu_units() -> i32 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    i32::try_from(cores.saturating_mul(1024)).unwrap_or(i32::MAX)
}

fn machine_memory_mib() -> i32 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .split_whitespace()
            .next()?
            .parse::<i64>()
            .ok()
    });
    i32::try_from(kib.unwrap_or_default() / 1024).unwrap_or(i32::MAX)
}
