//! One definition that keeps every rule, and one change for each rule that breaks it.

mod fargate;
mod network;

use portcullis_api::ecs::RegisterTaskDefinitionRequest;
use serde_json::{Value, json};

use super::{Draft, check};
use crate::services::ecs::task_definitions::size::TaskSize;

fn verdict(definition: &Value) -> Result<(), String> {
    let input: RegisterTaskDefinitionRequest = portcullis_wire::json::from_value(definition).unwrap();
    let text = |fault: super::DefinitionFault| fault.to_string();
    let draft = Draft {
        input: &input,
        size: TaskSize::of(&input).map_err(text)?,
    };
    check(draft).map_err(text)
}

/// Sets `value` at a path such as `containerDefinitions.0.cpu`; null removes.
fn set(root: &mut Value, path: &str, value: Value) {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let pointer = if parents.is_empty() {
        String::new()
    } else {
        format!("/{}", parents.replace('.', "/"))
    };
    let parent = root.pointer_mut(&pointer).unwrap();
    match (parent, name.parse::<usize>()) {
        (Value::Array(items), Ok(index)) if index == items.len() => items.push(value),
        (Value::Array(items), Ok(index)) => items[index] = value,
        (parent, _) if value.is_null() => drop(parent.as_object_mut().unwrap().remove(name)),
        (parent, _) => parent[name] = value,
    }
}

fn plain() -> Value {
    json!({
        "family": "web",
        "containerDefinitions": [
            { "name": "app", "image": "busybox:1.36", "memory": 64 },
            { "name": "side", "image": "busybox", "memoryReservation": 32, "essential": false },
        ],
    })
}

fn check_all(base: fn() -> Value, cases: Vec<(&str, Value, &str)>) {
    assert_eq!(verdict(&base()), Ok(()));
    for (path, value, expected) in cases {
        let mut definition = base();
        set(&mut definition, path, value.clone());
        let expected = if expected.is_empty() {
            Ok(())
        } else {
            Err(expected.to_owned())
        };
        assert_eq!(verdict(&definition), expected, "{path} = {value}");
    }
}

#[test]
fn containers_need_names_images_and_one_essential() {
    let eleven: Vec<_> = (0..11)
        .map(|n| json!({ "name": n.to_string(), "image": "x", "memory": 4 }))
        .collect();
    check_all(
        plain,
        vec![
            ("family", json!("a.b"), "Family contains invalid characters."),
            ("family", json!(""), "Family contains invalid characters."),
            (
                "containerDefinitions",
                json!([]),
                "Container list cannot be empty.",
            ),
            (
                "containerDefinitions",
                json!(eleven),
                "Container list can have at most 10 containers.",
            ),
            (
                "containerDefinitions.0.name",
                Value::Null,
                "Container.name should not be null or empty.",
            ),
            (
                "containerDefinitions.0.name",
                json!("a b"),
                "Container.name contains invalid characters.",
            ),
            (
                "containerDefinitions.1.name",
                json!("app"),
                "Container.name should be unique in the task definition. 'app' is already used.",
            ),
            (
                "containerDefinitions.0.image",
                json!(""),
                "Container.image should not be null or empty.",
            ),
            (
                "containerDefinitions.0.image",
                json!("a b"),
                "Container.image contains invalid characters.",
            ),
            (
                "containerDefinitions.0.image",
                json!("a@sha256:12"),
                "Container.image contains invalid characters.",
            ),
            (
                "containerDefinitions.0.image",
                json!(format!("a@sha256:{}", "0f".repeat(32))),
                "",
            ),
            (
                "containerDefinitions.0.essential",
                json!(false),
                "Task definition must have at least one essential container.",
            ),
            (
                "inferenceAccelerators",
                json!([{ "deviceName": "a", "deviceType": "b" }]),
                "Unsupported field 'inferenceAccelerators'",
            ),
        ],
    );
}

#[test]
fn memory_is_said_somewhere_and_fits() {
    check_all(
        plain,
        vec![
            (
                "containerDefinitions.0.memory",
                Value::Null,
                "Invalid setting for container 'app'. At least one of 'memory' or 'memoryReservation' must be specified.",
            ),
            (
                "containerDefinitions.0.memoryReservation",
                json!(65),
                "Invalid setting for container 'app'. 'memory' must be greater than or equal to 'memoryReservation'.",
            ),
            (
                "containerDefinitions.0.memory",
                json!(3),
                "Invalid setting for container 'app'. 'memory' must be at least 4.",
            ),
            (
                "containerDefinitions.0.cpu",
                json!(-1),
                "Invalid setting for container 'app'. 'cpu' must be at least 0.",
            ),
            (
                "memory",
                json!("63"),
                "The 'memory' setting for container 'app' is greater than for the task.",
            ),
            ("memory", json!("1 GB"), ""),
            ("cpu", json!("127"), "Invalid 'cpu' setting for task."),
            ("cpu", json!("x"), "Invalid 'cpu' setting for task."),
            ("cpu", json!("192 vCPU"), ""),
        ],
    );
}

