//! What IAM refuses when a policy is written (R5, R10-R32, R61-R65), through its doors.

use portcullis_api::iam::{self, op};
use portcullis_wire::Operation;
use serde_json::{Value, json};

use super::{err, may, ok};
use crate::harness::{ACCOUNT, Client, Server, allow};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn put(policy: &str) -> Value {
    json!({ "UserName": "u", "PolicyName": "p", "PolicyDocument": policy })
}

/// One statement with members replaced; null removes one.
fn with(members: Value) -> String {
    let mut statement =
        json!({ "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket" });
    statement
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    statement
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

#[tokio::test]
async fn r17_the_first_failure_in_iams_order_is_the_answer() {
    let server = Server::start().await;
    server.user("u", "").await;
    let twins = r#"[{"Sid":"a","Effect":"Allow"},{"Sid":"a","Effect":"Allow"}]"#;
    // Each document has all that is wrong further down as well.
    for (document, expected) in [
        (r#"{"Version":"2008-10-17","Statement":[{"Effect":"no"}]}"#.to_owned(), "Syntax errors in policy."),
        (
            r#"{"Version":"2008-10-17","Statement":[{"Effect":"allow"}]}"#.to_owned(),
            "Policy document must be version 2012-10-17 or greater.",
        ),
        (
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"allow"},{"Sid":"a","Effect":"Allow"}]}"#.to_owned(),
            "The policy failed legacy parsing",
        ),
        (
            format!(r#"{{"Version":"2012-10-17","Statement":{twins}}}"#),
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (with(json!({ "Action": null, "Resource": "x" })), "Policy statement must contain actions."),
        (with(json!({ "Action": "x", "Resource": "x" })), "Resource x must be in ARN format or \"*\"."),
        (
            with(json!({ "Action": "x", "Resource": null })),
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (with(json!({ "Resource": null })), "Policy statement must contain resources."),
    ] {
        let refused = err::<op::PutUserPolicy>(&server.root, put(&document)).await;
        assert_eq!(refused, format!("MalformedPolicyDocument: {expected}"), "{document}");
    }
}

async fn status<O: Operation>(client: &Client, input: Value) -> (u16, String) {
    let reply = client
        .send::<O>(&portcullis_wire::json::from_value(&input).unwrap())
        .await;
    (reply.status, String::from_utf8(reply.body.to_vec()).unwrap())
}

#[tokio::test]
async fn r25_malformed_documents_have_one_code_and_status_everywhere() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    ok::<op::CreateGroup>(&server.root, json!({ "GroupName": "g" })).await;
    let role = json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST.replace("{\"Service\":\"ecs-tasks.amazonaws.com\"}", "{\"AWS\":\"123456789012\"}") });
    ok::<op::CreateRole>(&server.root, role).await;
    let root = &server.root;
    let assume = json!({ "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/r"), "RoleSessionName": "session", "Policy": "{}" });
    let answers = [
        status::<op::PutUserPolicy>(root, put("{}")).await,
        status::<op::PutGroupPolicy>(
            root,
            json!({ "GroupName": "g", "PolicyName": "p", "PolicyDocument": "{}" }),
        )
        .await,
        status::<op::PutRolePolicy>(
            root,
            json!({ "RoleName": "r", "PolicyName": "p", "PolicyDocument": "{}" }),
        )
        .await,
        status::<op::CreatePolicy>(root, json!({ "PolicyName": "p", "PolicyDocument": "{}" })).await,
        status::<op::CreateRole>(root, json!({ "RoleName": "s", "AssumeRolePolicyDocument": "{}" })).await,
        status::<op::UpdateAssumeRolePolicy>(root, json!({ "RoleName": "r", "PolicyDocument": "{}" })).await,
        status::<portcullis_api::sts::op::AssumeRole>(&user, assume).await,
    ];
    for (status, body) in answers {
        assert_eq!(status, 400, "{body}");
        assert!(body.contains("<Code>MalformedPolicyDocument</Code>"), "{body}");
        assert!(body.contains("Syntax errors in policy."), "{body}");
    }
}

#[tokio::test]
async fn r31_what_does_not_parse_is_never_kept() {
    let server = Server::start().await;
    server.user("u", "").await;
    let root = &server.root;
    for broken in [
        "{",
        "[]",
        &with(json!({ "Condition": { "NoSuch": { "k": "v" } } })),
    ] {
        assert!(!may::<op::PutUserPolicy>(root, put(broken)).await);
        assert!(!may::<op::CreatePolicy>(root, json!({ "PolicyName": "p", "PolicyDocument": broken })).await);
    }
    let inline = ok::<op::ListUserPolicies>(root, json!({ "UserName": "u" })).await;
    assert_eq!(inline["PolicyNames"], json!([]));
    let managed = ok::<op::ListPolicies>(root, json!({ "Scope": "Local" })).await;
    assert_eq!(managed["Policies"], json!([]));
}

