//! Passing roles and other dependent actions (R149-R158).

use portcullis_api::ecs::op;
use portcullis_api::{iam, sts};
use serde_json::{Value, json};

use super::{arn, document, err, may, ok, role};
use crate::acs::definition_with_roles;
use crate::agent::{client_of, run};
use crate::ecs::Scene;
use crate::harness::{ACCOUNT, Server, allow};

const TRUST: &str = "ecs-tasks.amazonaws.com";

fn for_tasks() -> Value {
    json!({ "Effect": "Allow", "Principal": { "Service": TRUST }, "Action": "sts:AssumeRole" })
}

/// Registers a definition whose task role is `name`.
fn register(name: &str) -> Value {
    json!({ "family": "web", "taskRoleArn": name, "containerDefinitions": [{ "name": "app", "image": "i", "memory": 8 }] })
}

/// A user who may register definitions, and pass roles where a condition holds.
async fn passing(server: &Server, user: &str, condition: Value) -> crate::harness::Client {
    let client = server.user(user, &allow("ecs:RegisterTaskDefinition", "*")).await;
    let pass =
        json!({ "Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": condition });
    server.allow(user, "pass", &document(&pass)).await;
    client
}

#[tokio::test]
async fn r150_the_service_a_role_is_passed_to_is_the_one_that_assumes_it() {
    let server = Server::start().await;
    let arn = role(&server, "r", &for_tasks(), &allow("ecs:*", "*")).await;
    let to = |service: &str| json!({ "StringEquals": { "iam:PassedToService": service } });
    let tasks = passing(&server, "tasks", to(TRUST)).await;
    ok::<op::RegisterTaskDefinition>(&tasks, register(&arn)).await;
    for (n, other) in [
        "ecs.amazonaws.com",
        "ec2.amazonaws.com",
        "ECS-TASKS.amazonaws.com",
    ]
    .into_iter()
    .enumerate()
    {
        let user = passing(&server, &format!("u{n}"), to(other)).await;
        let refused = err::<op::RegisterTaskDefinition>(&user, register(&arn)).await;
        assert!(refused.contains("iam:PassRole"), "{other}: {refused}");
    }
    // A service role goes to ECS itself.
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let user = passing(&server, "service", to("ecs.amazonaws.com")).await;
    server
        .allow("service", "create", &allow("ecs:CreateService", "*"))
        .await;
    let create = json!({ "cluster": "c", "serviceName": "s", "taskDefinition": "web", "role": arn, "desiredCount": 0 });
    if let Err(error) = user
        .call::<op::CreateService>(&portcullis_wire::json::from_value(&create).unwrap())
        .await
    {
        assert!(!error.to_string().contains("not authorized"), "{error}");
    }
}

#[tokio::test]
async fn r153_the_roles_tags_are_no_keys_of_pass_role() {
    let server = Server::start().await;
    let arn = role(&server, "r", &for_tasks(), &allow("ecs:*", "*")).await;
    let tags = json!({ "RoleName": "r", "Tags": [{ "Key": "Team", "Value": "blue" }] });
    ok::<iam::op::TagRole>(&server.root, tags).await;
    for (n, key) in ["aws:ResourceTag/Team", "iam:ResourceTag/Team"]
        .into_iter()
        .enumerate()
    {
        let tagged = passing(
            &server,
            &format!("tagged{n}"),
            json!({ "StringEquals": { key: "blue" } }),
        )
        .await;
        assert!(
            !may::<op::RegisterTaskDefinition>(&tagged, register(&arn)).await,
            "{key}"
        );
        let absent = passing(&server, &format!("absent{n}"), json!({ "Null": { key: "true" } })).await;
        assert!(
            may::<op::RegisterTaskDefinition>(&absent, register(&arn)).await,
            "{key}"
        );
    }
}

#[tokio::test]
async fn r154_r158_a_failing_dependent_action_is_named_with_its_resource() {
    let server = Server::start().await;
    let role_arn = role(&server, "r", &for_tasks(), &allow("ecs:*", "*")).await;
    let user = server.user("u", &allow("ecs:RegisterTaskDefinition", "*")).await;
    let mut input = register(&role_arn);
    input["tags"] = json!([{ "key": "a", "value": "b" }]);
    let named = |action: &str, resource: &str| {
        format!(
            "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
        )
    };
    let mut refusals = Vec::new();
    for (name, policy) in [
        ("tag", allow("ecs:TagResource", "*")),
        ("pass", allow("iam:PassRole", &role_arn)),
    ] {
        refusals.push(err::<op::RegisterTaskDefinition>(&user, input.clone()).await);
        server.allow("u", name, &policy).await;
    }
    assert_eq!(
        refusals,
        [
            named("ecs:TagResource", &arn("task-definition/web:*")),
            named("iam:PassRole", &role_arn)
        ]
    );
    ok::<op::RegisterTaskDefinition>(&user, input).await;
}

#[tokio::test]
async fn r149_passing_a_role_is_no_call_and_leaves_no_record_of_its_own() {
    let server = Server::start().await;
    let arn = role(&server, "r", &for_tasks(), &allow("ecs:*", "*")).await;
    let user = passing(&server, "u", json!({})).await;
    ok::<op::RegisterTaskDefinition>(&user, register(&arn)).await;
    let records = server.records().await;
    assert!(
        records
            .iter()
            .any(|record| record["eventName"] == "RegisterTaskDefinition")
    );
    assert!(records.iter().all(|record| record["eventName"] != "PassRole"));
}

