//! What every engine does alike.

use std::time::Duration;

use portcullis_core::Clock;
use portcullis_store::{
    Change, Compare, KEY_BYTES_MAX, LeaseId, Revision, StoreError, TXN_PARTS_MAX, Txn, VALUE_BYTES_MAX,
};

use crate::fixture::{Fixture, commit, delete, keys, put, refusal, told, value};
use crate::leases::{
    a_lease_lives_as_long_as_it_is_kept_alive, a_lease_takes_its_keys_along,
    a_lease_that_ran_out_takes_no_more_keys, a_put_moves_a_key_out_of_its_lease,
};

macro_rules! conformance {
    ($($name:ident)*) => {
        mod memory { $(#[test] fn $name() { super::$name(&mut super::Fixture::memory()); })* }
        mod disk { $(#[test] fn $name() { super::$name(&mut super::Fixture::disk()); })* }
    };
}

conformance! {
    a_new_store_is_empty_at_revision_0
    a_put_is_one_revision_and_is_read_back
    a_second_put_keeps_the_create_revision_and_a_delete_ends_it
    every_change_of_a_transaction_has_the_same_revision
    a_transaction_that_changes_nothing_has_no_revision
    each_condition_holds_exactly_when_it_should
    a_failed_condition_takes_the_other_branch
    the_limits_refuse_and_nothing_changes
    a_range_is_ordered_bounded_to_its_prefix_and_paged
    a_watch_tells_whole_transactions_of_its_prefix_in_order
    a_watch_starts_in_the_past_the_present_or_the_future
    a_watch_that_asks_for_forgotten_history_must_list_anew
    a_watch_that_does_not_read_ends_and_says_so
    a_list_and_a_watch_from_it_miss_nothing
    a_lease_takes_its_keys_along
    a_lease_lives_as_long_as_it_is_kept_alive
    a_lease_that_ran_out_takes_no_more_keys
    a_put_moves_a_key_out_of_its_lease
    opening_anew_keeps_documents_and_gives_leases_their_whole_time
    pipelined_transactions_see_those_before_them
    a_relaxed_write_is_acknowledged_at_once_and_final_after_the_next
    writers_at_the_same_time_lose_nothing
    a_pending_write_can_be_awaited
    shutdown_makes_everything_final_and_refuses_the_rest
}

fn a_new_store_is_empty_at_revision_0(fixture: &mut Fixture) {
    let page = fixture.store().range(b"", None, 10).unwrap();
    assert_eq!(
        (page.revision, page.entries.len(), page.more),
        (Revision(0), 0, false)
    );
    assert_eq!(fixture.store().revision(), Revision(0));
    assert_eq!(fixture.store().get(b"a").unwrap(), None);
}

fn a_put_is_one_revision_and_is_read_back(fixture: &mut Fixture) {
    let store = fixture.store();
    assert_eq!(put(store, "a", "1"), Revision(1));
    let entry = store.get(b"a").unwrap().unwrap();
    assert_eq!((&*entry.key, &*entry.value), (b"a".as_slice(), b"1".as_slice()));
    assert_eq!(
        (entry.create_revision, entry.mod_revision, entry.lease),
        (Revision(1), Revision(1), None)
    );
    assert_eq!(store.revision(), Revision(1));
    assert_eq!(put(store, "empty", ""), Revision(2));
    assert_eq!(value(store, "empty").as_deref(), Some(""));
}

fn a_second_put_keeps_the_create_revision_and_a_delete_ends_it(fixture: &mut Fixture) {
    let store = fixture.store();
    put(store, "a", "1");
    put(store, "a", "2");
    let entry = store.get(b"a").unwrap().unwrap();
    assert_eq!(
        (entry.create_revision, entry.mod_revision),
        (Revision(1), Revision(2))
    );
    assert_eq!(delete(store, "a"), Revision(3));
    assert_eq!(store.get(b"a").unwrap(), None);
    put(store, "a", "3");
    assert_eq!(store.get(b"a").unwrap().unwrap().create_revision, Revision(4));
}

fn every_change_of_a_transaction_has_the_same_revision(fixture: &mut Fixture) {
    let store = fixture.store();
    put(store, "gone", "1");
    let done = commit(
        store,
        Txn::of(vec![
            Change::put("a", "1"),
            Change::delete("gone"),
            Change::put("b", "2"),
        ]),
    );
    assert_eq!((done.revision, done.succeeded), (Revision(2), true));
    let entries = store.range(b"", None, 10).unwrap().entries;
    assert_eq!(
        entries.iter().map(|entry| entry.mod_revision).collect::<Vec<_>>(),
        [Revision(2), Revision(2)]
    );
}

fn a_transaction_that_changes_nothing_has_no_revision(fixture: &mut Fixture) {
    let store = fixture.store();
    put(store, "a", "1");
    assert_eq!(delete(store, "b"), Revision(1));
    let done = commit(store, Txn::default().when(Compare::Absent(b"a".to_vec())));
    assert_eq!((done.revision, done.succeeded), (Revision(1), false));
    assert_eq!(
        put(store, "a", "1"),
        Revision(2),
        "putting the same value again is a change"
    );
}

fn each_condition_holds_exactly_when_it_should(fixture: &mut Fixture) {
    let store = fixture.store();
    put(store, "a", "old");
    put(store, "a", "new");
    let (here, away) = (|| b"a".to_vec(), || b"b".to_vec());
    let cases = [
        (Compare::Absent(here()), false),
        (Compare::Absent(away()), true),
        (Compare::Present(here()), true),
        (Compare::Present(away()), false),
        (Compare::ModRevision(here(), Revision(2)), true),
        (Compare::ModRevision(here(), Revision(1)), false),
        (Compare::ModRevision(away(), Revision(0)), false),
        (Compare::CreateRevision(here(), Revision(1)), true),
        (Compare::CreateRevision(here(), Revision(2)), false),
        (Compare::Value(here(), b"new".to_vec()), true),
        (Compare::Value(here(), b"old".to_vec()), false),
        (Compare::Value(away(), b"".to_vec()), false),
    ];
    for (compare, holds) in cases {
        let done = commit(store, Txn::default().when(compare.clone()));
        assert_eq!(done.succeeded, holds, "{compare:?}");
    }
}

fn a_failed_condition_takes_the_other_branch(fixture: &mut Fixture) {
    let store = fixture.store();
    let claim = |name: &str| {
        Txn::of(vec![Change::put("name", name)])
            .when(Compare::Absent(b"name".to_vec()))
            .or_else(vec![Change::put(format!("refused/{name}"), "")])
    };
    assert!(commit(store, claim("first")).succeeded);
    assert!(!commit(store, claim("second")).succeeded);
    assert_eq!(value(store, "name").as_deref(), Some("first"));
    assert_eq!(keys(store, "refused/"), ["refused/second"]);
}

fn the_limits_refuse_and_nothing_changes(fixture: &mut Fixture) {
    let store = fixture.store();
    let try_put = |key: Vec<u8>, value: Vec<u8>| store.commit(Txn::of(vec![Change::put(key, value)]));
    assert_eq!(
        refusal(try_put(vec![], vec![])),
        StoreError::KeyLength { bytes: 0 }
    );
    let bytes = KEY_BYTES_MAX + 1;
    assert_eq!(
        refusal(try_put(vec![b'k'; bytes], vec![])),
        StoreError::KeyLength { bytes }
    );
    let bytes = VALUE_BYTES_MAX + 1;
    assert_eq!(
        refusal(try_put(vec![b'k'], vec![0; bytes])),
        StoreError::ValueLength { bytes }
    );
    let twice = Txn::of(vec![Change::put("a", "1"), Change::delete("a")]);
    assert_eq!(
        refusal(store.commit(twice)),
        StoreError::KeyTwice { key: "a".to_owned() }
    );
    let many = Txn::of(
        (0..=TXN_PARTS_MAX)
            .map(|n| Change::put(n.to_string(), ""))
            .collect(),
    );
    assert_eq!(refusal(store.commit(many)), StoreError::TooManyParts);
    let leased = Txn::of(vec![
        Change::put("a", "1"),
        Change::put_leased("b", "2", LeaseId(7)),
    ]);
    assert_eq!(refusal(store.commit(leased)), StoreError::NoSuchLease(LeaseId(7)));
    assert_eq!((store.revision(), keys(store, "").len()), (Revision(0), 0));
    try_put(vec![b'k'; KEY_BYTES_MAX], vec![1; VALUE_BYTES_MAX])
        .unwrap()
        .wait()
        .unwrap();
    assert_eq!(
        store.range(b"", None, 1).unwrap().entries[0].value.len(),
        VALUE_BYTES_MAX
    );
}

fn a_range_is_ordered_bounded_to_its_prefix_and_paged(fixture: &mut Fixture) {
    let store = fixture.store();
    for key in ["b/2", "a/1", "b/1", "b", "b/3", "c", "b0"] {
        put(store, key, "");
    }
    assert_eq!(keys(store, "b/"), ["b/1", "b/2", "b/3"]);
    assert_eq!(keys(store, ""), ["a/1", "b", "b/1", "b/2", "b/3", "b0", "c"]);
    assert_eq!(keys(store, "d"), Vec::<String>::new());
    let page = |after: Option<&str>, limit| {
        let page = store.range(b"b/", after.map(str::as_bytes), limit).unwrap();
        let last = page
            .entries
            .last()
            .map(|entry| String::from_utf8_lossy(&entry.key).into_owned());
        (page.entries.len(), last, page.more)
    };
    assert_eq!(page(None, 2), (2, Some("b/2".to_owned()), true));
    assert_eq!(page(Some("b/2"), 2), (1, Some("b/3".to_owned()), false));
    assert_eq!(page(Some("b/3"), 2), (0, None, false));
    assert_eq!(page(None, 3), (3, Some("b/3".to_owned()), false));
    assert_eq!(page(None, 0), (0, None, true));
    assert_eq!(
        page(Some("a"), 1),
        (1, Some("b/1".to_owned()), true),
        "after a key before the prefix"
    );
    assert_eq!(
        page(Some("c"), 1),
        (0, None, false),
        "after a key behind the prefix"
    );
}

fn a_watch_tells_whole_transactions_of_its_prefix_in_order(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut some = store.watch(b"a/", Revision(1)).unwrap();
    let mut all = store.watch(b"", Revision(1)).unwrap();
    commit(
        store,
        Txn::of(vec![
            Change::put("b/1", "x"),
            Change::put("a/2", "y"),
            Change::put("a/1", "z"),
        ]),
    );
    put(store, "b/1", "other");
    delete(store, "a/2");
    delete(store, "a/2");
    assert_eq!(told(&mut some), ["1:a/2=y,a/1=z", "3:-a/2"]);
    assert_eq!(told(&mut all), ["1:b/1=x,a/2=y,a/1=z", "2:b/1=other", "3:-a/2"]);
}

fn a_watch_starts_in_the_past_the_present_or_the_future(fixture: &mut Fixture) {
    let store = fixture.store();
    for n in 1..=3 {
        put(store, "a", &n.to_string());
    }
    let mut past = store.watch(b"a", Revision(2)).unwrap();
    let mut present = store.watch(b"a", Revision(4)).unwrap();
    let mut future = store.watch(b"a", Revision(5)).unwrap();
    for n in 4..=5 {
        put(store, "a", &n.to_string());
    }
    assert_eq!(told(&mut past), ["2:a=2", "3:a=3", "4:a=4", "5:a=5"]);
    assert_eq!(told(&mut present), ["4:a=4", "5:a=5"]);
    assert_eq!(told(&mut future), ["5:a=5"]);
}

fn a_watch_that_asks_for_forgotten_history_must_list_anew(fixture: &mut Fixture) {
    let store = fixture.store();
    assert_eq!(
        refusal(store.watch(b"", Revision(0))),
        StoreError::TooOld { oldest: Revision(1) }
    );
    // Nine values of 1 MiB are more than the history keeps.
    let large = "x".repeat(1 << 20);
    for _ in 0..9 {
        put(store, "a", &large);
    }
    let StoreError::TooOld { oldest } = refusal(store.watch(b"", Revision(1))) else {
        panic!("not too old")
    };
    assert!(oldest > Revision(1), "{oldest}");
    let mut watch = store.watch(b"", oldest).unwrap();
    assert_eq!(watch.try_next().unwrap().unwrap().revision, oldest);
}

fn a_watch_that_does_not_read_ends_and_says_so(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut idle = store.watch(b"", Revision(1)).unwrap();
    let writes: Vec<_> = (0..17_000)
        .map(|_| store.commit(Txn::of(vec![Change::put("a", "")])).unwrap())
        .collect();
    for write in writes {
        write.wait().unwrap();
    }
    let end = loop {
        match idle.try_next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the watch must end"),
            Err(end) => break end,
        }
    };
    assert_eq!(end, StoreError::Lagged);
    assert_eq!(store.revision(), Revision(17_000));
}

fn a_list_and_a_watch_from_it_miss_nothing(fixture: &mut Fixture) {
    let store = fixture.store();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..200 {
                put(store, &format!("{n:03}"), "");
            }
        });
        let page = store.range(b"", None, usize::MAX).unwrap();
        let mut watch = store.watch(b"", page.revision.next()).unwrap();
        let mut seen: Vec<String> = page
            .entries
            .iter()
            .map(|entry| String::from_utf8_lossy(&entry.key).into_owned())
            .collect();
        while seen.len() < 200 {
            match watch.try_next().unwrap() {
                Some(changes) => seen.push(String::from_utf8_lossy(changes.events[0].key()).into_owned()),
                None => std::thread::yield_now(),
            }
        }
        let expected: Vec<String> = (0..200).map(|n| format!("{n:03}")).collect();
        assert_eq!(seen, expected);
    });
}

