//! Who may: identity policy, repository policy and registry policy against each other, and tags as conditions.

use portcullis_api::ecr::{self as api, op};
use serde_json::{Value, json};

use super::{arn, repository};
use crate::harness::{ACCOUNT, Client, Server, allow};

fn statement(effect: &str, principal: &str, action: &str) -> Value {
    json!({ "Effect": effect, "Principal": { "AWS": principal }, "Action": action })
}

fn document(statements: &[Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

async fn set(client: &Client, name: &str, text: &str) -> Result<String, String> {
    let input = api::SetRepositoryPolicyRequest {
        repository_name: name.to_owned(),
        policy_text: text.to_owned(),
        ..Default::default()
    };
    let reply = client.call::<op::SetRepositoryPolicy>(&input).await;
    reply
        .map(|reply| reply.policy_text.unwrap())
        .map_err(|error| error.to_string())
}

async fn set_of_registry(client: &Client, text: &str) {
    let input = api::PutRegistryPolicyRequest {
        policy_text: text.to_owned(),
    };
    client.ok::<op::PutRegistryPolicy>(&input).await;
}

async fn scope(client: &Client, value: &str) {
    let input = api::PutAccountSettingRequest {
        name: "REGISTRY_POLICY_SCOPE".to_owned(),
        value: value.to_owned(),
    };
    client.ok::<op::PutAccountSetting>(&input).await;
}

fn list(name: &str) -> api::ListImagesRequest {
    api::ListImagesRequest {
        repository_name: name.to_owned(),
        ..Default::default()
    }
}

/// In one account either policy is enough, and a denial of either ends it.
#[tokio::test]
async fn the_grid_of_policies_in_one_account() {
    let server = Server::start().await;
    // identity policy, repository policy, registry policy, whether the call goes through
    let cases = [
        (None, None, None, false),
        (Some("Allow"), None, None, true),
        (None, Some("Allow"), None, true),
        (None, None, Some("Allow"), true),
        (Some("Allow"), Some("Deny"), None, false),
        (Some("Allow"), None, Some("Deny"), false),
        (Some("Deny"), Some("Allow"), Some("Allow"), false),
        (None, Some("Allow"), Some("Deny"), false),
        (None, Some("Deny"), Some("Allow"), false),
        (None, Some("Allow"), Some("Allow"), true),
    ];
    for (number, (identity, own, registry, goes)) in cases.into_iter().enumerate() {
        let name = format!("repo-{number}");
        repository(&server.root, &name).await;
        let user = format!("user-{number}");
        let policy = identity.map(|effect| {
            json!({ "Version": "2012-10-17", "Statement": [
                { "Effect": effect, "Action": "ecr:ListImages", "Resource": arn(&name) }] })
            .to_string()
        });
        let client = server.user(&user, &policy.unwrap_or_default()).await;
        let principal = format!("arn:aws:iam::{ACCOUNT}:user/{user}");
        if let Some(effect) = own {
            set(
                &server.root,
                &name,
                &document(&[statement(effect, &principal, "ecr:ListImages")]),
            )
            .await
            .unwrap();
        }
        if let Some(effect) = registry {
            let mut whole = statement(effect, &principal, "ecr:*");
            whole["Resource"] = json!(arn("*"));
            set_of_registry(&server.root, &document(&[whole])).await;
        }
        let called = client.call::<op::ListImages>(&list(&name)).await;
        assert_eq!(
            called.is_ok(),
            goes,
            "{identity:?} {own:?} {registry:?}: {called:?}"
        );
        if registry.is_some() {
            server
                .root
                .ok::<op::DeleteRegistryPolicy>(&Default::default())
                .await;
        }
    }
}

#[tokio::test]
async fn a_registry_policy_of_the_first_scope_speaks_of_three_actions_alone() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let client = server.user("someone", "").await;
    let principal = format!("arn:aws:iam::{ACCOUNT}:user/someone");
    let mut whole = statement("Allow", &principal, "ecr:*");
    whole["Resource"] = json!(arn("*"));
    set_of_registry(&server.root, &document(&[whole])).await;
    let create = |name: &str| api::CreateRepositoryRequest {
        repository_name: name.to_owned(),
        ..Default::default()
    };
    for (value, goes) in [("V2", true), ("V1", false)] {
        scope(&server.root, value).await;
        assert_eq!(
            client.call::<op::ListImages>(&list("app")).await.is_ok(),
            goes,
            "{value}"
        );
        assert!(
            client
                .call::<op::CreateRepository>(&create(&value.to_ascii_lowercase()))
                .await
                .is_ok()
        );
    }
}

#[tokio::test]
async fn a_policy_that_is_none_is_not_set() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let nobody = format!("arn:aws:iam::{ACCOUNT}:user/nobody");
    let cases = [
        "{}".to_owned(),
        "{".to_owned(),
        document(&[json!({ "Effect": "Allow", "Action": "ecr:ListImages" })]),
        document(&[statement("Maybe", "*", "ecr:ListImages")]),
        document(&[statement("Allow", &nobody, "ecr:ListImages")]),
    ];
    for text in cases {
        let refused = set(&server.root, "app", &text).await.unwrap_err();
        assert!(
            refused.starts_with("InvalidParameterException: Invalid parameter at 'PolicyText'"),
            "{text}: {refused}"
        );
    }
    let get = api::GetRepositoryPolicyRequest {
        repository_name: "app".to_owned(),
        ..Default::default()
    };
    let none = server.root.err::<op::GetRepositoryPolicy>(&get).await;
    let text = format!(
        "RepositoryPolicyNotFoundException: Repository policy does not exist for the repository with name 'app' in the registry with id '{ACCOUNT}'"
    );
    assert_eq!(none, text);
}

