//! Precedence, bad values, and the documented table.

use std::time::Duration;

use portcullis_core::Secret;
use proptest::prelude::*;

use super::*;
use crate::{CredentialsSource, InstanceCredentials, PullBehavior};

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

fn applied(environment: &[(&str, &str)], file: &str) -> (Config, Vec<String>) {
    let named = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let variables = Variables::gather(named, Some(file));
    let mut config = config();
    let warnings = variables.apply(&mut config);
    (config, warnings)
}

#[test]
fn agent_7_the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let file = "# a comment\n\nECS_CONTAINER_STOP_TIMEOUT=10s\nECS_IMAGE_PULL_BEHAVIOR=once\n";
    let (config, warnings) = applied(&[("ECS_CONTAINER_STOP_TIMEOUT", "20s")], file);
    assert_eq!(config.stop_timeout, Duration::from_secs(20));
    assert_eq!(config.images.behavior, PullBehavior::Once);
    assert_eq!(config.cleanup_wait, Duration::from_secs(3 * 60 * 60));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn agent_7_values_that_cannot_be_used_leave_the_default_and_are_named_without_being_secret() {
    let file = "ECS_CONTAINER_START_TIMEOUT=10s\nECS_DISABLE_PRIVILEGED=perhaps\nECS_RESERVED_PORTS=22\nno value here\n\
                ECS_DYNAMIC_HOST_PORT_RANGE=9-1\nECS_IMAGE_PULL_BEHAVIOR=never\nECS_FANCY=1\nECS_WARM_POOLS_CHECK=true\n";
    let (config, mut warnings) = applied(&[], file);
    assert_eq!(config.containers, crate::ContainerSettings::default());
    assert_eq!(config.host, crate::HostSettings::default());
    warnings.sort();
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn agent_7_every_setting_can_be_set() {
    let file = "ECS_RESERVED_PORTS=[1,2]\nECS_RESERVED_PORTS_UDP=[53]\nECS_RESERVED_MEMORY=64\nECS_ENABLE_TASK_ENI=false\nECS_AWSVPC_BLOCK_IMDS=false\n\
        ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false\nECS_ENABLE_TASK_IAM_ROLE=false\n\
        ECS_AVAILABLE_LOGGING_DRIVERS=[\"none\"]\nECS_AUDIT_LOGFILE=/a\nECS_AUDIT_LOGFILE_DISABLED=true\nECS_LOG_ROLLOVER_TYPE=hourly\n\
        ECS_LOG_MAX_FILE_SIZE_MB=7\nECS_LOG_MAX_ROLL_COUNT=3\nECS_TASK_METADATA_RPS_LIMIT=1,2\nECS_DISABLE_TASK_METADATA_AZ=true\n\
        ECS_ENGINE_TASK_CLEANUP_WAIT_DURATION=1h30m\nECS_ENGINE_TASK_CLEANUP_WAIT_DURATION_JITTER=5m\nECS_CONTAINER_STOP_TIMEOUT=2s\n\
        ECS_CONTAINER_START_TIMEOUT=50s\nECS_CONTAINER_CREATE_TIMEOUT=70s\nECS_IMAGE_PULL_BEHAVIOR=prefer-cached\n\
        ECS_IMAGE_PULL_TIMEOUT=1h\nECS_IMAGE_PULL_INACTIVITY_TIMEOUT=2m\nECS_MANIFEST_PULL_TIMEOUT=40s\n\
        ECS_PULL_DEPENDENT_CONTAINERS_UPFRONT=true\nECS_IMAGE_CLEANUP_INTERVAL=11m\nECS_IMAGE_MINIMUM_CLEANUP_AGE=2h\n\
        ECS_NUM_IMAGES_DELETE_PER_CYCLE=9\nECS_DISABLE_PRIVILEGED=TRUE\nECS_SELINUX_CAPABLE=true\nECS_EXTERNAL=true\nECS_APPARMOR_CAPABLE=true\n\
        ECS_DISABLE_METRICS=true\nECS_POLLING_METRICS_WAIT_DURATION=11s\nECS_ENABLE_CONTAINER_METADATA=true\n\
        ECS_ENABLE_TASK_CPU_MEM_LIMIT=false\nECS_CGROUP_PATH=/c\nECS_INSTANCE_ATTRIBUTES={\"a\":\"b\"}\n\
        ECS_CONTAINER_INSTANCE_TAGS={\"k\":\"v\"}\nECS_EXCLUDE_IPV6_PORTBINDING=false\nECS_DYNAMIC_HOST_PORT_RANGE=100-200\n";
    let (config, warnings) = applied(&[], file);
    assert_eq!(warnings, Vec::<String>::new());
    insta::assert_debug_snapshot!((
        (&config.images, &config.containers, &config.host),
        (
            &config.attributes,
            &config.tags,
            config.rate_limit,
            config.audit_rotation
        ),
        (
            config.cleanup_wait,
            config.cleanup_jitter,
            config.stop_timeout,
            config.metrics_wait
        ),
        (config.task_eni, config.awsvpc_block_imds, config.host_task_roles),
        (
            config.audit_log_disabled,
            config.disable_metrics,
            config.show_availability_zone
        ),
    ));
    let off = applied(
        &[
            ("ECS_DISABLE_IMAGE_CLEANUP", "true"),
            ("ECS_IMAGE_CLEANUP_INTERVAL", "1h"),
        ],
        "",
    );
    assert_eq!((off.0.images.cleanup, off.1.len()), (None, 0));
}

#[test]
fn empty_variables_are_as_good_as_none() {
    let (config, warnings) = applied(&[("ECS_CONTAINER_STOP_TIMEOUT", "")], "ECS_DISABLE_METRICS=\n");
    assert_eq!(
        (config.stop_timeout, warnings.len()),
        (Duration::from_secs(30), 0)
    );
}

#[test]
fn agent_7_the_documented_table_is_this_one() {
    let documented = include_str!("../../../../docs/agent-configuration.md");
    let table = document();
    assert!(
        documented.contains(&table),
        "docs/agent-configuration.md needs this table:\n{table}"
    );
    let mut names: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), VARIABLES.len(), "a variable stands there twice");
}

#[test]
fn go_durations_are_read_as_go_reads_them() {
    for (text, millis) in [
        ("0", 0),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("1.5s", 1_500),
        ("250ms", 250),
    ] {
        assert_eq!(
            read::duration(text, 0),
            Ok(Duration::from_millis(millis)),
            "{text}"
        );
    }
    for bad in ["", "5", "s", "5x", "-1s", "1h-1m", ".s"] {
        assert!(read::duration(bad, 0).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_fail(text in any::<String>()) {
        let _ = env_file::parse(&text);
        let _ = (read::duration(&text, 0), read::flag(&text), read::port_range(&text));
        let _ = applied(&[("ECS_RESERVED_PORTS", &text)], &text);
    }
}
