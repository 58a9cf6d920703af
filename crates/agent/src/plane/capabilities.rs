//! What the instance says it can do and has to give (agent.md 5.1). Placement matches task definitions against it, so
//! only what this agent honours is named.

use portcullis_api::ecs::{Attribute, Resource};

use crate::network::pause_is_possible;
use crate::{Config, EngineKind};

const PREFIXED: &str = "com.amazonaws.ecs.capability.";
/// Whether the tasks are those of launch type EXTERNAL.
const EXTERNAL: &str = "ecs.capability.external";
/// Whether tasks come from its own principal alone: nothing but what [`Config::only_command`] lets start would run.
const OWN_TASKS_ONLY: &str = "portcullis.capability.own-tasks-only";
/// Versions of Docker's API that task definitions may ask for.
const DOCKER_API_VERSIONS: [&str; 13] = [
    "1.17", "1.18", "1.19", "1.20", "1.21", "1.22", "1.23", "1.24", "1.25", "1.28", "1.29", "1.30", "1.32",
];
const BOTH_ENGINES: [&str; 7] = [
    "ecs.capability.container-ordering",
    "ecs.capability.container-restart-policy",
    "ecs.capability.env-files.s3",
    "ecs.capability.execute-command",
    "ecs.capability.full-sync",
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.environment-variables",
];
const DOCKER_ONLY: [&str; 9] = [
    "com.amazonaws.ecs.capability.ecr-auth",
    "ecs.capability.container-health-check",
    "ecs.capability.execution-role-awslogs",
    "ecs.capability.execution-role-ecr-pull",
    "ecs.capability.private-registry-authentication.secretsmanager",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.docker-plugin.local",
    "ecs.capability.network.container-port-range",
];
/// `pidMode` and `ipcMode`; `task` needs a container that holds what is shared.
const NAMESPACES: &str = "ecs.capability.pid-ipc-namespace-sharing";
const PROCESS_LOG_DRIVERS: [&str; 2] = ["json-file", "none"];

/// Custom attributes first (only at the first registration), then capabilities, then facts of the machine.
pub(super) fn attributes(config: &Config, kind: EngineKind, first_time: bool) -> Vec<Attribute> {
    let custom = config.attributes.iter().filter(|_| first_time);
    let custom = custom.map(|(name, value)| attribute(name, Some(value)));
    let docker = kind == EngineKind::Docker;
    let always = BOTH_ENGINES.iter().chain(DOCKER_ONLY.iter().filter(|_| docker));
    let capabilities = always
        .map(|name| (*name).to_owned())
        .chain(config.host.external.then(|| EXTERNAL.to_owned()))
        .chain(config.only_command.as_ref().map(|_| OWN_TASKS_ONLY.to_owned()))
        .chain((docker && pause_is_possible()).then(|| NAMESPACES.to_owned()))
        .chain(optional(config, docker));
    let versions = DOCKER_API_VERSIONS
        .iter()
        .map(|v| format!("{PREFIXED}docker-remote-api.{v}"));
    let drivers: Vec<_> = match kind {
        EngineKind::Docker => config.host.logging_drivers.iter().map(String::as_str).collect(),
        EngineKind::Process => PROCESS_LOG_DRIVERS.into(),
    };
    let drivers = drivers
        .into_iter()
        .map(|driver| format!("{PREFIXED}logging-driver.{driver}"));
    let network = config.network_capabilities.iter().map(|name| (*name).to_owned());
    let capabilities = capabilities
        .chain(versions)
        .chain(drivers)
        .chain(network)
        .map(|name| attribute(&name, None));
    let machine = [
        ("ecs.os-type", "linux"),
        ("ecs.os-family", "LINUX"),
        ("ecs.cpu-architecture", architecture()),
    ];
    let machine = machine.map(|(name, value)| attribute(name, Some(value)));
    let places = config.vpc.iter().flat_map(|(vpc, subnet)| {
        [
            attribute("ecs.vpc-id", Some(vpc)),
            attribute("ecs.subnet-id", Some(subnet)),
        ]
    });
    custom.chain(capabilities).chain(machine).chain(places).collect()
}

/// What the operator may have turned off or on.
fn optional(config: &Config, docker: bool) -> impl Iterator<Item = String> {
    let roles = config.host.task_roles;
    let found = [
        ("task-iam-role", roles),
        // On Docker only where the task network can tell such a task: it says so itself.
        (
            "task-iam-role-network-host",
            roles && config.host_task_roles && !docker,
        ),
        (
            "privileged-container",
            docker && !config.containers.privileged_disabled,
        ),
        ("task-cpu-mem-limit", docker && config.containers.task_limits),
        ("selinux", docker && config.host.selinux),
        ("apparmor", docker && config.host.apparmor),
    ];
    found
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| format!("{PREFIXED}{name}"))
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
    let ports = |name: &str, ports: &[u16]| Resource {
        name: Some(name.to_owned()),
        r#type: Some("STRINGSET".to_owned()),
        string_set_value: Some(ports.iter().map(u16::to_string).collect()),
        ..Resource::default()
    };
    let host = &config.host;
    let reserved = i32::try_from(host.reserved_memory_mib).unwrap_or(i32::MAX);
    let memory = config
        .memory_mib
        .unwrap_or_else(machine_memory_mib)
        .saturating_sub(reserved);
    vec![
        number("CPU", config.cpu_units.unwrap_or_else(machine_cpu_units)),
        number("MEMORY", memory.max(0)),
        ports("PORTS", &host.reserved_ports),
        ports("PORTS_UDP", &host.reserved_ports_udp),
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

#[cfg(test)]
mod tests {
    use portcullis_core::Secret;

    use super::*;
    use crate::{CredentialsSource, InstanceCredentials};

    fn config() -> Config {
        let credentials = CredentialsSource::Static(InstanceCredentials {
            access_key_id: "AK".into(),
            secret_access_key: Secret::new("sk"),
            session_token: None,
        });
        Config::new(
            "probe",
            "us-west-2".parse().unwrap(),
            "http://h",
            credentials,
            "/state",
        )
    }

    #[test]
    fn agent_7_variables_change_what_is_offered() {
        let names = |config: &Config| -> Vec<String> {
            let all = attributes(config, EngineKind::Docker, true);
            all.into_iter().map(|attribute| attribute.name).collect()
        };
        let mut config = config();
        let before = names(&config);
        config.containers.privileged_disabled = true;
        config.host.task_roles = false;
        config.host.selinux = true;
        config.host.external = true;
        config.host.logging_drivers = vec!["none".into()];
        config.host.reserved_ports = vec![22];
        config.host.reserved_memory_mib = 100;
        config.memory_mib = Some(300);
        let after = names(&config);
        let changed: Vec<_> = before.iter().filter(|name| !after.contains(name)).collect();
        insta::assert_debug_snapshot!((
            changed,
            resources(&config)[1].integer_value,
            &resources(&config)[2].string_set_value
        ));
        assert!(after.contains(&format!("{PREFIXED}selinux")));
        assert!(before.iter().any(|name| name == NAMESPACES));
        let of_processes = attributes(&config, EngineKind::Process, true);
        assert!(of_processes.iter().all(|one| one.name != NAMESPACES));
        assert!(after.iter().any(|name| name == EXTERNAL) && !before.iter().any(|name| name == EXTERNAL));
    }
}