#[tokio::test]
async fn tags_of_the_repository_and_of_the_request_decide() {
    let server = Server::start().await;
    for (name, team) in [("red", "red"), ("blue", "blue")] {
        repository(&server.root, name).await;
        let tag = api::TagResourceRequest {
            resource_arn: arn(name),
            tags: vec![api::Tag {
                key: "team".to_owned(),
                value: team.to_owned(),
            }],
        };
        server.root.ok::<op::TagResource>(&tag).await;
    }
    for key in ["ecr:ResourceTag/team", "aws:ResourceTag/team"] {
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "ecr:ListImages", "Resource": "*",
            "Condition": { "StringEquals": { key: "red" } } }] });
        let client = server
            .user(&key.replace([':', '/'], "-"), &policy.to_string())
            .await;
        assert!(client.call::<op::ListImages>(&list("red")).await.is_ok(), "{key}");
        assert!(
            client.call::<op::ListImages>(&list("blue")).await.is_err(),
            "{key}"
        );
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "ecr:CreateRepository", "Resource": "*" },
        { "Effect": "Allow", "Action": "ecr:TagResource", "Resource": "*",
          "Condition": { "StringEquals": { "aws:RequestTag/team": "red" },
                         "ForAllValues:StringEquals": { "aws:TagKeys": ["team"] } } }] });
    let client = server.user("tagger", &policy.to_string()).await;
    let create = |name: &str, team: &str| api::CreateRepositoryRequest {
        repository_name: name.to_owned(),
        tags: Some(vec![api::Tag {
            key: "team".to_owned(),
            value: team.to_owned(),
        }]),
        ..Default::default()
    };
    assert!(
        client
            .call::<op::CreateRepository>(&create("one", "red"))
            .await
            .is_ok()
    );
    let refused = client.err::<op::CreateRepository>(&create("two", "blue")).await;
    assert!(
        refused.contains(&format!("ecr:TagResource on resource: {}", arn("two"))),
        "{refused}"
    );
}

#[tokio::test]
async fn every_call_is_a_management_event() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    super::push(&server.root, "app", "one", Some("v1")).await;
    let get = api::BatchGetImageRequest {
        repository_name: "app".to_owned(),
        image_ids: vec![super::by_tag("v1")],
        ..Default::default()
    };
    server.root.ok::<op::BatchGetImage>(&get).await;
    let records = server.records().await;
    for (name, read_only) in [
        ("CreateRepository", false),
        ("InitiateLayerUpload", false),
        ("UploadLayerPart", false),
        ("CompleteLayerUpload", false),
        ("PutImage", false),
        ("BatchGetImage", true),
    ] {
        let record = records
            .iter()
            .find(|record| record["eventName"] == name)
            .expect(name);
        assert_eq!(record["eventSource"], "ecr.amazonaws.com");
        assert_eq!(record["readOnly"], read_only, "{name}");
        assert!(record["requestParameters"]["layerPartBlob"].is_null());
        assert_eq!(record["resources"][0]["ARN"], arn("app"), "{name}");
    }
}

#[tokio::test]
async fn an_account_setting_is_a_condition_key() {
    let server = Server::start().await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "ecr:PutAccountSetting", "Resource": "*",
        "Condition": { "StringEquals": { "ecr:AccountSetting": "BLOB_MOUNTING" } } }] });
    let client = server.user("operator", &policy.to_string()).await;
    let put = |name: &str, value: &str| api::PutAccountSettingRequest {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    client
        .ok::<op::PutAccountSetting>(&put("BLOB_MOUNTING", "ENABLED"))
        .await;
    let refused = client
        .err::<op::PutAccountSetting>(&put("REGISTRY_POLICY_SCOPE", "V1"))
        .await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
}

#[tokio::test]
async fn an_unknown_repository_is_known_to_be_so_by_those_who_may_alone() {
    let server = Server::start().await;
    let nobody = server.user("nobody", "").await;
    let someone = server.user("someone", &allow("ecr:ListImages", "*")).await;
    let hidden = nobody.err::<op::ListImages>(&list("absent")).await;
    assert!(hidden.starts_with("AccessDeniedException: "), "{hidden}");
    let absent = someone.err::<op::ListImages>(&list("absent")).await;
    let text = format!(
        "RepositoryNotFoundException: The repository with name 'absent' does not exist in the registry with id '{ACCOUNT}'"
    );
    assert_eq!(absent, text);
}
