//! Lifecycle policies: what can be put, what a preview says, and that it happens.

use portcullis_api::ecr::{self as api, op};
use serde_json::{Value, json};

use super::{images, index, push, put, repository, upkeep};
use crate::harness::{Client, Server};

const DAY: i64 = 86_400;

fn rule(priority: u32, selection: Value) -> Value {
    json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
}

fn policy(rules: &[Value]) -> String {
    // Never shorter than ECR takes.
    format!("{}{}", json!({ "rules": rules }), " ".repeat(100))
}

fn tagged(prefix: &str, most: u32) -> Value {
    json!({ "tagStatus": "tagged", "tagPrefixList": [prefix], "countType": "imageCountMoreThan", "countNumber": most })
}

fn untagged(days: u32) -> Value {
    json!({ "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days })
}

async fn put_policy(client: &Client, text: &str) -> Result<(), String> {
    let input = api::PutLifecyclePolicyRequest {
        repository_name: "app".to_owned(),
        lifecycle_policy_text: text.to_owned(),
        ..Default::default()
    };
    let reply = client.call::<op::PutLifecyclePolicy>(&input).await;
    reply.map(|_| ()).map_err(|error| error.to_string())
}

/// What a preview says: tags and the priority of the rule, oldest first.
async fn preview(client: &Client, text: Option<String>) -> Vec<(Vec<String>, i32)> {
    let start = api::StartLifecyclePolicyPreviewRequest {
        repository_name: "app".to_owned(),
        lifecycle_policy_text: text,
        ..Default::default()
    };
    client.ok::<op::StartLifecyclePolicyPreview>(&start).await;
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let get = api::GetLifecyclePolicyPreviewRequest {
            repository_name: "app".to_owned(),
            max_results: Some(1),
            next_token: token,
            ..Default::default()
        };
        let page = client.ok::<op::GetLifecyclePolicyPreview>(&get).await;
        assert_eq!(page.status.as_deref(), Some("COMPLETE"));
        let results = page.preview_results.unwrap();
        seen.extend(
            results
                .into_iter()
                .map(|one| (one.image_tags.unwrap(), one.applied_rule_priority.unwrap())),
        );
        token = page.next_token;
        if token.is_none() {
            let count = page.summary.unwrap().expiring_image_total_count.unwrap();
            assert_eq!(usize::try_from(count).unwrap(), seen.len());
            return seen;
        }
    }
}

async fn tags(client: &Client) -> Vec<String> {
    images(client, "app")
        .await
        .into_iter()
        .flat_map(|(_, tags)| tags)
        .collect()
}

#[tokio::test]
async fn what_the_preview_says_happens() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    for (bytes, tag) in [
        ("1", Some("prod-1")),
        ("2", None),
        ("3", Some("prod-2")),
        ("4", Some("beta")),
    ] {
        push(&server.root, "app", bytes, tag).await;
        server.clock.advance_seconds(DAY);
    }
    push(&server.root, "app", "5", Some("prod-3")).await;
    let text = policy(&[rule(1, tagged("prod", 1)), rule(2, untagged(2))]);
    let expected = [
        (vec!["prod-1".to_owned()], 1),
        (vec![], 2),
        (vec!["prod-2".to_owned()], 1),
    ];
    assert_eq!(preview(&server.root, Some(text.clone())).await, expected);
    assert_eq!(
        images(&server.root, "app").await.len(),
        5,
        "a preview removes nothing"
    );

    put_policy(&server.root, &text).await.unwrap();
    assert_eq!(preview(&server.root, None).await, expected);
    upkeep(&server).await;
    assert_eq!(tags(&server.root).await, ["beta", "prod-3"]);
    let get = api::GetLifecyclePolicyRequest {
        repository_name: "app".to_owned(),
        ..Default::default()
    };
    let shown = server.root.ok::<op::GetLifecyclePolicy>(&get).await;
    assert_eq!(shown.last_evaluated_at, Some(server.root.now()));
    assert_eq!(shown.lifecycle_policy_text, Some(text));
}

#[tokio::test]
async fn policies_are_evaluated_again_and_again() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    put_policy(&server.root, &policy(&[rule(1, untagged(1))]))
        .await
        .unwrap();
    push(&server.root, "app", "1", None).await;
    for (hours, left) in [(0, 1), (23, 1), (2, 0)] {
        server.clock.advance_seconds(hours * 3_600);
        upkeep(&server).await;
        assert_eq!(images(&server.root, "app").await.len(), left, "{hours}");
    }
}

