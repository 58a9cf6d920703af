//! Events that are sealed: only readers need what opens them.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_core::{Clock, Timestamp};
use portcullis_logs::{
    Followed, InputEvent, Logs, LogsError, Opener, Options, Order, Pattern, Read, Start, Streams,
};

use crate::support::{NOW, append, block_on, clock, event, group, open, question, small, stream};

const CANARY: &str = "canary-of-a-sealed-event";
const FIRST_JOURNAL: &str = "journal/0000000000000001.log";

/// Not a cipher, but nothing of what it seals is left to be read, and it knows its key.
pub fn seal(key: u8, clear: &[u8]) -> Vec<u8> {
    let sealed = clear.iter().map(|byte| byte ^ key);
    std::iter::once(key).chain(sealed).collect()
}

/// Opens what was sealed with one of these keys; counts how often.
pub fn opener(keys: &[u8], opened: &Arc<AtomicUsize>) -> Opener {
    let (keys, opened) = (keys.to_vec(), Arc::clone(opened));
    Opener::new(move |_, sealed| {
        opened.fetch_add(1, Ordering::Relaxed);
        let (key, rest) = sealed.split_first().unwrap();
        match keys.contains(key) {
            true => Ok(rest.iter().map(|byte| byte ^ key).collect()),
            false => Err(LogsError::Sealed(format!("no key {key}"))),
        }
    })
}

fn put(logs: &Logs, key: u8, name: &str, events: Vec<InputEvent>) {
    let sealed = |clear: &[u8]| Ok(seal(key, clear));
    block_on(logs.append_sealed(&group(0), &stream(name), events, Some(&sealed))).unwrap();
}

fn read(logs: &Logs, name: &str, from: i64) -> Result<Vec<String>, LogsError> {
    let page = block_on(logs.read(Read {
        group: group(0),
        stream: stream(name),
        from: Some(Timestamp::from_millis(from)),
        before: None,
        start: Start::Head,
        limit: 1000,
    }))?;
    Ok(page.events.into_iter().map(|event| event.message).collect())
}

fn lines(first: i64, count: i64) -> Vec<InputEvent> {
    (first..first + count)
        .map(|time| event(time, &format!("{CANARY} {time}")))
        .collect()
}

