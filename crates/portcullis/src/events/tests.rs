//! Reading events of a running server, as the command does.

use clap::Parser;
use portcullis_api::{ecs, iam};

use super::{End, Options, Reading};
use crate::client::Client;
use crate::town::Town;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn reading(client: &Client, arguments: &[&str]) -> Reading {
    let line = ["events"].iter().chain(arguments);
    let options = Line::parse_from(line).options;
    Reading {
        target: options.target(),
        client: client.clone(),
        options,
        last: None,
        heard: false,
    }
}

async fn register(client: &Client) {
    let number = |name: &str| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(1024),
        ..Default::default()
    };
    let request = ecs::RegisterContainerInstanceRequest {
        cluster: Some("c".to_owned()),
        total_resources: Some(vec![number("CPU"), number("MEMORY")]),
        ..Default::default()
    };
    client
        .expect::<ecs::op::RegisterContainerInstance>(&request)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_kept_is_read_once_and_then_gone_on_from() {
    let town = Town::start().await;
    let cluster = ecs::CreateClusterRequest {
        cluster_name: Some("c".to_owned()),
        ..Default::default()
    };
    town.admin
        .expect::<ecs::op::CreateCluster>(&cluster)
        .await
        .unwrap();
    register(&town.admin).await;
    let mut reading = reading(&town.admin, &["--cluster", "c", "--json"]);
    assert!(matches!(reading.once().await, End::Done));
    let first = reading.last.clone().unwrap();
    assert!(matches!(reading.once().await, End::Done));
    assert_eq!(reading.last.as_ref(), Some(&first), "nothing was read twice");
    register(&town.admin).await;
    assert!(matches!(reading.once().await, End::Done));
    assert_ne!(reading.last, Some(first));
    town.end().await;
}

#[tokio::test]
async fn a_refusal_and_a_server_that_is_not_there_are_told_apart() {
    let town = Town::start().await;
    let create = iam::CreateUserRequest {
        user_name: "nobody".to_owned(),
        ..Default::default()
    };
    town.admin.expect::<iam::op::CreateUser>(&create).await.unwrap();
    let nobody = town.key_of("nobody").await;
    let End::Refused(why) = reading(&nobody, &[]).once().await else {
        panic!("read without permission");
    };
    assert!(why.starts_with("AccessDeniedException: User: "), "{why}");
    assert!(why.contains("portcullis:StreamEvents"), "{why}");
    let End::Refused(why) = reading(&town.admin, &["--pattern", "{"]).once().await else {
        panic!("a pattern that is none was taken");
    };
    assert_eq!(why, "ValidationException: the event pattern is not valid JSON");
    town.end().await;
    assert!(matches!(reading(&nobody, &[]).once().await, End::Lost(_)));
}