fn opening_anew_keeps_documents_and_gives_leases_their_whole_time(fixture: &mut Fixture) {
    let (lease, _granted) = fixture.store().grant_lease(Duration::from_secs(10)).unwrap();
    commit(
        fixture.store(),
        Txn::of(vec![Change::put_leased("a", "1", lease), Change::put("b", "2")]),
    );
    let before = fixture.store().range(b"", None, 10).unwrap();
    fixture.reopen();
    let (store, clock) = (fixture.store(), &fixture.clock);
    assert_eq!(store.range(b"", None, 10).unwrap(), before);
    clock.advance_seconds(9);
    assert!(store.expire_leases(clock.now()).unwrap().is_none());
    clock.advance_seconds(1);
    store.expire_leases(clock.now()).unwrap().unwrap().wait().unwrap();
    assert_eq!(keys(store, ""), ["b"]);
    assert_eq!(put(store, "c", ""), before.revision.next().next());
}

fn pipelined_transactions_see_those_before_them(fixture: &mut Fixture) {
    let store = fixture.store();
    let epoch = store.epoch();
    let first = store
        .commit(Txn::of(vec![Change::put("n", "1")]).at(epoch))
        .unwrap();
    let built_on = Compare::ModRevision(b"n".to_vec(), first.decided().revision);
    let second = store
        .commit(
            Txn::of(vec![Change::put("n", "2")])
                .when(built_on.clone())
                .at(epoch),
        )
        .unwrap();
    let third = store
        .commit(Txn::of(vec![Change::put("n", "3")]).when(built_on).at(epoch))
        .unwrap();
    assert_eq!(
        (second.decided().succeeded, third.decided().succeeded),
        (true, false)
    );
    assert_eq!(third.wait().unwrap().revision, Revision(2));
    assert_eq!(
        value(store, "n").as_deref(),
        Some("2"),
        "an answer comes only when what it is built on is final"
    );
    assert_eq!(second.wait().unwrap().revision, Revision(2));
    assert_eq!(first.wait().unwrap().revision, Revision(1));
}

