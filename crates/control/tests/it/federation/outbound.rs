//! Tokens of the account itself, verified as a stranger would: with what the server publishes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_api::{iam, sts};
use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use super::role;
use crate::harness::{ACCOUNT, Client, Server, allow};

async fn enable(server: &Server) -> String {
    let reply = server
        .root
        .ok::<iam::op::EnableOutboundWebIdentityFederation>(&Default::default())
        .await;
    reply.issuer_identifier.unwrap()
}

fn wanted(audience: &[&str]) -> sts::GetWebIdentityTokenRequest {
    sts::GetWebIdentityTokenRequest {
        audience: audience.iter().map(|&audience| audience.to_owned()).collect(),
        signing_algorithm: "ES384".to_owned(),
        ..Default::default()
    }
}

async fn token(client: &Client, request: &sts::GetWebIdentityTokenRequest) -> String {
    let reply = client.ok::<sts::op::GetWebIdentityToken>(request).await;
    reply.web_identity_token.unwrap()
}

fn document(server: &Server, url: &str) -> Option<Value> {
    let path = url.strip_prefix("http://127.0.0.1:4566").unwrap();
    let text = server.accounts.federation_document(path)?;
    Some(serde_json::from_str(&text).unwrap())
}

/// The claims, after everything a relying party checks.
fn verified(server: &Server, issuer: &str, token: &str) -> Value {
    let discovery = document(server, &format!("{issuer}/.well-known/openid-configuration")).unwrap();
    assert_eq!(discovery["issuer"], issuer);
    let keys = document(server, discovery["jwks_uri"].as_str().unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    let json = |part: &str| serde_json::from_slice::<Value>(&decode(part)).unwrap();
    let header = json(header);
    let key = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["kid"] == header["kid"]);
    let coordinate = |name: &str| decode(key.unwrap()[name].as_str().unwrap());
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
        .verify(signed.as_bytes(), &decode(signature))
        .unwrap();
    json(claims)
}

#[tokio::test]
async fn a_token_says_who_called_and_can_be_verified_by_strangers() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let tag = iam::TagUserRequest {
        user_name: "u".to_owned(),
        tags: vec![iam::Tag {
            key: "team".to_owned(),
            value: "blue".to_owned(),
        }],
    };
    server.root.ok::<iam::op::TagUser>(&tag).await;
    let issuer = enable(&server).await;
    let request = sts::GetWebIdentityTokenRequest {
        tags: Some(vec![sts::Tag {
            key: "job".to_owned(),
            value: "7".to_owned(),
        }]),
        ..wanted(&["https://api.example.com"])
    };
    let claims = verified(&server, &issuer, &token(&user, &request).await);
    let now = server.root.now().as_seconds();
    assert_eq!(claims["iss"], json!(issuer));
    assert_eq!(claims["aud"], "https://api.example.com");
    assert_eq!(claims["sub"], format!("arn:aws:iam::{ACCOUNT}:user/u"));
    assert_eq!(
        (claims["iat"].as_i64(), claims["exp"].as_i64()),
        (Some(now), Some(now + 300))
    );
    assert_eq!(
        claims["https://sts.amazonaws.com/"],
        json!({
            "aws_account": ACCOUNT, "source_region": "us-east-1",
            "principal_tags": { "team": "blue" }, "request_tags": { "job": "7" },
        })
    );
    let two = verified(&server, &issuer, &token(&user, &wanted(&["a", "b"])).await);
    assert_eq!(two["aud"], json!(["a", "b"]));
    assert_ne!(two["jti"], claims["jti"]);
    let record = &server.records().await;
    let record = record
        .iter()
        .find(|record| record["eventName"] == "GetWebIdentityToken")
        .unwrap();
    assert!(!record.to_string().contains("eyJ"), "{record}");
}

