//! Fargate.

use serde_json::{Value, json};

use super::check_all;

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

#[test]
fn fargate_tasks_have_sizes_and_a_network() {
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

#[test]
fn fargate_containers_take_less() {
    check_all(
        fargate,
        vec![
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
        ],
    );
}
