//! Sessions of GetFederationToken.

use portcullis_api::{ecs, iam, sts};

use super::allow_all;
use crate::harness::{ACCOUNT, Client, Server, allow};

fn session(client: &Client, credentials: Option<sts::Credentials>) -> Client {
    let c = credentials.unwrap();
    client.with(&c.access_key_id, &c.secret_access_key, Some(&c.session_token))
}

fn assume(role: &str) -> sts::AssumeRoleRequest {
    sts::AssumeRoleRequest {
        role_arn: role.to_owned(),
        role_session_name: "session".to_owned(),
        ..Default::default()
    }
}

fn federation(policy: Option<String>) -> sts::GetFederationTokenRequest {
    sts::GetFederationTokenRequest {
        name: "Bob".to_owned(),
        policy,
        ..Default::default()
    }
}

#[tokio::test]
async fn r121_a_federated_user_without_session_policy_may_nothing() {
    let server = Server::start().await;
    let user = server.user("u", &allow_all(&["ecs:*", "iam:*", "sts:*"])).await;
    let reply = user.ok::<sts::op::GetFederationToken>(&federation(None)).await;
    assert_eq!(reply.packed_policy_size, None);
    let nothing = session(&user, reply.credentials);
    let refused = nothing.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(
        refused.contains(&format!(
            "User: arn:aws:sts::{ACCOUNT}:federated-user/Bob is not authorized"
        )),
        "{refused}"
    );
    let narrow = federation(Some(allow("ecs:List*", "*")));
    let reply = user.ok::<sts::op::GetFederationToken>(&narrow).await;
    let bob = session(&user, reply.credentials);
    bob.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let refused = bob.err::<ecs::op::DescribeClusters>(&Default::default()).await;
    assert!(refused.contains("because no session policy allows"), "{refused}");
    // The user's own policies bound it as well.
    let wide = federation(Some(allow("cloudtrail:*", "*")));
    let reply = user.ok::<sts::op::GetFederationToken>(&wide).await;
    let bob = session(&user, reply.credentials);
    let refused = bob
        .err::<portcullis_api::cloudtrail::op::LookupEvents>(&Default::default())
        .await;
    assert!(
        refused.contains("because no identity-based policy allows"),
        "{refused}"
    );
}

#[tokio::test]
async fn r129_a_federated_user_calls_no_iam_and_of_sts_only_get_caller_identity() {
    let server = Server::start().await;
    let user = server.user("u", &allow_all(&["ecs:*", "iam:*", "sts:*"])).await;
    let all = federation(Some(allow("*", "*")));
    let reply = user.ok::<sts::op::GetFederationToken>(&all).await;
    let bob = session(&user, reply.credentials);
    let refused = bob.err::<iam::op::ListUsers>(&Default::default()).await;
    assert!(refused.starts_with("InvalidClientTokenId: "), "{refused}");
    for refused in [
        bob.err::<sts::op::GetSessionToken>(&Default::default()).await,
        bob.err::<sts::op::GetFederationToken>(&federation(None)).await,
        bob.err::<sts::op::AssumeRole>(&assume(&format!("arn:aws:iam::{ACCOUNT}:role/r")))
            .await,
    ] {
        assert!(refused.ends_with("with session credentials"), "{refused}");
    }
    let who = bob.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(who.user_id.as_deref(), Some(format!("{ACCOUNT}:Bob").as_str()));
}

