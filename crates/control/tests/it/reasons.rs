//! Refusals that explain themselves: authorization ids and IAM Toolbox (R174, R175).

use std::sync::Arc;

use portcullis_api::iam_toolbox::op::{GetRequestAuthorizationDetails, GetRequestAuthorizationPolicy};
use portcullis_api::organizations::op as org_op;
use portcullis_api::{ecs, iam, iam_toolbox as toolbox, sts};
use portcullis_core::SeededRandom;
use portcullis_store::{Opened, open_in_memory};
use portcullis_wire::Operation;
use serde_json::{Value, json};

use crate::accounts;
use crate::harness::{ACCOUNT, BEGINNING, Client, Server, allow, without_authorization_id};

const DETAILS: &str = "iam:GetRequestAuthorizationDetails";

/// A refused CreateCluster's authorization id.
async fn refused_cluster(client: &Client) -> String {
    refused::<ecs::op::CreateCluster>(client, &Default::default()).await
}

/// A refused call's authorization id.
async fn refused<O: Operation>(client: &Client, input: &O::Input) -> String {
    let error = client.call::<O>(input).await.err().unwrap().to_string();
    without_authorization_id(&error).1.unwrap()
}

fn about(id: &str) -> toolbox::GetRequestAuthorizationDetailsInput {
    toolbox::GetRequestAuthorizationDetailsInput {
        authorization_id: id.to_owned(),
        ..Default::default()
    }
}

async fn details(client: &Client, id: &str) -> Value {
    let output = client.ok::<GetRequestAuthorizationDetails>(&about(id)).await;
    portcullis_wire::json::to_value(&output)
}

/// With what is ours.
async fn all_details(client: &Client, id: &str) -> Value {
    let input = toolbox::GetRequestAuthorizationDetailsInput {
        portcullis: Some(true),
        ..about(id)
    };
    let output = client.ok::<GetRequestAuthorizationDetails>(&input).await;
    portcullis_wire::json::to_value(&output)
}

fn policy_of(id: &str, uri: &str) -> toolbox::GetRequestAuthorizationPolicyInput {
    toolbox::GetRequestAuthorizationPolicyInput {
        authorization_id: id.to_owned(),
        policy_uri: uri.to_owned(),
    }
}

/// Everything of ECS, but one action never without TLS.
pub fn denying(sid: &str, action: &str) -> String {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "ecs:*", "Resource": "*" },
        { "Sid": sid, "Effect": "Deny", "Action": action, "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "false" } } },
    ] })
    .to_string()
}

#[tokio::test]
async fn r174_r182_a_refusal_tells_its_authorization_id_and_so_does_its_record() {
    let server = Server::start().await;
    let user = server.user("u", "").await.region("eu-west-1");
    let error = user
        .call::<ecs::op::CreateCluster>(&Default::default())
        .await
        .err()
        .unwrap()
        .to_string();
    let (plain, id) = without_authorization_id(&error);
    let id = id.unwrap();
    let sentence = format!(
        "User: arn:aws:iam::{ACCOUNT}:user/u is not authorized to perform: ecs:CreateCluster on resource: arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/default because no identity-based policy allows the ecs:CreateCluster action"
    );
    assert_eq!(plain, format!("AccessDeniedException: {sentence}"));
    let whole = format!(
        "{sentence}. Go to https://eu-west-1.console.aws.amazon.com/iam/home?region=eu-west-1#/authorization-details/{id} for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: {id}"
    );
    assert_eq!(error, format!("AccessDeniedException: {whole}"));
    let other = Server {
        root: server.root.region("eu-west-1"),
        ..server
    };
    let record = other
        .records()
        .await
        .into_iter()
        .find(|record| record["eventName"] == "CreateCluster")
        .unwrap();
    assert_eq!(record["errorMessage"], whole.as_str());
    assert_ne!(refused_cluster(&user).await, id);
    let global = user
        .call::<iam::op::ListUsers>(&Default::default())
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        global.contains(". Go to https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1#/"),
        "{global}"
    );
}