fn a_relaxed_write_is_acknowledged_at_once_and_final_after_the_next(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut watch = store.watch(b"", Revision(1)).unwrap();
    for n in 0..3 {
        let relaxed = store
            .commit(Txn::of(vec![Change::put(format!("log/{n}"), "")]).relaxed())
            .unwrap();
        assert_eq!(relaxed.wait().unwrap().revision, Revision(n + 1));
    }
    assert_eq!(put(store, "a", ""), Revision(4));
    assert_eq!(keys(store, "log/").len(), 3);
    assert_eq!(told(&mut watch).len(), 4);
}

fn writers_at_the_same_time_lose_nothing(fixture: &mut Fixture) {
    let store = fixture.store();
    put(store, "sum", "0");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    while !add_one(store) {}
                }
            });
        }
    });
    assert_eq!(value(store, "sum").as_deref(), Some("200"));
}

/// Adds one to `sum`, unless somebody else was faster.
fn add_one(store: &dyn portcullis_store::Store) -> bool {
    let entry = store.get(b"sum").unwrap().unwrap();
    let sum: u64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
    let unchanged = Compare::ModRevision(b"sum".to_vec(), entry.mod_revision);
    commit(
        store,
        Txn::of(vec![Change::put("sum", (sum + 1).to_string())]).when(unchanged),
    )
    .succeeded
}

