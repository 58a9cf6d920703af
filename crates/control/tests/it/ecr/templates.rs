//! A push makes a repository where a template says so, for whoever may make one.

use portcullis_api::ecr::{self as api, op};

use super::{arn, begin};
use crate::harness::{Client, Server};

async fn template(client: &Client, prefix: &str, applied_for: &[&str], mode: &str) {
    let create = api::CreateRepositoryCreationTemplateRequest {
        prefix: prefix.to_owned(),
        applied_for: applied_for.iter().map(|why| (*why).to_owned()).collect(),
        image_tag_mutability: Some(mode.to_owned()),
        resource_tags: Some(vec![api::Tag {
            key: "made".to_owned(),
            value: "by-template".to_owned(),
        }]),
        ..Default::default()
    };
    client.ok::<op::CreateRepositoryCreationTemplate>(&create).await;
}

fn initiate(name: &str) -> api::InitiateLayerUploadRequest {
    api::InitiateLayerUploadRequest {
        repository_name: name.to_owned(),
        ..Default::default()
    }
}

async fn mode_of(client: &Client, name: &str) -> Option<String> {
    let describe = api::DescribeRepositoriesRequest {
        repository_names: Some(vec![name.to_owned()]),
        ..Default::default()
    };
    let reply = client.call::<op::DescribeRepositories>(&describe).await.ok()?;
    reply.repositories.unwrap().remove(0).image_tag_mutability
}

#[tokio::test]
async fn the_template_of_the_longest_prefix_makes_the_repository() {
    let server = Server::start().await;
    let refused = server
        .root
        .err::<op::InitiateLayerUpload>(&initiate("team/app"))
        .await;
    assert!(refused.starts_with("RepositoryNotFoundException: "), "{refused}");
    template(&server.root, "ROOT", &["CREATE_ON_PUSH"], "MUTABLE").await;
    template(
        &server.root,
        "team/",
        &["CREATE_ON_PUSH", "REPLICATION"],
        "IMMUTABLE",
    )
    .await;
    template(&server.root, "cache", &["PULL_THROUGH_CACHE"], "MUTABLE").await;
    for (name, mode) in [
        ("team/app", "IMMUTABLE"),
        ("team/deep/app", "IMMUTABLE"),
        ("teams/app", "MUTABLE"),
        ("app", "MUTABLE"),
    ] {
        begin(&server.root, name).await;
        assert_eq!(mode_of(&server.root, name).await.as_deref(), Some(mode), "{name}");
    }
    let refused = server
        .root
        .err::<op::InitiateLayerUpload>(&initiate("cache/app"))
        .await;
    assert!(refused.starts_with("RepositoryNotFoundException: "), "{refused}");
    let list = api::ListTagsForResourceRequest {
        resource_arn: arn("team/app"),
    };
    let tags = server
        .root
        .ok::<op::ListTagsForResource>(&list)
        .await
        .tags
        .unwrap();
    assert_eq!(
        (tags[0].key.as_str(), tags[0].value.as_str()),
        ("made", "by-template")
    );
}

#[tokio::test]
async fn whoever_pushes_must_be_allowed_to_make_and_tag_it() {
    let server = Server::start().await;
    template(&server.root, "ROOT", &["CREATE_ON_PUSH"], "MUTABLE").await;
    let actions = [
        "ecr:InitiateLayerUpload",
        "ecr:CreateRepository",
        "ecr:TagResource",
    ];
    for left_out in actions {
        let rest: Vec<_> = actions.into_iter().filter(|action| *action != left_out).collect();
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": rest, "Resource": arn("app") }] });
        let name = left_out.split(':').nth(1).unwrap();
        let user = server.user(name, &policy.to_string()).await;
        let refused = user.err::<op::InitiateLayerUpload>(&initiate("app")).await;
        let text = format!(
            "is not authorized to perform: {left_out} on resource: {}",
            arn("app")
        );
        assert!(refused.contains(&text), "{refused}");
    }
    assert_eq!(mode_of(&server.root, "app").await, None);
}