#[tokio::test]
async fn r175_the_details_of_a_refusal_have_awss_shape() {
    let server = Server::start().await;
    let user = server.user("u", &denying("NoPlain", "ecs:CreateCluster")).await;
    let id = refused_cluster(&user).await;
    let details = details(&server.root, &id).await;
    let principal = format!("arn:aws:iam::{ACCOUNT}:user/u");
    let uri = format!("{principal}#p");
    assert_eq!(details["requestContext"]["principal"], principal.as_str());
    assert_eq!(details["requestContext"]["aws:SourceIp"], "203.0.113.7");
    let evaluation = &details["evaluations"][0];
    assert_eq!(evaluation["action"], "ecs:CreateCluster");
    assert_eq!(evaluation["evaluatedEffect"], "EXPLICIT_DENY");
    assert_eq!(evaluation["context"]["aws:SecureTransport"], "false");
    assert_eq!(
        evaluation["checks"],
        json!([{
            "checkType": "PRINCIPAL", "evaluatedEffect": "EXPLICIT_DENY", "targetArn": principal,
            "relevantPolicyTypes": ["IDENTITY_BASED_POLICY"],
            "matchedPolicies": [{ "uri": uri, "matchedStatements": [{ "evaluatedEffect": "ALLOW" }, { "sid": "NoPlain", "evaluatedEffect": "DENY" }] }],
        }])
    );
    assert_eq!(evaluation.get("portcullis"), None);
    assert_eq!(
        details["policies"],
        json!([{
            "type": "IDENTITY_BASED_POLICY", "inline": true, "uri": uri,
            "attachedTo": [{ "arn": principal }], "policySource": { "name": "p" },
        }])
    );
    let ours = &all_details(&server.root, &id).await["evaluations"][0]["portcullis"];
    assert_eq!(ours["stoppedBySet"], "identity-based policy");
    assert!(ours["summary"].as_str().unwrap().contains("NoPlain"), "{ours}");
}

#[tokio::test]
async fn r175_a_call_with_several_checks_has_an_evaluation_for_each() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:RegisterTaskDefinition", "*")).await;
    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "Service": "ecs-tasks.amazonaws.com" }, "Action": "sts:AssumeRole" }] });
    let role = iam::CreateRoleRequest {
        role_name: "r".to_owned(),
        assume_role_policy_document: trust.to_string(),
        ..Default::default()
    };
    let role = server.root.ok::<iam::op::CreateRole>(&role).await.role.arn;
    let input: ecs::RegisterTaskDefinitionRequest = portcullis_wire::json::from_value(&json!({
        "family": "f", "taskRoleArn": role, "containerDefinitions": [{ "name": "c", "image": "i", "memory": 64 }],
    }))
    .unwrap();
    let id = refused::<ecs::op::RegisterTaskDefinition>(&user, &input).await;
    let details = details(&server.root, &id).await;
    let effects: Vec<(&str, &str)> = details["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["action"].as_str().unwrap(),
                one["evaluatedEffect"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        effects,
        [
            ("ecs:RegisterTaskDefinition", "ALLOW"),
            ("iam:PassRole", "IMPLICIT_DENY")
        ]
    );
}

#[tokio::test]
async fn r175_who_was_refused_learns_little_more_without_permission_and_others_nothing() {
    let server = Server::start().await;
    let user = server.user("u", &denying("NoPlain", "ecs:CreateCluster")).await;
    let id = refused_cluster(&user).await;
    let told = all_details(&user, &id).await;
    assert_eq!(
        told["evaluations"],
        json!([{
            "action": "ecs:CreateCluster", "resource": format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/default"),
            "evaluatedEffect": "EXPLICIT_DENY",
            "checks": [{
                "checkType": "PRINCIPAL", "evaluatedEffect": "EXPLICIT_DENY",
                "targetArn": format!("arn:aws:iam::{ACCOUNT}:user/u"), "relevantPolicyTypes": ["IDENTITY_BASED_POLICY"],
            }],
        }])
    );
    assert_eq!(told["policies"], json!([]));
    assert!(!told.to_string().contains("NoPlain"));
    assert_eq!(told["requestContext"].get("aws:ResourceAccount"), None);

    let stranger = server.user("stranger", "").await;
    let sentence = format!(
        "AccessDeniedException: User: arn:aws:iam::{ACCOUNT}:user/stranger is not authorized to perform: {DETAILS} on resource: * because no identity-based policy allows the {DETAILS} action"
    );
    // Refused alike whether there is such an id or not.
    for id in [id.as_str(), "0000000000000000000000000"] {
        assert_eq!(
            stranger.err::<GetRequestAuthorizationDetails>(&about(id)).await,
            sentence
        );
    }
    let reply = stranger.send::<GetRequestAuthorizationDetails>(&about(&id)).await;
    assert_eq!(reply.status, 403);

    server.allow("stranger", "p", &allow(DETAILS, "*")).await;
    let seen = details(&stranger, &id).await;
    assert_eq!(
        seen["evaluations"][0]["checks"][0]["matchedPolicies"][0]["matchedStatements"][1]["sid"],
        "NoPlain"
    );
    server.allow("u", "q", &allow(DETAILS, "*")).await;
    assert_eq!(details(&user, &id).await, seen);
}