fn holds(directory: &Path, needle: &str) -> bool {
    fs::read_dir(directory).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

#[test]
fn sealed_events_go_through_journal_segments_merges_and_a_restart_without_being_opened() {
    let directory = tempfile::tempdir().unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let logs = open(directory.path());
    for batch in 0..40 {
        put(&logs, 7, "a", lines(batch * 10, 3));
        put(&logs, 8, "b", lines(batch * 10, 2));
        if batch % 3 == 0 {
            append(&logs, "a", vec![event(batch * 10 + 1, "clear")]);
        }
    }
    drop(logs);
    for _ in 0..2 {
        let logs = open(directory.path());
        logs.settle();
        assert!(!holds(directory.path(), CANARY));
        let summary = logs.stream(&group(0), &stream("a")).unwrap();
        assert_eq!(
            (summary.events, summary.last_event),
            (134, Timestamp::from_millis(392))
        );
        assert_eq!(opened.load(Ordering::Relaxed), 0);
        let readable = logs.opened_by(opener(&[7], &opened));
        let messages = read(&readable, "a", 0).unwrap();
        assert_eq!(messages.len(), 134);
        assert_eq!(messages.iter().filter(|text| *text == "clear").count(), 14);
        let times: Vec<i64> = messages
            .iter()
            .filter_map(|text| text.strip_prefix(CANARY)?.trim().parse().ok())
            .collect();
        assert!(times.is_sorted() && times.len() == 120);
        assert_eq!(opened.swap(0, Ordering::Relaxed), 40);
        assert_eq!(read(&readable, "a", 391).unwrap().len(), 3);
        assert_eq!(
            opened.swap(0, Ordering::Relaxed),
            1,
            "what is not reached is not opened"
        );
        assert!(matches!(read(&readable, "b", 0), Err(LogsError::Sealed(why)) if why == "no key 8"));
        opened.store(0, Ordering::Relaxed);
    }
}

#[test]
fn who_cannot_open_sees_the_events_that_are_not_sealed() {
    let logs = Logs::in_memory(clock(), small());
    append(&logs, "a", vec![event(1, "before")]);
    put(&logs, 7, "a", lines(10, 1));
    append(&logs, "a", vec![event(20, "after")]);
    assert_eq!(read(&logs, "a", 11).unwrap(), ["after"]);
    assert!(matches!(read(&logs, "a", 0), Err(LogsError::Sealed(_))));
    let mut newest = question(Streams::All, "");
    (newest.order, newest.from) = (Order::NewestFirst, Some(Timestamp::from_millis(15)));
    assert_eq!(block_on(logs.filter(newest)).unwrap().events.len(), 1);
    let readable = logs.opened_by(opener(&[7], &Arc::default()));
    assert_eq!(read(&readable, "a", 0).unwrap().len(), 3);
}

#[test]
fn what_cannot_be_sealed_is_not_taken() {
    let logs = Logs::in_memory(clock(), small());
    let refused = |_: &[u8]| Err(LogsError::Sealed("no key".to_owned()));
    let put = block_on(logs.append_sealed(&group(0), &stream("a"), lines(0, 1), Some(&refused)));
    assert_eq!(put, Err(LogsError::Sealed("no key".to_owned())));
    assert!(logs.stream(&group(0), &stream("a")).is_none());
}

#[test]
fn a_journal_with_sealed_batches_cut_at_any_byte_has_whole_batches_only() {
    let original = tempfile::tempdir().unwrap();
    let logs = Logs::in_directory(original.path(), clock(), Options::default()).unwrap();
    for batch in 0..4 {
        put(&logs, 7, "a", lines(batch * 10, 3));
    }
    drop(logs);
    let journal = fs::read(original.path().join(FIRST_JOURNAL)).unwrap();
    let group_file = "groups/0000000000000001/group.json";
    let mut last = 0;
    for cut in (28..journal.len()).step_by(5).chain([journal.len()]) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join(group_file).parent().unwrap()).unwrap();
        fs::create_dir(directory.path().join("journal")).unwrap();
        fs::copy(
            original.path().join(group_file),
            directory.path().join(group_file),
        )
        .unwrap();
        fs::write(directory.path().join(FIRST_JOURNAL), &journal[..cut]).unwrap();
        let readable = open(directory.path()).opened_by(opener(&[7], &Arc::default()));
        let found = read(&readable, "a", 0).unwrap().len();
        assert!(
            found.is_multiple_of(3) && found >= last,
            "{found} after {cut} bytes"
        );
        last = found;
    }
    assert_eq!(last, 12);
}

#[test]
fn removal_and_retention_take_sealed_events_away_unopened() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let logs = Logs::in_directory(directory.path(), Arc::clone(&clock) as Arc<dyn Clock>, small()).unwrap();
    for batch in 0..20 {
        put(&logs, 7, "goes", lines(NOW + batch, 4));
        put(&logs, 7, "stays", lines(NOW + batch, 4));
    }
    logs.settle();
    let before = logs.stored_bytes();
    block_on(logs.remove_stream(&group(0), &stream("goes"))).unwrap();
    put(&logs, 7, "goes", lines(NOW, 1));
    logs.settle();
    assert!(logs.stored_bytes() < before);
    let readable = logs.opened_by(opener(&[7], &Arc::default()));
    assert_eq!(read(&readable, "goes", 0).unwrap().len(), 1);
    assert_eq!(read(&readable, "stays", 0).unwrap().len(), 80);
    block_on(logs.retain(&group(0), Some(1))).unwrap();
    clock.advance_seconds(2 * 86_400);
    assert_eq!(read(&readable, "stays", 0).unwrap().len(), 0);
    assert_eq!(logs.stream(&group(0), &stream("stays")), None);
}

#[test]
fn who_follows_sees_sealed_events_as_they_come() {
    let logs = Logs::in_memory(clock(), small());
    let followed = Followed {
        group: group(0),
        streams: Streams::All,
    };
    let mut follower = logs.follow(vec![followed], Pattern::parse("canary").unwrap());
    put(&logs, 7, "a", lines(0, 2));
    let live = block_on(follower.next()).unwrap();
    let seen: Vec<_> = live.events.iter().map(|one| one.event.message.as_str()).collect();
    assert_eq!(seen, [format!("{CANARY} 0"), format!("{CANARY} 1")]);
    let keys: Vec<u64> = live.events.iter().map(|one| one.event.key.sequence).collect();
    assert_eq!(keys, [1, 2]);
}
