//! Where AWS is silent about what happens around a decision: each test bears the name of the function of
//! `crates/control/src/open_points.rs` that decides, and shows what we chose.

use portcullis_api::ecs::op;
use portcullis_api::{iam, sts};
use serde_json::json;

use super::context::{Phone, SERIAL};
use super::{arn, assumed, document, err, may, ok, role, trusting};
use crate::ecs::Scene;
use crate::harness::{ACCOUNT, Server, allow};

async fn packed(policy: &str) -> u64 {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let trust = trusting(
        &format!("arn:aws:iam::{ACCOUNT}:user/u"),
        &json!("sts:AssumeRole"),
    );
    let role_arn = role(&server, "r", &trust, &allow("*", "*")).await;
    let input = json!({ "RoleArn": role_arn, "RoleSessionName": "session", "Policy": policy });
    ok::<sts::op::AssumeRole>(&user, input).await["PackedPolicySize"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn r27_packed_bytes() {
    // What repeats itself packs well: two thousand characters take less than a tenth of the room.
    let repeating =
        document(&json!({ "Effect": "Allow", "Action": vec!["ecs:RunTask"; 130], "Resource": "*" }));
    assert!(
        repeating.len() > 1_900 && repeating.len() <= 2_048,
        "{}",
        repeating.len()
    );
    let percent = packed(&repeating).await;
    assert!((3..10).contains(&percent), "{percent}");
}

#[tokio::test]
async fn r27_packed_bytes_max() {
    // About 100 bytes are 5 percent of 2,048.
    let percent = packed(&allow("ecs:*", "*")).await;
    assert!((3..7).contains(&percent), "{percent}");
}

#[tokio::test]
async fn r139_answer() {
    let server = Server::start().await;
    let user = server
        .user("u", &allow("ecs:DescribeClusters", &arn("cluster/b")))
        .await;
    let refused = err::<op::DescribeClusters>(&user, json!({ "clusters": ["b", "c", "a"] })).await;
    assert!(
        refused.contains(&format!("on resource: {} ", arn("cluster/c"))),
        "{refused}"
    );
}

#[tokio::test]
async fn r146_check_for_each() {
    let server = Server::start().await;
    let instances = ["container-instance/c/1", "container-instance/c/2"].map(arn);
    let policy = |instance: &str| {
        document(
            &json!({ "Effect": "Allow", "Action": "ecs:StartTask", "Resource": "*",
            "Condition": { "StringEquals": { "ecs:container-instances": instance } } }),
        )
    };
    let user = server.user("u", &policy(&instances[0])).await;
    let start = |instances: &[String]| json!({ "cluster": "c", "taskDefinition": "web:1", "containerInstances": instances });
    let one = err::<op::StartTask>(&user, start(&instances[..1])).await;
    assert!(!one.contains("not authorized"), "{one}");
    let both = err::<op::StartTask>(&user, start(&instances)).await;
    assert!(
        both.contains("is not authorized to perform: ecs:StartTask"),
        "{both}"
    );
}

#[tokio::test]
async fn r148_tags_need_permission() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:CreateCluster", "*")).await;
    let create = json!({ "clusterName": "c", "tags": [{ "key": "a", "value": "b" }] });
    let refused = err::<op::CreateCluster>(&user, create).await;
    assert!(
        refused.contains("is not authorized to perform: ecs:TagResource"),
        "{refused}"
    );
    ok::<op::CreateCluster>(&user, json!({ "clusterName": "c" })).await;
}

#[tokio::test]
async fn r151_associated_resource() {
    let server = Server::start().await;
    let trust = json!({ "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole" });
    let role_arn = role(&server, "r", &trust, &allow("*", "*")).await;
    let pass = |absent: &str| {
        document(
            &json!({ "Effect": "Allow", "Action": ["iam:PassRole", "ecs:RegisterTaskDefinition"], "Resource": "*",
            "Condition": { "Null": { "iam:AssociatedResourceArn": absent } } }),
        )
    };
    let register = json!({ "family": "web", "taskRoleArn": role_arn, "containerDefinitions": [{ "name": "app", "image": "i", "memory": 8 }] });
    let user = server.user("u", &pass("true")).await;
    ok::<op::RegisterTaskDefinition>(&user, register.clone()).await;
    let other = server.user("other", &pass("false")).await;
    assert!(!may::<op::RegisterTaskDefinition>(&other, register).await);
}

#[tokio::test]
async fn r159_mfa_of_role_session() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let phone = Phone::enable(&server, "u").await;
    let needs = |condition: serde_json::Value| {
        document(
            &json!({ "Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*", "Condition": condition }),
        )
    };
    for (name, condition, allowed) in [
        (
            "false",
            json!({ "Bool": { "aws:MultiFactorAuthPresent": "false" } }),
            true,
        ),
        (
            "true",
            json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" } }),
            false,
        ),
        (
            "age",
            json!({ "Null": { "aws:MultiFactorAuthAge": "true" } }),
            true,
        ),
    ] {
        let role_arn = role(
            &server,
            name,
            &trusting(ACCOUNT, &json!("sts:AssumeRole")),
            &needs(condition),
        )
        .await;
        // The call itself has MFA; the session it makes has none.
        server.clock.advance_seconds(60);
        let input = json!({ "RoleArn": role_arn, "RoleSessionName": "session", "SerialNumber": SERIAL, "TokenCode": phone.code(&server, 0) });
        let me = assumed(&user, input).await;
        assert_eq!(may::<op::ListClusters>(&me, json!({})).await, allowed, "{name}");
    }
}

#[tokio::test]
async fn r181_check_on_missing() {
    let scene = Scene::set().await;
    let tagged = document(
        &json!({ "Effect": "Allow", "Action": ["ecs:*", "iam:*"], "Resource": "*",
        "Condition": { "StringEquals": { "aws:ResourceTag/Team": "blue" } } }),
    );
    // Who may only see what has a tag is refused what is not there, with the text of what is.
    let by_tag = scene.server.user("by-tag", &tagged).await;
    let missing = err::<op::DeleteCluster>(&by_tag, json!({ "cluster": "none" })).await;
    let there = err::<op::DeleteCluster>(&by_tag, json!({ "cluster": "c" })).await;
    assert_eq!(missing.replace("cluster/none", "cluster/c"), there);
    let user = err::<iam::op::GetUser>(&by_tag, json!({ "UserName": "none" })).await;
    assert!(user.starts_with("AccessDenied: "), "{user}");
    // Who may see all is told that it is missing.
    let all = scene.server.user("all", &allow("*", "*")).await;
    assert_eq!(
        err::<op::DeleteCluster>(&all, json!({ "cluster": "none" })).await,
        "ClusterNotFoundException: Cluster not found."
    );
}

#[tokio::test]
async fn is_container_network() {
    // An agent without a key is approved for a host's address only.
    let server = Server::start().await;
    crate::agent::cluster(&server, "c").await;
    let host = crate::agent::Instance::register_plain(&server.root, "c", &[]).await;
    for (source, status) in [
        ("172.17.0.2", 400),
        ("::ffff:172.17.0.2", 400),
        ("169.254.170.2", 400),
        ("fe80::1", 400),
        ("172.18.0.2", 200),
        ("192.168.1.2", 200),
        ("2001:db8::1", 200),
    ] {
        assert_eq!(server.root.approve(&host.arn, source).await.0, status, "{source}");
    }
}