/// The action is not in the authorisation reference: it is checked on everything.
#[tokio::test]
async fn r175_resource() {
    let server = Server::start().await;
    let id = refused_cluster(&server.user("u", "").await).await;
    let narrow = server
        .user(
            "narrow",
            &allow(DETAILS, &format!("arn:aws:iam::{ACCOUNT}:user/u")),
        )
        .await;
    let refused = narrow.err::<GetRequestAuthorizationDetails>(&about(&id)).await;
    assert!(refused.contains(" on resource: * "), "{refused}");
    let wide = server.user("wide", &allow(DETAILS, "*")).await;
    details(&wide, &id).await;
}

#[tokio::test]
async fn r175_policies_are_given_as_they_were_to_who_may_read_them() {
    let server = Server::start().await;
    let text = denying("NoPlain", "ecs:CreateCluster");
    let user = server.user("u", &text).await;
    let id = refused_cluster(&user).await;
    server.allow("u", "p", &allow("ecs:*", "*")).await;
    let uri = format!("arn:aws:iam::{ACCOUNT}:user/u#p");
    let output = server
        .root
        .ok::<GetRequestAuthorizationPolicy>(&policy_of(&id, &uri))
        .await;
    assert_eq!(
        output.policy_document,
        serde_json::from_str::<Value>(&text).unwrap()
    );

    let missing = server
        .root
        .err::<GetRequestAuthorizationPolicy>(&policy_of(&id, "arn:other"))
        .await;
    assert_eq!(
        missing,
        "ResourceNotFoundException: No policy with this URI was evaluated for this authorization id."
    );
    let own = user
        .err::<GetRequestAuthorizationPolicy>(&policy_of(&id, &uri))
        .await;
    assert!(
        own.contains("is not authorized to perform: iam:GetRequestAuthorizationPolicy on resource: *"),
        "{own}"
    );
}

#[tokio::test]
async fn r175_ids_that_lead_nowhere_are_not_found_and_broken_ones_invalid() {
    let server = Server::start().await;
    let not_found =
        "ResourceNotFoundException: There are no authorization details with this authorization id.";
    for id in ["abc", "0000000000000000000000000", &"z".repeat(256)] {
        assert_eq!(
            server
                .root
                .err::<GetRequestAuthorizationDetails>(&about(id))
                .await,
            not_found,
            "{id}"
        );
    }
    for id in ["ABC", "a-b", "a b", &"z".repeat(257)] {
        let error = server
            .root
            .err::<GetRequestAuthorizationDetails>(&about(id))
            .await;
        assert!(
            error.starts_with("ValidationException: 1 validation error detected: Value '"),
            "{error}"
        );
    }
    let user = server.user("u", "").await;
    let id = refused_cluster(&user).await;
    for token in ["x", "1", "-100", "100"] {
        let input = toolbox::GetRequestAuthorizationDetailsInput {
            next_token: Some(token.to_owned()),
            ..about(&id)
        };
        let error = server.root.err::<GetRequestAuthorizationDetails>(&input).await;
        assert_eq!(
            error, "ValidationException: The nextToken is not valid.",
            "{token}"
        );
    }
}