#[tokio::test]
async fn the_feature_is_off_until_it_is_enabled_and_keeps_its_issuer() {
    let server = Server::start().await;
    let root = &server.root;
    let refused = root.err::<sts::op::GetWebIdentityToken>(&wanted(&["a"])).await;
    assert!(
        refused.starts_with("OutboundWebIdentityFederationDisabledException: "),
        "{refused}"
    );
    type Info = iam::op::GetOutboundWebIdentityFederationInfo;
    type Enable = iam::op::EnableOutboundWebIdentityFederation;
    type Disable = iam::op::DisableOutboundWebIdentityFederation;
    assert!(
        root.err::<Info>(&Default::default())
            .await
            .starts_with("FeatureDisabled: ")
    );
    assert!(
        root.err::<Disable>(&Default::default())
            .await
            .starts_with("FeatureDisabled: ")
    );
    let issuer = enable(&server).await;
    assert!(
        issuer.starts_with("http://127.0.0.1:4566/federation/"),
        "{issuer}"
    );
    assert!(
        root.err::<Enable>(&Default::default())
            .await
            .starts_with("FeatureEnabled: ")
    );
    let info = root.ok::<Info>(&Default::default()).await;
    assert_eq!(
        (info.issuer_identifier.as_deref(), info.jwt_vending_enabled),
        (Some(issuer.as_str()), Some(true))
    );
    let old = token(root, &wanted(&["a"])).await;
    root.ok::<Disable>(&Default::default()).await;
    let refused = root.err::<sts::op::GetWebIdentityToken>(&wanted(&["a"])).await;
    assert!(refused.starts_with("OutboundWebIdentityFederationDisabledException: "));
    // What was given out can still be verified.
    verified(&server, &issuer, &old);
    assert_eq!(enable(&server).await, issuer);
    verified(&server, &issuer, &token(root, &wanted(&["a"])).await);
    for nothing in ["/federation/other/.well-known/jwks.json", "/federation/", "/"] {
        assert_eq!(server.accounts.federation_document(nothing), None, "{nothing}");
    }
}

#[tokio::test]
async fn a_token_does_not_outlive_the_session_that_asks_for_it() {
    let server = Server::start().await;
    enable(&server).await;
    let user = server.user("u", &allow("sts:AssumeRole", "*")).await;
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:AssumeRole" }]
    });
    let arn = role(&server, "r", &trust.to_string()).await;
    let put = iam::PutRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_name: "q".to_owned(),
        policy_document: json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": "*",
                "Condition": {
                    "ForAllValues:StringEquals": { "sts:IdentityTokenAudience": ["a", "b"] },
                    "NumericLessThanEquals": { "sts:DurationSeconds": "600" },
                    "StringEquals": { "sts:SigningAlgorithm": "ES384" },
                },
            }]
        })
        .to_string(),
    };
    server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    let assume = sts::AssumeRoleRequest {
        role_arn: arn.clone(),
        role_session_name: "s".repeat(2),
        duration_seconds: Some(900),
        ..Default::default()
    };
    let credentials = user.ok::<sts::op::AssumeRole>(&assume).await.credentials.unwrap();
    let me = user.with(
        &credentials.access_key_id,
        &credentials.secret_access_key,
        Some(&credentials.session_token),
    );
    let ten_minutes = sts::GetWebIdentityTokenRequest {
        duration_seconds: Some(600),
        ..wanted(&["a", "b"])
    };
    let issuer = server
        .root
        .ok::<iam::op::GetOutboundWebIdentityFederationInfo>(&Default::default())
        .await;
    let claims = verified(
        &server,
        &issuer.issuer_identifier.unwrap(),
        &token(&me, &ten_minutes).await,
    );
    assert_eq!(claims["sub"], json!(arn));
    server.clock.advance_seconds(301);
    let refused = me.err::<sts::op::GetWebIdentityToken>(&ten_minutes).await;
    assert!(
        refused.starts_with("SessionDurationEscalationException: "),
        "{refused}"
    );
    // The role's policy limits audience and duration.
    for request in [
        wanted(&["a", "c"]),
        sts::GetWebIdentityTokenRequest {
            duration_seconds: Some(601),
            ..wanted(&["a"])
        },
    ] {
        let refused = me.err::<sts::op::GetWebIdentityToken>(&request).await;
        assert!(
            refused.contains("is not authorized to perform: sts:GetWebIdentityToken on resource: *"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn other_algorithms_and_too_many_claims_are_refused() {
    let server = Server::start().await;
    enable(&server).await;
    for algorithm in ["RS256", "HS256"] {
        let request = sts::GetWebIdentityTokenRequest {
            signing_algorithm: algorithm.to_owned(),
            ..wanted(&["a"])
        };
        let refused = server.root.err::<sts::op::GetWebIdentityToken>(&request).await;
        assert!(refused.starts_with("ValidationError: "), "{refused}");
    }
    let tag = |n: usize| sts::Tag {
        key: format!("{n:0>120}"),
        value: "v".repeat(250),
    };
    let request = sts::GetWebIdentityTokenRequest {
        tags: Some((0..50).map(tag).collect()),
        ..wanted(&["a"])
    };
    let refused = server.root.err::<sts::op::GetWebIdentityToken>(&request).await;
    assert!(
        refused.starts_with("JWTPayloadSizeExceededException: "),
        "{refused}"
    );
}