#[tokio::test]
async fn r5_r13_r14_r24_trust_policies_are_checked_as_such() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::CreateRole>(
        root,
        json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST }),
    )
    .await;
    let update = |document: &str| json!({ "RoleName": "r", "PolicyDocument": document });
    let old = TRUST.replace("2012", "2008");
    ok::<op::UpdateAssumeRolePolicy>(root, update(&old)).await;
    for (document, expected) in [
        (
            TRUST.replace("sts:AssumeRole", "sts:*"),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            TRUST.replace("sts:AssumeRole", "s3:GetObject"),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            TRUST.replace("\"Principal\"", "\"Resource\":\"*\",\"Principal\""),
            "Has prohibited field Resource",
        ),
        (
            TRUST.replace("Principal", "NotPrincipal"),
            "AssumeRole policy must not contain NotPrincipal field.",
        ),
        (
            TRUST.replace(
                "{\"Service\":\"ecs-tasks.amazonaws.com\"}",
                "{\"AWS\":\"arn:aws:iam::123456789012:user/*\"}",
            ),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:user/*\"",
        ),
        (
            TRUST.replace(
                "{\"Service\":\"ecs-tasks.amazonaws.com\"}",
                "{\"AWS\":\"arn:aws:iam::123456789012:group/g\"}",
            ),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::123456789012:group/g\"",
        ),
        (
            TRUST.replace("{\"Service\":\"ecs-tasks.amazonaws.com\"}", " \"*\""),
            "AssumeRolepolicy contained an invalid principal: \"STAR\":\"*\".",
        ),
        (allow("sts:AssumeRole", "*"), "Missing required field Principal"),
    ] {
        let refused = err::<op::UpdateAssumeRolePolicy>(root, update(&document)).await;
        assert_eq!(refused, format!("MalformedPolicyDocument: {expected}"));
        let create = json!({ "RoleName": "new", "AssumeRolePolicyDocument": document });
        assert_eq!(err::<op::CreateRole>(root, create).await, refused);
    }
}

#[tokio::test]
async fn r65_sessions_and_ids_of_principals_must_exist_too_and_a_deleted_one_is_shown_by_id() {
    let server = Server::start().await;
    let root = &server.root;
    server.user("u", "").await;
    ok::<op::CreateRole>(
        root,
        json!({ "RoleName": "r", "AssumeRolePolicyDocument": TRUST }),
    )
    .await;
    let named = |principal: &str| {
        let document = TRUST.replace(
            "{\"Service\":\"ecs-tasks.amazonaws.com\"}",
            &format!("{{\"AWS\":\"{principal}\"}}"),
        );
        json!({ "RoleName": "r", "PolicyDocument": document })
    };
    for missing in [
        "arn:aws:sts::123456789012:assumed-role/none/s",
        "AIDANOSUCHUSER000000A",
        "AROANOSUCHROLE000000A",
    ] {
        let refused = err::<op::UpdateAssumeRolePolicy>(root, named(missing)).await;
        assert_eq!(
            refused,
            format!("MalformedPolicyDocument: Invalid principal in policy: \"AWS\":\"{missing}\"")
        );
    }
    ok::<op::UpdateAssumeRolePolicy>(root, named("arn:aws:sts::123456789012:assumed-role/r/s")).await;
    let user = ok::<op::GetUser>(root, json!({ "UserName": "u" })).await["User"].clone();
    ok::<op::UpdateAssumeRolePolicy>(root, named(user["Arn"].as_str().unwrap())).await;
    let shown = async || {
        let role = ok::<op::GetRole>(root, json!({ "RoleName": "r" })).await["Role"].clone();
        let text = role["AssumeRolePolicyDocument"].as_str().unwrap().to_owned();
        percent_encoding::percent_decode_str(&text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    assert!(shown().await.contains(user["Arn"].as_str().unwrap()));
    let keys = ok::<op::ListAccessKeys>(root, json!({ "UserName": "u" })).await["AccessKeyMetadata"].clone();
    let key = json!({ "UserName": "u", "AccessKeyId": keys[0]["AccessKeyId"] });
    ok::<op::DeleteAccessKey>(root, key).await;
    ok::<op::DeleteUser>(root, json!({ "UserName": "u" })).await;
    assert!(
        shown().await.contains(user["UserId"].as_str().unwrap()),
        "{}",
        shown().await
    );
}

#[tokio::test]
async fn r28_odd_spellings_are_kept_byte_for_byte() {
    let server = Server::start().await;
    server.user("u", "").await;
    let odd = "\r\n {\"Statement\" : { \"Resource\":[ \"*\" ],\t\"Action\":\"ecs:\\u0052unTask\",\"Effect\":\"Allow\"} , \"Version\":\"2012-10-17\",\"Id\":\"\u{e9} \u{ff}\" }\n";
    ok::<op::PutUserPolicy>(&server.root, put(odd)).await;
    let got = server
        .root
        .ok::<op::GetUserPolicy>(&iam::GetUserPolicyRequest {
            user_name: "u".to_owned(),
            policy_name: "p".to_owned(),
        })
        .await;
    let text = percent_encoding::percent_decode_str(&got.policy_document)
        .decode_utf8()
        .unwrap();
    assert_eq!(text, odd);
    let made =
        ok::<op::CreatePolicy>(&server.root, json!({ "PolicyName": "p", "PolicyDocument": odd })).await;
    let version = json!({ "PolicyArn": made["Policy"]["Arn"], "VersionId": "v1" });
    let got = ok::<op::GetPolicyVersion>(&server.root, version).await["PolicyVersion"]["Document"].clone();
    let text = percent_encoding::percent_decode_str(got.as_str().unwrap())
        .decode_utf8()
        .unwrap()
        .into_owned();
    assert_eq!(text, odd);
}
