//! Clusters (ecs.md 2).

use portcullis_api::ecs::{CreateClusterRequest, op};
use portcullis_api::iam;
use serde_json::{Value, json};

use super::{allow_if, arn, err, ok};
use crate::harness::{Server, allow};

#[tokio::test]
async fn creating_a_cluster_twice_shows_the_first_unchanged() {
    let server = Server::start().await;
    let setting = json!([{ "name": "containerInsights", "value": "enabled" }]);
    let first = ok::<op::CreateCluster>(&server.root, json!({ "settings": setting })).await;
    assert_eq!(first["cluster"]["clusterArn"], arn("cluster/default"));
    assert_eq!(first["cluster"]["status"], "ACTIVE");
    let tags = json!([{ "key": "a", "value": "b" }]);
    let again =
        ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "default", "tags": tags })).await;
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_new_cluster_shows_every_member() {
    let server = Server::start().await;
    let made = ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    insta::assert_json_snapshot!(made);
}

#[tokio::test]
async fn describe_answers_failures_and_only_the_parts_asked_for() {
    let server = Server::start().await;
    let tags = json!([{ "key": "Owner", "value": "me" }]);
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c", "tags": tags })).await;
    let described = ok::<op::DescribeClusters>(&server.root, json!({ "clusters": ["c", "ghost"] })).await;
    assert_eq!(
        described["failures"],
        json!([{ "arn": arn("cluster/ghost"), "reason": "MISSING" }])
    );
    for part in ["settings", "statistics", "tags"] {
        assert_eq!(described["clusters"][0][part], json!([]), "{part}");
    }
    let include = json!(["SETTINGS", "STATISTICS", "TAGS"]);
    let full = json!({ "clusters": [arn("cluster/c")], "include": include });
    let described = ok::<op::DescribeClusters>(&server.root, full).await;
    let cluster = &described["clusters"][0];
    assert_eq!(cluster["tags"], tags);
    assert_eq!(
        cluster["settings"],
        json!([{ "name": "containerInsights", "value": "disabled" }])
    );
    assert_eq!(cluster["statistics"].as_array().unwrap().len(), 12);
    assert_eq!(described["failures"], json!([]));
}

#[tokio::test]
async fn a_deleted_cluster_is_inactive_unlisted_and_can_be_made_again() {
    let server = Server::start().await;
    let name = json!({ "cluster": "c" });
    let tags = json!([{ "key": "a", "value": "b" }]);
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c", "tags": tags })).await;
    let deleted = ok::<op::DeleteCluster>(&server.root, name.clone()).await;
    assert_eq!(deleted["cluster"]["status"], "INACTIVE");
    assert_eq!(deleted["cluster"]["tags"], json!([]));
    assert_eq!(ok::<op::DeleteCluster>(&server.root, name.clone()).await, deleted);
    assert_eq!(
        ok::<op::ListClusters>(&server.root, json!({})).await["clusterArns"],
        json!([])
    );
    let described = ok::<op::DescribeClusters>(&server.root, json!({ "clusters": ["c"] })).await;
    assert_eq!(described["clusters"][0]["status"], "INACTIVE");
    assert_eq!(
        err::<op::UpdateCluster>(&server.root, name).await,
        "ClusterNotFoundException: The referenced cluster was inactive."
    );
    let again = ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    assert_eq!(again["cluster"]["status"], "ACTIVE");
}

#[tokio::test]
async fn a_deleted_cluster_is_forgotten_after_an_hour() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    ok::<op::DeleteCluster>(&server.root, json!({ "cluster": "c" })).await;
    let seen = async |server: &Server| {
        let sweep = |tx: &mut portcullis_control::world::Tx<'_>| {
            portcullis_control::services::ecs::sweep::sweep(tx);
            Ok::<_, std::convert::Infallible>(())
        };
        server.gate.world().write(sweep).await.unwrap();
        let reply = ok::<op::DescribeClusters>(&server.root, json!({ "clusters": ["c"] })).await;
        reply["clusters"].as_array().unwrap().len()
    };
    server.clock.advance_seconds(3_599);
    assert_eq!(seen(&server).await, 1);
    server.clock.advance_seconds(1);
    assert_eq!(seen(&server).await, 0);
    let again = err::<op::DeleteCluster>(&server.root, json!({ "cluster": "c" })).await;
    assert_eq!(again, "ClusterNotFoundException: Cluster not found.");
}

