//! From payloads to tasks, and what is refused.

use portcullis_core::SeededRandom;

use super::*;
use crate::network::PAUSE_CONTAINER;

fn wire() -> acs::Task {
    acs::Task {
        arn: "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa".into(),
        desired_status: "RUNNING".into(),
        family: "fam".into(),
        version: "3".into(),
        containers: vec![acs::Container {
            name: "my_app".into(),
            overrides: "{}".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn accept(change: impl FnOnce(&mut acs::Task)) -> Result<Task, Unacceptable> {
    let mut wire = wire();
    change(&mut wire);
    task(&wire, &SeededRandom::new(1))
}

#[test]
fn agent_1_1_docker_names_and_endpoint_ids() {
    let task = accept(|_| {}).unwrap();
    let container = &task.containers[0];
    let suffix = container.docker_name.strip_prefix("ecs-fam-3-myapp-").unwrap();
    assert!(
        suffix.len() == 20 && suffix.bytes().all(|b| b.is_ascii_hexdigit()),
        "{suffix}"
    );
    assert_eq!(container.endpoint_id.len(), 36);
}

#[test]
fn agent_5_2_command_override_wins() {
    let task = accept(|task| {
        task.containers[0].command = Some(vec!["a".into()]);
        task.containers[0].overrides = r#"{"command":["b"]}"#.into();
    });
    assert_eq!(
        task.unwrap().containers[0].definition.command,
        Some(vec!["b".to_owned()])
    );
}

#[test]
fn agent_5_2_bad_tasks_are_refused_with_a_reason() {
    let dependency = |on: &str, condition: &str| acs::ContainerDependency {
        container_name: on.into(),
        condition: condition.into(),
    };
    type Change = Box<dyn FnOnce(&mut acs::Task)>;
    let cases: [(Change, &str); 10] = [
        (
            Box::new(|task| task.arn.clear()),
            "UnrecognizedTaskError: the task has no arn",
        ),
        (
            Box::new(|task| task.arn.push_str("/..")),
            "UnrecognizedTaskError: the task's id is none",
        ),
        (
            Box::new(|task| task.containers[0].name = "/etc".into()),
            "UnrecognizedTaskError: `/etc` is no container's name",
        ),
        (
            Box::new(|task| task.containers.clear()),
            "UnrecognizedTaskError: the task has no containers",
        ),
        (
            Box::new(|task| task.desired_status = "X".into()),
            "UnrecognizedTaskError: unknown desiredStatus `X`",
        ),
        (
            Box::new(move |task| task.containers[0].depends_on = Some(vec![dependency("my_app", "LATER")])),
            "UnrecognizedTaskError: unknown condition `LATER`",
        ),
        (
            Box::new(move |task| task.containers[0].depends_on = Some(vec![dependency("my_app", "START")])),
            "TaskDependencyError: the containers' dependsOn, links and volumesFrom cannot be resolved",
        ),
        (
            Box::new(|task| task.containers[0].links = vec!["ghost:db".into()]),
            "TaskDependencyError: the containers' dependsOn, links and volumesFrom cannot be resolved",
        ),
        (
            Box::new(|task| task.pid_mode = Some("shared".into())),
            "UnrecognizedTaskError: unknown pidMode `shared`",
        ),
        (
            Box::new(|task| {
                let port = acs::PortMapping {
                    container_port: Some(70_000),
                    ..Default::default()
                };
                task.containers[0].port_mappings = vec![port];
            }),
            "UnrecognizedTaskError: a port is out of range",
        ),
    ];
    for (change, text) in cases {
        assert_eq!(accept(change).unwrap_err(), Unacceptable(text.to_owned()));
    }
}

fn add(task: &mut acs::Task, name: &str) {
    task.containers.push(acs::Container {
        name: name.into(),
        ..Default::default()
    });
}

fn dependencies<'a>(task: &'a Task, name: &str) -> Vec<(&'a str, Condition)> {
    let container = task.container(name).unwrap();
    let dependencies = container.definition.depends_on.iter();
    dependencies
        .map(|on| (on.container.as_str(), on.condition))
        .collect()
}

#[test]
fn agent_8_links_and_volumes_from_order_containers_as_depends_on_does() {
    let task = accept(|task| {
        for name in ["db", "cache", "files"] {
            add(task, name);
        }
        let app = &mut task.containers[0];
        app.links = vec!["db:database".into(), "cache".into()];
        app.volumes_from = vec![acs::VolumeFrom {
            source_container: Some("files".into()),
            ..Default::default()
        }];
        app.depends_on = Some(vec![acs::ContainerDependency {
            container_name: "db".into(),
            condition: "HEALTHY".into(),
        }]);
    })
    .unwrap();
    assert_eq!(
        dependencies(&task, "my_app"),
        [
            ("db", Condition::Healthy),
            ("db", Condition::Start),
            ("cache", Condition::Start),
            ("files", Condition::Start)
        ]
    );
    for name in ["db", "cache", "files"] {
        assert_eq!(dependencies(&task, name), []);
    }
}

#[test]
fn what_a_task_shares_is_held_by_one_more_container_that_the_others_wait_for() {
    let shared = |pid: Option<&str>, ipc: Option<&str>| {
        accept(|task| {
            task.pid_mode = pid.map(Into::into);
            task.ipc_mode = ipc.map(Into::into);
            add(task, "side");
        })
        .unwrap()
    };
    for (pid, ipc) in [(Some("task"), None), (Some("host"), Some("task"))] {
        let task = shared(pid, ipc);
        let pause = task.container(PAUSE_CONTAINER).unwrap();
        assert!(pause.is_internal() && pause.definition.essential && pause.pulled);
        assert_eq!(
            dependencies(&task, PAUSE_CONTAINER),
            [],
            "it is there before the others, and until after them"
        );
        for name in ["my_app", "side"] {
            assert_eq!(dependencies(&task, name), [(PAUSE_CONTAINER, Condition::Start)]);
        }
    }
    for (pid, ipc) in [(None, None), (Some("host"), Some("host")), (None, Some("none"))] {
        assert_eq!(shared(pid, ipc).containers.len(), 2, "{pid:?} {ipc:?}");
    }
}

#[test]
fn agent_5_2_restart_policies_port_ranges_and_volumes_are_read() {
    let task = accept(|task| {
        task.volumes = vec![acs::Volume {
            name: "data".into(),
            r#type: Some("docker".into()),
            docker_volume_configuration: Some(acs::DockerVolumeConfiguration {
                scope: Some("shared".into()),
                autoprovision: Some(true),
                driver: Some("local".into()),
                ..Default::default()
            }),
            ..Default::default()
        }];
        let container = &mut task.containers[0];
        container.restart_policy = Some(acs::RestartPolicy {
            enabled: true,
            ignored_exit_codes: Some(vec![0]),
            restart_attempt_period: None,
        });
        container.port_mappings = vec![acs::PortMapping {
            container_port_range: Some("8080-8090".into()),
            ..Default::default()
        }];
    })
    .unwrap();
    let definition = &task.containers[0].definition;
    assert_eq!(
        definition.restart_policy,
        Some(RestartPolicy {
            ignored_exit_codes: vec![0],
            attempt_period: 300
        })
    );
    assert_eq!(definition.ports[0].container_ports(), 8080..=8090);
    assert!(definition.unsupported.is_empty(), "{:?}", definition.unsupported);
    assert_eq!(task.volumes[0].engine_name("t").as_deref(), Some("data"));
    assert!(
        task.volumes[0]
            .docker
            .as_ref()
            .is_some_and(|docker| docker.autoprovision)
    );
}

#[test]
fn a_port_range_that_is_none_refuses_the_task() {
    for bad in ["x", "90-80", "0-3", "1-70000", "5"] {
        let refused = accept(|task| {
            task.containers[0].port_mappings = vec![acs::PortMapping {
                container_port_range: Some(bad.into()),
                ..Default::default()
            }];
        });
        assert_eq!(refused.unwrap_err(), bad_port(), "{bad}");
    }
}

#[test]
fn what_cannot_be_honoured_is_named() {
    let task = accept(|task| {
        task.containers[0].firelens_configuration = Some(acs::FirelensConfiguration::default());
        task.containers[0].secrets = Some(vec![acs::Secret {
            name: "S".into(),
            ..acs::Secret::default()
        }]);
    });
    assert_eq!(
        task.unwrap().containers[0].definition.unsupported,
        ["the secret S of this kind", "firelensConfiguration"]
    );
}
