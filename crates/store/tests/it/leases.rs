//! What every engine does alike with leases; the cases run in [`conformance`](crate::conformance).

use std::time::Duration;

use portcullis_core::Clock;
use portcullis_store::{Change, Revision, StoreError, Txn};

use crate::fixture::{Fixture, commit, keys, put, refusal, told, value};

pub fn a_lease_takes_its_keys_along(fixture: &mut Fixture) {
    let store = fixture.store();
    let (lease, granted) = store.grant_lease(Duration::from_secs(10)).unwrap();
    assert_eq!(granted.wait().unwrap().revision, Revision(lease.0));
    commit(
        store,
        Txn::of(vec![Change::put_leased("a", "1", lease), Change::put("b", "2")]),
    );
    commit(store, Txn::of(vec![Change::put_leased("c", "3", lease)]));
    assert_eq!(store.get(b"a").unwrap().unwrap().lease, Some(lease));
    let mut watch = store.watch(b"", store.revision().next()).unwrap();
    let ended = store.revoke_lease(lease).unwrap().wait().unwrap();
    assert_eq!(keys(store, ""), ["b"]);
    assert_eq!(told(&mut watch), [format!("{}:-a,-c", ended.revision)]);
    assert_eq!(refusal(store.revoke_lease(lease)), StoreError::NoSuchLease(lease));
    assert_eq!(refusal(store.keep_alive(lease)), StoreError::NoSuchLease(lease));
}

pub fn a_lease_lives_as_long_as_it_is_kept_alive(fixture: &mut Fixture) {
    let (store, clock) = (fixture.store(), &fixture.clock);
    let (lease, granted) = store.grant_lease(Duration::from_secs(10)).unwrap();
    drop(granted);
    commit(store, Txn::of(vec![Change::put_leased("a", "1", lease)]));
    clock.advance_seconds(9);
    assert!(store.expire_leases(clock.now()).unwrap().is_none());
    store.keep_alive(lease).unwrap();
    clock.advance_seconds(9);
    assert!(store.expire_leases(clock.now()).unwrap().is_none());
    clock.advance_seconds(1);
    store.expire_leases(clock.now()).unwrap().unwrap().wait().unwrap();
    assert_eq!(value(store, "a"), None);
    assert!(store.expire_leases(clock.now()).unwrap().is_none());
}

pub fn a_lease_that_ran_out_takes_no_more_keys(fixture: &mut Fixture) {
    let (store, clock) = (fixture.store(), &fixture.clock);
    let (lease, _granted) = store.grant_lease(Duration::from_secs(1)).unwrap();
    clock.advance_seconds(1);
    let _ending = store.expire_leases(clock.now()).unwrap().unwrap();
    let late = store.commit(Txn::of(vec![Change::put_leased("a", "1", lease)]));
    assert_eq!(refusal(late), StoreError::NoSuchLease(lease));
    assert_eq!(refusal(store.keep_alive(lease)), StoreError::NoSuchLease(lease));
}

pub fn a_put_moves_a_key_out_of_its_lease(fixture: &mut Fixture) {
    let store = fixture.store();
    let (first, _granted) = store.grant_lease(Duration::from_secs(1)).unwrap();
    let (second, _granted) = store.grant_lease(Duration::from_secs(1)).unwrap();
    for key in ["deleted", "free", "kept", "moved"] {
        commit(store, Txn::of(vec![Change::put_leased(key, "", first)]));
    }
    commit(
        store,
        Txn::of(vec![
            Change::put("free", ""),
            Change::put_leased("moved", "", second),
        ]),
    );
    commit(store, Txn::of(vec![Change::delete("deleted")]));
    put(store, "deleted", "anew");
    store.revoke_lease(first).unwrap().wait().unwrap();
    assert_eq!(keys(store, ""), ["deleted", "free", "moved"]);
    store.revoke_lease(second).unwrap().wait().unwrap();
    assert_eq!(keys(store, ""), ["deleted", "free"]);
}