#[tokio::test]
async fn a_rule_takes_what_it_selects_from_the_rules_behind_it() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    for (bytes, tag) in [("1", Some("keep-1")), ("2", Some("x")), ("3", None)] {
        push(&server.root, "app", bytes, tag).await;
        server.clock.advance_seconds(1);
    }
    // The first rule keeps its images from the last one, which counts them all the same.
    let any = json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 });
    let patterns = json!({ "tagStatus": "tagged", "tagPatternList": ["keep-*"], "countType": "imageCountMoreThan", "countNumber": 9 });
    put_policy(&server.root, &policy(&[rule(9, any), rule(1, patterns)]))
        .await
        .unwrap();
    upkeep(&server).await;
    assert_eq!(images(&server.root, "app").await.len(), 2);
    assert_eq!(tags(&server.root).await, ["keep-1"]);
}

#[tokio::test]
async fn what_an_index_lists_does_not_expire_before_the_index() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let image = push(&server.root, "app", "1", None).await;
    server
        .root
        .ok::<op::PutImage>(&put("app", &index(&[&image]), Some("v1")))
        .await;
    server.clock.advance_seconds(3 * DAY);
    put_policy(&server.root, &policy(&[rule(1, untagged(1))]))
        .await
        .unwrap();
    upkeep(&server).await;
    assert_eq!(images(&server.root, "app").await.len(), 2);
    let any =
        json!({ "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1 });
    put_policy(&server.root, &policy(&[rule(1, any)])).await.unwrap();
    upkeep(&server).await;
    assert_eq!(images(&server.root, "app").await.len(), 1, "the index first");
    server.clock.advance_seconds(3_600);
    upkeep(&server).await;
    assert!(images(&server.root, "app").await.is_empty());
}

/// Selections that make no sense, each in a policy of its own.
fn senseless_selections() -> Vec<(&'static str, String)> {
    let any = |more: Value| {
        let mut selection =
            json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 });
        for (name, value) in more.as_object().unwrap() {
            selection[name] = value.clone();
        }
        policy(&[rule(1, selection)])
    };
    vec![
        ("not JSON", " ".repeat(120)),
        ("no rules", policy(&[])),
        ("an unknown member", any(json!({ "colour": "red" }))),
        ("no count", any(json!({ "countNumber": 0 }))),
        ("a negative count", any(json!({ "countNumber": -1 }))),
        ("no such count", any(json!({ "countType": "sinceForever" }))),
        ("a unit too many", any(json!({ "countUnit": "days" }))),
        ("a unit too few", any(json!({ "countType": "sinceImagePushed" }))),
        (
            "weeks",
            any(json!({ "countType": "sinceImagePushed", "countUnit": "weeks" })),
        ),
        ("prefixes of any", any(json!({ "tagPrefixList": ["a"] }))),
        ("no tags", any(json!({ "tagStatus": "tagged" }))),
        (
            "no tags at all",
            any(json!({ "tagStatus": "tagged", "tagPrefixList": [] })),
        ),
        (
            "both lists",
            any(json!({ "tagStatus": "tagged", "tagPrefixList": ["a"], "tagPatternList": ["a"] })),
        ),
        (
            "five stars",
            any(json!({ "tagStatus": "tagged", "tagPatternList": ["*a*b*c*d*"] })),
        ),
        (
            "pulls",
            any(json!({ "countType": "sinceImagePulled", "countUnit": "days" })),
        ),
    ]
}

/// Rules that make no sense, alone or beside each other.
fn senseless_rules() -> Vec<(&'static str, String)> {
    let transition = json!({ "rulePriority": 1, "selection": tagged("a", 1), "action": { "type": "transition", "targetStorageClass": "archive" } });
    vec![
        ("the archive", policy(&[transition])),
        ("priority 0", policy(&[rule(0, tagged("a", 1))])),
        (
            "a priority twice",
            policy(&[rule(1, tagged("a", 1)), rule(1, tagged("b", 1))]),
        ),
        (
            "the same tags twice",
            policy(&[rule(1, tagged("a", 1)), rule(2, tagged("a", 2))]),
        ),
        (
            "untagged twice",
            policy(&[rule(1, untagged(1)), rule(2, untagged(2))]),
        ),
        (
            "any before others",
            policy(&[
                rule(
                    1,
                    json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 }),
                ),
                rule(2, tagged("a", 1)),
            ]),
        ),
    ]
}

#[tokio::test]
async fn policies_that_make_no_sense_are_refused() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    for (what, text) in senseless_selections().into_iter().chain(senseless_rules()) {
        let refused = put_policy(&server.root, &text).await.unwrap_err();
        let begins = "InvalidParameterException: Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: ";
        assert!(refused.starts_with(begins), "{what}: {refused}");
    }
    let get = api::GetLifecyclePolicyRequest {
        repository_name: "app".to_owned(),
        ..Default::default()
    };
    let none = server.root.err::<op::GetLifecyclePolicy>(&get).await;
    assert!(none.starts_with("LifecyclePolicyNotFoundException: "), "{none}");
}