fn a_pending_write_can_be_awaited(fixture: &mut Fixture) {
    let store = fixture.store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut watch = store.watch(b"", Revision(1)).unwrap();
        let done = store
            .commit(Txn::of(vec![Change::put("a", "1")]))
            .unwrap()
            .await
            .unwrap();
        assert_eq!(watch.next().await.unwrap().revision, done.revision);
        store.shutdown();
        assert_eq!(watch.next().await, Err(StoreError::Closed));
    });
}

fn shutdown_makes_everything_final_and_refuses_the_rest(fixture: &mut Fixture) {
    let store = fixture.store();
    let writes: Vec<_> = (0..100)
        .map(|n| {
            store
                .commit(Txn::of(vec![Change::put(n.to_string(), "")]))
                .unwrap()
        })
        .collect();
    let _relaxed = store
        .commit(Txn::of(vec![Change::put("relaxed", "")]).relaxed())
        .unwrap();
    store.shutdown();
    for write in writes {
        write.wait().unwrap();
    }
    assert_eq!(refusal(store.commit(Txn::default())), StoreError::Closed);
    assert_eq!(refusal(store.get(b"0")), StoreError::Closed);
    assert_eq!(refusal(store.watch(b"", Revision(102))), StoreError::Closed);
    store.shutdown();
    if fixture.lasts() {
        fixture.reopen();
        assert_eq!(keys(fixture.store(), "").len(), 101);
    }
}
