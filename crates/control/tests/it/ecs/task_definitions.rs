//! Task definitions (ecs.md 7).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::{allow_if, arn, err, ok};
use crate::harness::{ACCOUNT, Client, Server, allow};

fn web() -> Value {
    json!({ "family": "web", "containerDefinitions": [{ "name": "app", "image": "busybox", "memory": 64 }] })
}

async fn register(client: &Client, family: &str) -> String {
    let mut input = web();
    input["family"] = json!(family);
    let made = ok::<op::RegisterTaskDefinition>(client, input).await;
    made["taskDefinition"]["taskDefinitionArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_definition_shows_its_defaults_and_what_it_requires() {
    let server = Server::start().await;
    let input = json!({
        "family": "web",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": ".25 vCPU",
        "memory": "0.5 GB",
        "pidMode": "task",
        "taskRoleArn": "app",
        "executionRoleArn": format!("arn:aws:iam::{ACCOUNT}:role/exec"),
        "containerDefinitions": [{
            "name": "app",
            "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/app:1",
            "portMappings": [{ "containerPort": 80 }],
            "healthCheck": { "command": ["CMD", "true"] },
            "logConfiguration": { "logDriver": "awslogs", "options": { "awslogs-group": "g" } },
            "secrets": [{ "name": "A", "valueFrom": "arn:aws:secretsmanager:us-east-1:123456789012:secret:a" }],
            "stopTimeout": 30,
        }],
        "tags": [{ "key": "a", "value": "b" }],
    });
    let made = ok::<op::RegisterTaskDefinition>(&server.root, input).await;
    insta::assert_json_snapshot!(made);
}

#[tokio::test]
async fn numbers_of_revisions_are_never_used_again() {
    let server = Server::start().await;
    let root = &server.root;
    assert_eq!(register(root, "web").await, arn("task-definition/web:1"));
    assert_eq!(register(root, "web").await, arn("task-definition/web:2"));
    let gone = ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": "web:2" })).await;
    assert_eq!(gone["taskDefinition"]["status"], "INACTIVE");
    let described = ok::<op::DescribeTaskDefinition>(root, json!({ "taskDefinition": "web" })).await;
    assert_eq!(described["taskDefinition"]["revision"], 1);
    ok::<op::DeleteTaskDefinitions>(root, json!({ "taskDefinitions": ["web:2"] })).await;
    assert_eq!(register(root, "web").await, arn("task-definition/web:3"));
    let described = ok::<op::DescribeTaskDefinition>(root, json!({ "taskDefinition": "web" })).await;
    assert_eq!(described["taskDefinition"]["revision"], 3);
}

#[tokio::test]
async fn retiring_goes_step_by_step() {
    let server = Server::start().await;
    let root = &server.root;
    let first = register(root, "web").await;
    let deregister =
        async |name: &str| err::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": name })).await;
    assert_eq!(deregister("web").await, "ClientException: Revision is missing.");
    assert_eq!(
        deregister("web:foo").await,
        "InvalidParameterException: Invalid revision number. Number: foo"
    );
    assert_eq!(
        deregister("web:9").await,
        "ClientException: Unable to describe task definition."
    );
    let names = json!({ "taskDefinitions": [first, "web:9"] });
    let kept = ok::<op::DeleteTaskDefinitions>(root, names.clone()).await;
    assert_eq!(kept["taskDefinitions"], json!([]));
    let reason = "The specified task definition is still in ACTIVE status. Please deregister the target and try again.";
    let missing = json!({ "arn": arn("task-definition/web:9"), "reason": "MISSING" });
    assert_eq!(
        kept["failures"],
        json!([{ "arn": first, "reason": reason }, missing])
    );
    ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": first })).await;
    assert!(
        deregister(&first)
            .await
            .starts_with("ClientException: The specified task definition is inactive.")
    );
    let deleted = ok::<op::DeleteTaskDefinitions>(root, names).await;
    assert_eq!(deleted["taskDefinitions"][0]["status"], "DELETE_IN_PROGRESS");
    assert_eq!(deleted["failures"], json!([missing]));
    let shown = ok::<op::DescribeTaskDefinition>(root, json!({ "taskDefinition": "web:1" })).await;
    assert_eq!(shown["taskDefinition"], deleted["taskDefinitions"][0]);
    for (count, text) in [
        (
            0,
            "InvalidParameterException: size of TaskDefinition references list must be greater than 0",
        ),
        (
            11,
            "InvalidParameterException: Size of TaskDefinition references list cannot exceed 10",
        ),
    ] {
        let names = vec!["web:1"; count];
        assert_eq!(
            err::<op::DeleteTaskDefinitions>(root, json!({ "taskDefinitions": names })).await,
            text
        );
    }
}

#[tokio::test]
async fn lists_are_ordered_by_family_and_number() {
    let server = Server::start().await;
    let root = &server.root;
    for family in ["web", "web-2", "api", "web", "web_1", "web"] {
        register(root, family).await;
    }
    ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": "web:1" })).await;
    ok::<op::DeregisterTaskDefinition>(root, json!({ "taskDefinition": "api:1" })).await;
    let list = async |input: Value| {
        let reply = ok::<op::ListTaskDefinitions>(root, input).await;
        let arns = reply["taskDefinitionArns"].as_array().unwrap().clone();
        arns.iter()
            .map(|arn| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(json!({})).await, ["web:2", "web:3", "web-2:1", "web_1:1"]);
    assert_eq!(
        list(json!({ "sort": "DESC" })).await,
        ["web_1:1", "web-2:1", "web:3", "web:2"]
    );
    assert_eq!(list(json!({ "familyPrefix": "web" })).await, ["web:2", "web:3"]);
    assert_eq!(list(json!({ "status": "INACTIVE" })).await, ["api:1", "web:1"]);
    let first = ok::<op::ListTaskDefinitions>(root, json!({ "sort": "DESC", "maxResults": 3 })).await;
    let rest = json!({ "sort": "DESC", "maxResults": 3, "nextToken": first["nextToken"] });
    assert_eq!(list(rest).await, ["web:2"]);
    let families =
        async |input: Value| ok::<op::ListTaskDefinitionFamilies>(root, input).await["families"].clone();
    assert_eq!(families(json!({})).await, json!(["api", "web", "web-2", "web_1"]));
    assert_eq!(
        families(json!({ "familyPrefix": "web", "status": "ACTIVE" })).await,
        json!(["web", "web-2", "web_1"])
    );
    assert_eq!(families(json!({ "status": "INACTIVE" })).await, json!(["api"]));
}

#[tokio::test]
async fn r149_each_role_of_a_definition_must_be_passable() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:RegisterTaskDefinition", "*")).await;
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let mut input = web();
    input["taskRoleArn"] = json!(role("task"));
    input["executionRoleArn"] = json!("exec");
    let refusal = |name: &str| {
        format!(
            "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: iam:PassRole on resource: {} because no identity-based policy allows the iam:PassRole action",
            role(name)
        )
    };
    assert_eq!(
        err::<op::RegisterTaskDefinition>(&user, input.clone()).await,
        refusal("task")
    );
    server
        .allow("u", "task", &allow("iam:PassRole", &role("task")))
        .await;
    assert_eq!(
        err::<op::RegisterTaskDefinition>(&user, input.clone()).await,
        refusal("exec")
    );
    let to = |service: &str| allow_if("iam:PassRole", "StringEquals", "iam:PassedToService", service);
    server.allow("u", "exec", &to("ecs.amazonaws.com")).await;
    assert_eq!(
        err::<op::RegisterTaskDefinition>(&user, input.clone()).await,
        refusal("exec")
    );
    server.allow("u", "exec", &to("ecs-tasks.amazonaws.com")).await;
    let made = ok::<op::RegisterTaskDefinition>(&user, input).await;
    assert_eq!(made["taskDefinition"]["executionRoleArn"], role("exec"));
    assert_eq!(
        made["taskDefinition"]["registeredBy"],
        format!("arn:aws:iam::{ACCOUNT}:user/u")
    );
}

#[tokio::test]
async fn r152_roles_of_other_accounts_cannot_be_passed() {
    let server = Server::start().await;
    let mut input = web();
    input["taskRoleArn"] = json!("arn:aws:iam::999999999999:role/task");
    let refused = err::<op::RegisterTaskDefinition>(&server.root, input).await;
    assert_eq!(
        refused,
        "AccessDeniedException: Cross-account pass role is not allowed"
    );
}

#[tokio::test]
async fn what_no_role_can_be_called_is_no_role() {
    let server = Server::start().await;
    let long = "x".repeat(65);
    let invalid = [
        "notarole!!",
        "//Admin",
        "a/b",
        &long,
        "arn:aws:iam::123456789012:user/task",
        "arn:aws-cn:iam::123456789012:role/task",
        "arn:aws:iam:us-east-1:123456789012:role/task",
        "arn:aws:iam::12345:role/task",
        "arn:aws:iam::aws:role/task",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role//Admin",
        "arn:aws:iam::123456789012:role/a b",
        "arn:aws:iam::123456789012:roles/a",
    ];
    for member in ["taskRoleArn", "executionRoleArn"] {
        for role in invalid {
            let mut input = web();
            input[member] = json!(role);
            let refused = err::<op::RegisterTaskDefinition>(&server.root, input).await;
            assert_eq!(refused, "ClientException: Role is not valid", "{role}");
        }
    }
    for role in ["a+=,.@-_1", "arn:aws:iam::123456789012:role/one/two/a"] {
        let mut input = web();
        input["taskRoleArn"] = json!(role);
        ok::<op::RegisterTaskDefinition>(&server.root, input).await;
    }
}

/// Operator, key and value of a condition; a definition that meets it and one that does not.
fn conditions_on_definitions() -> Vec<(&'static str, &'static str, &'static str, Value, Value)> {
    let not_privileged = json!([{ "name": "a", "image": "b", "memory": 4, "privileged": false }]);
    let tag = |value: &str| json!({ "tags": [{ "key": "a", "value": value }] });
    let (at_most, equals, any) = (
        "NumericLessThanEquals",
        "StringEquals",
        "ForAnyValue:StringEquals",
    );
    let none = || json!({});
    vec![
        (
            at_most,
            "ecs:task-cpu",
            "512",
            json!({ "cpu": "0.5 vCPU" }),
            json!({ "cpu": "1024" }),
        ),
        (
            at_most,
            "ecs:task-memory",
            "512",
            json!({ "memory": "512" }),
            json!({ "memory": "1GB" }),
        ),
        (
            equals,
            "ecs:privileged",
            "false",
            json!({ "containerDefinitions": not_privileged }),
            none(),
        ),
        (
            any,
            "ecs:compute-compatibility",
            "EC2",
            json!({ "requiresCompatibilities": ["EC2"] }),
            none(),
        ),
        ("Null", "aws:TagKeys", "true", none(), tag("")),
        (equals, "aws:RequestTag/a", "blue", tag("blue"), none()),
    ]
}

#[tokio::test]
async fn a_definitions_size_privileges_and_tags_decide() {
    let server = Server::start().await;
    for (n, (operator, key, value, good, bad)) in conditions_on_definitions().into_iter().enumerate() {
        let name = format!("u{n}");
        let user = server.user(&name, &allow("ecs:TagResource", "*")).await;
        let policy = allow_if("ecs:RegisterTaskDefinition", operator, key, value);
        server.allow(&name, "register", &policy).await;
        let with = |change: Value| {
            let mut input = web();
            let change = change.as_object().unwrap().iter();
            change.for_each(|(name, value)| input[name] = value.clone());
            input
        };
        ok::<op::RegisterTaskDefinition>(&user, with(good)).await;
        let refused = err::<op::RegisterTaskDefinition>(&user, with(bad)).await;
        assert!(
            refused.contains(&arn("task-definition/web:*")),
            "{key}: {refused}"
        );
    }
}

#[tokio::test]
async fn broken_definitions_leave_no_revision_behind() {
    let server = Server::start().await;
    let mut input = web();
    input["containerDefinitions"][0]["memory"] = json!(1);
    assert_eq!(
        err::<op::RegisterTaskDefinition>(&server.root, input).await,
        "ClientException: Invalid setting for container 'app'. 'memory' must be at least 4."
    );
    let mut large = web();
    large["containerDefinitions"][0]["command"] = json!(["x".repeat(70_000)]);
    let refused = err::<op::RegisterTaskDefinition>(&server.root, large).await;
    assert_eq!(
        refused,
        "ClientException: The size of the task definition exceeds the limit of 64 KiB."
    );
    assert_eq!(register(&server.root, "web").await, arn("task-definition/web:1"));
}