/// The execution role is a role like others, used by nobody but the agent.
#[tokio::test]
async fn r156_the_execution_role_has_the_permissions_of_its_policies_and_no_others() {
    let mut scene = Scene::set().await;
    let definition = definition_with_roles(&scene.server).await;
    scene.server.root.ok::<op::RunTask>(&run("c", &definition)).await;
    let payload = scene.agent.take().await;
    let task = payload.tasks.first().unwrap();
    let execution = client_of(
        &scene.server.root,
        task.execution_role_credentials.as_ref().unwrap(),
    );
    let who = execution
        .ok::<sts::op::GetCallerIdentity>(&Default::default())
        .await;
    assert!(who.arn.unwrap().contains(":assumed-role/execution/"));
    assert!(may::<op::ListClusters>(&execution, json!({})).await);
    let refused = err::<op::DescribeClusters>(&execution, json!({ "clusters": ["c"] })).await;
    assert!(
        refused.contains("because no identity-based policy allows the ecs:DescribeClusters action"),
        "{refused}"
    );
}

/// What an agent does with an execution role in the services that are not here, by the simulator: AWS's own policy for such
/// roles covers image pulls and logs; secrets need statements about each of them.
#[tokio::test]
async fn r156_awss_policy_covers_images_and_logs_and_secrets_need_more() {
    let server = Server::start().await;
    let role_arn = role(&server, "execution", &for_tasks(), &allow("x:Nothing", "*")).await;
    let managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";
    let attach = json!({ "RoleName": "execution", "PolicyArn": managed });
    ok::<iam::op::AttachRolePolicy>(&server.root, attach).await;
    let local = |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:{ACCOUNT}:{rest}");
    let decided = async |action: &str, resource: &str| {
        let input =
            json!({ "PolicySourceArn": role_arn, "ActionNames": [action], "ResourceArns": [resource] });
        let results = ok::<iam::op::SimulatePrincipalPolicy>(&server.root, input).await;
        results["EvaluationResults"][0]["EvalDecision"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (repository, stream) = (
        local("ecr", "repository/web"),
        local("logs", "log-group:/ecs/web:log-stream:1"),
    );
    for (action, resource) in [
        ("ecr:GetAuthorizationToken", "*"),
        ("ecr:BatchCheckLayerAvailability", &repository),
        ("ecr:GetDownloadUrlForLayer", &repository),
        ("ecr:BatchGetImage", &repository),
        ("logs:CreateLogStream", &stream),
        ("logs:PutLogEvents", &stream),
    ] {
        assert_eq!(decided(action, resource).await, "allowed", "{action}");
    }
    let secrets = [
        (
            "secretsmanager:GetSecretValue",
            local("secretsmanager", "secret:prod/db-AbCdEf"),
        ),
        ("ssm:GetParameters", local("ssm", "parameter/prod/db")),
        (
            "kms:Decrypt",
            local("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        ),
    ];
    for (action, resource) in &secrets {
        assert_eq!(decided(action, resource).await, "implicitDeny", "{action}");
    }
    for (action, resource) in &secrets {
        let put = json!({ "RoleName": "execution", "PolicyName": action.replace(':', "-"), "PolicyDocument": allow(action, resource) });
        ok::<iam::op::PutRolePolicy>(&server.root, put).await;
        assert_eq!(decided(action, resource).await, "allowed", "{action}");
        assert_eq!(
            decided(action, &format!("{resource}x")).await,
            "implicitDeny",
            "{action}"
        );
    }
    for action in ["ecr:PutImage", "logs:CreateLogGroup", "ecr:DeleteRepository"] {
        assert_eq!(decided(action, "*").await, "implicitDeny", "{action}");
    }
}

#[tokio::test]
async fn r155_what_ecs_does_itself_needs_no_permission_of_the_caller() {
    let mut scene = Scene::set().await;
    let definition = definition_with_roles(&scene.server).await;
    let user = scene.server.user("u", &allow("ecs:RunTask", "*")).await;
    scene.server.allow("u", "pass", &allow("iam:PassRole", "*")).await;
    // The caller may not assume the role; ECS does, when the task needs it.
    let assume =
        json!({ "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/task"), "RoleSessionName": "session" });
    assert!(!may::<sts::op::AssumeRole>(&user, assume).await);
    user.ok::<op::RunTask>(&run("c", &definition)).await;
    let payload = scene.agent.take().await;
    assert!(payload.tasks[0].role_credentials.is_some());
}

#[tokio::test]
async fn r157_the_trust_policy_of_a_task_role_sees_where_the_task_runs() {
    let scene = Scene::set().await;
    let trust = |key: &str, value: &str| {
        let mut statement = for_tasks();
        statement["Condition"] = json!({ "StringLike": { key: value } });
        statement
    };
    for (n, (key, value, trusted)) in [
        ("aws:SourceAccount", ACCOUNT, true),
        ("aws:SourceAccount", "999999999999", false),
        ("aws:SourceArn", arn("*").as_str(), true),
        ("aws:SourceArn", "arn:aws:ecs:eu-west-1:*", false),
        ("aws:PrincipalIsAWSService", "true", true),
        ("aws:PrincipalServiceName", TRUST, true),
    ]
    .into_iter()
    .enumerate()
    {
        let role_arn = role(
            &scene.server,
            &format!("r{n}"),
            &trust(key, value),
            &allow("ecs:*", "*"),
        )
        .await;
        let family = format!("f{n}");
        let input = json!({ "family": family, "taskRoleArn": role_arn, "containerDefinitions": [{ "name": "app", "image": "i", "memory": 8 }] });
        ok::<op::RegisterTaskDefinition>(&scene.server.root, input).await;
        let ran = may::<op::RunTask>(
            &scene.server.root,
            json!({ "cluster": "c", "taskDefinition": family }),
        )
        .await;
        assert_eq!(ran, trusted, "{key} {value}");
    }
}
