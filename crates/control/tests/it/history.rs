//! CloudTrail's event history: how long it is, and how much of it one call reads.

use portcullis_api::{cloudtrail, ecs, sts};
use portcullis_control::gate::record::event_key;
use portcullis_control::schedule;
use portcullis_store::{Change, Txn};

use crate::harness::{REGION, Server};

const DAY: i64 = 24 * 60 * 60;

fn events(server: &Server) -> Vec<String> {
    let page = server
        .gate
        .world()
        .store()
        .range(b"event/", None, 10_000)
        .unwrap();
    let keys = page
        .entries
        .iter()
        .map(|event| String::from_utf8_lossy(&event.key).into_owned());
    keys.collect()
}

#[tokio::test]
async fn events_are_kept_for_90_days_in_every_region() {
    let server = Server::start().await;
    let ask = || sts::GetCallerIdentityRequest::default();
    for region in [REGION, "eu-west-1", "ap-south-1"] {
        let client = server.root.region(region);
        client.ok::<sts::op::GetCallerIdentity>(&ask()).await;
    }
    server.clock.advance_seconds(1);
    let later = server.root.region("eu-west-1");
    later.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let all = events(&server);
    server.clock.advance_seconds(90 * DAY - 1);
    schedule::forget(server.gate.world()).await;
    assert_eq!(events(&server), all);
    server.clock.advance_seconds(1);
    schedule::forget(server.gate.world()).await;
    let left = events(&server);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("event/eu-west-1/"), "{left:?}");
}

#[tokio::test]
async fn more_old_events_than_one_transaction_deletes_are_forgotten_too() {
    let server = Server::start().await;
    fill(&server, 1_000).await;
    server.clock.advance_seconds(90 * DAY + 1);
    schedule::forget(server.gate.world()).await;
    assert_eq!(events(&server), Vec::<String>::new());
}

#[tokio::test]
async fn a_call_stops_reading_at_its_limit_even_if_no_event_can_be_read() {
    let server = Server::start().await;
    fill(&server, 6_000).await;
    let request = |next_token: Option<String>| cloudtrail::LookupEventsRequest {
        next_token,
        ..Default::default()
    };
    let first = server
        .root
        .ok::<cloudtrail::op::LookupEvents>(&request(None))
        .await;
    assert_eq!(first.events.map(|events| events.len()), Some(0));
    assert!(
        first.next_token.is_some(),
        "a page of nothing but unreadable events has a successor"
    );
    let rest = server
        .root
        .ok::<cloudtrail::op::LookupEvents>(&request(first.next_token))
        .await;
    assert!(rest.next_token.is_none());
}

/// Puts events that cannot be read into the history.
async fn fill(server: &Server, count: usize) {
    let now = server.root.now();
    let keys: Vec<String> = (0..count)
        .map(|n| event_key(REGION, now, &format!("{n:08}")))
        .collect();
    for keys in keys.chunks(1_000) {
        let puts = keys.iter().map(|key| Change::put(key.as_str(), "unreadable"));
        let commit = server.gate.world().store().commit(Txn::of(puts.collect()));
        commit.unwrap().await.unwrap();
    }
}
