//! Refusals of a running server, as the command prints them.

use portcullis_api::{ecs, iam, sts};
use portcullis_policy::terminal::Style;
use portcullis_wire::Operation;
use serde_json::{Value, json};

use super::{authorization_id, json as json_of, page};
use crate::client::Client;
use crate::town::{ACCOUNT, Town};

impl Town {
    async fn user(&self, name: &str, policy: &Value) -> Client {
        let create = iam::CreateUserRequest {
            user_name: name.to_owned(),
            ..Default::default()
        };
        self.admin.expect::<iam::op::CreateUser>(&create).await.unwrap();
        let put = iam::PutUserPolicyRequest {
            user_name: name.to_owned(),
            policy_name: "own".to_owned(),
            policy_document: policy.to_string(),
        };
        self.admin.expect::<iam::op::PutUserPolicy>(&put).await.unwrap();
        self.key_of(name).await
    }

    async fn role(&self, name: &str, trust: Value) -> String {
        let create = iam::CreateRoleRequest {
            role_name: name.to_owned(),
            path: Some("/app/".to_owned()),
            assume_role_policy_document: policy(json!([trust])).to_string(),
            ..Default::default()
        };
        self.admin
            .expect::<iam::op::CreateRole>(&create)
            .await
            .unwrap()
            .role
            .arn
    }
}

fn policy(statements: Value) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

async fn refused<O: Operation>(client: &Client, input: &O::Input) -> String {
    let refusal = client.call::<O>(input).await.unwrap().result.err().unwrap();
    refusal.message.rsplit(' ').next().unwrap().to_owned()
}