#[tokio::test]
async fn r108_a_federated_user_has_no_user_name_and_is_recorded_with_its_user() {
    let server = Server::start().await;
    let user = server.user("u", &allow_all(&["ecs:*", "sts:*"])).await;
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "ecs:*", "Resource": "*",
            "Condition": {
                "Null": { "aws:username": "true", "aws:MultiFactorAuthPresent": "true" },
                "StringEquals": {
                    "aws:userid": format!("{ACCOUNT}:Bob"), "aws:PrincipalType": "FederatedUser",
                    "aws:PrincipalArn": format!("arn:aws:sts::{ACCOUNT}:federated-user/Bob"),
                    "aws:PrincipalTag/Team": "blue",
                },
            },
        }]
    });
    let request = sts::GetFederationTokenRequest {
        tags: Some(vec![sts::Tag {
            key: "Team".to_owned(),
            value: "blue".to_owned(),
        }]),
        ..federation(Some(policy.to_string()))
    };
    let bob = session(
        &user,
        user.ok::<sts::op::GetFederationToken>(&request).await.credentials,
    );
    bob.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let records = server.records().await;
    let record = records
        .iter()
        .find(|record| record["eventName"] == "ListClusters")
        .unwrap();
    let who = &record["userIdentity"];
    assert_eq!(who["type"], "FederatedUser");
    assert_eq!(who["principalId"], format!("{ACCOUNT}:Bob"));
    let issuer = &who["sessionContext"]["sessionIssuer"];
    assert_eq!(
        (&issuer["type"], &issuer["userName"]),
        (&"IAMUser".into(), &"u".into())
    );
    assert_eq!(issuer["arn"], format!("arn:aws:iam::{ACCOUNT}:user/u"));
    let record = records
        .iter()
        .find(|record| record["eventName"] == "GetFederationToken")
        .unwrap();
    assert!(record["responseElements"]["credentials"]["sessionToken"].is_string());
    assert!(record["responseElements"]["credentials"]["secretAccessKey"].is_null());
}

#[tokio::test]
async fn tags_of_a_federated_user_need_their_permission() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:GetFederationToken", "*")).await;
    let tag = |key: &str| sts::Tag {
        key: key.to_owned(),
        value: "v".to_owned(),
    };
    let request = |keys: &[&str]| sts::GetFederationTokenRequest {
        tags: Some(keys.iter().map(|key| tag(key)).collect()),
        ..federation(None)
    };
    let refused = user.err::<sts::op::GetFederationToken>(&request(&["a"])).await;
    assert!(
        refused.contains(&format!(
            "sts:TagSession on resource: arn:aws:sts::{ACCOUNT}:federated-user/Bob"
        )),
        "{refused}"
    );
    for (keys, expected) in [
        (["a", "A"], "InvalidParameterValue: Duplicate tag keys found."),
        (
            ["b", "aws:a"],
            "ValidationError: Tag keys with the prefix aws: are reserved",
        ),
    ] {
        let refused = user.err::<sts::op::GetFederationToken>(&request(&keys)).await;
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[tokio::test]
async fn root_s_sessions_last_an_hour_whatever_is_asked() {
    let server = Server::start().await;
    let request = sts::GetFederationTokenRequest {
        duration_seconds: Some(7_200),
        ..federation(Some(allow("ecs:List*", "*")))
    };
    let reply = server.root.ok::<sts::op::GetFederationToken>(&request).await;
    let credentials = reply.credentials.clone().unwrap();
    assert_eq!(credentials.expiration, server.root.now().plus_seconds(3_600));
    let bob = session(&server.root, reply.credentials);
    bob.ok::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(
        bob.call::<ecs::op::DescribeClusters>(&Default::default())
            .await
            .is_err()
    );
    let reply = server
        .root
        .ok::<sts::op::GetFederationToken>(&federation(None))
        .await;
    let nothing = session(&server.root, reply.credentials);
    assert!(
        nothing
            .call::<ecs::op::ListClusters>(&Default::default())
            .await
            .is_err()
    );
    let request = sts::GetSessionTokenRequest {
        duration_seconds: Some(7_200),
        ..Default::default()
    };
    let reply = server.root.ok::<sts::op::GetSessionToken>(&request).await;
    let credentials = reply.credentials.unwrap();
    assert_eq!(credentials.expiration, server.root.now().plus_seconds(3_600));
}

#[tokio::test]
async fn a_federated_session_ends_with_its_user() {
    let server = Server::start().await;
    let user = server.user("u", &allow_all(&["ecs:*", "sts:*"])).await;
    let request = federation(Some(allow("ecs:*", "*")));
    let bob = session(
        &user,
        user.ok::<sts::op::GetFederationToken>(&request).await.credentials,
    );
    bob.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let put = iam::DeleteUserPolicyRequest {
        user_name: "u".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUserPolicy>(&put).await;
    let refused = bob.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    let delete = iam::DeleteAccessKeyRequest {
        user_name: Some("u".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    server.root.ok::<iam::op::DeleteAccessKey>(&delete).await;
    let delete = iam::DeleteUserRequest {
        user_name: "u".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUser>(&delete).await;
    let refused = bob.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(refused.starts_with("UnrecognizedClientException: "), "{refused}");
}