#[tokio::test]
async fn what_cannot_be_a_cluster_is_refused() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let exec = |logging: Value, log: Value| json!({ "clusterName": "x", "configuration": { "executeCommandConfiguration": { "logging": logging, "logConfiguration": log } } });
    let spot = json!([{ "capacityProvider": "FARGATE_SPOT" }]);
    let cases = [
        (
            json!({ "clusterName": "a b" }),
            "Cluster name contains invalid characters.",
        ),
        (
            json!({ "clusterName": "x".repeat(256) }),
            "Cluster name contains invalid characters.",
        ),
        (
            exec(json!("DEFAULT"), json!({ "s3BucketName": "b" })),
            "You must set logging to 'OVERRIDE' when you supply a log configuration.",
        ),
        (
            json!({ "clusterName": "x", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": spot }),
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.",
        ),
        (
            json!({ "clusterName": "x", "tags": [{ "key": "aws:a", "value": "" }] }),
            "Tag keys and values cannot start with aws:",
        ),
    ];
    for (input, expected) in cases {
        let text = err::<op::CreateCluster>(&server.root, input).await;
        assert_eq!(text, format!("InvalidParameterException: {expected}"));
    }
    assert_eq!(
        err::<op::UpdateClusterSettings>(&server.root, json!({ "cluster": "c", "settings": [] })).await,
        "InvalidParameterException: Settings can not be empty."
    );
    assert_eq!(
        err::<op::DeleteCluster>(&server.root, json!({ "cluster": arn("task/c/0") })).await,
        format!(
            "InvalidParameterException: Invalid identifier: {}",
            arn("task/c/0")
        )
    );
}

#[tokio::test]
async fn settings_configuration_and_providers_can_be_changed() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let insights = json!([{ "name": "containerInsights", "value": "enhanced" }]);
    ok::<op::UpdateClusterSettings>(&server.root, json!({ "cluster": "c", "settings": insights })).await;
    let configuration = json!({ "executeCommandConfiguration": { "logging": "NONE" } });
    ok::<op::UpdateCluster>(
        &server.root,
        json!({ "cluster": "c", "configuration": configuration }),
    )
    .await;
    let strategy = json!([{ "capacityProvider": "FARGATE", "weight": 1 }]);
    let providers = json!({ "cluster": "c", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": strategy });
    ok::<op::PutClusterCapacityProviders>(&server.root, providers).await;
    let include = json!(["SETTINGS", "CONFIGURATIONS"]);
    let shown =
        ok::<op::DescribeClusters>(&server.root, json!({ "clusters": ["c"], "include": include })).await;
    let cluster = &shown["clusters"][0];
    assert_eq!(cluster["settings"], insights);
    assert_eq!(cluster["configuration"], configuration);
    assert_eq!(cluster["capacityProviders"], json!(["FARGATE"]));
    assert_eq!(cluster["defaultCapacityProviderStrategy"], strategy);
}

#[tokio::test]
async fn pages_show_every_cluster_once_and_in_order() {
    let server = Server::start().await;
    for n in 0..7 {
        ok::<op::CreateCluster>(&server.root, json!({ "clusterName": format!("c{n}") })).await;
    }
    let mut seen = Vec::new();
    let mut input = json!({ "maxResults": 3 });
    loop {
        let page = ok::<op::ListClusters>(&server.root, input.clone()).await;
        seen.extend(page["clusterArns"].as_array().unwrap().clone());
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(
        seen,
        (0..7)
            .map(|n| json!(arn(&format!("cluster/c{n}"))))
            .collect::<Vec<_>>()
    );
    let bad = err::<op::ListClusters>(&server.root, json!({ "nextToken": "x" })).await;
    assert_eq!(bad, "InvalidParameterException: Invalid token.");
}

#[tokio::test]
async fn r148_tags_on_creation_need_tag_resource() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:CreateCluster", "*")).await;
    let tagged = json!({ "clusterName": "c", "tags": [{ "key": "Team", "value": "blue" }] });
    let refused = err::<op::CreateCluster>(&user, tagged.clone()).await;
    assert!(
        refused.contains("ecs:TagResource on resource: arn:aws:ecs:us-east-1:"),
        "{refused}"
    );
    server
        .allow(
            "u",
            "tag",
            &allow_if("ecs:TagResource", "StringEquals", "ecs:CreateAction", "RunTask"),
        )
        .await;
    assert_eq!(err::<op::CreateCluster>(&user, tagged.clone()).await, refused);
    server
        .allow(
            "u",
            "tag",
            &allow_if(
                "ecs:TagResource",
                "StringEquals",
                "ecs:CreateAction",
                "CreateCluster",
            ),
        )
        .await;
    ok::<op::CreateCluster>(&user, tagged).await;
}

#[tokio::test]
async fn r166_resource_tags_decide_under_both_names() {
    let server = Server::start().await;
    let tags = json!([{ "key": "Team", "value": "blue" }]);
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c", "tags": tags })).await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "d" })).await;
    for (n, key) in ["aws:ResourceTag/team", "ecs:ResourceTag/Team"]
        .into_iter()
        .enumerate()
    {
        let user = server
            .user(&format!("u{n}"), &allow_if("ecs:*", "StringEquals", key, "blue"))
            .await;
        ok::<op::DescribeClusters>(&user, json!({ "clusters": ["c"] })).await;
        let refused = err::<op::DescribeClusters>(&user, json!({ "clusters": ["c", "d"] })).await;
        assert!(refused.contains(&arn("cluster/d")), "{refused}");
        ok::<op::UpdateCluster>(&user, json!({ "cluster": "c" })).await;
        assert!(
            err::<op::DeleteCluster>(&user, json!({ "cluster": "d" }))
                .await
                .starts_with("AccessDenied")
        );
    }
}

#[tokio::test]
async fn r112_ecs_cluster_is_absent_where_the_resource_is_the_cluster() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let user = server
        .user(
            "u",
            &allow_if("ecs:*", "ArnEquals", "ecs:cluster", &arn("cluster/c")),
        )
        .await;
    assert!(
        err::<op::DeleteCluster>(&user, json!({ "cluster": "c" }))
            .await
            .starts_with("AccessDenied")
    );
    ok::<op::ListServices>(&user, json!({ "cluster": "c" })).await;
}

#[tokio::test]
async fn r181_a_refused_caller_cannot_tell_whether_a_cluster_exists() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "there" })).await;
    let user = server.user("u", "").await;
    for name in ["there", "gone", "a*"] {
        let refused = err::<op::DeleteCluster>(&user, json!({ "cluster": name })).await;
        assert!(
            refused.contains(&format!("on resource: {}", arn(&format!("cluster/{name}")))),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn clusters_of_another_region_are_out_of_reach() {
    let server = Server::start().await;
    ok::<op::CreateCluster>(&server.root, json!({ "clusterName": "c" })).await;
    let away = server.root.region("eu-west-1");
    for name in ["c".to_owned(), arn("cluster/c")] {
        let missing = err::<op::DeleteCluster>(&away, json!({ "cluster": name })).await;
        assert_eq!(missing, "ClusterNotFoundException: Cluster not found.");
    }
    let foreign = json!({ "cluster": "arn:aws:ecs:us-east-1:999999999999:cluster/c" });
    // Another account's cluster: that account would have to allow it (R123), whether or not there is one (R181).
    let refused = err::<op::DeleteCluster>(&server.root, foreign).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
}

#[tokio::test]
async fn r154_the_service_linked_role_comes_with_the_first_cluster_of_a_caller_who_may_make_it() {
    let server = Server::start().await;
    let only_clusters = server.user("u", &allow("ecs:CreateCluster", "*")).await;
    let create = |name: &str| CreateClusterRequest {
        cluster_name: Some(name.to_owned()),
        ..Default::default()
    };
    let get = iam::GetRoleRequest {
        role_name: "AWSServiceRoleForECS".to_owned(),
    };
    only_clusters.ok::<op::CreateCluster>(&create("one")).await;
    assert!(server.root.call::<iam::op::GetRole>(&get).await.is_err());
    server.root.ok::<op::CreateCluster>(&create("two")).await;
    let role = server.root.ok::<iam::op::GetRole>(&get).await.role;
    assert_eq!(role.path, "/aws-service-role/ecs.amazonaws.com/");
    only_clusters.ok::<op::CreateCluster>(&create("three")).await;
}