#[tokio::test]
async fn r175_details_outlast_the_server_and_end_after_a_week() {
    let clock = Arc::new(portcullis_core::FixedClock::at(BEGINNING.parse().unwrap()));
    let Opened { store, vault } = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
    let opened = || Opened {
        store: store.clone(),
        vault: vault.clone(),
    };
    let server = Server::over(opened(), clock.clone()).await;
    let user = server.user("u", &denying("NoPlain", "ecs:CreateCluster")).await;
    let mut ids = Vec::new();
    // More than are remembered in memory.
    for _ in 0..300 {
        ids.push(refused_cluster(&user).await);
    }
    let before = details(&server.root, &ids[299]).await;
    server.gate.settle();
    let first = details(&server.root, &ids[0]).await;
    drop(server);

    let server = Server::over(opened(), clock.clone()).await;
    clock.advance_seconds(24 * 3_600);
    assert_eq!(details(&server.root, &ids[299]).await, before);
    assert_eq!(details(&server.root, &ids[0]).await, first);
    clock.advance_seconds(6 * 24 * 3_600 + 1);
    let error = server
        .root
        .err::<GetRequestAuthorizationDetails>(&about(&ids[0]))
        .await;
    assert!(error.starts_with("ResourceNotFoundException: "), "{error}");
}

#[tokio::test]
async fn what_only_its_owner_may_is_explained_by_that_rule() {
    let server = Server::start().await;
    let (thief, instance) = crate::registrant::thief(&server).await;
    let request = crate::registrant::register_again(&instance);
    let reply = thief.send::<ecs::op::RegisterContainerInstance>(&request).await;
    let header = |name: &str| {
        reply
            .headers
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
            .clone()
    };
    let reasons = server.gate.why(&header("x-amzn-requestid"));
    let reason = reasons.iter().find(|reason| !reason.is_allowed()).unwrap();
    let rule = format!(
        "another principal registered the container instance: {instance} is for that principal alone, whatever policies allow"
    );
    assert_eq!(reason.one_line(), format!("denied: {rule}"));
    assert!(
        reason.render().contains(&format!("stopped by  {rule}")),
        "{}",
        reason.render()
    );

    let id = refused::<ecs::op::RegisterContainerInstance>(&thief, &request).await;
    let evaluation = &all_details(&server.root, &id).await["evaluations"][0];
    assert_eq!(evaluation["evaluatedEffect"], "EXPLICIT_DENY");
    assert_eq!(evaluation["checks"][0]["evaluatedEffect"], "ALLOW");
    assert_eq!(evaluation["portcullis"]["rule"], rule.as_str());
}

#[tokio::test]
async fn r179_of_another_accounts_role_nobody_learns_its_policy_nor_whether_it_is_there() {
    let server = Server::start().await;
    let (id, other) = accounts::account(&server, "other").await;
    let near = server.user("near", &allow("sts:AssumeRole", "*")).await;
    let there = accounts::create_role(&other, "shared", &accounts::trust(&id)).await;
    let missing = format!("arn:aws:iam::{id}:role/missing");
    let mut ids = Vec::new();
    for role in [&there, &missing] {
        ids.push(refused::<sts::op::AssumeRole>(&near, &accounts::assume(role)).await);
    }
    // Without permission both look alike.
    let principal = format!("arn:aws:iam::{ACCOUNT}:user/near");
    for (id, role) in ids.iter().zip([&there, &missing]) {
        let expected = json!({
            "requestContext": { "aws:CurrentTime": BEGINNING, "principal": principal },
            "evaluations": [{ "action": "sts:AssumeRole", "resource": role }],
            "policies": [],
        });
        assert_eq!(all_details(&near, id).await, expected);
    }
    // With permission the caller's own side is told.
    let seen = all_details(&server.root, &ids[0]).await;
    let evaluation = &seen["evaluations"][0];
    assert_eq!(evaluation["evaluatedEffect"], "IMPLICIT_DENY");
    assert_eq!(evaluation["checks"].as_array().unwrap().len(), 1);
    assert_eq!(evaluation["checks"][0]["checkType"], "PRINCIPAL");
    assert_eq!(seen["policies"].as_array().unwrap().len(), 1);
    assert!(!seen.to_string().contains(&format!("{there}#")), "{seen}");
    // The other account knows nothing of it.
    let error = other.err::<GetRequestAuthorizationDetails>(&about(&ids[0])).await;
    assert!(error.starts_with("ResourceNotFoundException: "), "{error}");
}

