//! Every variable, one row each.

use portcullis_core::{Secret, Tag};

use super::read::{duration, flag, json, number, port_range};
use crate::config::Rollover;
use crate::{Config, ImageCleanup, PullBehavior, RateLimit};

/// A configuration variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name, the genuine agent's.
    pub name: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// One line.
    pub meaning: &'static str,
    /// What it does here.
    pub effect: Effect,
}

/// What a variable does.
#[derive(Debug, Clone, Copy)]
pub enum Effect {
    /// Sets something; an error says why its value cannot be used.
    Sets(fn(&mut Config, &str) -> Result<(), String>),
    /// Read by the command itself, for an option may say otherwise.
    AtStart,
    /// Nothing, and why.
    Ignored(&'static str),
}

/// All of them.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "ECS_CLUSTER",
        default: "default",
        meaning: "cluster to join, name or ARN; `--cluster` wins",
        effect: Effect::AtStart,
    },
    Variable {
        name: "ECS_BACKEND_HOST",
        default: "`AWS_ENDPOINT_URL`",
        meaning: "address of the control plane, `http://` is added where it is missing; `--endpoint` wins",
        effect: Effect::AtStart,
    },
    Variable {
        name: "AWS_ENDPOINT_URL",
        default: "none",
        meaning: "the same, where `ECS_BACKEND_HOST` is not set",
        effect: Effect::AtStart,
    },
    Variable {
        name: "AWS_DEFAULT_REGION",
        default: "`us-east-1`",
        meaning: "region to sign for; `--region` wins",
        effect: Effect::AtStart,
    },
    Variable {
        name: "AWS_ACCESS_KEY_ID",
        default: "none",
        meaning: "credentials of the container instance, with the two below",
        effect: Effect::AtStart,
    },
    Variable {
        name: "AWS_SECRET_ACCESS_KEY",
        default: "none",
        meaning: "",
        effect: Effect::AtStart,
    },
    Variable {
        name: "AWS_SESSION_TOKEN",
        default: "none",
        meaning: "",
        effect: Effect::AtStart,
    },
    Variable {
        name: "ECS_EXTERNAL",
        default: "false",
        meaning: "register as an external instance: it takes tasks of launch type EXTERNAL alone, none in awsvpc mode; without it tasks of launch type EC2",
        effect: Effect::Sets(|config, text| set(&mut config.host.external, flag(text))),
    },
    Variable {
        name: "ECS_DATADIR",
        default: "`./portcullis-agent`",
        meaning: "folder of the agent's state; `--state-dir` wins",
        effect: Effect::AtStart,
    },
    Variable {
        name: "ECS_CHECKPOINT",
        default: "true",
        meaning: "",
        effect: Effect::Ignored("the state is always kept"),
    },
    Variable {
        name: "ECS_HOST_DATA_DIR",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("this agent is no container"),
    },
    Variable {
        name: "DOCKER_HOST",
        default: "`unix:///var/run/docker.sock`",
        meaning: "Docker Engine to use; `--docker-host` wins",
        effect: Effect::AtStart,
    },
    Variable {
        name: "ECS_RESERVED_PORTS",
        default: "`[22,2375,2376,51678,51679]`",
        meaning: "TCP ports no task is given",
        effect: Effect::Sets(|config, text| {
            set(&mut config.host.reserved_ports, json(text, "list of ports"))
        }),
    },
    Variable {
        name: "ECS_RESERVED_PORTS_UDP",
        default: "`[]`",
        meaning: "UDP ports no task is given",
        effect: Effect::Sets(|config, text| {
            set(&mut config.host.reserved_ports_udp, json(text, "list of ports"))
        }),
    },
    Variable {
        name: "ECS_RESERVED_MEMORY",
        default: "0",
        meaning: "MiB not offered to tasks",
        effect: Effect::Sets(|config, text| set(&mut config.host.reserved_memory_mib, number(text))),
    },
    Variable {
        name: "ECS_ENABLE_TASK_IAM_ROLE",
        default: "true (genuine: false; its ecs-init: true)",
        meaning: "whether tasks with a role are placed here",
        effect: Effect::Sets(|config, text| set(&mut config.host.task_roles, flag(text))),
    },
    Variable {
        name: "ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST",
        default: "true (genuine: false; its ecs-init: true)",
        meaning: "whether host-mode tasks with a role are placed here; `false` also keeps host-mode tasks from the host's metadata service",
        effect: Effect::Sets(|config, text| set(&mut config.host_task_roles, flag(text))),
    },
    Variable {
        name: "ECS_ENABLE_TASK_ENI",
        default: "true",
        meaning: "whether awsvpc tasks are placed here",
        effect: Effect::Sets(|config, text| set(&mut config.task_eni, flag(text))),
    },
    Variable {
        name: "ECS_AWSVPC_BLOCK_IMDS",
        default: "true (genuine: false)",
        meaning: "keep awsvpc tasks from the host's metadata service",
        effect: Effect::Sets(|config, text| set(&mut config.awsvpc_block_imds, flag(text).map(Some))),
    },
    Variable {
        name: "ECS_ENABLE_HIGH_DENSITY_ENI",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("there are no trunk interfaces"),
    },
    Variable {
        name: "ECS_AWSVPC_ADDITIONAL_LOCAL_ROUTES",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("tasks are routed by the host"),
    },
    Variable {
        name: "ECS_CNI_PLUGINS_PATH",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("no plugins are used"),
    },
    Variable {
        name: "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("always on"),
    },
    Variable {
        name: "ECS_AVAILABLE_LOGGING_DRIVERS",
        default: "`[\"json-file\",\"syslog\",\"awslogs\",\"fluentd\",\"none\"]`",
        meaning: "log drivers tasks may use",
        effect: Effect::Sets(|config, text| {
            set(&mut config.host.logging_drivers, json(text, "list of names"))
        }),
    },
    Variable {
        name: "ECS_AUDIT_LOGFILE",
        default: "`audit.log` in the state folder",
        meaning: "audit log of the credentials endpoint; `--audit-log` wins",
        effect: Effect::Sets(|config, text| {
            config.audit_log = text.into();
            Ok(())
        }),
    },
    Variable {
        name: "ECS_AUDIT_LOGFILE_DISABLED",
        default: "false",
        meaning: "keep no audit log on the host",
        effect: Effect::Sets(|config, text| set(&mut config.audit_log_disabled, flag(text))),
    },
    Variable {
        name: "ECS_LOGLEVEL",
        default: "info",
        meaning: "what the agent says on standard error (crit, error, warn, info, debug); `PORTCULLIS_LOG` wins",
        effect: Effect::AtStart,
    },
    Variable {
        name: "ECS_LOGFILE",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("the agent's own log goes to standard error"),
    },
    Variable {
        name: "ECS_LOG_ROLLOVER_TYPE",
        default: "size",
        meaning: "when the audit log is moved away: `size` or `hourly`",
        effect: Effect::Sets(|config, text| {
            config.audit_rotation.kind = Rollover::from_word(text);
            Ok(())
        }),
    },
    Variable {
        name: "ECS_LOG_MAX_FILE_SIZE_MB",
        default: "5",
        meaning: "size at which it is",
        effect: Effect::Sets(|config, text| set(&mut config.audit_rotation.file_mb_max, number(text))),
    },
    Variable {
        name: "ECS_LOG_MAX_ROLL_COUNT",
        default: "24",
        meaning: "files kept",
        effect: Effect::Sets(|config, text| set(&mut config.audit_rotation.files_max, number(text))),
    },
    Variable {
        name: "ECS_LOG_OUTPUT_FORMAT",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("one format"),
    },
    Variable {
        name: "ECS_TASK_METADATA_RPS_LIMIT",
        default: "`40,60`",
        meaning: "requests a second, and at once, from one address",
        effect: Effect::Sets(|config, text| {
            config.rate_limit = RateLimit::from_words(text);
            Ok(())
        }),
    },
    Variable {
        name: "ECS_DISABLE_TASK_METADATA_AZ",
        default: "false",
        meaning: "leave the availability zone out of task metadata",
        effect: Effect::Sets(|config, text| {
            set(&mut config.show_availability_zone, flag(text).map(|off| !off))
        }),
    },
    Variable {
        name: "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION",
        default: "3h",
        meaning: "how long a stopped task's containers are kept (at least 1s)",
        effect: Effect::Sets(|config, text| set(&mut config.cleanup_wait, duration(text, 1))),
    },
    Variable {
        name: "ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER",
        default: "0s",
        meaning: "up to this much longer, at random",
        effect: Effect::Sets(|config, text| set(&mut config.cleanup_jitter, duration(text, 0))),
    },
    Variable {
        name: "ECS_CONTAINER_STOP_TIMEOUT",
        default: "30s",
        meaning: "between SIGTERM and SIGKILL where a container says nothing (at least 1s)",
        effect: Effect::Sets(|config, text| set(&mut config.stop_timeout, duration(text, 1))),
    },
    Variable {
        name: "ECS_CONTAINER_START_TIMEOUT",
        default: "3m",
        meaning: "starting a container (at least 45s)",
        effect: Effect::Sets(|config, text| set(&mut config.containers.start_timeout, duration(text, 45))),
    },
    Variable {
        name: "ECS_CONTAINER_CREATE_TIMEOUT",
        default: "4m",
        meaning: "making a container (at least 1m)",
        effect: Effect::Sets(|config, text| set(&mut config.containers.create_timeout, duration(text, 60))),
    },
    Variable {
        name: "ECS_IMAGE_PULL_BEHAVIOR",
        default: "default",
        meaning: "`default`: pull, else use the host's; `always`: pull or fail; `once`: unless an earlier task did; `prefer-cached`: unless it is here",
        effect: Effect::Sets(|config, text| set(&mut config.images.behavior, pull_behavior(text))),
    },
    Variable {
        name: "ECS_IMAGE_PULL_TIMEOUT",
        default: "2h",
        meaning: "a whole pull",
        effect: Effect::Sets(|config, text| set(&mut config.images.pull_timeout, duration(text, 1))),
    },
    Variable {
        name: "ECS_IMAGE_PULL_INACTIVITY_TIMEOUT",
        default: "1m",
        meaning: "a pull without progress",
        effect: Effect::Sets(|config, text| set(&mut config.images.inactivity_timeout, duration(text, 1))),
    },
    Variable {
        name: "ECS_MANIFEST_PULL_TIMEOUT",
        default: "1m",
        meaning: "asking a registry for an image's digest (at least 30s)",
        effect: Effect::Sets(|config, text| set(&mut config.images.manifest_timeout, duration(text, 30))),
    },
    Variable {
        name: "ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT",
        default: "false",
        meaning: "pull images of containers that still wait for others",
        effect: Effect::Sets(|config, text| set(&mut config.images.dependents_upfront, flag(text))),
    },
    Variable {
        name: "ECS_DISABLE_IMAGE_CLEANUP",
        default: "false",
        meaning: "never remove images",
        effect: Effect::Sets(|config, text| {
            flag(text).map(|off| {
                if off {
                    config.images.cleanup = None;
                }
            })
        }),
    },
    Variable {
        name: "ECS_IMAGE_CLEANUP_INTERVAL",
        default: "30m",
        meaning: "between two rounds of removing unused images (at least 10m)",
        effect: Effect::Sets(|config, text| {
            cleanup(config, |cleanup| set(&mut cleanup.interval, duration(text, 600)))
        }),
    },
    Variable {
        name: "ECS_IMAGE_MINIMUM_CLEANUP_AGE",
        default: "1h",
        meaning: "an image younger than this stays",
        effect: Effect::Sets(|config, text| {
            cleanup(config, |cleanup| set(&mut cleanup.minimum_age, duration(text, 0)))
        }),
    },
    Variable {
        name: "ECS_NUM_IMAGES_DELETE_PER_CYCLE",
        default: "5",
        meaning: "most removed in one round",
        effect: Effect::Sets(|config, text| {
            cleanup(config, |cleanup| set(&mut cleanup.per_cycle, number(text)))
        }),
    },
    Variable {
        name: "ECS_ENABLE_UNTRACKED_IMAGE_CLEANUP",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("only images of tasks are ever removed"),
    },
    Variable {
        name: "ECS_EXCLUDE_UNTRACKED_IMAGE",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("only images of tasks are ever removed"),
    },
    Variable {
        name: "ECS_ENGINE_AUTH_TYPE",
        default: "none",
        meaning: "`dockercfg` or `docker`: the form of `ECS_ENGINE_AUTH_DATA`",
        effect: Effect::Sets(|config, text| {
            config.registry_logins.kind = text.to_owned();
            Ok(())
        }),
    },
    Variable {
        name: "ECS_ENGINE_AUTH_DATA",
        default: "none",
        meaning: "logins at registries, JSON by their names; for tasks without `repositoryCredentials`, never Fargate's",
        effect: Effect::Sets(|config, text| {
            config.registry_logins.data = Secret::new(text);
            Ok(())
        }),
    },
    Variable {
        name: "ECS_DISABLE_PRIVILEGED",
        default: "false",
        meaning: "refuse privileged containers",
        effect: Effect::Sets(|config, text| set(&mut config.containers.privileged_disabled, flag(text))),
    },
    Variable {
        name: "ECS_SELINUX_CAPABLE",
        default: "false",
        meaning: "tasks that ask for SELinux may be placed here",
        effect: Effect::Sets(|config, text| set(&mut config.host.selinux, flag(text))),
    },
    Variable {
        name: "ECS_APPARMOR_CAPABLE",
        default: "false",
        meaning: "tasks that ask for AppArmor may be placed here",
        effect: Effect::Sets(|config, text| set(&mut config.host.apparmor, flag(text))),
    },
    Variable {
        name: "ECS_DISABLE_METRICS",
        default: "false",
        meaning: "send no metrics",
        effect: Effect::Sets(|config, text| set(&mut config.disable_metrics, flag(text))),
    },
    Variable {
        name: "ECS_POLL_METRICS",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("metrics are always polled"),
    },
    Variable {
        name: "ECS_POLLING_METRICS_WAIT_DURATION",
        default: "10s",
        meaning: "between two looks at what containers use",
        effect: Effect::Sets(|config, text| set(&mut config.metrics_wait, duration(text, 1))),
    },
    Variable {
        name: "ECS_ENABLE_CONTAINER_METADATA",
        default: "false",
        meaning: "give each container a file about itself",
        effect: Effect::Sets(|config, text| set(&mut config.containers.metadata_file, flag(text))),
    },
    Variable {
        name: "ECS_ENABLE_TASK_CPU_MEM_LIMIT",
        default: "true",
        meaning: "hold whole tasks to their CPU and memory, in every network mode",
        effect: Effect::Sets(|config, text| set(&mut config.containers.task_limits, flag(text))),
    },
    Variable {
        name: "ECS_CGROUP_PATH",
        default: "`/sys/fs/cgroup`",
        meaning: "where cgroups are mounted",
        effect: Effect::Sets(|config, text| {
            config.containers.cgroup_path = text.into();
            Ok(())
        }),
    },
    Variable {
        name: "ECS_INSTANCE_ATTRIBUTES",
        default: "`{}`",
        meaning: "attributes of the instance, a JSON object",
        effect: Effect::Sets(|config, text| set(&mut config.attributes, json(text, "object of texts"))),
    },
    Variable {
        name: "ECS_CONTAINER_INSTANCE_TAGS",
        default: "`{}`",
        meaning: "tags of the instance, a JSON object",
        effect: Effect::Sets(tags),
    },
    Variable {
        name: "ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("there are no EC2 tags to take"),
    },
    Variable {
        name: "ECS_ENABLE_SPOT_INSTANCE_DRAINING",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("there are no spot interruptions"),
    },
    Variable {
        name: "ECS_WARM_POOLS_CHECK",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("there are no warm pools"),
    },
    Variable {
        name: "ECS_UPDATES_ENABLED",
        default: "false",
        meaning: "take builds that the key of `--update-public-key` signed (docs/agent-updates.md)",
        effect: Effect::Sets(|config, text| set(&mut config.updates.enabled, flag(text))),
    },
    Variable {
        name: "ECS_UPDATE_DOWNLOAD_DIR",
        default: "`updates` in the state folder",
        meaning: "where builds of the agent are staged",
        effect: Effect::Sets(|config, text| {
            config.updates.folder = text.into();
            Ok(())
        }),
    },
    Variable {
        name: "ECS_EXCLUDE_IPV6_PORTBINDING",
        default: "true",
        meaning: "leave bindings to `::` out of what the control plane is told",
        effect: Effect::Sets(|config, text| set(&mut config.containers.exclude_ipv6_bindings, flag(text))),
    },
    Variable {
        name: "ECS_DYNAMIC_HOST_PORT_RANGE",
        default: "the kernel's `ip_local_port_range`",
        meaning: "ports of the host for mappings that name none",
        effect: Effect::Sets(|config, text| {
            set(&mut config.containers.dynamic_ports, port_range(text).map(Some))
        }),
    },
    Variable {
        name: "ECS_SKIP_LOCALHOST_TRAFFIC_FILTER",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("no route to localhost is opened that would need one"),
    },
    Variable {
        name: "ECS_ALLOW_OFFHOST_INTROSPECTION_ACCESS",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("introspection answers on loopback only"),
    },
    Variable {
        name: "ECS_INSTANCE_IP_COMPATIBILITY",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("found out from the sockets used"),
    },
    Variable {
        name: "ECS_AGENT_CONFIG_FILE_PATH",
        default: "-",
        meaning: "",
        effect: Effect::Ignored("the JSON configuration file is not read; use /etc/ecs/ecs.config"),
    },
];

fn set<T>(field: &mut T, read: Result<T, String>) -> Result<(), String> {
    *field = read?;
    Ok(())
}

fn pull_behavior(text: &str) -> Result<PullBehavior, String> {
    match text {
        "default" => Ok(PullBehavior::Default),
        "always" => Ok(PullBehavior::Always),
        "once" => Ok(PullBehavior::Once),
        "prefer-cached" => Ok(PullBehavior::PreferCached),
        _ => Err(format!(
            "`{text}` is none of default, always, once, prefer-cached"
        )),
    }
}

/// Cleanup that is off stays off.
fn cleanup(
    config: &mut Config,
    change: impl FnOnce(&mut ImageCleanup) -> Result<(), String>,
) -> Result<(), String> {
    config.images.cleanup.as_mut().map_or(Ok(()), change)
}

fn tags(config: &mut Config, text: &str) -> Result<(), String> {
    let pairs: std::collections::BTreeMap<String, String> = json(text, "object of texts")?;
    for (key, value) in pairs {
        config.tags.set(Tag { key, value });
    }
    Ok(())
}
