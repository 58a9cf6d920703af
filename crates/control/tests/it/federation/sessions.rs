//! Tokens that become sessions.

use portcullis_api::{ecs, iam, sts};
use serde_json::json;

use super::{AUDIENCE, Scene, register, role, trust};
use crate::harness::{ACCOUNT, allow};

#[tokio::test]
async fn r126_a_trusted_token_becomes_a_session_of_the_role() {
    let scene = Scene::set().await;
    let reply = scene.ok(&scene.claims()).await;
    assert_eq!(reply.subject_from_web_identity_token.as_deref(), Some("repo:o/r"));
    assert_eq!(reply.audience.as_deref(), Some(AUDIENCE));
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", scene.provider.name());
    assert_eq!(reply.provider.as_deref(), Some(provider.as_str()));
    let me = scene.client(reply.credentials);
    let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(
        who.arn.unwrap(),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/web/run-7")
    );
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
    assert_eq!(
        scene.provider.asked(),
        ["/.well-known/openid-configuration", "/keys"]
    );
}

#[tokio::test]
async fn rsa_signatures_and_times_with_fractions_are_taken() {
    let scene = Scene::set().await;
    let mut claims = scene.claims();
    claims["exp"] = json!(claims["exp"].as_f64().unwrap() + 0.5);
    let header = json!({ "alg": "RS256", "kid": "rsa" });
    let token = scene.provider.token_of(&header, &claims);
    scene.try_with(&scene.bearing(&token)).await.unwrap();
    // Without a key id, any of the provider's keys may have signed.
    let token = scene.provider.token_of(&json!({ "alg": "ES256" }), &claims);
    scene.try_with(&scene.bearing(&token)).await.unwrap();
}

#[tokio::test]
async fn azp_is_the_audience_where_there_is_one() {
    let scene = Scene::set().await;
    let mut claims = scene.claims();
    claims["aud"] = json!(["somebody", "else"]);
    claims["azp"] = json!(AUDIENCE);
    assert_eq!(scene.ok(&claims).await.audience.as_deref(), Some(AUDIENCE));
    claims["aud"] = json!(AUDIENCE);
    claims["azp"] = json!("somebody");
    assert_eq!(
        scene.err(&claims).await,
        "InvalidIdentityToken: Incorrect token audience"
    );
}

#[tokio::test]
async fn the_record_names_the_token_s_subject_and_holds_no_token() {
    let scene = Scene::set().await;
    let token = scene.provider.token(&scene.claims());
    let me = scene.client(scene.try_with(&scene.bearing(&token)).await.unwrap().credentials);
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let records = scene.server.records().await;
    let of = |name: &str| records.iter().find(|record| record["eventName"] == name).unwrap();
    let record = of("AssumeRoleWithWebIdentity");
    let name = scene.provider.name();
    assert_eq!(
        record["userIdentity"],
        json!({
            "type": "WebIdentityUser",
            "principalId": format!("{name}:{AUDIENCE}:repo:o/r"),
            "userName": "repo:o/r",
            "identityProvider": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"),
        })
    );
    assert_eq!(record["readOnly"], true);
    assert_eq!(
        record["requestParameters"],
        json!({ "roleArn": scene.role, "roleSessionName": "run-7" })
    );
    assert_eq!(
        record["responseElements"]["subjectFromWebIdentityToken"],
        "repo:o/r"
    );
    assert!(!record.to_string().contains(&token));
    let context = &of("ListClusters")["userIdentity"]["sessionContext"];
    assert_eq!(
        context["webIdFederationData"],
        json!({ "federatedProvider": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"), "attributes": {} })
    );
}

#[tokio::test]
async fn r106_the_session_carries_its_provider_and_the_provider_s_keys() {
    let scene = Scene::set().await;
    let name = scene.provider.name();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "ecs:DescribeClusters", "Resource": "*",
            "Condition": { "StringEquals": {
                "aws:FederatedProvider": format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"),
                format!("{name}:sub"): "repo:o/r",
                "aws:PrincipalType": "AssumedRole",
            }, "Null": { "aws:MultiFactorAuthPresent": "true" } },
        }]
    });
    let put = iam::PutRolePolicyRequest {
        role_name: "web".to_owned(),
        policy_name: "q".to_owned(),
        policy_document: policy.to_string(),
    };
    scene.server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    let me = scene.client(scene.ok(&scene.claims()).await.credentials);
    me.ok::<ecs::op::DescribeClusters>(&Default::default()).await;
}

