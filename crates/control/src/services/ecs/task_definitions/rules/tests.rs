//! One definition that keeps every rule, and one change for each rule that breaks it.

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

fn fargate() -> Value {
    json!({
        "family": "web",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{ "name": "app", "image": "busybox" }],
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
fn ports_match_the_network_mode() {
    let ports = "containerDefinitions.0.portMappings";
    check_all(
        plain,
        vec![
            (
                ports,
                json!([{ "containerPort": 80 }, { "containerPortRange": "100-200" }]),
                "",
            ),
            (
                ports,
                json!([{}]),
                "containerPort or containerPortRange must be specified.",
            ),
            (
                ports,
                json!([{ "containerPort": 0 }]),
                "Invalid port '0'. Ports are numbers from 1 to 65535.",
            ),
            (
                ports,
                json!([{ "containerPort": 1, "hostPort": 65536 }]),
                "Invalid port '65536'. Ports are numbers from 1 to 65535.",
            ),
            (
                ports,
                json!([{ "containerPort": 80, "containerPortRange": "1-2" }]),
                "cannot specify both single port and port range",
            ),
            (
                ports,
                json!([{ "containerPortRange": "2-1" }]),
                "Invalid containerPortRange '2-1'.",
            ),
            (
                ports,
                json!([{ "containerPort": 80 }, { "containerPort": 80, "protocol": "udp" }]),
                "Port '80' is mapped more than once in container 'app'.",
            ),
            (
                ports,
                json!([{ "containerPort": 80, "name": "-a" }]),
                "port mapping name contains invalid characters: -a",
            ),
            (
                ports,
                json!([{ "containerPort": 80, "name": "a" }, { "containerPort": 81, "name": "a" }]),
                "port mapping name is already used: a",
            ),
        ],
    );
    let with_mode = |mode: &str, host: i32| {
        let mut definition = plain();
        set(&mut definition, "networkMode", json!(mode));
        set(
            &mut definition,
            ports,
            json!([{ "containerPort": 80, "hostPort": host }]),
        );
        verdict(&definition)
    };
    assert_eq!(with_mode("bridge", 8080), Ok(()));
    for mode in ["host", "awsvpc"] {
        assert_eq!(with_mode(mode, 80), Ok(()), "{mode}");
        let text = format!(
            "When networkMode={mode}, the host ports and container ports in port mappings must match."
        );
        assert_eq!(with_mode(mode, 8080), Err(text));
    }
    assert_eq!(
        with_mode("none", 80),
        Err("When networkMode=none, port mappings are not supported.".to_owned())
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
fn awsvpc_containers_have_no_network_of_their_own() {
    let awsvpc = || {
        let mut definition = plain();
        set(&mut definition, "networkMode", json!("awsvpc"));
        definition
    };
    check_all(
        awsvpc,
        vec![
            (
                "containerDefinitions.0.dnsServers",
                json!(["1.1.1.1"]),
                "DNS servers are not supported on container when networkMode=awsvpc",
            ),
            (
                "containerDefinitions.0.disableNetworking",
                json!(true),
                "Disable Networking is not supported on container when networkMode=awsvpc",
            ),
            (
                "containerDefinitions.0.links",
                json!(["side"]),
                "Links are not supported on container when networkMode=awsvpc",
            ),
            (
                "requiresCompatibilities",
                json!(["EXTERNAL"]),
                "Tasks using the External launch type do not support network mode 'awsvpc'.",
            ),
            (
                "proxyConfiguration",
                json!({ "containerName": "app", "properties": [{ "name": "IgnoredUID", "value": "1" }] }),
                "APPMESH proxy configuration requires the property 'AppPorts'.",
            ),
        ],
    );
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

#[test]
fn fargate_takes_less() {
    check_all(
        fargate,
        vec![
            (
                "cpu",
                Value::Null,
                "Fargate requires that 'cpu' be defined at the task level.",
            ),
            (
                "memory",
                Value::Null,
                "Fargate requires that 'memory' be defined at the task level.",
            ),
            (
                "memory",
                json!("513"),
                "No Fargate configuration exists for given values: 256 CPU, 513 memory. See the Amazon ECS documentation for the valid values.",
            ),
            (
                "networkMode",
                Value::Null,
                "Fargate only supports network mode ‘awsvpc’.",
            ),
            (
                "networkMode",
                json!("bridge"),
                "Fargate only supports network mode ‘awsvpc’.",
            ),
            (
                "containerDefinitions.0.cpu",
                json!(257),
                "The sum of the 'cpu' settings of the containers is greater than for the task.",
            ),
            (
                "containerDefinitions.0.privileged",
                json!(true),
                "Fargate requires that the 'privileged' setting be 'false'",
            ),
            (
                "containerDefinitions.0.linuxParameters",
                json!({ "capabilities": { "add": ["NET_ADMIN"] } }),
                "NET_ADMIN is not allowed on Fargate.",
            ),
            (
                "containerDefinitions.0.linuxParameters",
                json!({ "capabilities": { "add": ["SYS_PTRACE"] } }),
                "",
            ),
            (
                "containerDefinitions.0.logConfiguration",
                json!({ "logDriver": "awslogs", "options": { "awslogs-group": "g" } }),
                "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
            ),
            (
                "containerDefinitions.0.image",
                json!("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1"),
                "Fargate requires task definition to have execution role ARN to support ECR images.",
            ),
            (
                "containerDefinitions.0.stopTimeout",
                json!(121),
                "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds.",
            ),
            (
                "ipcMode",
                json!("host"),
                "Fargate compatible task definitions do not support ipcMode",
            ),
            (
                "pidMode",
                json!("host"),
                "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'.",
            ),
            (
                "ephemeralStorage",
                json!({ "sizeInGiB": 20 }),
                "EphemeralStorage size should be at least 21",
            ),
            ("ephemeralStorage", json!({ "sizeInGiB": 21 }), ""),
            (
                "runtimePlatform",
                json!({ "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE" }),
                "Windows tasks on Fargate require at least 1024 CPU units.",
            ),
        ],
    );
}
