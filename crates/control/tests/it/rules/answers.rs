//! What callers are told, and what is written down (R25, R130, R137-R139, R176-R178, R182).

use http::Request;
use portcullis_api::{cloudtrail, ecs, iam, sts};
use portcullis_control::world::records::PolicyText;
use portcullis_control::world::records::iam::User;
use portcullis_core::Clock as _;
use portcullis_wire::Reply;
use serde_json::json;

use super::{arn, document, err, may, ok};
use crate::harness::{ACCOUNT, Client, Server, allow, without_authorization_id};

/// Sends a query request of a service that need not be served.
async fn query(server: &Server, client: &Client, service: &str, body: &str) -> Reply {
    let builder =
        Request::post("http://127.0.0.1:4566/").header("content-type", "application/x-www-form-urlencoded");
    let (mut parts, ()) = builder.body(()).unwrap().into_parts();
    client.sign(service, &mut parts, body.as_bytes(), server.clock.now());
    server
        .gate
        .serve(&parts, body.as_bytes(), client.peer.clone())
        .await
}

fn body(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn r176_each_service_refuses_with_its_own_code_and_status() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let ecs = nobody.send::<ecs::op::ListClusters>(&Default::default()).await;
    assert_eq!(ecs.status, 400);
    assert!(body(&ecs).contains("AccessDeniedException"), "{}", body(&ecs));
    let trail = nobody
        .send::<cloudtrail::op::LookupEvents>(&Default::default())
        .await;
    assert_eq!(trail.status, 400);
    assert!(body(&trail).contains("AccessDeniedException"), "{}", body(&trail));
    let iam = nobody.send::<iam::op::ListUsers>(&Default::default()).await;
    assert_eq!(iam.status, 403);
    assert!(body(&iam).contains("<Code>AccessDenied</Code>"), "{}", body(&iam));
    let assume = sts::AssumeRoleRequest {
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/none"),
        role_session_name: "session".to_owned(),
        ..Default::default()
    };
    let sts = nobody.send::<sts::op::AssumeRole>(&assume).await;
    assert_eq!(sts.status, 403);
    assert!(body(&sts).contains("<Code>AccessDenied</Code>"), "{}", body(&sts));
}

#[tokio::test]
async fn r177_ec2_refuses_in_its_own_words_and_envelope() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let form = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16";
    let reply = query(&server, &nobody, "ec2", form).await;
    assert_eq!(reply.status, 403);
    let text = body(&reply);
    assert!(
        text.contains("<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation. User: "),
        "{text}"
    );
    assert!(
        text.contains(". Encoded authorization failure message: "),
        "{text}"
    );
}

#[tokio::test]
async fn r182_the_record_of_a_refusal_carries_code_and_message() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let refused = err::<ecs::op::DeleteCluster>(&nobody, json!({ "cluster": "c" })).await;
    let message = refused.strip_prefix("AccessDeniedException: ").unwrap();
    let records = server.records().await;
    let record = records
        .iter()
        .find(|record| record["eventName"] == "DeleteCluster")
        .unwrap();
    assert_eq!(record["errorCode"], "AccessDenied");
    let (recorded, id) = without_authorization_id(record["errorMessage"].as_str().unwrap());
    assert_eq!(recorded, message);
    assert!(id.is_some());
    assert_eq!(
        record["userIdentity"]["arn"],
        format!("arn:aws:iam::{ACCOUNT}:user/nobody")
    );
}

#[tokio::test]
async fn r130_get_caller_identity_works_even_under_an_explicit_deny() {
    let server = Server::start().await;
    let denied = server
        .user(
            "denied",
            &document(&json!({ "Effect": "Deny", "Action": "*", "Resource": "*" })),
        )
        .await;
    ok::<sts::op::GetCallerIdentity>(&denied, json!({})).await;
    // GetSessionToken needs no permission either.
    ok::<sts::op::GetSessionToken>(&denied, json!({})).await;
    assert!(!may::<ecs::op::ListClusters>(&denied, json!({})).await);
}

#[tokio::test]
async fn r137_r139_a_call_is_allowed_when_every_check_is_and_names_the_first_that_is_not() {
    let server = Server::start().await;
    for name in ["a", "b", "c"] {
        ok::<ecs::op::CreateCluster>(&server.root, json!({ "clusterName": name })).await;
    }
    let on = |names: &[&str]| {
        let arns: Vec<_> = names.iter().map(|name| arn(&format!("cluster/{name}"))).collect();
        document(&json!({ "Effect": "Allow", "Action": "ecs:DescribeClusters", "Resource": arns }))
    };
    let user = server.user("u", &on(&["a", "c"])).await;
    let describe = |names: &[&str]| json!({ "clusters": names });
    let shown = ok::<ecs::op::DescribeClusters>(&user, describe(&["a", "c"])).await;
    assert_eq!(shown["clusters"].as_array().unwrap().len(), 2);
    for (asked, named) in [
        (vec!["a", "b"], "b"),
        (vec!["b", "a"], "b"),
        (vec!["a", "b", "c", "none"], "b"),
        (vec!["none", "b"], "none"),
    ] {
        let refused = err::<ecs::op::DescribeClusters>(&user, describe(&asked)).await;
        let expected = format!(
            "ecs:DescribeClusters on resource: {} because",
            arn(&format!("cluster/{named}"))
        );
        assert!(refused.contains(&expected), "{asked:?}: {refused}");
    }
}

/// Puts a policy on a user that no API would take, as a damaged store would have it.
async fn damage(server: &Server, user: &str, policy: &str) {
    let text: PolicyText = serde_json::from_value(json!(["identity", policy])).unwrap();
    let world = server.gate.world();
    let written = world
        .write(|tx| {
            let mut damaged = User::clone(tx.view().user(user).unwrap());
            damaged
                .permissions
                .inline
                .insert("damaged".to_owned(), text.clone());
            tx.put(damaged);
            Ok::<_, portcullis_control::gate::error::ServiceError>(())
        })
        .await;
    assert!(written.is_ok());
}

#[tokio::test]
async fn r31_r138_a_policy_that_does_not_parse_denies_everything_and_never_allows() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    ok::<ecs::op::ListClusters>(&user, json!({})).await;
    for broken in [
        "",
        "{",
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Resource":"*"}}"#,
    ] {
        damage(&server, "u", broken).await;
        let refused = err::<ecs::op::ListClusters>(&user, json!({})).await;
        assert!(refused.starts_with("AccessDeniedException: User: "), "{refused}");
        assert!(!may::<iam::op::ListUsers>(&user, json!({})).await);
    }
    // Who has no part in it is not touched, and replacing the policy heals.
    let other = server.user("other", &allow("*", "*")).await;
    ok::<ecs::op::ListClusters>(&other, json!({})).await;
    server.allow("u", "damaged", &allow("ecs:*", "*")).await;
    ok::<ecs::op::ListClusters>(&user, json!({})).await;
}