#[tokio::test]
async fn r108_a_session_by_a_token_is_an_assumed_role_and_no_user() {
    let scene = Scene::set().await;
    let me = scene.client(scene.ok(&scene.claims()).await.credentials);
    let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    let asked = iam::GetRoleRequest {
        role_name: "web".to_owned(),
    };
    let role_id = scene
        .server
        .root
        .ok::<iam::op::GetRole>(&asked)
        .await
        .role
        .role_id;
    let user_id = format!("{role_id}:run-7");
    assert_eq!(who.user_id.as_deref(), Some(user_id.as_str()));
    let mut allowed = Vec::new();
    for (key, value) in [
        ("aws:userid", user_id.as_str()),
        ("aws:userid", "*:run-8"),
        ("aws:PrincipalType", "AssumedRole"),
        ("aws:PrincipalType", "FederatedUser"),
        ("aws:username", "*"),
    ] {
        let statement = json!({
            "Effect": "Allow", "Action": "ecs:DescribeClusters", "Resource": "*",
            "Condition": { "StringLike": { key: value } },
        });
        let put = iam::PutRolePolicyRequest {
            role_name: "web".to_owned(),
            policy_name: "q".to_owned(),
            policy_document: json!({ "Version": "2012-10-17", "Statement": statement }).to_string(),
        };
        scene.server.root.ok::<iam::op::PutRolePolicy>(&put).await;
        let described = me.call::<ecs::op::DescribeClusters>(&Default::default()).await;
        allowed.extend(described.is_ok().then_some((key, value)));
    }
    assert_eq!(
        allowed,
        [
            ("aws:userid", user_id.as_str()),
            ("aws:PrincipalType", "AssumedRole")
        ]
    );
}

#[tokio::test]
async fn r125_tags_and_source_identity_of_a_token_need_the_trust_policy() {
    let scene = Scene::set().await;
    let mut claims = scene.claims();
    claims["https://aws.amazon.com/tags"] =
        json!({ "principal_tags": { "Team": ["blue"] }, "transitive_tag_keys": ["Team"] });
    claims["https://aws.amazon.com/source_identity"] = json!("richard");
    let refused = scene.err(&claims).await;
    assert!(
        refused.starts_with("AccessDenied: Not authorized to perform sts:TagSession"),
        "{refused}"
    );
    let trusting = trust(&scene.provider, &["sts:TagSession", "sts:SetSourceIdentity"]);
    let other = role(&scene.server, "tagging", &trusting).await;
    let request = sts::AssumeRoleWithWebIdentityRequest {
        role_arn: other,
        ..scene.request(&claims)
    };
    let reply = scene.try_with(&request).await.unwrap();
    assert_eq!(reply.source_identity.as_deref(), Some("richard"));
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow", "Action": "ecs:DescribeClusters", "Resource": "*",
            "Condition": { "StringEquals": { "aws:PrincipalTag/Team": "blue", "aws:SourceIdentity": "richard" } },
        }]
    });
    let put = iam::PutRolePolicyRequest {
        role_name: "tagging".to_owned(),
        policy_name: "q".to_owned(),
        policy_document: policy.to_string(),
    };
    scene.server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    let me = scene.client(reply.credentials);
    me.ok::<ecs::op::DescribeClusters>(&Default::default()).await;
}

