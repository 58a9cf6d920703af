//! The first start, and root keys that starters choose.

use std::sync::Arc;

use portcullis_api::{iam, sts};
use portcullis_control::bootstrap::{self, InvalidKey, LongTermKey};
use portcullis_control::world::World;
use portcullis_core::{FixedClock, Secret, SeededRandom};
use portcullis_store::{Opened, open_in_memory};

use crate::harness::{ACCOUNT, BEGINNING, Server};

fn world() -> World {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let random = Arc::new(SeededRandom::new(1));
    let Opened { store, vault } = open_in_memory(clock.clone(), random.clone()).unwrap();
    World::open(ACCOUNT.parse().unwrap(), store, vault, clock, random).unwrap()
}

fn key(id: &str) -> LongTermKey {
    LongTermKey::chosen(id.to_owned(), Secret::new("secret")).unwrap()
}

#[test]
fn a_root_key_is_never_empty_and_fits_a_scope() {
    let chosen = |id: &str, secret: &str| LongTermKey::chosen(id.to_owned(), Secret::new(secret)).map(|_| ());
    for id in ["", "a/b", "a,b", "a b", &"x".repeat(129)] {
        assert_eq!(chosen(id, "s"), Err(InvalidKey::Id), "{id}");
    }
    assert_eq!(chosen("test", ""), Err(InvalidKey::Secret));
    assert_eq!(chosen("test", "test"), Ok(()));
}

#[tokio::test]
async fn a_key_that_nobody_got_is_not_kept() {
    let world = world();
    let refused = bootstrap::account(&world, None, |_| Err("no such folder".to_owned())).await;
    assert!(refused.unwrap_err().to_string().contains("no such folder"));
    assert!(world.view().accounts().is_empty() && world.view().access_keys.is_empty());
    assert!(
        bootstrap::account(&world, None, |_| Ok(()))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        bootstrap::account(&world, None, |_| Ok(()))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_new_starters_key_replaces_the_old_one_and_no_other() {
    let world = world();
    bootstrap::account(&world, Some(key("one")), |_| Ok(()))
        .await
        .unwrap();
    bootstrap::account(&world, Some(key("two")), |_| Ok(()))
        .await
        .unwrap();
    bootstrap::account(&world, None, |_| Ok(())).await.unwrap();
    let keys: Vec<_> = world
        .view()
        .access_keys
        .iter()
        .map(|(id, _)| id.to_owned())
        .collect();
    assert_eq!(keys, ["two"]);
}

#[tokio::test]
async fn refusals_before_any_decision_are_on_record() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
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
    session.err::<iam::op::ListUsers>(&Default::default()).await;
    let invalid = iam::CreateUserRequest {
        user_name: "not a name".to_owned(),
        ..Default::default()
    };
    server.root.err::<iam::op::CreateUser>(&invalid).await;
    let records = server.records().await;
    let code = |name: &str| {
        let of = |record: &&serde_json::Value| record["eventName"] == name && !record["errorCode"].is_null();
        records.iter().find(of).map(|record| record["errorCode"].clone())
    };
    assert_eq!(code("ListUsers"), Some("InvalidClientTokenId".into()));
    assert_eq!(code("CreateUser"), Some("ValidationError".into()));
}
