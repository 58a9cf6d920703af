//! Random histories: every engine does what a naive map does.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis_store::{Change, Committed, Compare, Entry, Event, LeaseId, Revision, Store, Txn};
use proptest::prelude::*;

use crate::fixture::Fixture;

#[derive(Debug, Clone)]
enum Step {
    Commit {
        compare: Vec<Condition>,
        then: Vec<Write>,
        otherwise: Vec<Write>,
        relaxed: bool,
    },
    Range {
        prefix: String,
        after: Option<String>,
        limit: usize,
    },
    Grant,
    Revoke(usize),
    Reopen,
}

#[derive(Debug, Clone)]
enum Condition {
    Absent(String),
    Present(String),
    Modified(String, u64),
    Created(String, u64),
    Value(String, u8),
}

#[derive(Debug, Clone)]
enum Write {
    Put(String, u8, Option<usize>),
    Delete(String),
}

fn key() -> impl Strategy<Value = String> {
    "[ab]{1,3}"
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        key().prop_map(Condition::Absent),
        key().prop_map(Condition::Present),
        (key(), 0..20_u64).prop_map(|(key, at)| Condition::Modified(key, at)),
        (key(), 0..20_u64).prop_map(|(key, at)| Condition::Created(key, at)),
        (key(), 0..3_u8).prop_map(|(key, value)| Condition::Value(key, value)),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => (key(), 0..3_u8, proptest::option::weighted(0.3, 0..4_usize)).prop_map(|(k, v, l)| Write::Put(k, v, l)),
        1 => key().prop_map(Write::Delete),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let commit = (
        proptest::collection::vec(condition(), 0..3),
        proptest::collection::vec(write(), 0..4),
        proptest::collection::vec(write(), 0..3),
        proptest::bool::weighted(0.2),
    );
    prop_oneof![
        12 => commit.prop_map(|(compare, then, otherwise, relaxed)| Step::Commit { compare, then, otherwise, relaxed }),
        4 => ("[ab]{0,2}", proptest::option::of(key()), 0..6_usize)
            .prop_map(|(prefix, after, limit)| Step::Range { prefix, after, limit }),
        1 => Just(Step::Grant),
        1 => (0..4_usize).prop_map(Step::Revoke),
        1 => Just(Step::Reopen),
    ]
}

/// The obvious store.
#[derive(Debug, Default)]
struct Model {
    revision: u64,
    documents: BTreeMap<String, Document>,
    leases: Vec<LeaseId>,
    told: Vec<(u64, Vec<Told>)>,
}

/// A key and its new value, `None` when it was deleted.
type Told = (String, Option<u8>);

#[derive(Debug, Clone)]
struct Document {
    value: u8,
    created: u64,
    modified: u64,
    lease: Option<LeaseId>,
}

impl Model {
    fn holds(&self, condition: &Condition) -> bool {
        let of = |key: &String| self.documents.get(key);
        match condition {
            Condition::Absent(key) => of(key).is_none(),
            Condition::Present(key) => of(key).is_some(),
            Condition::Modified(key, at) => of(key).is_some_and(|document| document.modified == *at),
            Condition::Created(key, at) => of(key).is_some_and(|document| document.created == *at),
            Condition::Value(key, value) => of(key).is_some_and(|document| document.value == *value),
        }
    }

    fn commit(&mut self, compare: &[Condition], then: &[Write], otherwise: &[Write]) -> Committed {
        let succeeded = compare.iter().all(|condition| self.holds(condition));
        let next = self.revision + 1;
        let mut events = Vec::new();
        for write in if succeeded { then } else { otherwise } {
            match write {
                Write::Put(key, value, lease) => {
                    let created = self.documents.get(key).map_or(next, |document| document.created);
                    let lease = lease.and_then(|index| self.leases.get(index).copied());
                    let document = Document {
                        value: *value,
                        created,
                        modified: next,
                        lease,
                    };
                    self.documents.insert(key.clone(), document);
                    events.push((key.clone(), Some(*value)));
                }
                Write::Delete(key) => {
                    if self.documents.remove(key).is_some() {
                        events.push((key.clone(), None));
                    }
                }
            }
        }
        if !events.is_empty() {
            self.revision = next;
            self.told.push((next, events));
        }
        Committed {
            revision: Revision(self.revision),
            succeeded,
        }
    }

    fn revoke(&mut self, index: usize) -> LeaseId {
        let lease = self.leases.remove(index);
        self.revision += 1;
        let gone: Vec<String> = self
            .documents
            .iter()
            .filter(|(_, document)| document.lease == Some(lease))
            .map(|(key, _)| key.clone())
            .collect();
        for key in &gone {
            self.documents.remove(key);
        }
        if !gone.is_empty() {
            self.told
                .push((self.revision, gone.into_iter().map(|key| (key, None)).collect()));
        }
        lease
    }

    fn range(&self, prefix: &str, after: Option<&str>, limit: usize) -> (Vec<Entry>, bool) {
        let matching: Vec<Entry> = self
            .documents
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after))
            .map(|(key, document)| Entry {
                key: key.as_bytes().into(),
                value: vec![document.value].into(),
                create_revision: Revision(document.created),
                mod_revision: Revision(document.modified),
                lease: document.lease,
            })
            .collect();
        let more = matching.len() > limit;
        (matching.into_iter().take(limit).collect(), more)
    }
}