#[tokio::test]
async fn a_session_policy_bounds_the_session_and_the_role_its_duration() {
    let scene = Scene::set().await;
    let request = sts::AssumeRoleWithWebIdentityRequest {
        policy: Some(allow("iam:*", "*")),
        ..scene.request(&scene.claims())
    };
    let me = scene.client(scene.try_with(&request).await.unwrap().credentials);
    let refused = me.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(refused.contains("because no session policy allows"), "{refused}");
    let request = sts::AssumeRoleWithWebIdentityRequest {
        duration_seconds: Some(3_601),
        ..scene.request(&scene.claims())
    };
    assert_eq!(
        scene.try_with(&request).await.unwrap_err(),
        "ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
}

#[tokio::test]
async fn new_keys_are_fetched_when_a_token_names_one_that_is_not_known() {
    let scene = Scene::set().await;
    scene.ok(&scene.claims()).await;
    assert_eq!(scene.provider.asked().len(), 2);
    let keys = json!({ "keys": [scene.provider.ec_key("second")] });
    scene.provider.document("/keys", &keys);
    let second = |scene: &Scene| {
        let header = json!({ "alg": "ES256", "kid": "second" });
        scene.bearing(&scene.provider.token_of(&header, &scene.claims()))
    };
    // Not more often than every few seconds, whatever tokens say.
    let refused = scene.try_with(&second(&scene)).await.unwrap_err();
    assert!(
        refused.starts_with("InvalidIdentityToken: Couldn't retrieve verification key"),
        "{refused}"
    );
    assert_eq!(scene.provider.asked().len(), 2);
    scene.server.clock.advance_seconds(11);
    scene.try_with(&second(&scene)).await.unwrap();
    assert_eq!(scene.provider.asked().len(), 4);
    // The key that is gone counts no more.
    assert!(
        scene
            .err(&scene.claims())
            .await
            .starts_with("InvalidIdentityToken")
    );
}

#[tokio::test]
async fn keys_are_believed_for_an_hour() {
    let scene = Scene::set().await;
    scene.ok(&scene.claims()).await;
    scene.server.clock.advance_seconds(3_599);
    scene.ok(&scene.claims()).await;
    assert_eq!(scene.provider.asked().len(), 2);
    scene.server.clock.advance_seconds(1);
    scene.ok(&scene.claims()).await;
    assert_eq!(scene.provider.asked().len(), 4);
}

#[tokio::test]
async fn what_is_revoked_ends_at_once() {
    let scene = Scene::set().await;
    let me = scene.client(scene.ok(&scene.claims()).await.credentials);
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
    // "Revoke older sessions": a deny by the time of issue.
    let deny = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": "2026-11-22T00:00:01Z" } },
        }]
    });
    let put = iam::PutRolePolicyRequest {
        role_name: "web".to_owned(),
        policy_name: "AWSRevokeOlderSessions".to_owned(),
        policy_document: deny.to_string(),
    };
    scene.server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    let refused = me.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(
        refused.contains("with an explicit deny in an identity-based policy"),
        "{refused}"
    );
    scene.server.clock.advance_seconds(2);
    let later = scene.client(scene.ok(&scene.claims()).await.credentials);
    later.ok::<ecs::op::ListClusters>(&Default::default()).await;
    // A provider that is gone vouches for nobody any more.
    let provider = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", scene.provider.name());
    let delete = iam::DeleteOpenIDConnectProviderRequest {
        open_id_connect_provider_arn: provider,
    };
    scene
        .server
        .root
        .ok::<iam::op::DeleteOpenIDConnectProvider>(&delete)
        .await;
    assert_eq!(
        scene.err(&scene.claims()).await,
        format!(
            "InvalidIdentityToken: No OpenIDConnect provider found in your account for {}",
            scene.provider.url
        )
    );
    register(&scene.server, &scene.provider).await;
    scene.ok(&scene.claims()).await;
}
