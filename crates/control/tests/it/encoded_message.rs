//! Encoded authorization messages and sts:DecodeAuthorizationMessage (R178).

use portcullis_api::{ecs, sts};
use portcullis_control::gate::encoded_message;
use portcullis_control::gate::operation::Check;
use portcullis_core::SeededRandom;
use serde_json::{Value, json};

use crate::accounts;
use crate::harness::{ACCOUNT, Client, Server, allow};
use crate::reasons::denying;

/// An encoded message about a call of this client, as EC2's operations will make them.
fn encoded(server: &Server, client: &Client, check: &Check) -> String {
    let (mut parts, ()) = http::Request::post("http://127.0.0.1:4566/")
        .body(())
        .unwrap()
        .into_parts();
    client.sign("ecs", &mut parts, b"", client.now());
    let view = server.gate.world().view();
    let who = server
        .gate
        .authenticate(&view, &ecs::SERVICE, &parts, b"")
        .unwrap();
    let call = server.gate.call(
        who,
        &ecs::SERVICE,
        "CreateCluster",
        &parts,
        client.peer.clone(),
        "id",
    );
    encoded_message::encode(&view, &call, check, server.gate.world().vault()).unwrap()
}

fn message(text: &str) -> sts::DecodeAuthorizationMessageRequest {
    sts::DecodeAuthorizationMessageRequest {
        encoded_message: text.to_owned(),
    }
}

#[tokio::test]
async fn r178_an_encoded_message_decodes_to_awss_json() {
    let server = Server::start().await;
    let user = server.user("u", &denying("NoPlain", "ecs:Create*")).await;
    let resource = format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/default");
    let check = Check::new("ecs:CreateCluster", &resource).with("aws:RequestTag/team", "web");
    let encoded = encoded(&server, &user, &check);
    assert!(encoded.len() <= encoded_message::CHARACTERS_MAX && !encoded.contains("NoPlain"));
    let decoded = server
        .root
        .ok::<sts::op::DecodeAuthorizationMessage>(&message(&encoded))
        .await;
    let text = decoded.decoded_message.unwrap();
    assert!(text.starts_with(r#"{"allowed":false,"explicitDeny":true,"matchedStatements":{"items":[{"statementId":"NoPlain","effect":"DENY","principals":{"items":[{"value":"AIDA"#), "{text}");
    let told: Value = serde_json::from_str(&text).unwrap();
    let statement = &told["matchedStatements"]["items"][0];
    assert_eq!(
        statement["actions"],
        json!({ "items": [{ "value": "ecs:Create*" }] })
    );
    assert_eq!(statement["resources"], json!({ "items": [{ "value": "*" }] }));
    assert_eq!(
        statement["conditions"],
        json!({ "items": [{ "key": "aws:SecureTransport", "values": { "items": [{ "value": "false" }] } }] })
    );
    assert_eq!(told["failures"], json!({ "items": [] }));
    let context = &told["context"];
    assert_eq!(context["principal"]["name"], "u");
    assert_eq!(
        context["principal"]["arn"],
        format!("arn:aws:iam::{ACCOUNT}:user/u")
    );
    assert_eq!(
        (&context["action"], &context["resource"]),
        (&json!("ecs:CreateCluster"), &json!(resource))
    );
    let tag = json!({ "key": "aws:RequestTag/team", "values": { "items": [{ "value": "web" }] } });
    assert!(
        context["conditions"]["items"].as_array().unwrap().contains(&tag),
        "{context}"
    );
}

#[tokio::test]
async fn r178_an_implicit_deny_matches_no_statement() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:List*", "*")).await;
    let encoded = encoded(&server, &user, &Check::new("ecs:CreateCluster", "*"));
    let decoded = server
        .root
        .ok::<sts::op::DecodeAuthorizationMessage>(&message(&encoded))
        .await;
    let told: Value = serde_json::from_str(&decoded.decoded_message.unwrap()).unwrap();
    assert_eq!(
        (&told["allowed"], &told["explicitDeny"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(told["matchedStatements"], json!({ "items": [] }));
}

#[tokio::test]
async fn r178_what_is_no_message_of_ours_is_invalid() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let encoded = encoded(&server, &user, &Check::new("ecs:CreateCluster", "*"));
    let mut altered = encoded.clone();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    for text in [
        "x",
        "not base 64!",
        &format!("A{encoded}"),
        &altered,
        &"A".repeat(10_240),
    ] {
        let error = server
            .root
            .err::<sts::op::DecodeAuthorizationMessage>(&message(text))
            .await;
        assert_eq!(
            error, "InvalidAuthorizationMessageException: Message is not valid",
            "{text}"
        );
    }
    // Nor is what was made for another account.
    let (_, other) = accounts::account(&server, "other").await;
    let error = other
        .err::<sts::op::DecodeAuthorizationMessage>(&message(&encoded))
        .await;
    assert_eq!(
        error,
        "InvalidAuthorizationMessageException: Message is not valid"
    );
    for text in [String::new(), "A".repeat(10_241)] {
        let error = server
            .root
            .err::<sts::op::DecodeAuthorizationMessage>(&message(&text))
            .await;
        assert!(
            error.starts_with("ValidationError: 1 validation error detected: "),
            "{error}"
        );
    }
    let error = user
        .err::<sts::op::DecodeAuthorizationMessage>(&message(&encoded))
        .await;
    assert!(
        error.contains("is not authorized to perform: sts:DecodeAuthorizationMessage on resource: *"),
        "{error}"
    );
}

#[tokio::test]
async fn r178_a_message_that_would_be_too_long_leaves_out_the_least() {
    let server = Server::start().await;
    let user = server.user("u", &denying("NoPlain", "ecs:*")).await;
    let noise = SeededRandom::new(3);
    let values = (0..400).map(|_| portcullis_core::uuid(&noise));
    let check = Check::new("ecs:CreateCluster", "*").with_many("aws:TagKeys", values.collect());
    let encoded = encoded(&server, &user, &check);
    assert!(encoded.len() <= encoded_message::CHARACTERS_MAX);
    let decoded = server
        .root
        .ok::<sts::op::DecodeAuthorizationMessage>(&message(&encoded))
        .await;
    let told: Value = serde_json::from_str(&decoded.decoded_message.unwrap()).unwrap();
    assert_eq!(told["context"]["conditions"], json!({ "items": [] }));
    assert_eq!(told["matchedStatements"]["items"][0]["statementId"], "NoPlain");
}
