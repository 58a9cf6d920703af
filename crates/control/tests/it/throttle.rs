//! Throttling as callers meet it (ecs.md 13).

use std::sync::Arc;

use portcullis_api::ecs::op;
use portcullis_api::{ecs, iam};
use portcullis_control::accounts::{Accounts, Doors};
use portcullis_control::bootstrap::{self, LongTermKey};
use portcullis_control::gate::Gate;
use portcullis_control::gate::throttle::Throttle;
use portcullis_control::services;
use portcullis_control::world::World;
use portcullis_core::{Clock as _, FixedClock, Secret, SeededRandom};
use portcullis_store::open_in_memory;
use portcullis_wire::{ClientError, Operation};

use crate::harness::{ACCOUNT, BEGINNING, Client, Server};

const EXCEEDED: &str = "ThrottlingException: Rate exceeded";

/// A server as `portcullis serve --aws-throttling` starts it.
async fn throttled() -> (Arc<Accounts>, Arc<FixedClock>, Client) {
    let plain = Server::start().await;
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let random = Arc::new(SeededRandom::new(1));
    let opened = open_in_memory(clock.clone(), random.clone()).unwrap();
    let world = World::open(
        ACCOUNT.parse().unwrap(),
        opened.store,
        opened.vault,
        clock.clone(),
        random,
    )
    .unwrap();
    let key = LongTermKey::chosen("AKIAROOT".to_owned(), Secret::new("root-secret")).unwrap();
    bootstrap::account(&world, Some(key), |_| Ok(())).await.unwrap();
    let doors =
        |world| Doors::of(Gate::new(world, services::operations()).with_throttling(Throttle::default()));
    let accounts = Arc::new(Accounts::open(Arc::new(world), Box::new(doors)).unwrap());
    (accounts, clock, plain.root)
}

struct Caller {
    accounts: Arc<Accounts>,
    clock: Arc<FixedClock>,
    client: Client,
}

impl Caller {
    async fn new() -> Self {
        let (accounts, clock, client) = throttled().await;
        Self {
            accounts,
            clock,
            client,
        }
    }

    async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, ClientError> {
        let request = portcullis_wire::encode_request::<O>(input);
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(format!("http://127.0.0.1:4566{}", request.path));
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        self.client.sign(
            O::META.service.signing_name,
            &mut parts,
            &request.body,
            self.clock.now(),
        );
        let reply = self
            .accounts
            .serve(&parts, &request.body, self.client.peer.clone())
            .await;
        portcullis_wire::decode_reply::<O>(reply.status, &reply.body)
    }

    /// How many of so many calls get through.
    async fn through<O: Operation>(&self, input: &O::Input, calls: usize) -> usize {
        let mut through = 0;
        for _ in 0..calls {
            match self.call::<O>(input).await {
                Err(error) if error.to_string() == EXCEEDED => {}
                _ => through += 1,
            }
        }
        through
    }
}

#[tokio::test]
async fn ecs_13_a_burst_gets_through_and_then_the_sustained_rate() {
    let mut caller = Caller::new().await;
    let describe = ecs::DescribeClustersRequest::default();
    assert_eq!(caller.through::<op::DescribeClusters>(&describe, 60).await, 50);
    // The bucket is shared, and others are not touched.
    assert_eq!(
        caller.through::<op::ListClusters>(&Default::default(), 3).await,
        0
    );
    assert_eq!(
        caller
            .through::<op::ListTaskDefinitions>(&Default::default(), 3)
            .await,
        3
    );
    assert_eq!(
        caller
            .through::<iam::op::ListUsers>(&Default::default(), 300)
            .await,
        300
    );
    caller.clock.advance_seconds(1);
    assert_eq!(
        caller.through::<op::ListClusters>(&Default::default(), 60).await,
        20
    );
    // Each region has buckets of its own.
    caller.client = caller.client.region("eu-west-1");
    assert_eq!(
        caller.through::<op::ListClusters>(&Default::default(), 60).await,
        50
    );
}

#[tokio::test]
async fn ecs_13_fargate_has_buckets_for_calls_and_for_tasks() {
    let caller = Caller::new().await;
    let run = |count: i32| ecs::RunTaskRequest {
        task_definition: "none".to_owned(),
        launch_type: Some("FARGATE".to_owned()),
        count: Some(count),
        ..Default::default()
    };
    assert_eq!(caller.through::<op::RunTask>(&run(10), 12).await, 10);
    caller.clock.advance_seconds(60);
    assert_eq!(caller.through::<op::RunTask>(&run(1), 25).await, 20);
    let ec2 = ecs::RunTaskRequest {
        launch_type: Some("EC2".to_owned()),
        ..run(10)
    };
    assert_eq!(caller.through::<op::RunTask>(&ec2, 20).await, 20);
}

#[tokio::test]
async fn ecs_13_the_throttled_are_not_authorised_and_are_on_record() {
    let caller = Caller::new().await;
    let create = iam::CreateUserRequest {
        user_name: "nobody".to_owned(),
        ..Default::default()
    };
    caller.call::<iam::op::CreateUser>(&create).await.unwrap();
    let key = iam::CreateAccessKeyRequest {
        user_name: Some("nobody".to_owned()),
    };
    let key = caller
        .call::<iam::op::CreateAccessKey>(&key)
        .await
        .unwrap()
        .access_key;
    let nobody = Caller {
        client: caller
            .client
            .with(&key.access_key_id, &key.secret_access_key, None),
        accounts: caller.accounts.clone(),
        clock: caller.clock.clone(),
    };
    let delete = ecs::DeleteTaskDefinitionsRequest {
        task_definitions: vec!["web:1".to_owned()],
    };
    let mut told = Vec::new();
    for _ in 0..6 {
        let refused = nobody
            .call::<op::DeleteTaskDefinitions>(&delete)
            .await
            .err()
            .unwrap();
        told.push(refused.to_string());
    }
    assert!(told[4].starts_with("AccessDeniedException"), "{told:?}");
    assert_eq!(told[5], EXCEEDED);
    let lookup = portcullis_api::cloudtrail::LookupEventsRequest::default();
    let events = caller
        .call::<portcullis_api::cloudtrail::op::LookupEvents>(&lookup)
        .await
        .unwrap()
        .events;
    let records: Vec<serde_json::Value> = events
        .into_iter()
        .flatten()
        .filter_map(|event| event.cloud_trail_event)
        .map(|text| serde_json::from_str(&text).unwrap())
        .collect();
    let throttled: Vec<_> = records
        .iter()
        .filter(|record| record["errorCode"] == "ThrottlingException")
        .collect();
    assert_eq!(throttled.len(), 1);
    assert_eq!(throttled[0]["eventName"], "DeleteTaskDefinitions");
    assert_eq!(throttled[0]["errorMessage"], "Rate exceeded");
    assert!(throttled[0]["requestParameters"].is_null());
}

#[tokio::test]
async fn nothing_is_throttled_unless_it_is_asked_for() {
    let server = Server::start().await;
    for _ in 0..120 {
        server.root.ok::<op::ListClusters>(&Default::default()).await;
    }
}