#[tokio::test]
async fn r181_a_role_that_is_not_there_is_refused_like_one_that_trusts_nobody_here() {
    let server = Server::start().await;
    let near = server.user("near", &allow("sts:AssumeRole", "*")).await;
    server.user("jane", "").await;
    let janes = accounts::trust(&format!("arn:aws:iam::{ACCOUNT}:user/jane"));
    let there = accounts::create_role(&server.root, "there", &janes).await;
    let missing = format!("arn:aws:iam::{ACCOUNT}:role/missing");
    let mut texts = Vec::new();
    let mut seen = Vec::new();
    let mut ids = Vec::new();
    for role in [&there, &missing] {
        let error = near
            .call::<sts::op::AssumeRole>(&accounts::assume(role))
            .await
            .err()
            .unwrap();
        let (text, id) = without_authorization_id(&error.to_string());
        let id = id.unwrap();
        let like_the_other = |text: String| text.replace(role, "ROLE");
        texts.push(like_the_other(text));
        seen.push(like_the_other(all_details(&near, &id).await.to_string()));
        ids.push(id);
    }
    assert_eq!(
        texts[0],
        format!(
            "AccessDenied: User: arn:aws:iam::{ACCOUNT}:user/near is not authorized to perform: sts:AssumeRole on resource: ROLE because no role trust policy allows the sts:AssumeRole action"
        )
    );
    assert_eq!(texts[0], texts[1]);
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(r#""checkType":"RESOURCE""#), "{}", seen[0]);
    // The account's own people are told which it was, and when.
    for (id, rule) in ids.iter().zip([Value::Null, json!("there is no such role")]) {
        let told = all_details(&server.root, id).await;
        assert_eq!(told["requestContext"]["aws:CurrentTime"], BEGINNING);
        let evaluation = &told["evaluations"][0];
        assert_eq!(evaluation["evaluatedEffect"], "IMPLICIT_DENY");
        assert_eq!(evaluation["portcullis"]["rule"], rule, "{evaluation}");
        let policies = told["policies"].as_array().unwrap();
        let is_trust = |policy: &&Value| policy["type"] == "RESOURCE_BASED_POLICY";
        assert_eq!(
            policies.iter().filter(is_trust).count(),
            usize::from(rule.is_null())
        );
    }
}

#[tokio::test]
async fn r174_refusals_that_no_policy_gave_have_an_authorization_id_as_well() {
    let server = Server::start().await;
    let (_, member) = accounts::account(&server, "member").await;
    let user = server.user("u", &allow("*", "*")).await;
    let made = user
        .ok::<sts::op::GetSessionToken>(&Default::default())
        .await
        .credentials
        .unwrap();
    let session = user.with(
        &made.access_key_id,
        &made.secret_access_key,
        Some(&made.session_token),
    );
    let mine = format!("arn:aws:iam::{ACCOUNT}:role/mine");
    let by_root = refused::<sts::op::AssumeRole>(&server.root, &accounts::assume(&mine)).await;
    let by_session = refused::<sts::op::GetSessionToken>(&session, &Default::default()).await;
    let by_member = refused::<org_op::ListAccounts>(&member, &Default::default()).await;
    for (caller, id, action, rule) in [
        (
            &server.root,
            by_root,
            "sts:AssumeRole",
            "Roles may not be assumed by root accounts.",
        ),
        (
            &user,
            by_session,
            "sts:GetSessionToken",
            "Cannot call GetSessionToken with session credentials",
        ),
    ] {
        let told = all_details(caller, &id).await;
        let evaluation = &told["evaluations"][0];
        assert_eq!(evaluation["action"], action);
        assert_eq!(evaluation["evaluatedEffect"], "EXPLICIT_DENY");
        assert_eq!(evaluation["portcullis"]["rule"], rule);
        assert_eq!(told["requestContext"]["aws:CurrentTime"], BEGINNING);
    }
    // What AWS says in its own words is explained in ours.
    let told = all_details(&member, &by_member).await;
    let evaluation = &told["evaluations"][0];
    assert_eq!(evaluation["checks"][0]["evaluatedEffect"], "ALLOW");
    let rule = format!("this is for callers of account {ACCOUNT} alone, whatever policies allow");
    assert_eq!(evaluation["portcullis"]["rule"], rule);

    // Who was refused is told what the refusal said already, also without permission.
    server.allow("u", "p", &allow("sts:*", "*")).await;
    let id = refused::<sts::op::GetSessionToken>(&session, &Default::default()).await;
    let told = all_details(&user, &id).await;
    assert_eq!(
        told["evaluations"][0]["portcullis"]["rule"],
        "Cannot call GetSessionToken with session credentials"
    );
}