fn compare(condition: &Condition) -> Compare {
    match condition.clone() {
        Condition::Absent(key) => Compare::Absent(key.into()),
        Condition::Present(key) => Compare::Present(key.into()),
        Condition::Modified(key, at) => Compare::ModRevision(key.into(), Revision(at)),
        Condition::Created(key, at) => Compare::CreateRevision(key.into(), Revision(at)),
        Condition::Value(key, value) => Compare::Value(key.into(), vec![value]),
    }
}

fn changes(writes: &[Write], leases: &[LeaseId]) -> Vec<Change> {
    let change = |write: &Write| match write.clone() {
        Write::Put(key, value, lease) => {
            let lease = lease.and_then(|index| leases.get(index).copied());
            Change::Put {
                key: key.into(),
                value: vec![value],
                lease,
            }
        }
        Write::Delete(key) => Change::delete(key),
    };
    writes.iter().map(change).collect()
}

/// Keeps the last write of each key, since a transaction may change a key only once.
fn once_per_key(writes: Vec<Write>) -> Vec<Write> {
    let name = |write: &Write| match write {
        Write::Put(key, ..) | Write::Delete(key) => key.clone(),
    };
    let mut kept: Vec<Write> = Vec::new();
    for write in writes {
        kept.retain(|earlier| name(earlier) != name(&write));
        kept.push(write);
    }
    kept
}

fn play(fixture: &mut Fixture, steps: Vec<Step>, watch_from: u64) {
    let mut model = Model::default();
    let mut reopened_at = 0;
    for step in steps {
        match step {
            Step::Commit {
                compare: conditions,
                then,
                otherwise,
                relaxed,
            } => {
                let (then, otherwise) = (once_per_key(then), once_per_key(otherwise));
                let mut txn =
                    Txn::of(changes(&then, &model.leases)).or_else(changes(&otherwise, &model.leases));
                txn.compare = conditions.iter().map(compare).collect();
                let txn = if relaxed { txn.relaxed() } else { txn };
                let done = fixture.store().commit(txn).unwrap().wait().unwrap();
                assert_eq!(done, model.commit(&conditions, &then, &otherwise));
            }
            Step::Range { prefix, after, limit } => {
                let store = fixture.store();
                settle(store);
                let page = store
                    .range(prefix.as_bytes(), after.as_deref().map(str::as_bytes), limit)
                    .unwrap();
                let (entries, more) = model.range(&prefix, after.as_deref(), limit);
                assert_eq!(
                    (page.revision.0, page.entries, page.more),
                    (model.revision, entries, more)
                );
            }
            Step::Grant if model.leases.len() < 4 => {
                let (lease, granted) = fixture.store().grant_lease(Duration::from_secs(60)).unwrap();
                granted.wait().unwrap();
                model.revision += 1;
                assert_eq!(lease.0, model.revision);
                model.leases.push(lease);
            }
            Step::Revoke(index) if index < model.leases.len() => {
                let lease = model.revoke(index);
                let done = fixture.store().revoke_lease(lease).unwrap().wait().unwrap();
                assert_eq!(done.revision.0, model.revision);
            }
            Step::Reopen if fixture.lasts() => {
                fixture.reopen();
                reopened_at = model.revision;
            }
            Step::Grant | Step::Revoke(_) | Step::Reopen => {}
        }
    }
    settle(fixture.store());
    check_watch(fixture.store(), &model, watch_from.max(reopened_at + 1));
}

/// Waits until relaxed writes are final too.
fn settle(store: &dyn Store) {
    store.commit(Txn::default()).unwrap().wait().unwrap();
}

fn check_watch(store: &dyn Store, model: &Model, from: u64) {
    let mut watch = store.watch(b"a", Revision(from)).unwrap();
    let mut told = Vec::new();
    while let Some(changes) = watch.try_next().unwrap() {
        let event = |event: &Event| {
            let key = String::from_utf8(event.key().to_vec()).unwrap();
            match event {
                Event::Put(entry) => (key, Some(entry.value[0])),
                Event::Delete { .. } => (key, None),
            }
        };
        told.push((
            changes.revision.0,
            changes.events.iter().map(event).collect::<Vec<_>>(),
        ));
    }
    let expected: Vec<_> = model
        .told
        .iter()
        .filter(|(revision, _)| *revision >= from)
        .map(|(revision, events)| {
            (
                *revision,
                events
                    .iter()
                    .filter(|(key, _)| key.starts_with('a'))
                    .cloned()
                    .collect::<Vec<_>>(),
            )
        })
        .filter(|(_, events)| !events.is_empty())
        .collect();
    assert_eq!(told, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn memory_does_what_a_map_does(steps in proptest::collection::vec(step(), 0..40), watch_from in 1..30_u64) {
        play(&mut Fixture::memory(), steps, watch_from);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_part_does_what_a_map_does(steps in proptest::collection::vec(step(), 0..40), watch_from in 1..30_u64) {
        play(&mut Fixture::part(), steps, watch_from);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn disk_does_what_a_map_does(steps in proptest::collection::vec(step(), 0..40), watch_from in 1..30_u64) {
        play(&mut Fixture::disk(), steps, watch_from);
    }
}
