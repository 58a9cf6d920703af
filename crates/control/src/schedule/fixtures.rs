//! Records for unit tests.

use portcullis_core::{Tag, Timestamp};

use crate::world::records::ecs::{
    DesiredStatus, Health, LastStatus, Reservation, Task, TaskContainer, Times,
};

/// When tests begin.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_seconds(1_795_305_600);

/// A PENDING task with an essential container `app` and another `side`, both roles, and a tag.
pub(crate) fn task() -> Task {
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}").parse().unwrap();
    let id = "0123456789abcdef0123456789abcdef";
    Task {
        region: "us-east-1".parse().unwrap(),
        cluster: "c".to_owned(),
        id: id.to_owned(),
        arn: format!("arn:aws:ecs:us-east-1:123456789012:task/c/{id}")
            .parse()
            .unwrap(),
        family: "web".to_owned(),
        revision: 3,
        container_instance: "instance".to_owned(),
        availability_zone: Some("us-east-1a".to_owned()),
        launch_type: "EC2".to_owned(),
        capacity_provider: None,
        platform_version: None,
        platform: None,
        group: "family:web".to_owned(),
        started_by: None,
        overrides: portcullis_api::ecs::TaskOverride::default(),
        cpu: None,
        memory: None,
        task_role: Some(role("task")),
        execution_role: Some(role("execution")),
        reservation: Reservation::default(),
        interface: None,
        enable_execute_command: false,
        protected_until: None,
        desired: DesiredStatus::Running,
        last: LastStatus::Pending,
        containers: vec![container("app", true), container("side", false)],
        version: 1,
        stop: None,
        times: Times {
            created: BEGINNING,
            ..Times::default()
        },
        tags: [Tag::new("Owner", "richard-roe")].into_iter().collect(),
        token: None,
        waits: None,
    }
}

fn container(name: &str, essential: bool) -> TaskContainer {
    TaskContainer {
        name: name.to_owned(),
        id: format!("00000000-0000-0000-0000-{name:0>12}"),
        essential,
        cpu: 0,
        memory: Some(128),
        memory_reservation: None,
        image: "local/app:1".to_owned(),
        image_digest: None,
        runtime_id: None,
        last: LastStatus::Pending,
        exit_code: None,
        reason: None,
        network_bindings: Vec::new(),
        has_health_check: false,
        health: Health::Unknown,
        exec_agent: None,
    }
}