/// What the command prints, without what changes from run to run.
async fn told(client: &Client, id: &str) -> String {
    let text = match page(client, id, Style::default()).await.unwrap() {
        Ok(text) => text,
        Err(refusal) => refusal.to_string(),
    };
    let lines = text.lines().map(|line| match line.strip_prefix("refused at ") {
        Some(rest) => format!("refused at TIME,{}", rest.split_once(',').unwrap().1),
        None => line.trim_end().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n").replace(id, "ID")
}

#[tokio::test]
async fn a_refusal_is_told_by_what_its_reader_may_see() {
    let town = Town::start().await;
    let statements = json!([
        { "Sid": "Work", "Effect": "Allow", "Action": "ecs:*", "Resource": "*" },
        { "Sid": "NotOutside", "Effect": "Deny", "Action": "ecs:Create*", "Resource": "*", "Condition": { "NotIpAddress": { "aws:SourceIp": "192.0.2.0/24" } } },
    ]);
    let user = town.user("richard-roe", &policy(statements)).await;
    let id = refused::<ecs::op::CreateCluster>(&user, &Default::default()).await;
    let seeing =
        json!([{ "Effect": "Allow", "Action": "iam:GetRequestAuthorizationDetails", "Resource": "*" }]);
    let seeing = town.user("helper", &policy(seeing)).await;
    let stranger = town
        .user(
            "stranger",
            &policy(json!([{ "Effect": "Deny", "Action": "*", "Resource": "*" }])),
        )
        .await;
    insta::assert_snapshot!("explicit_for_administrators", told(&town.admin, &id).await);
    insta::assert_snapshot!("explicit_for_helpers", told(&seeing, &id).await);
    insta::assert_snapshot!("explicit_for_the_refused", told(&user, &id).await);
    let unseen = page(&stranger, &id, Style::default())
        .await
        .unwrap()
        .err()
        .unwrap();
    assert_eq!(unseen.code, "AccessDeniedException");
    let unknown = page(&town.admin, "abc", Style::default())
        .await
        .unwrap()
        .err()
        .unwrap();
    assert_eq!(unknown.code, "ResourceNotFoundException");

    let value: Value = serde_json::from_str(&json_of(&town.admin, &id).await.unwrap().unwrap()).unwrap();
    assert_eq!(value["evaluations"][0]["evaluatedEffect"], "EXPLICIT_DENY");
    town.end().await;
}

#[tokio::test]
async fn the_check_that_was_refused_goes_before_those_that_were_not() {
    let town = Town::start().await;
    let statements = json!([
        { "Effect": "Allow", "Action": "ecs:RegisterTaskDefinition", "Resource": "*" },
        { "Sid": "PassWeb", "Effect": "Allow", "Action": "iam:PassRole", "Resource": format!("arn:aws:iam::{ACCOUNT}:role/web-*") },
    ]);
    let user = town.user("richard-roe", &policy(statements)).await;
    let trust = json!({ "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole" });
    let role = town.role("batch", trust).await;
    let input = portcullis_wire::json::from_value(&json!({
        "family": "f", "taskRoleArn": role, "containerDefinitions": [{ "name": "c", "image": "i", "memory": 64 }],
    }));
    let id = refused::<ecs::op::RegisterTaskDefinition>(&user, &input.unwrap()).await;
    insta::assert_snapshot!("pass_role", told(&town.admin, &id).await);
    town.end().await;
}

#[tokio::test]
async fn a_trust_policy_that_names_somebody_else_is_shown() {
    let town = Town::start().await;
    let user = town
        .user(
            "richard-roe",
            &policy(json!([{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*" }])),
        )
        .await;
    let trust = json!({ "Sid": "OnlyJane", "Effect": "Allow", "Principal": { "AWS": town_user(&town, "jane").await }, "Action": "sts:AssumeRole" });
    let role = town.role("web", trust).await;
    let input = sts::AssumeRoleRequest {
        role_arn: role,
        role_session_name: "session".to_owned(),
        ..Default::default()
    };
    let id = refused::<sts::op::AssumeRole>(&user, &input).await;
    insta::assert_snapshot!("trust", told(&town.admin, &id).await);
    insta::assert_snapshot!("trust_for_the_refused", told(&user, &id).await);
    town.end().await;
}

async fn town_user(town: &Town, name: &str) -> String {
    town.user(
        name,
        &policy(json!([{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*" }])),
    )
    .await;
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

#[tokio::test]
async fn a_rule_beside_the_policies_is_told_as_such() {
    let town = Town::start().await;
    let all = policy(json!([{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*" }]));
    let owner = town.user("owner", &all).await;
    let other = town.user("other", &all).await;
    owner
        .expect::<ecs::op::CreateCluster>(&Default::default())
        .await
        .unwrap();
    let machine = |arn: Option<&str>| {
        let size = |name: &str| json!({ "name": name, "type": "INTEGER", "integerValue": 1024 });
        let input = json!({ "containerInstanceArn": arn, "totalResources": [size("CPU"), size("MEMORY")] });
        portcullis_wire::json::from_value::<ecs::RegisterContainerInstanceRequest>(&input).unwrap()
    };
    let made = owner
        .expect::<ecs::op::RegisterContainerInstance>(&machine(None))
        .await
        .unwrap();
    let arn = made.container_instance.unwrap().container_instance_arn.unwrap();
    let id = refused::<ecs::op::RegisterContainerInstance>(&other, &machine(Some(&arn))).await;
    let told = told(&town.admin, &id).await;
    insta::assert_snapshot!("rule", told.replace(arn.rsplit('/').next().unwrap(), "INSTANCE"));
    town.end().await;
}

#[tokio::test]
async fn a_role_that_is_not_there_is_told_apart_to_those_who_may_know() {
    let town = Town::start().await;
    let all = policy(json!([{ "Effect": "Allow", "Action": "sts:*", "Resource": "*" }]));
    let user = town.user("richard-roe", &all).await;
    let input = sts::AssumeRoleRequest {
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/gone"),
        role_session_name: "session".to_owned(),
        ..Default::default()
    };
    let id = refused::<sts::op::AssumeRole>(&user, &input).await;
    insta::assert_snapshot!(told(&town.admin, &id).await, @r"
    refused at TIME, asked from 127.0.0.1

    DENIED (implicit)  sts:AssumeRole on arn:aws:iam::123456789012:role/gone
      asked by    arn:aws:iam::123456789012:user/richard-roe
      stopped by  there is no such role
    ");
    insta::assert_snapshot!(told(&user, &id).await, @r"
    refused at TIME, asked from 127.0.0.1

    DENIED (implicit)  sts:AssumeRole on arn:aws:iam::123456789012:role/gone
      asked by    arn:aws:iam::123456789012:user/richard-roe
      stopped by  no role trust policy allows it

    more is told to callers who may iam:GetRequestAuthorizationDetails
    ");
    town.end().await;
}

#[test]
fn the_id_is_found_in_what_people_paste() {
    const ID: &str = "0mwr2lmo0cpsfvhr3uo61snct";
    let refusal = format!(
        "User: arn:aws:iam::123456789012:user/mia is not authorized. Go to https://us-east-1.console.aws.amazon.com/x/{ID} \
         for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: {ID}"
    );
    let status = "status code: 400, request id: 8f1c9d1e-1111-2222-3333-444455556666";
    for text in [
        ID.to_owned(),
        format!("  {ID}.\n"),
        format!("`{ID}`,"),
        refusal.clone(),
        format!("CannotStartContainerError: {refusal}\n\t{status}"),
        format!("CannotStartContainerError: {refusal}, {status}"),
        format!("{{\"__type\":\"AccessDeniedException\",\"message\":\"{refusal}\"}}"),
        format!("<Message>{refusal}</Message><RequestId>8f1c</RequestId>"),
        refusal.replace("authorization id: ", "authorization id:\n  "),
    ] {
        assert_eq!(authorization_id(&text), Some(ID), "{text}");
    }
    for text in [
        "",
        " ",
        "Access Denied",
        status,
        "authorization id:",
        "authorization id: none",
    ] {
        assert_eq!(authorization_id(text), None, "{text}");
    }
}