#[test]
fn roles_logs_and_files_are_checked() {
    check_all(
        plain,
        vec![
            (
                "containerDefinitions.0.secrets",
                json!([{ "name": "A", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/a" }]),
                "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
            ),
            (
                "containerDefinitions.0.logConfiguration",
                json!({ "logDriver": "awslogs" }),
                "Log driver awslogs requires options: awslogs-group",
            ),
            (
                "containerDefinitions.0.logConfiguration",
                json!({ "logDriver": "json-file" }),
                "",
            ),
            (
                "containerDefinitions.0.ulimits",
                json!([{ "name": "nofile", "softLimit": 2, "hardLimit": 1 }]),
                "The soft limit of ulimit 'nofile' is greater than its hard limit.",
            ),
            (
                "containerDefinitions.0.environmentFiles",
                json!([{ "value": "arn:aws:s3:::bucket/a.txt", "type": "s3" }]),
                "Invalid environment file 'arn:aws:s3:::bucket/a.txt'. It must be the ARN of an S3 object that ends in .env.",
            ),
            (
                "containerDefinitions.0.environmentFiles",
                json!([{ "value": "arn:aws:s3:::bucket/a.env", "type": "s3" }]),
                "",
            ),
        ],
    );
}

#[test]
fn order_and_health_are_checked() {
    let depends = |name: &str, condition: &str| json!([{ "containerName": name, "condition": condition }]);
    let path = "containerDefinitions.0.dependsOn";
    check_all(
        plain,
        vec![
            (path, depends("side", "COMPLETE"), ""),
            (
                path,
                depends("ghost", "START"),
                "Container 'ghost' in the task definition does not exist.",
            ),
            (
                path,
                depends("app", "START"),
                "The dependencies of container 'app' form a cycle.",
            ),
            (
                path,
                depends("side", "HEALTHY"),
                "A dependency container with HEALTHY condition must have a health check",
            ),
            (
                "containerDefinitions.1.dependsOn",
                depends("app", "SUCCESS"),
                "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
            ),
            (
                "containerDefinitions.0.healthCheck",
                json!({ "command": ["true"] }),
                "The health check command of container 'app' must start with CMD or CMD-SHELL.",
            ),
            (
                "containerDefinitions.0.healthCheck",
                json!({ "command": ["CMD", "true"], "interval": 4 }),
                "The health check 'interval' of container 'app' must be between 5 and 300.",
            ),
            (
                "containerDefinitions.0.stopTimeout",
                json!(1),
                "Granular stop timeout on container 'app' must be at least 2 seconds.",
            ),
            (
                "containerDefinitions.0.restartPolicy",
                json!({ "enabled": true, "restartAttemptPeriod": 59 }),
                "The restart attempt period of container 'app' must be between 60 and 1800 seconds.",
            ),
            (
                "containerDefinitions.0.volumesFrom",
                json!([{ "sourceContainer": "ghost" }]),
                "Container 'ghost' in the task definition does not exist.",
            ),
        ],
    );
    let mut circle = plain();
    set(&mut circle, path, depends("side", "START"));
    set(
        &mut circle,
        "containerDefinitions.1.dependsOn",
        depends("app", "START"),
    );
    assert_eq!(
        verdict(&circle),
        Err("The dependencies of container 'app' form a cycle.".to_owned())
    );
}

#[test]
fn volumes_are_declared_and_used() {
    let mounted = |volumes: Value| {
        let mut definition = plain();
        let mounts = json!([{ "sourceVolume": "v", "containerPath": "/v" }]);
        set(&mut definition, "containerDefinitions.0.mountPoints", mounts);
        set(&mut definition, "volumes", volumes);
        verdict(&definition).err().unwrap_or_default()
    };
    let efs = |config: Value| json!([{ "name": "v", "efsVolumeConfiguration": config }]);
    let cases = [
        (json!([{ "name": "v" }]), ""),
        (json!([]), "Unknown volume 'v'."),
        (
            json!([{ "name": "v" }, { "name": "w" }]),
            "Volume 'w' is not used by any container.",
        ),
        (
            json!([{ "name": "v" }, { "name": "v" }]),
            "Volume.name should be unique in the task definition. 'v' is already used.",
        ),
        (json!([{}]), "Volume.name should not be null or empty."),
        (
            json!([{ "name": "v", "host": {}, "configuredAtLaunch": true }]),
            "Volume 'v' can have only one configuration.",
        ),
        (efs(json!({ "fileSystemId": "fs-1" })), ""),
        (
            efs(json!({ "fileSystemId": "fs-1", "authorizationConfig": { "iam": "ENABLED" } })),
            "EFS IAM authorization requires transit encryption.",
        ),
        (
            efs(json!({ "fileSystemId": "fs-1", "transitEncryptionPort": 2049 })),
            "An EFS transit encryption port requires transit encryption.",
        ),
        (
            efs(
                json!({ "fileSystemId": "f", "rootDirectory": "/x", "authorizationConfig": { "accessPointId": "a" } }),
            ),
            "With an EFS access point the root directory must be omitted or '/'.",
        ),
    ];
    for (volumes, expected) in cases {
        assert_eq!(mounted(volumes.clone()), expected, "{volumes}");
    }
}

#[test]
fn placement_constraints_are_expressions() {
    check_all(
        plain,
        vec![
            (
                "placementConstraints",
                json!([{ "type": "memberOf", "expression": "runningTasksCount == 1" }]),
                "",
            ),
            (
                "placementConstraints",
                json!([{ "type": "memberOf" }]),
                "A placement constraint of type memberOf requires an expression of at most 2000 characters.",
            ),
        ],
    );
}
