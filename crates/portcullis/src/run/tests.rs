//! What a program is given, and what its calls look like.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::decisions::line;
use super::program::environment;

#[test]
fn the_program_has_the_tasks_credentials_and_no_others() {
    let own = [
        ("HOME", "/home/dev"),
        ("AWS_ACCESS_KEY_ID", "AKIADEV"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_SESSION_TOKEN", "t"),
        ("AWS_PROFILE", "prod"),
        ("AWS_CONFIG_FILE", "/home/dev/.aws/config"),
        ("AWS_ENDPOINT_URL", "http://elsewhere"),
        ("PATH", "/bin"),
    ];
    let own = own.into_iter().map(|(name, value)| (name.into(), value.into()));
    let of_task = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://127.0.0.1:1/v2/credentials/c",
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "T"),
        ("AWS_ENDPOINT_URL", "http://server"),
        ("AWS_REGION", "us-east-1"),
        ("ECS_CONTAINER_METADATA_URI_V4", "http://127.0.0.1:1/v4/e"),
        ("PATH", "/usr/bin"),
        ("PORTCULLIS_RUN_WORD", "w"),
    ];
    let of_task: BTreeMap<String, String> = of_task
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let given = environment(own, &of_task);
    let lines: Vec<String> = given
        .iter()
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    AWS_CONFIG_FILE=/dev/null
    AWS_CONTAINER_AUTHORIZATION_TOKEN=T
    AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1:1/v2/credentials/c
    AWS_ENDPOINT_URL=http://server
    AWS_REGION=us-east-1
    AWS_SHARED_CREDENTIALS_FILE=/dev/null
    ECS_CONTAINER_METADATA_URI_V4=http://127.0.0.1:1/v4/e
    HOME=/home/dev
    PATH=/bin
    ");
}

#[test]
fn a_call_is_one_line() {
    let cases: [(Value, &str); 4] = [
        (
            json!({ "eventSource": "ecs.amazonaws.com", "eventName": "ListClusters" }),
            "allowed  ecs:ListClusters",
        ),
        (
            json!({ "eventSource": "ecs.amazonaws.com", "eventName": "DeleteCluster", "errorCode": "AccessDenied", "errorMessage": "User: x is not authorized" }),
            "denied   ecs:DeleteCluster  User: x is not authorized",
        ),
        (
            json!({ "eventSource": "ec2.amazonaws.com", "eventName": "DeleteVpc", "errorCode": "Client.UnauthorizedOperation", "errorMessage": "You are not" }),
            "denied   ec2:DeleteVpc  You are not",
        ),
        (
            json!({ "eventSource": "ecs.amazonaws.com", "eventName": "ListTasks", "errorCode": "ClusterNotFoundException", "errorMessage": "Cluster not found." }),
            "failed   ecs:ListTasks  ClusterNotFoundException: Cluster not found.",
        ),
    ];
    for (record, expected) in cases {
        assert_eq!(line(&record).1, expected);
    }
}
