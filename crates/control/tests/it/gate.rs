//! The way of every call: authentication errors, decisions, records.

use std::future::Future as _;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use portcullis_api::{ecs, iam, sts};
use portcullis_core::{FixedClock, SystemRandom};
use portcullis_store::{Place, open};

use crate::harness::{ACCOUNT, BEGINNING, Server, allow};

#[tokio::test]
async fn r130_get_caller_identity_needs_no_permission() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let who = nobody.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(who.arn.unwrap(), format!("arn:aws:iam::{ACCOUNT}:user/nobody"));
    assert!(who.user_id.unwrap().starts_with("AIDA"));
}

#[tokio::test]
async fn r169_a_refusal_names_caller_action_resource_and_reason() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let input = ecs::CreateClusterRequest {
        cluster_name: Some("c".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        nobody.err::<ecs::op::CreateCluster>(&input).await,
        format!(
            "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/nobody is not authorized to perform: ecs:CreateCluster \
             on resource: arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/c because no identity-based policy allows the \
             ecs:CreateCluster action"
        )
    );
}

#[tokio::test]
async fn r135_a_policy_change_binds_the_next_request() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let input = ecs::ListClustersRequest::default();
    assert!(user.call::<ecs::op::ListClusters>(&input).await.is_err());
    server.allow("u", "p", &allow("ecs:ListClusters", "*")).await;
    assert!(user.call::<ecs::op::ListClusters>(&input).await.is_ok());
    let delete = iam::DeleteUserPolicyRequest {
        user_name: "u".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUserPolicy>(&delete).await;
    assert!(user.call::<ecs::op::ListClusters>(&input).await.is_err());
}

#[tokio::test]
async fn r180_wrong_keys_secrets_and_clocks_are_told_apart() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let ask = |client: crate::harness::Client| async move {
        let query = client
            .err::<sts::op::GetCallerIdentity>(&Default::default())
            .await;
        let json = client.err::<ecs::op::ListClusters>(&Default::default()).await;
        let code = |text: &str| text.split(':').next().unwrap().to_owned();
        [code(&query), code(&json)]
    };
    let unknown = user.with("AKIAUNKNOWN", "secret", None);
    assert_eq!(
        ask(unknown).await,
        ["InvalidClientTokenId", "UnrecognizedClientException"]
    );
    let wrong = user.with(&user.access_key_id, "wrong", None);
    assert_eq!(
        ask(wrong).await,
        ["SignatureDoesNotMatch", "InvalidSignatureException"]
    );
    let stranger = user.with(&user.access_key_id, user.secret.expose(), Some("bm90IG91cnM="));
    assert_eq!(
        ask(stranger).await,
        ["InvalidClientTokenId", "UnrecognizedClientException"]
    );
}

#[tokio::test]
async fn every_region_keeps_its_own_state() {
    let server = Server::start().await;
    let create = ecs::CreateClusterRequest {
        cluster_name: Some("c".to_owned()),
        ..Default::default()
    };
    server
        .root
        .region("eu-west-1")
        .ok::<ecs::op::CreateCluster>(&create)
        .await;
    let here = server.root.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let there = server
        .root
        .region("eu-west-1")
        .ok::<ecs::op::ListClusters>(&Default::default())
        .await;
    assert_eq!(here.cluster_arns.unwrap_or_default().len(), 0);
    assert_eq!(
        there.cluster_arns.unwrap(),
        [format!("arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/c")]
    );
}

#[tokio::test]
async fn allowed_and_denied_calls_are_on_record() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let input = ecs::CreateClusterRequest {
        cluster_name: Some("c".to_owned()),
        ..Default::default()
    };
    nobody.err::<ecs::op::CreateCluster>(&input).await;
    server.root.ok::<ecs::op::CreateCluster>(&input).await;
    let records = server.records().await;
    let of = |kind: &str| {
        let is =
            |r: &&serde_json::Value| r["eventName"] == "CreateCluster" && r["userIdentity"]["type"] == kind;
        records.iter().find(is).unwrap().clone()
    };
    let denied = of("IAMUser");
    assert_eq!(denied["errorCode"], "AccessDenied");
    assert!(denied["requestParameters"].is_null());
    assert_eq!(denied["userIdentity"]["userName"], "nobody");
    let done = of("Root");
    assert_eq!(done["requestParameters"]["clusterName"], "c");
    assert_eq!(done["responseElements"]["cluster"]["status"], "ACTIVE");
    assert_eq!(
        (&done["readOnly"], &done["sourceIPAddress"]),
        (&false.into(), &"203.0.113.7".into())
    );
}

#[tokio::test]
async fn why_names_the_statement_and_the_key_that_failed() {
    let server = Server::start().await;
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Sid": "OnlyFromHome", "Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*",
        "Condition": { "IpAddress": { "aws:SourceIp": "198.51.100.0/24" } }
    }] });
    let user = server.user("u", &policy.to_string()).await;
    let reply = user.send::<ecs::op::ListClusters>(&Default::default()).await;
    let id = reply
        .headers
        .iter()
        .find(|(name, _)| *name == "x-amzn-requestid")
        .unwrap()
        .1
        .clone();
    let why = server.gate.why(&id).first().unwrap().render();
    for part in ["OnlyFromHome", "aws:SourceIp", "203.0.113.7", "198.51.100.0/24"] {
        assert!(why.contains(part), "{part} is missing in:\n{why}");
    }
}

#[tokio::test]
async fn keys_of_this_partition_are_unknown_in_others() {
    let server = Server::start().await;
    for region in ["cn-north-1", "us-gov-west-1", "nowhere", ""] {
        let refused = server
            .root
            .region(region)
            .err::<ecs::op::ListClusters>(&Default::default())
            .await;
        assert!(
            refused.starts_with("UnrecognizedClientException: "),
            "{region}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_in_the_middle_does_not_hide_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let place = Place {
        dir: folder.path().join("data"),
        account: ACCOUNT.parse().unwrap(),
        master_key: None,
    };
    let server = Server::over(
        open(&place, clock.clone(), Arc::new(SystemRandom)).unwrap(),
        clock,
    )
    .await;
    let mut changes = server.gate.world().changes();
    let before = *changes.borrow_and_update();
    {
        // The first poll submits the change; then the call is dropped, as of a client that hangs up.
        let input = ecs::CreateClusterRequest::default();
        let mut call = Box::pin(server.root.send::<ecs::op::CreateCluster>(&input));
        assert!(
            call.as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    let published = changes.wait_for(|sequence| *sequence > before);
    tokio::time::timeout(Duration::from_secs(20), published)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(server.gate.world().view().ecs.clusters.len(), 1);
}
